"""Severity curves: which conditions belong together, and the grid and panels made of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import CORRUPTION_SETS, BreakingPoint, Estimate
from brittlestar.report.content import Break, Grid, GridCell, GridGroup, GridRow, Line, Panel, Point
from brittlestar.report.gather import CLEAN, Gathered, Subject
from brittlestar.report.numbers import Numbers
from brittlestar.report.words import strength_labels

AXES = {
    ("low_pass", ""): "square of lowest frequencies kept",
    ("high_pass", ""): "square of lowest frequencies removed",
    ("band_pass", "low"): "radius kept (cycles per image)",
    ("band_stop", "high"): "radius removed (cycles per image)",
    ("band_noise", "low"): "noise inside the square of lowest frequencies",
    ("band_noise", "high"): "noise outside the square of lowest frequencies",
    ("phase_scrambling", ""): "phases turned by up to (degrees)",
    ("random_mask", ""): "share of frequencies removed",
}
"""Axes of curves over frequencies by (shift, series), where the words that labels share would not say enough."""

OCTAVE = "octave"
"""The series of curves over bands side by side: nothing gets stronger along them."""


@dataclass(frozen=True)
class Series:
    """Conditions that differ only in strength, from weak to strong."""

    family: str
    shift: str
    series: str
    title: str
    kind: str
    infos: tuple[ConditionInfo, ...]

    @property
    def unit(self) -> str:
        """What the numbers of ``axis_labels`` are: the words that the labels share, else the strength's name."""
        head, _, tail = strength_labels([self.label(i) for i in self.infos])
        name = self.infos[0].strength_name
        if name and (not head + tail or head + tail in ("x", "×", "±") or (head and head in name)):
            return name
        return f"{head} … {tail}" if head and tail else head or tail or name

    @property
    def axis(self) -> str:
        """The title of a chart's axis."""
        if self.series == OCTAVE:
            return "octave (cycles per image)"
        return AXES.get((self.shift, self.series), self.unit)

    @property
    def span(self) -> str:
        """``σ 0.05 → 0.4``."""
        head, short, tail = strength_labels([self.label(i) for i in self.infos])
        if len(short) == 1:
            return self.label(self.infos[0])
        return f"{head} {short[0]} → {short[-1]} {tail}".strip()

    @staticmethod
    def label(info: ConditionInfo) -> str:
        """The strength for people."""
        return info.label or (f"severity {info.severity}" if info.severity is not None else "")

    def axis_labels(self) -> dict[str, str]:
        """A short label by condition id."""
        _, short, _ = strength_labels([self.label(i) for i in self.infos])
        return {info.id: text.replace(" x ", "×") or "on" for info, text in zip(self.infos, short, strict=True)}


def series_of(gathered: Gathered, *kinds: str) -> list[Series]:
    """All severity curves of some kinds, families together, in suite order."""
    groups: dict[tuple[str, str, str, str], list[ConditionInfo]] = {}
    for info in gathered.infos.values():
        if info.kind in kinds:
            published = f"{info.table} {info.storage}" if info.severity or info.table in CORRUPTION_SETS else ""
            groups.setdefault((info.family, info.shift, info.series, published), []).append(info)
    families = list(dict.fromkeys(family for family, *_ in groups))
    found = []
    for (family, shift, name, _), infos in groups.items():
        ordered = tuple(sorted(infos, key=lambda i: math.inf if i.strength is None else i.strength))
        title = gathered.subjects[0].titles[ordered[0].id]
        found.append(Series(family, shift, name, title, ordered[0].kind, ordered))
    return sorted(found, key=lambda s: families.index(s.family))


def build_grid(gathered: Gathered, numbers: Numbers) -> Grid | None:
    """The condition grid: accuracy drops of every model under every shift and attack."""
    groups = tuple(GridGroup(title=s.entry.name, model=s.entry) for s in gathered.subjects)

    def cell(place: int, info: ConditionInfo) -> GridCell | None:
        subject = gathered.subjects[place]
        rows, clean = subject.rows.get(info.id), subject.clean
        if rows is None or clean is None:
            return None
        drop = numbers.drop(subject, info.id)
        return GridCell(
            condition=info.id,
            label=Series.label(info),
            value=drop,
            accuracy=(numbers.accuracy(subject, info.id),),
            shown=away(drop),
        )

    def mean(place: int, series: Series) -> Estimate | None:
        subject = gathered.subjects[place]
        have = [i.id for i in series.infos if i.id in subject.rows]
        return numbers.mean_drop(subject, have) if have and subject.clean is not None else None

    return grid_of(series_of(gathered, "shift", "attack"), groups, cell, mean)


