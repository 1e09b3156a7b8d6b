"""Models against each other on the same images: paired differences, a test of each, Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures.base import Estimate
from brittlestar.measures.samples import Samples
from brittlestar.measures.sensitivity import Sensitivity
from brittlestar.report.gather import Gathered
from brittlestar.report.grids import Grid, GridCell, GridGroup, grid_of
from brittlestar.report.numbers import Numbers
from brittlestar.report.series import Series, series_of
from brittlestar.report.subjects import ModelEntry, Subject

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class ModelPair:
    """Two models on the same samples: error of ``model`` minus error of ``against``, over the conditions both have.

    ``sensitivity`` is that of the mean over shifts; ``families`` have (family, conditions, raw, against clean).
    """

    model: ModelEntry
    against: ModelEntry
    mean: Estimate | None
    conditions: int
    better: int
    worse: int
    families: tuple[tuple[str, int, Estimate, Sensitivity | None], ...]
    sensitivity: Sensitivity | None


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Differences between models and the grid of paired differences, corrected for the number of ``tests``.

    ``test`` is what each of them is, in words.
    """

    pairs: tuple[ModelPair, ...]
    grid: Grid
    tests: int
    test: str = "exact McNemar test"


def paired_differences(gathered: Gathered, numbers: Numbers) -> Differences | None:
    """Every later model against the first of its data set, over clean, shifted and attacked conditions."""
    pairs = reference_pairs(gathered)
    listed = series_of(gathered, "clean", "shift", "attack")
    wanted = [info.id for series in listed for info in series.infos]
    raw: dict[tuple[int, str], tuple[Estimate, float]] = {}
    for place, (subject, against) in enumerate(pairs):
        for condition in wanted:
            if condition in subject.rows and condition in against.rows:
                found = numbers.difference(subject, against, condition)
                if found is not None:
                    raw[place, condition] = found
    if not raw:
        return None
    # All pairs and conditions are one family: a reader looks through all of them for a difference.
    corrected = dict(zip(raw, numbers.holm([p for _, p in raw.values()]), strict=True))
    groups = tuple(
        GridGroup(title=f"{a.entry.name} − {b.entry.name}", model=a.entry, against=b.entry) for a, b in pairs
    )

    def cell(place: int, info: ConditionInfo) -> GridCell | None:
        if (place, info.id) not in raw:
            return None
        subject, against = pairs[place]
        p = corrected[place, info.id]
        return GridCell(
            condition=info.id,
            label=Series.label(info),
            value=raw[place, info.id][0],
            accuracy=(numbers.accuracy(subject, info.id), numbers.accuracy(against, info.id)),
            # By the corrected test: the interval is not corrected for the number of cells.
            shown=p < ALPHA,
            p=p,
        )

    def mean(place: int, series: Series) -> Estimate | None:
        have = [i.id for i in series.infos if (place, i.id) in raw]
        return numbers.mean_difference(*pairs[place], have) if have else None

    grid = grid_of(listed, groups, cell, mean)
    assert grid is not None
    summaries = tuple(
        _pair(gathered, numbers, a, b, {c: (raw[place, c][0], corrected[place, c]) for p, c in raw if p == place})
        for place, (a, b) in enumerate(pairs)
    )
    return Differences(pairs=summaries, grid=grid, tests=len(raw), test=_test(gathered))


def _test(gathered: Gathered) -> str:
    """What the tests are, in words (see ``measures.Comparison``)."""
    if gathered.rule == "anytime":
        return "test by betting, valid at every number of images"
    if any(not Samples.of(rows).plain for subject in gathered.subjects for rows in subject.rows.values()):
        return "test that inverts the interval, as images are in clusters or count unequally"
    return "exact McNemar test"


def reference_pairs(gathered: Gathered) -> list[tuple[Subject, Subject]]:
    """(model, first model of the same data) for every model but the first ones."""
    first: dict[int, Subject] = {}
    pairs = []
    for subject in gathered.subjects:
        # By data set: models of different ones share no images to be paired on.
        against = first.setdefault(subject.entry.data, subject)
        if against is not subject:
            pairs.append((subject, against))
    return pairs


def _pair(
    gathered: Gathered, numbers: Numbers, a: Subject, b: Subject, found: dict[str, tuple[Estimate, float]]
) -> ModelPair:
    families: dict[str, list[str]] = {}
    for condition in found:
        info = gathered.infos[condition]
        families.setdefault(info.family if info.kind != "clean" else "clean", []).append(condition)
    rows = []
    for family, conditions in families.items():
        e = numbers.mean_difference(a, b, conditions)
        if e is not None:
            # Clean images hold nothing beyond clean that could be compared.
            shift = family != "clean"
            rows.append((family, len(conditions), e, numbers.sensitivity(a, b, conditions) if shift else None))
    # No attacks: their budget is a choice (``kept.APART``).
    shifts = [c for c in found if gathered.infos[c].kind == "shift"]
    return ModelPair(
        model=a.entry,
        against=b.entry,
        mean=numbers.mean_difference(a, b, shifts) if shifts else None,
        conditions=len(found),
        better=sum(e.value < 0 and p < ALPHA for e, p in found.values()),
        worse=sum(e.value > 0 and p < ALPHA for e, p in found.values()),
        families=tuple(rows),
        sensitivity=numbers.sensitivity(a, b, shifts) if shifts else None,
    )
