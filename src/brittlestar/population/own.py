"""A person's own models among a population: their accuracies from run folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar import measures
from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.places import place
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate
from brittlestar.measures.lines import FittedLine
from brittlestar.measures.robustness import effective_robustness
from brittlestar.population.claims import Compared, PopulationClaims
from brittlestar.population.table import Population, PopulationSetting
from brittlestar.store import RunStore, stopping_rule


@dataclass(frozen=True, kw_only=True)
class OwnPoint:
    """A model of a run on a column: both accuracies, and the effective robustness; extrapolated or not."""

    column: Compared
    clean: Estimate
    shifted: Estimate
    beyond: Estimate
    extrapolated: bool


@dataclass(frozen=True, kw_only=True)
class OwnModel:
    """A model of a run.

    Fields:
        name: As the run calls it.
        accuracy: By setting of the population.
        points: Where both accuracies of a column are known.
    """

    name: str
    accuracy: Mapping[str, Estimate]
    points: tuple[OwnPoint, ...] = ()


def parse_run(text: str) -> tuple[str, Path]:
    """``[SETTING=]RUN``: the setting that the run's clean images are, empty for the population's clean one."""
    setting, equals, run = text.rpartition("=")
    return (setting, place(run)) if equals else ("", place(text))


def read_own(runs: Sequence[str], population: Population, level: float = LEVEL) -> list[OwnModel]:
    """The models of runs, with their accuracies on the population's settings.

    A run's clean images are the population's clean set, or the setting named before it; its published corruptions are
    those of the same name and severity, and their means over severities where it has all of them.

    Raises:
        DataError: No such setting, or data of another number of classes.
        StoreError: No run folder.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for text in runs:
        setting, folder = parse_run(text)
        name = setting or population.clean
        require(
            name in {s.name for s in population.settings},
            f"the run {text}: the population has no setting {name!r}; there are "
            f"{', '.join(s.name for s in population.settings if not s.part)}",
            DataError,
        )
        store = RunStore.open(folder)
        classes = len(store.manifest.data.get("classes", ()))
        require(
            population.classes is None or classes == population.classes or bool(setting),
            f"the run {text} has {classes} classes, the population {population.classes}: accuracies of another task "
            "have no place among its models",
            DataError,
        )
        rule = stopping_rule(store.manifest.sessions).rule
        infos = store.manifest.conditions
        wanted = [i for i in infos.values() if i.kind in ("clean", "shift")]
        for model, about in store.manifest.models.items():
            rows = store.read(about["fingerprint"], [i.fingerprint for i in wanted], detail=False)
            own = found.setdefault(model, {})
            clean = [rows[i.fingerprint] for i in wanted if i.kind == "clean" and i.fingerprint in rows]
            if clean:
                own[name] = measures.accuracy(clean[0], rule, level)
            if not setting:
                shifts: dict[tuple[str, int | None], Rows] = {
                    (i.shift, i.severity): rows[i.fingerprint]
                    for i in wanted
                    if i.kind == "shift" and i.severity is not None and i.fingerprint in rows
                }
                own |= _corruptions(population, shifts, rule, level)
    return [OwnModel(name=model, accuracy=accuracy) for model, accuracy in found.items()]


def _corruptions(
    population: Population, shifts: Mapping[tuple[str, int | None], Rows], rule: str, level: float
) -> dict[str, Estimate]:
    known: dict[str, Estimate] = {}
    for setting in population.settings:
        parts = _parts(population, setting, shifts)
        if parts:
            known[setting.name] = measures.mean_error(parts, rule, level).complement()
    return known


def _parts(
    population: Population, setting: PopulationSetting, shifts: Mapping[tuple[str, int | None], Rows]
) -> list[Rows]:
    members = [population.setting(m) for m in setting.members] or [setting]
    keys = [(m.shift, m.severity) for m in members]
    return [shifts[k] for k in keys] if setting.shift and all(k in shifts for k in keys) else []


def placed(models: Sequence[OwnModel], claims: PopulationClaims, level: float = LEVEL) -> list[OwnModel]:
    """The same models with their points on the columns.

    Raises:
        DataError: No model has both accuracies of any column.
    """
    told = []
    for model in models:
        points = []
        for claim in (*claims.columns, *claims.parts):
            column = claim.column
            clean, shifted = (model.accuracy.get(s.name) for s in (column.against, column.setting))
            if clean is not None and shifted is not None:
                points.append(_point(column, clean, shifted, claim.line, level))
        told.append(OwnModel(name=model.name, accuracy=model.accuracy, points=tuple(points)))
    require(
        any(m.points for m in told) or not told,
        "the runs have no setting of the population beside clean images: run its corruptions "
        f"({option('suite', 'imagenet-c')}), or name the natural set that a run is of, SETTING=RUN",
        DataError,
    )
    return told


def _point(column: Compared, clean: Estimate, shifted: Estimate, line: FittedLine, level: float) -> OwnPoint:
    return OwnPoint(
        column=column,
        clean=clean,
        shifted=shifted,
        beyond=effective_robustness(clean.value, shifted.value, line, clean.n, shifted.n, level),
        extrapolated=bool(line.extrapolated(clean.value)),
    )
