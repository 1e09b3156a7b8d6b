"""What methods without labels are worth for one model: learned, and tested, on its own measured conditions.

Every condition of a run gives what each method says (``label_free.predictions``) and what is true. A line through them
on the logit scale, families of shifts as random effects, turns what the methods say of other images into an estimate.
Each family is left out in turn: the methods that then miss least are taken, and the choice itself is tested by leaving
out a further family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.measures.base import Estimate
from brittlestar.measures.random_effects import MixedFit, highest_level, mixed_fit

Floats = npt.NDArray[np.float64]
Chosen = tuple[str, ...]

FEWEST_FAMILIES = 4
"""Of fewer, one that is left out leaves nothing to tell families apart by."""

FEWEST_CELLS = 12

LEVEL = 0.9
"""Of intervals, where the families bear it out."""

CANDIDATES: tuple[Chosen, ...] = (
    ("atc_confidence",),
    ("atc_entropy",),
    ("confidence_difference",),
    ("transport",),
    ("agreement",),
    ("atc_confidence", "agreement"),
    ("atc_entropy", "agreement"),
    ("confidence_difference", "agreement"),
    ("transport", "agreement"),
    ("atc_entropy", "transport"),
    ("atc_entropy", "transport", "agreement"),
    ("atc_entropy", "confidence_difference", "transport", "agreement"),
)
"""Methods that a line may rest on together: few, and named before any result, as choosing has its price."""


NEED_MIX = frozenset({"transport"})
"""Methods that take the classes to be mixed as in the run's data: they see a model answer one class too often, which it
also does where there is more of that class."""


@dataclass(frozen=True, kw_only=True)
class KnownCell:
    """One measured condition.

    Fields:
        condition: Its id.
        family: Of its shift.
        said: What each method says, a share of right answers.
        right, samples: How many answers are right, of how many.
    """

    condition: str
    family: str
    said: Mapping[str, float]
    right: int
    samples: int

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.samples


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A condition as it is estimated when its whole family is left out."""

    cell: KnownCell
    estimate: Estimate

    @property
    def miss(self) -> float:
        """How far the estimate is from the truth."""
        return abs(self.estimate.value - self.cell.accuracy)

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth."""
        return self.estimate.low <= self.cell.accuracy <= self.estimate.high


@dataclass(frozen=True, kw_only=True)
class LabelFreeFit:
    """The line of one model, and what it was worth on families that it had not seen.

    Fields:
        chosen: Methods that it rests on.
        fit: The line.
        clean: Accuracy on clean images.
        level: Of the intervals.
        left_out: Every condition, estimated without its family by the methods chosen **without it**: nested.
        errors: Mean error of each candidate with families left out; families count alike.
        plain: Mean error of each method as it stands, not calibrated, and of assuming the clean accuracy (``clean``).
    """

    chosen: Chosen
    fit: MixedFit
    clean: float
    level: float
    left_out: tuple[LeftOut, ...]
    errors: Mapping[Chosen, float]
    plain: Mapping[str, float]

    @property
    def miss(self) -> float:
        """Mean error on left-out families, with the choice of methods tested as well; families count alike."""
        return _by_family([one.miss for one in self.left_out], [one.cell.family for one in self.left_out])

    @property
    def covered(self) -> int:
        """How many left-out conditions lie within their intervals."""
        return sum(one.covered for one in self.left_out)

    @property
    def families(self) -> tuple[str, ...]:
        """Of the conditions, in order of their names."""
        return tuple(sorted({one.cell.family for one in self.left_out}))

    def estimate(self, said: Mapping[str, float], samples: int) -> Estimate:
        """Share of right answers among images of a family that was not seen, estimated without labels.

        Args:
            said: What the methods say of them.
            samples: How many different images there are; the interval has their binomial noise.
        """
        return _estimate(self.fit, self.chosen, said, samples, self.level)


def require_enough(families: Sequence[str]) -> None:
    """Refuse too few conditions; ``families`` has that of each.

    Raises:
        UsageError: With what to do.
    """
    named = sorted(set(families))
    require(
        len(named) >= FEWEST_FAMILIES and len(families) >= FEWEST_CELLS,
        f"an estimate without labels is tested on families of shifts that it has not seen: it takes {FEWEST_FAMILIES} "
        f"families and {FEWEST_CELLS} conditions, this run has {len(named)} ({', '.join(named) or 'none'}) and "
        f"{len(families)}; {_more()}",
        UsageError,
    )


def _more() -> str:
    return f"measure more: `brittlestar run` into the same folder with {option('suite', 'broad')}"


def label_free_fit(
    cells: Sequence[KnownCell], clean: float, level: float | None = None, *, any_mix: bool = False
) -> LabelFreeFit:
    """Learn what methods are worth, and choose among ``CANDIDATES``.

    Args:
        cells: KnownModel conditions, without the clean one.
        clean: Accuracy on clean images.
        level: Of the intervals; by default ``LEVEL``, or what the families bear out where that is less.
        any_mix: Whether the classes may be mixed otherwise than in the run's data (``NEED_MIX`` is left out then).

    Raises:
        UsageError: Too few families or conditions, or a level that they do not bear out.
    """
    require_enough([cell.family for cell in cells])
    families = sorted({cell.family for cell in cells})
    level = min(LEVEL, highest_level(len(families))) if level is None else level
    require(
        0 < level <= highest_level(len(families)) + 1e-12,
        f"{len(families)} families of shifts ({', '.join(families)}) bear out intervals of at most "
        f"{100 * highest_level(len(families)):.1f} % (n of n + 1), got {option('level', level)}: take a lower one, or "
        f"{_more()}",
        UsageError,
    )
    table = _Table(cells, families)
    candidates = [c for c in CANDIDATES if all(set(c) <= set(cell.said) for cell in cells)]
    candidates = [c for c in candidates if not (any_mix and NEED_MIX & set(c))]
    everything = frozenset[int]()
    errors = {c: table.error(c, everything) for c in candidates}
    chosen = min(candidates, key=lambda c: errors[c])
    left_out = []
    for number, family in enumerate(families):
        without = frozenset({number})
        best = min(candidates, key=lambda c: table.error(c, without))
        fit = table.fit(best, without)
        for cell in cells:
            if cell.family == family:
                # With one family fewer, at the level that is shown.
                estimate = _estimate(fit, best, cell.said, cell.samples, level)
                left_out.append(LeftOut(cell=cell, estimate=estimate))
    own = [cell.family for cell in cells]
    methods = list(dict.fromkeys(m for c in candidates for m in c))
    plain = {m: _by_family([abs(cell.said[m] - cell.accuracy) for cell in cells], own) for m in methods}
    plain["clean"] = _by_family([abs(clean - cell.accuracy) for cell in cells], own)
    return LabelFreeFit(
        chosen=chosen,
        fit=table.fit(chosen, everything),
        clean=clean,
        level=level,
        left_out=tuple(left_out),
        errors=errors,
        plain=plain,
    )


def _by_family(misses: Sequence[float], families: Sequence[str]) -> float:
    by: dict[str, list[float]] = {}
    for miss, family in zip(misses, families, strict=True):
        by.setdefault(family, []).append(miss)
    return float(np.mean([np.mean(own) for own in by.values()]))


def _logit(shares: Floats, samples: Floats) -> Floats:
    # Half a sample is added on both sides: 0 and 1 have no logit.
    p = (shares * samples + 0.5) / (samples + 1)
    return np.asarray(np.log(p) - np.log1p(-p))


def _sampling(shares: Floats, samples: Floats) -> Floats:
    """Binomial variance of a share's logit."""
    p = (shares * samples + 1) / (samples + 2)
    return np.asarray(1 / ((samples + 2) * p * (1 - p)))


