"""The profile: families of tests down, accuracy kept across, a dot a model with its interval; the gaps stay as rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brittlestar.core.condition import TIME
from brittlestar.measures import Estimate, NoSamplesError
from brittlestar.report.gather import Gathered
from brittlestar.report.kept import APART, FAMILIES, NEVER_ASKED, KeptScale, families_of, scale_of, shared, value_at
from brittlestar.report.natural import elsewhere
from brittlestar.report.series import Series
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One condition in a dot's row: the mean can hide a collapse, the ticks cannot."""

    condition: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A model in a family.

    Fields:
        model: Which.
        estimate: Accuracy kept (or accuracy), mean over the family's shifts of the mean over their strengths.
        ticks: Its conditions but single frequencies, which are hundreds; none of "all shifts".
        conditions: How many it is the mean of.
    """

    model: ModelEntry
    estimate: Estimate
    ticks: tuple[Tick, ...]
    conditions: int


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """A family: a dot a model, ``None`` where a model was not asked; without any, nobody asked.

    ``part`` is ``all`` (the mean over all shifts), ``shift``, ``apart`` (no part of that mean) or ``unasked``.
    """

    key: str
    title: str
    part: str
    dots: tuple[Dot | None, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Fields:
    models: In the order of the report.
    clean: Clean accuracy of each.
    rows: All shifts, the families from the weakest on, frequencies and attacks, what was not asked.
    kept: Whether the axis is accuracy kept: 0 guessing, 1 the own clean accuracy. Else plain accuracy.
    guessing: Accuracy of guessing; ``None`` where data sets differ in it.
    """

    models: tuple[ModelEntry, ...]
    clean: tuple[Estimate | None, ...]
    rows: tuple[ProfileRow, ...]
    kept: bool
    guessing: float | None

    @property
    def asked(self) -> tuple[ProfileRow, ...]:
        """The rows with dots."""
        return tuple(r for r in self.rows if r.part != "unasked")

    @property
    def unasked(self) -> tuple[ProfileRow, ...]:
        """The rows without."""
        return tuple(r for r in self.rows if r.part == "unasked")


def build_profile(gathered: Gathered) -> Profile:
    """The profile of all models; those without single images have no dots."""
    scale = gathered.once(scale_of)
    families = families_of(gathered)
    rows = {key: _row(key, families[key], gathered.subjects, scale) for key in families}
    shifts = sorted((row for key, row in rows.items() if key not in APART), key=_weakness)
    apart = [rows[key] for key in APART if key in rows]
    every = [series for key, listed in families.items() if key not in APART for series in listed]
    # With one family the mean over all shifts would be that family again.
    whole = [_row("all", every, gathered.subjects, scale)] if len(shifts) > 1 else []
    # A survey of waves makes no row of the profile, but it was asked.
    nature = _nature_row(gathered, scale)
    in_part = {"frequencies"} if any(s.sampled is not None for s in gathered.subjects) else set()
    # Only MNIST-C draws over images: for other data that is no gap.
    unasked = [title for key, title in FAMILIES.items() if key not in {*rows, *in_part, "overlay"}]
    others = {nature.title} if any(nature.dots) else set()
    others |= {"Video"} if any(info.kind == TIME for info in gathered.sequences.values()) else set()
    return Profile(
        models=tuple(s.entry for s in gathered.subjects),
        clean=tuple(scale.numbers.accuracy(s, CLEAN) if s.clean is not None else None for s in gathered.subjects),
        rows=(
            *(row for row in (*whole, *shifts, nature, *apart) if any(row.dots)),
            *_unasked((*unasked, *(title for title in NEVER_ASKED if title not in others))),
        ),
        kept=scale.kept,
        guessing=_only({s.chance for s in gathered.subjects if s.rows}),
    )


def _only(values: set[float]) -> float | None:
    return values.pop() if len(values) == 1 else None


def _unasked(titles: Sequence[str]) -> list[ProfileRow]:
    return [ProfileRow(key=title.lower(), title=title, part="unasked", dots=()) for title in titles]


def _row(key: str, listed: Sequence[Series], subjects: Sequence[Subject], scale: KeptScale) -> ProfileRow:
    """A family's dots, all means of the same conditions: those that every model asked any of has answered."""
    having = [s for s in subjects if any(i.id in s.rows for series in listed for i in series.infos)]
    # Models of different data sets share no images, so each set has its own conditions in common.
    by_data = {s.entry.data: shared(listed, [o for o in having if o.entry.data == s.entry.data]) for s in having}
    dots = [_dot(s, by_data[s.entry.data], listed, scale, key == "all") if s in having else None for s in subjects]
    title = "All shifts" if key == "all" else FAMILIES.get(key, key.capitalize())
    part = "all" if key == "all" else "apart" if key in APART else "shift"
    return ProfileRow(key=key, title=title, part=part, dots=tuple(dots))


def _dot(
    subject: Subject, curves: list[list[str]], listed: Sequence[Series], scale: KeptScale, whole: bool
) -> Dot | None:
    # Where the models share no condition, each shows what it has.
    curves = curves or [[i.id for i in s.infos if i.id in subject.rows] for s in listed]
    curves = [curve for curve in curves if curve]
    try:
        estimate = scale.of(subject, curves)
    except NoSamplesError:
        return None
    if estimate is None:
        return None
    ticked = [] if whole else [c for curve in curves for c in curve if subject.infos[c].kind != "fourier"]
    values = [(c, value_at(scale, subject, c)) for c in ticked]
    ticks = tuple(Tick(condition=c, value=value) for c, value in values if value is not None)
    return Dot(model=subject.entry, estimate=estimate, ticks=ticks, conditions=sum(map(len, curves)))


def _nature_row(gathered: Gathered, scale: KeptScale) -> ProfileRow:
    """Other data: the mean over them where there are several, in the mean of intervals that hold together."""
    told = gathered.once(elsewhere).models
    dots: list[Dot | None] = []
    for subject in gathered.subjects:
        own = [away.kept if scale.kept else away.there for away in told if away.model == subject.entry]
        known = [estimate for estimate in own if estimate is not None]
        if not known:
            dots.append(None)
            continue
        value, low, high = (float(np.mean([getattr(e, end) for e in known])) for end in ("value", "low", "high"))
        mean = dataclasses.replace(known[0], value=value, low=low, high=high, n=sum(e.n for e in known))
        dots.append(Dot(model=subject.entry, estimate=mean, ticks=(), conditions=len(known)))
    return ProfileRow(key="nature", title="Natural shifts", part="apart", dots=tuple(dots))


def _weakness(row: ProfileRow) -> float:
    return float(np.mean([dot.estimate.value for dot in row.dots if dot is not None] or [np.inf]))