def grid_of(
    listed: Sequence[Series],
    groups: tuple[GridGroup, ...],
    cell: Callable[[int, ConditionInfo], GridCell | None],
    mean: Callable[[int, Series], Estimate | None],
) -> Grid | None:
    """A grid from functions that give the cell and the mean of a group."""
    rows = []
    for series in listed:
        cells = tuple(tuple(cell(g, info) for info in series.infos) for g in range(len(groups)))
        if any(c is not None for group in cells for c in group):
            rows.append(
                GridRow(
                    family=series.family,
                    title=series.title,
                    unit=series.unit,
                    span=series.span,
                    cells=cells,
                    means=tuple(mean(g, series) for g in range(len(groups))),
                )
            )
    if not rows:
        return None
    values = [abs(c.value.value) for row in rows for group in row.cells for c in group if c is not None]
    limit = min(max(math.ceil(max(values) * 10) / 10, 0.1), 1.0)
    return Grid(groups=groups, rows=tuple(rows), steps=max(len(c) for r in rows for c in r.cells), limit=limit)


def away(estimate: Estimate) -> bool:
    """Whether the interval leaves out zero."""
    return estimate.low > 0 or estimate.high < 0


def panel_of(
    series: Series,
    subjects: Sequence[Subject],
    value: Callable[[Subject, str], Estimate],
    *,
    clean: bool = True,
    title: str = "",
    note: str = "",
) -> Panel:
    """The curves of one series."""
    labels = series.axis_labels()
    lines = []
    for subject in subjects:
        points = tuple(
            Point(
                x=float(place if info.strength is None else info.strength),
                label=labels[info.id],
                estimate=value(subject, info.id),
                condition=info.id,
            )
            for place, info in enumerate(series.infos)
            if info.id in subject.rows
        )
        start = value(subject, CLEAN) if clean and subject.clean is not None else None
        if points:
            lines.append(Line(model=subject.entry, points=points, clean=start))
    return Panel(family=series.family, title=title or series.title, axis=series.axis, lines=tuple(lines), note=note)


def build_curves(gathered: Gathered, numbers: Numbers) -> tuple[Panel, ...]:
    """Panels of every shift with at least two strengths, but for filters, which have a section of their own."""
    return tuple(
        panel_of(series, gathered.subjects, numbers.accuracy)
        for series in series_of(gathered, "shift")
        if len(series.infos) > 1 and series.family != "spectral"
    )


def build_breaks(gathered: Gathered, numbers: Numbers) -> tuple[Break, ...]:
    """Breaking point and area of every severity curve of numbered strengths, attacks included; not of octaves."""
    found = []
    for series in series_of(gathered, "shift", "attack"):
        if len(series.infos) < 2 or series.series == OCTAVE or any(i.strength is None for i in series.infos):
            continue
        points: list[BreakingPoint | None] = []
        areas: list[Estimate | None] = []
        for subject in gathered.subjects:
            curve = [
                (i.strength, subject.rows[i.id])
                for i in series.infos
                if i.id in subject.rows and i.strength is not None
            ]
            level = broken_below(subject, numbers)
            points.append(numbers.breaking_point(curve, level) if curve and level is not None else None)
            areas.append(numbers.area(curve) if len(curve) > 1 else None)
        unit = series.infos[0].strength_name
        found.append(
            Break(
                key="/".join(filter(None, (series.shift, series.series))),
                family=series.family,
                title=series.title,
                unit=unit,
                points=tuple(points),
                areas=tuple(areas),
            )
        )
    return tuple(found)


def broken_below(subject: Subject, numbers: Numbers) -> float | None:
    """The accuracy under which a model counts as broken: half of its clean accuracy.

    With so few classes, or one so common, that guessing comes near that, half way from clean accuracy to guessing;
    ``None`` without clean.
    """
    if subject.clean is None:
        return None
    clean = numbers.accuracy(subject, CLEAN).value
    if subject.chance >= clean:  # a single class, or no better than guessing: there is nothing half way
        return (clean or subject.chance) / 2
    return clean / 2 if clean / 2 > 1.5 * subject.chance else (clean + subject.chance) / 2


def build_filters(gathered: Gathered, numbers: Numbers) -> tuple[Panel, ...]:
    """Filters, band-limited noise and scrambled phases, one panel a kind."""
    return tuple(
        panel_of(series, gathered.subjects, numbers.accuracy)
        for series in series_of(gathered, "shift")
        if len(series.infos) > 1 and series.family == "spectral"
    )


def build_noise(gathered: Gathered, numbers: Numbers) -> Panel | None:
    """Error under Gaussian noise over its standard deviation; clean images are the point at zero."""
    found = [
        s
        for s in series_of(gathered, "shift")
        if s.shift == "gaussian_noise" and len(s.infos) > 2 and s.infos[0].severity is None
    ]
    if not found:
        return None
    series = max(found, key=lambda s: len(s.infos))
    note = "For small noise this curve tells how near the nearest errors are (Ford et al. 2019)."
    panel = panel_of(series, gathered.subjects, numbers.error, title="Error under Gaussian noise", note=note)
    return from_zero(panel)


def from_zero(panel: Panel) -> Panel:
    """The panel with clean images as the point at strength zero, for strengths that are distances."""
    lines = tuple(
        Line(model=line.model, points=(Point(x=0.0, label="0", estimate=line.clean, condition=CLEAN), *line.points))
        if line.clean is not None and line.points[0].x > 0
        else line
        for line in panel.lines
    )
    return dataclasses.replace(panel, lines=lines)
