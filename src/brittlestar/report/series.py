"""Severity curves: which conditions belong together, and the grid and panels made of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import CORRUPTION_SETS, Estimate
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.panels import Curve, Panel, Point
from brittlestar.report.subjects import CLEAN, Subject
from brittlestar.report.words import set_title, strength_labels

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
    def key(self) -> str:
        """Names the curve: ``gaussian_noise``, ``band_noise/low``."""
        return "/".join(filter(None, (self.shift, self.series)))

    @property
    def published(self) -> str:
        """The published set that it belongs to, where its strengths are that set's."""
        info = self.infos[0]
        return info.table if info.severity is not None or info.table in CORRUPTION_SETS else ""

    @property
    def plain_title(self) -> str:
        """The title without the name of a set."""
        return self.infos[0].title

    @property
    def block(self) -> str:
        """What a table of conditions puts together: attacks, the severities of one table, strengths of one's own."""
        if self.kind != "shift":
            return "Attacks" if self.kind == "attack" else "Clean images"
        if not self.published:
            return "Shifts by strength"
        return set_title(self.published) + ("" if self.infos[0].severity is None else ": severities")

    @property
    def unit(self) -> str:
        """What the numbers of ``axis_labels`` are: the words that the labels share, else the strength's name."""
        head, _, tail = strength_labels([self.label(i) for i in self.infos])
        name = self.infos[0].strength_name
        # A sign alone names nothing, nor does a word that the strength's own name has in it.
        if name and (not head + tail or head + tail in ("x", "×", "±") or (head and head in name)):
            return name
        return f"{head} … {tail}" if head and tail else head or tail or name

    @property
    def axis(self) -> str:
        """The title of a chart's axis."""
        if self.series == OCTAVE:
            return "octave (cycles per image)"
        # Labels of shares have "of values" in common, which alone does not say that they are shares.
        axis = AXES.get((self.shift, self.series), self.unit)
        return f"share {axis}" if axis.startswith("of ") else axis

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
            # A set's severities and strengths of one's own are different scales, and other storage makes other
            # images.
            published = f"{info.table} {info.storage}" if info.severity or info.table in CORRUPTION_SETS else ""
            groups.setdefault((info.family, info.shift, info.series, published), []).append(info)
    families = list(dict.fromkeys(family for family, *_ in groups))
    found = []
    for (family, shift, name, _), infos in groups.items():
        ordered = tuple(sorted(infos, key=lambda i: math.inf if i.strength is None else i.strength))
        title = gathered.subjects[0].titles[ordered[0].id]
        found.append(Series(family, shift, name, title, ordered[0].kind, ordered))
    # ``sorted`` is stable: within a family the order of the suite stays.
    return sorted(found, key=lambda s: families.index(s.family))


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
            lines.append(Curve(model=subject.entry, points=points, clean=start))
    return Panel(
        family=series.family,
        title=title or series.title,
        axis=series.axis,
        lines=tuple(lines),
        note=note,
        key=series.key,
    )


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


def from_zero(panel: Panel) -> Panel:
    """The panel with clean images as the point at strength zero, for strengths that are distances."""
    lines = tuple(
        Curve(model=line.model, points=(Point(x=0.0, label="0", estimate=line.clean, condition=CLEAN), *line.points))
        if line.clean is not None and line.points[0].x > 0
        else line
        for line in panel.lines
    )
    return dataclasses.replace(panel, lines=lines)


def condition_title(subject: Subject, condition: str) -> str:
    """``Gaussian noise, σ = 0.1``."""
    label = Series.label(subject.infos[condition])
    return f"{subject.titles[condition]}, {label}" if label else subject.titles[condition]
