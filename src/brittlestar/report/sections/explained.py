"""What explains a failure: scatter plots on common axes, spectra on one scale, a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.measures.spectra import FEWEST_GROUPS
from brittlestar.report.agreements import SENSITIVE, Against, Agreement
from brittlestar.report.drawing import maps
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.forest import ForestRow, ends_of, forest, legend
from brittlestar.report.drawing.palette import sequential
from brittlestar.report.drawing.svg import Canvas, element, nice_ticks, outline
from brittlestar.report.explained import ExplainedCase, ExplainedModel, ExplainedRun, ShiftSpectrum, explanation
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Section
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.values import estimate_values
from brittlestar.report.words import count, decimals_of, interval, number, points

DECADES = 4
"""Powers of ten that the scale of spectra spans below the largest magnitude."""

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Explained(Section):
    """Whether the Fourier map says where a model fails (``brittlestar explain``)."""

    id: ClassVar[str] = "explained"
    nav: ClassVar[str] = "Explanation"
    title: ClassVar[str] = "What explains a failure"
    without: ClassVar[Mapping[str, Any]] = {"explained": None}

    explanation: ExplainedRun

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        found, _ = gathered.once(explanation)
        return None if found is None else cls(explanation=found)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        e = self.explanation
        return {
            "explained": {
                "bandwidth": e.bandwidth,
                "images": e.images,
                "sentences": list(e.sentences),
                "agreements": None if e.agreements is None else [a.values(_titles(e)) for a in e.agreements],
                "models": [
                    {
                        "model": m.model.name,
                        "predicted_and_added_error": estimate_values(m.fit) if m.fit else None,
                        "high_frequency_energy_and_difference": estimate_values(m.trade) if m.trade else None,
                    }
                    for m in e.models
                ],
            }
        }

    def figures(self) -> Mapping[str, Markup]:
        drawn = _drawn(self.explanation)
        fits = {f"explained/fit-{m.model.key}": svg for m, svg in drawn["fits"]}
        trades = {f"explained/trade-{m.model.key}": svg for m, svg in drawn["trades"]}
        told = _agreed(self.explanation, named=True)
        return fits | trades | {f"explained/agreement-{t.model.key}-{t.found.band}": t.svg for t in told}

    def context(self) -> Mapping[str, Any]:
        return _drawn(self.explanation)


def _drawn(e: ExplainedRun) -> dict[str, Any]:
    x = _reach([c.predicted for m in e.models for c in m.cases])
    y = _limits([c.measured for m in e.models for c in m.cases])
    others = [m for m in e.models if any(c.against for c in m.cases)]
    apart = _limits([c.against for m in others for c in m.cases if c.against])
    strongest = [s for s in e.spectra if s.strongest]
    agreed = _agreed(e)
    beyond = f"energy outside the lowest {e.bandwidth} x {e.bandwidth} frequencies (%)"
    return {
        "agreed": agreed,
        "marks": legend(),
        "fits": [
            (m, scatter(m, _predicted, _measured, (x, y), ("error that the map predicts (%)", "error added (points)")))
            for m in e.models
        ],
        "trades": [
            (m, scatter(m, _high, _against, ((0.0, 1.0), apart), (beyond, f"error less {e.first}’s (points)")))
            for m in others
        ],
        "spectra": list(zip(strongest, _pictures(strongest, e), strict=True)),
        "table": _table(e),
        "spectrum_scale": maps.bar(),
        "correlated": correlated,
        "changed": _changed,
    }


@dataclass(frozen=True, kw_only=True)
class Told:
    """An agreement as it is shown.

    Fields:
        model, found: Whose, and its numbers.
        svg: A row a shift, below that of the waves.
        rows: (what, share in the band or nothing, its numbers) for the table, the waves first.
        undecided, opposite: Names of the shifts of the band that do not agree.
    """

    model: ModelEntry
    found: Agreement
    svg: Markup
    rows: tuple[tuple[str, float | None, Against], ...]
    undecided: tuple[str, ...]
    opposite: tuple[str, ...]

    @property
    def clean(self) -> Estimate | None:
        """The difference on clean images where it is one for all shifts."""
        known = [shift.contrast.clean for shift in self.found.shifts]
        return known[0] if all(e == known[0] for e in known) else None


def _titles(e: ExplainedRun) -> dict[str, str]:
    return {s.condition: s.name for s in e.spectra}


def _agreed(e: ExplainedRun, named: bool = False) -> list[Told]:
    """Every agreement with its picture, all on one scale; ``named``: the picture says what its marks are."""
    entries, titles = {str(m.model.about["name"]): m.model for m in e.models}, _titles(e)
    found = e.agreements or ()

    def row(title: str, c: Against, own: bool = False) -> ForestRow:
        return ForestRow(title=title, estimates=(c.raw, c.beyond, c.kept), own=own)

    rows = [
        [row(f"waves of {a.band} frequency", a.waves, True), *(row(titles[s.condition], s.contrast) for s in a.shifts)]
        for a in found
    ]
    ends = ends_of([one for part in rows for one in part])
    told = []
    for a, part in zip(found, rows, strict=True):
        own, first = entries[a.model], entries[a.first]
        picture = forest(
            f"{own.name} against {first.name}, shifts of {a.band} frequency",
            f"accuracy less that of {first.name} (points)",
            own,
            part,
            ends,
            named,
        )
        listed = [(titles[s.condition], s.share, s.contrast) for s in (*a.shifts, *a.exceptions)]
        opposite = [s.contrast.state in SENSITIVE for s in a.exceptions]
        names = [titles[s.condition] for s in a.exceptions]
        told.append(
            Told(
                model=own,
                found=a,
                svg=picture,
                rows=((f"waves of {a.band} frequency", None, a.waves), *listed),
                undecided=tuple(name for name, against in zip(names, opposite, strict=True) if not against),
                opposite=tuple(name for name, against in zip(names, opposite, strict=True) if against),
            )
        )
    return told


def correlated(found: Estimate | None, model: ExplainedModel) -> str:
    """``r = +0.50 [+0.23, +0.71], 28 shifts``, or why there is no number."""
    if found is None:
        if model.shifts < FEWEST_GROUPS:
            return f"too few for a correlation: {count(model.shifts, 'shift')}, and it takes {FEWEST_GROUPS}"
        return f"no correlation of {count(model.shifts, 'shift')}: the values do not vary"
    value, low, high = (number(v, 2, sign=True) for v in (found.value, found.low, found.high))
    return f"r = {value} [{low}, {high}], {count(found.n, 'shift')}"


def _predicted(case: ExplainedCase) -> float:
    return case.predicted


def _measured(case: ExplainedCase) -> Estimate:
    return case.measured


def _high(case: ExplainedCase) -> float:
    return case.spectrum.high


def _against(case: ExplainedCase) -> Estimate | None:
    return case.against


def _reach(values: Sequence[float]) -> Range:
    return 0.0, max(1.05 * max(values), 0.01)


def _limits(found: Sequence[Estimate]) -> Range:
    ends = [v for e in found for v in (e.low, e.high)] or [0.0]
    low, high = min(0.0, *ends), max(0.01, *ends)
    # Room for the marks at the ends.
    room = 0.04 * (high - low)
    return low - room, high + room


def _ticks(ends: Range) -> list[float]:
    return [v for v in nice_ticks(100 * ends[0], 100 * ends[1], 4) if ends[0] <= v / 100 <= ends[1]]


def scatter(
    m: ExplainedModel,
    x_value: Callable[[ExplainedCase], float],
    y_value: Callable[[ExplainedCase], Estimate | None],
    ranges: tuple[Range, Range],
    axes: tuple[str, str],
) -> Markup:
    """A mark a condition, with a thin line for its interval; the arrow keys walk through them from left to right."""
    width, height, left, top, base = 320.0, 252.0, 36.0, 26.0, 216.0
    right = width - 10
    # By x alone: where two are equal, estimates have no order.
    cases = sorted(((x_value(c), e, c) for c in m.cases if (e := y_value(c)) is not None), key=lambda t: t[:1])
    described = f"{count(len(cases), 'condition')}, a mark each."
    canvas = Canvas(width, height, f"{m.model.name}: {axes[1]} over {axes[0]}", described, "chart scatter")
    (x_low, x_high), (y_low, y_high) = ranges

    def x_of(v: float) -> float:
        return left + (v - x_low) / (x_high - x_low) * (right - left)

    def y_of(v: float) -> float:
        return base - (v - y_low) / (y_high - y_low) * (base - top)

    for v in _ticks(ranges[1]):
        canvas.line(left, y_of(v / 100), right, y_of(v / 100), "axis" if v == 0 else "grid")
        canvas.text(left - 5, y_of(v / 100) + 3.5, f"{v:g}".replace("-", "−"), "tick", "end")
    for v in _ticks(ranges[0]):
        canvas.line(x_of(v / 100), base, x_of(v / 100), base + 3, "axis")
        canvas.text(x_of(v / 100), base + 14, f"{v:g}", "tick", "middle")
    canvas.line(left, base, right, base, "axis")
    canvas.text(2, 12, axes[1], "axis-title")
    canvas.text((left + right) / 2, height - 5, axes[0], "axis-title", "middle")
    kind = model_class(m.model)
    bars = "".join(outline([(x_of(x), y_of(e.high)), (x_of(x), y_of(e.low))]) for x, e, _ in cases)
    # All intervals in one path: a report on many models has thousands of marks.
    canvas.add("path", d=bars, class_=f"whisker {kind}")
    marks = [
        element("circle", cx=x_of(x), cy=y_of(e.value), r=2.4, data_tip=_tip(c, y_value is _against))
        for x, e, c in cases
    ]
    canvas.add("g", Markup("").join(marks), class_=f"dot {kind}")
    return Markup(str(canvas.markup()).replace("<svg ", '<svg tabindex="0" ', 1))


def _tip(c: ExplainedCase, apart: bool) -> str:
    """What a mark says: as short as it can be, there are thousands in a report on many models."""
    if apart and c.against is not None:
        told = f"{number(100 * c.spectrum.high)} % of the energy is high\n{points(c.against, sign=True)}"
    else:
        told = f"predicted {number(100 * c.predicted)} %\nadded {points(c.measured, sign=True)}"
    return f"{c.spectrum.name}\n{told}\nn = {c.measured.n:,}"


def _pictures(spectra: Sequence[ShiftSpectrum], e: ExplainedRun, step: int = 1) -> list[str]:
    """All on one logarithmic scale from the largest magnitude down; what does not change is darkest.

    A pixel is the largest of ``step`` x ``step`` frequencies.
    """
    known = [s.plane[np.isfinite(s.plane)] for s in e.spectra]
    most = math.ceil(max((float(v.max()) for v in known if v.size), default=0.0) * 2) / 2
    least = most - DECADES
    found = []
    for spectrum in spectra:
        plane = np.nan_to_num(spectrum.plane, nan=least)
        for axis, size in enumerate(plane.shape):
            plane = np.maximum.reduceat(plane, range(0, size, step), axis)
        found.append(maps.picture_of(plane, sequential(), least, most))
    return found


def _changed(spectrum: ShiftSpectrum) -> float:
    """What a spectrum is worth where not all are printed: how much its shift changes."""
    return float(np.nansum(10**spectrum.plane))


Row = tuple[ShiftSpectrum, str, list[tuple[str, str, str]]]


def _table(e: ExplainedRun) -> list[Row]:
    """(spectrum, picture, per model predicted, error added and difference) a condition, by high-frequency energy."""
    known = [{c.spectrum.condition: c for c in m.cases} for m in e.models]
    return [
        (s, picture, [_cells(cases.get(s.condition)) for cases in known])
        # Half as fine: in the table pictures are as small as a line, and there is one for every condition.
        for s, picture in zip(e.spectra, _pictures(e.spectra, e, 2), strict=True)
    ]


def _cells(case: ExplainedCase | None) -> tuple[str, str, str]:
    if case is None:
        return "–", "–", ""
    return number(100 * case.predicted), _signed(case.measured), _signed(case.against) if case.against else ""


def _signed(e: Estimate) -> str:
    return f"{number(100 * e.value, decimals_of(e), sign=True)} {interval(e)}"
