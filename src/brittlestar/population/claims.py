"""The claim about a type of models, for every column: above or below the line of standard models?

Two measures, as everywhere: *effective robustness* (beyond the line) and *beyond dilution*
(``measures.robustness``). A type is called more (less) robust on a column only where both say so, over all its models
and over those alone whose clean accuracy lies in the range the line was fitted in, after Holm's correction over all
columns. All else is no claim: a type that is merely worse lies on the line, one that is merely diluted above it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.options import option
from brittlestar.measures import holm
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError
from brittlestar.measures.lines import FEWEST, FittedLine, fit_line
from brittlestar.measures.robustness import (
    TypeEffect,
    mean_against,
    mean_beyond_dilution,
    mean_effective_robustness,
    mean_paired,
)
from brittlestar.population.table import Flags, Floats, Population, PopulationSetting

Stand = Literal["more robust", "less robust", "depends on the scale", "depends on extrapolation", "no difference shown"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A setting and the clean one that it is held against."""

    setting: PopulationSetting
    against: PopulationSetting
    own: bool

    @property
    def title(self) -> str:
        """For people; the clean set is named where it is not the table's own."""
        return self.setting.title if self.own else f"{self.setting.title} against {self.against.title}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnClaim:
    """A type of models on one column.

    Fields:
        column: Which.
        line: Of the standard models.
        families_line: The same, resampled by families; ``None`` with too few.
        typed: (models,) which are of the type and have both accuracies; ``standing`` the same of the line's models.
        raw: Mean accuracy less that of the standard models.
        beyond: Mean effective robustness.
        inside: The same without models outside the fitted range; ``None`` with fewer than two left.
        diluted: Mean beyond dilution.
        families: Mean effective robustness, each family counting once; ``None`` with one family.
        relative: Mean over the models whose base is known of their accuracy less its; ``None`` with fewer than two.
        extrapolated: How many of the type lie outside the fitted range.
        below, above: How many families lie below and above the line on average.
        p: Of the claim, corrected for the number of columns.
        raw_p, families_p: The same of ``raw`` and of ``families``.
        stand: What may be said.
    """

    column: Compared
    line: FittedLine
    typed: Flags
    standing: Flags
    raw: TypeEffect
    beyond: TypeEffect
    inside: TypeEffect | None
    diluted: TypeEffect
    families: TypeEffect | None
    relative: TypeEffect | None
    extrapolated: int
    below: int
    above: int
    p: float = 1.0
    raw_p: float = 1.0
    families_p: float = 1.0
    stand: Stand = "no difference shown"

    @property
    def models(self) -> int:
        """Of the type."""
        return int(self.typed.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationClaims:
    """The claim for every column of a population.

    Fields:
        population: Whose.
        claimed, standard: The types.
        scale: Of the lines.
        columns: Means over severities and single settings, corrected together.
        parts: Every severity, corrected together.
        left_out: Why a column is not compared, a sentence each.
    """

    population: Population
    claimed: str
    standard: str
    scale: str
    columns: tuple[ColumnClaim, ...]
    parts: tuple[ColumnClaim, ...]
    left_out: tuple[str, ...]


def analysed(
    population: Population,
    *,
    claimed: str | None = None,
    standard: str | None = None,
    scale: str = "logit",
    seed: int = 0,
    level: float = LEVEL,
) -> PopulationClaims:
    """Hold a type of models against standard ones on every column.

    Args:
        population: Of tables.
        claimed: The type that the claim is about; ``None``: the table's adversarially trained models.
        standard: The type that lines are fitted to; ``None``: the table's own.
        scale: ``raw``, ``probit`` or ``logit``.
        seed: Of the bootstrap.
        level: Of all intervals.

    Raises:
        DataError: No such type, too few models of one, or no column to compare.
    """
    kind = _type(population, claimed if claimed is not None else population.claimed, "claimed")
    base = _type(population, standard if standard is not None else population.standard, "standard")
    require(kind != base, f"{option('claimed')} and {option('standard')} are both {kind}: name two types", DataError)
    found: list[ColumnClaim] = []
    left_out = []
    for column in compared(population):
        try:
            found.append(_claim(population, column, kind, base, scale, seed, level))
        except NoSamplesError as error:
            left_out.append(f"{column.title}: {error}")
    require(
        bool(found),
        f"no column can be compared: {'; '.join(left_out[:3]) or 'the table has a clean one alone'}",
        DataError,
    )
    whole = corrected([c for c in found if not c.column.setting.part], level)
    parts = corrected([c for c in found if c.column.setting.part], level)
    return PopulationClaims(
        population=population,
        claimed=kind,
        standard=base,
        scale=scale,
        columns=tuple(whole),
        parts=tuple(parts),
        left_out=tuple(left_out),
    )


def _type(population: Population, name: str, which: str) -> str:
    typed = population.typed()
    there = ", ".join(f"{t} ({n})" for t, n in typed.items())
    require(
        bool(there),
        f"no model's kind of training is known: give a column type, or {option('types', 'testbed-model-types.json')}",
        DataError,
    )
    require(bool(name), f"the table does not say which models are {which}: name {option(which)}, of {there}", DataError)
    if name not in typed:
        raise unknown("type", name, typed, "brittlestar population TABLE")
    return name


def compared(population: Population) -> list[Compared]:
    """Every setting against the clean one, or against those that it names."""
    found = []
    names = {s.name for s in population.settings}
    for setting in population.settings:
        if setting.kind in ("clean", "other") or setting.name == population.clean:
            continue
        against = [a for a in setting.against if a in names] or [population.clean]
        found += [Compared(setting=setting, against=population.setting(a), own=a == population.clean) for a in against]
    return found


def standing_models(
    population: Population, column: Compared, standard: str, scale: str
) -> tuple[Flags, Floats, Floats]:
    """(which models fit the line, x, y); on probit and logit, accuracies of 0 and 1 have no place."""
    x, y = population.column(column.against.name), population.column(column.setting.name)
    usable = np.isfinite(x) & np.isfinite(y)
    if scale != "raw":
        usable &= (x > 0) & (x < 1) & (y > 0) & (y < 1)
    # The table's own rule leaves out some of its standard models; another type that a person names has no such rule.
    ruled = population.fitted if standard == population.standard else np.ones(len(x), dtype=np.bool_)
    return usable & population.of_type(standard) & ruled, x, y


def _claim(
    population: Population, column: Compared, kind: str, base: str, scale: str, seed: int, level: float
) -> ColumnClaim:
    standing, x, y = standing_models(population, column, base, scale)
    if standing.sum() < FEWEST:
        raise NoSamplesError(f"{int(standing.sum())} {base} models have both accuracies, a line needs {FEWEST}")
    typed = population.of_type(kind) & np.isfinite(x) & np.isfinite(y) & (x > 0) & (x < 1)
    if typed.sum() < 2:
        raise NoSamplesError(f"{int(typed.sum())} {kind} models have both accuracies, a mean needs 2")
    family = np.asarray(population.families)
    line = fit_line(x[standing], y[standing], scale, seed=seed)
    outside = typed & line.extrapolated(x)
    inside = typed & ~outside
    chances = (column.against.chance, column.setting.chance)
    own, theirs = family[typed], family[standing]
    rho = y[typed] - line.predict(x[typed])
    means = [float(rho[own == name].mean()) for name in np.unique(own)]
    return ColumnClaim(
        column=column,
        line=line,
        typed=typed,
        standing=standing,
        raw=mean_against(y[typed], y[standing], level=level),
        beyond=mean_effective_robustness(x[typed], y[typed], line, level=level),
        inside=mean_effective_robustness(x[inside], y[inside], line, level=level) if inside.sum() >= 2 else None,
        diluted=mean_beyond_dilution(x[typed], y[typed], x[standing], y[standing], chances=chances, level=level),
        families=_over_families(x, y, typed, standing, list(own), list(theirs), scale, seed, level),
        relative=_relative(population, y, typed, level),
        extrapolated=int(outside.sum()),
        below=sum(m < 0 for m in means),
        above=sum(m > 0 for m in means),
    )


def _over_families(
    x: Floats,
    y: Floats,
    typed: Flags,
    standing: Flags,
    own: Sequence[str],
    theirs: Sequence[str],
    scale: str,
    seed: int,
    level: float,
) -> TypeEffect | None:
    if len(set(own)) < 2 or len(set(theirs)) < 3:
        return None
    line = fit_line(x[standing], y[standing], scale, groups=theirs, seed=seed)
    return mean_effective_robustness(x[typed], y[typed], line, groups=own, level=level)


def _relative(population: Population, y: Floats, typed: Flags, level: float) -> TypeEffect | None:
    place = {m: i for i, m in enumerate(population.models)}
    pairs = [(i, place[population.bases[i]]) for i in np.flatnonzero(typed) if population.bases[i] in place]
    apart = np.asarray([y[i] - y[j] for i, j in pairs if np.isfinite(y[j])])
    return mean_paired(apart, level) if len(apart) >= 2 and np.ptp(apart) > 0 else None


def corrected(claims: Sequence[ColumnClaim], level: float = LEVEL) -> list[ColumnClaim]:
    """The same with p-values corrected by Holm over all of them, and what may be said."""
    if not claims:
        return []
    alarm = 1 - level
    ps = holm([_joint_p(c) for c in claims])
    alone = holm([c.beyond.p for c in claims])
    raw = holm([c.raw.p for c in claims])
    families = holm([1.0 if c.families is None else c.families.p for c in claims])
    return [
        dataclasses.replace(
            claim, p=float(p), raw_p=float(r), families_p=float(f), stand=_stand(claim, float(p), float(own), alarm)
        )
        for claim, p, r, own, f in zip(claims, ps, raw, alone, families, strict=True)
    ]


def _joint_p(claim: ColumnClaim) -> float:
    """That not all of the measures have the sign of the first: the largest of theirs (intersection-union)."""
    if claim.inside is None:
        return 1.0
    parts = (claim.beyond, claim.inside, claim.diluted)
    same = len({np.sign(part.estimate.value) for part in parts}) == 1
    return max(part.p for part in parts) if same else 1.0


def _stand(claim: ColumnClaim, p: float, alone: float, alarm: float) -> Stand:
    if p < alarm:
        return "more robust" if claim.beyond.estimate.value > 0 else "less robust"
    if alone >= alarm:
        return "no difference shown"
    inside = claim.inside
    if inside is None or inside.p >= alarm or inside.estimate.value * claim.beyond.estimate.value <= 0:
        return "depends on extrapolation"
    return "depends on the scale"


def sign_of(estimate: Estimate) -> str:
    """``above``, ``below`` or ``on`` the line."""
    return "above" if estimate.low > 0 else "below" if estimate.high < 0 else "on"