def _expit(value: float) -> float:
    return float(special.expit(value))


def _regressors(chosen: Chosen, said: Mapping[str, float], samples: int) -> Floats:
    count = np.array([float(samples)])
    return np.array([1.0, *(float(_logit(np.array([said[m]]), count)[0]) for m in chosen)])


def _estimate(fit: MixedFit, chosen: Chosen, said: Mapping[str, float], samples: int, level: float) -> Estimate:
    x = _regressors(chosen, said, samples)
    value = _expit(fit.at(x))
    noise = float(_sampling(np.array([value]), np.array([float(samples)]))[0])
    reach = fit.reach(level) * fit.spread(x, noise)
    low, high = _expit(fit.at(x) - reach), _expit(fit.at(x) + reach)
    return Estimate(value=value, low=low, high=high, n=samples, level=level, method="random effects over families")


class _Table:
    """The cells as arrays; fits without some families, each once."""

    def __init__(self, cells: Sequence[KnownCell], families: Sequence[str]) -> None:
        self.cells, self.families = cells, families
        self.family = np.array([families.index(cell.family) for cell in cells], np.int64)
        self.accuracy = np.array([cell.accuracy for cell in cells])
        samples = np.array([float(cell.samples) for cell in cells])
        self.y, self.sampling = _logit(self.accuracy, samples), _sampling(self.accuracy, samples)
        self._x: dict[Chosen, Floats] = {}
        self._fits: dict[tuple[Chosen, frozenset[int]], MixedFit] = {}

    def x(self, chosen: Chosen) -> Floats:
        """(cells, 1 + methods) regressors."""
        if chosen not in self._x:
            self._x[chosen] = np.stack([_regressors(chosen, cell.said, cell.samples) for cell in self.cells])
        return self._x[chosen]

    def fit(self, chosen: Chosen, without: frozenset[int]) -> MixedFit:
        """The line through all families but these."""
        key = chosen, without
        if key not in self._fits:
            kept = ~np.isin(self.family, list(without))
            x = self.x(chosen)[kept]
            self._fits[key] = mixed_fit(self.y[kept], x, self.family[kept], self.sampling[kept])
        return self._fits[key]

    def error(self, chosen: Chosen, without: frozenset[int]) -> float:
        """Mean error on each family of the others, left out in turn; families count alike."""
        misses = []
        for number in range(len(self.families)):
            if number not in without:
                own, fit = self.family == number, self.fit(chosen, without | {number})
                values = special.expit(self.x(chosen)[own] @ fit.coefficients)
                misses.append(float(np.abs(values - self.accuracy[own]).mean()))
        return float(np.mean(misses))
