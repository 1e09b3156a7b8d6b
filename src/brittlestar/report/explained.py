"""The section about what explains a failure: spectra of the shifts, and maps held against errors.

``brittlestar explain`` leaves what it found in the run folder (spectra need the images, which a report has not); here
it is read, trusted no further than any other data, and drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from brittlestar.measures import Estimate
from brittlestar.report.charts import model_class
from brittlestar.report.content import Matrix, ModelEntry
from brittlestar.report.gather import Gathered
from brittlestar.report.maps import picture_of
from brittlestar.report.palette import sequential
from brittlestar.report.svg import Canvas, nice_ticks
from brittlestar.report.words import points

NAME = "explain.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class ExplainedCase:
    """One model under one shift: see ``brittlestar.explain.Case``."""

    title: str
    high: float
    predicted: float
    measured: Estimate
    against: Estimate | None


@dataclass(frozen=True, kw_only=True)
class ExplainedModel:
    """The cases of a model; correlations are ``None`` where they are undefined."""

    model: ModelEntry
    cases: tuple[ExplainedCase, ...]
    fit: Estimate | None
    trade: Estimate | None


@dataclass(frozen=True, kw_only=True)
class ShiftSpectrum:
    """Logarithm (base 10) of the mean magnitude of what a shift changes, the mean frequency in the centre."""

    title: str
    label: str
    high: float
    plane: Matrix


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The section.

    Fields:
        bandwidth: Side of the square of low frequencies.
        images: That the spectra were taken from.
        models: With their cases.
        spectra: One a shift, from low to high frequencies.
        sentences: What the intervals bear out.
        first: Name of the model that the others are compared with.
    """

    bandwidth: int
    images: int
    models: tuple[ExplainedModel, ...]
    spectra: tuple[ShiftSpectrum, ...]
    sentences: tuple[str, ...]
    first: str


def build_explained(gathered: Gathered) -> Explained | None:
    """The section of a report on one run that was explained; ``None`` otherwise, and where the file is of no use."""
    if len(gathered.stores) != 1:
        return None
    path = Path(gathered.stores[0].path) / NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return _built(gathered, found) if found["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _built(gathered: Gathered, found: dict[str, Any]) -> Explained | None:
    models = []
    for subject in gathered.subjects:
        name = str(subject.entry.about.get("name"))
        if found["models"].get(name) != subject.entry.about.get("fingerprint"):
            continue
        own = [c for c in found["cases"] if c["model"] == name and c["condition"] in subject.infos]
        cases = tuple(
            ExplainedCase(
                title=f"{subject.titles[c['condition']]} {subject.infos[c['condition']].label}".strip(),
                high=float(c["high"]),
                predicted=float(c["predicted"]),
                measured=Estimate(**c["measured"]),
                against=None if c["against"] is None else Estimate(**c["against"]),
            )
            for c in own
        )
        if cases:
            fit, trade = (found[key].get(name) for key in ("fit", "trade"))
            models.append(
                ExplainedModel(
                    model=subject.entry,
                    cases=cases,
                    fit=None if fit is None else Estimate(**fit),
                    trade=None if trade is None else Estimate(**trade),
                )
            )
    if not models:
        return None
    spectra = [
        ShiftSpectrum(
            title=str(s["title"]), label=str(s["label"]), high=float(s["high"]), plane=np.array(s["plane"], np.float64)
        )
        for s in found["spectra"]
    ]
    if any(s.plane.ndim != 2 for s in spectra):
        return None
    return Explained(
        bandwidth=int(found["bandwidth"]),
        images=int(found["images"]),
        models=tuple(models),
        spectra=tuple(sorted(spectra, key=lambda s: s.high)),
        sentences=tuple(str(s) for s in found["sentences"]),
        first=models[0].model.name,
    )


def explained_context(e: Explained | None) -> dict[str, Any]:
    """Pictures of the section."""
    if e is None:
        return {"fits": [], "trades": [], "spectra": []}
    x, y = (
        _reach([c.predicted for m in e.models for c in m.cases]),
        _limits([c.measured for m in e.models for c in m.cases]),
    )
    others = [m for m in e.models if any(c.against for c in m.cases)]
    apart = _limits([c.against for m in others for c in m.cases if c.against])
    return {
        "fits": [
            (m, scatter(m, lambda c: c.predicted, lambda c: c.measured, x, y, "error that the map predicts (%)"))
            for m in e.models
        ],
        "trades": [
            (m, scatter(m, lambda c: c.high, lambda c: c.against, (0.0, 1.0), apart, "energy above the bandwidth (%)"))
            for m in others
        ],
        "spectra": _pictures(e.spectra),
    }


def _reach(values: Sequence[float]) -> tuple[float, float]:
    return 0.0, max(1.05 * max(values), 0.01)


def _limits(found: Sequence[Estimate]) -> tuple[float, float]:
    ends = [v for e in found for v in (e.low, e.high)] or [0.0, 1.0]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.04 * max(high - low, 0.01)
    return low - room, high + room


def _ticks(ends: tuple[float, float]) -> list[float]:
    return [v for v in nice_ticks(100 * ends[0], 100 * ends[1], 4) if ends[0] <= v / 100 <= ends[1]]


def scatter(
    m: ExplainedModel,
    x_value: Callable[[ExplainedCase], float],
    y_value: Callable[[ExplainedCase], Estimate | None],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    axis: str,
) -> Markup:
    """A mark a shift, with a thin line for its interval."""
    width, height, left, top, base = 300.0, 236.0, 36.0, 16.0, 200.0
    right = width - 10
    cases = [(c, e) for c in m.cases if (e := y_value(c)) is not None]
    canvas = Canvas(width, height, f"{m.model.name}: change in error by {axis}", f"{len(cases)} shifts, a mark each.")

    def x_of(v: float) -> float:
        return left + (v - x_range[0]) / max(x_range[1] - x_range[0], 1e-9) * (right - left)

    def y_of(v: float) -> float:
        return base - (v - y_range[0]) / max(y_range[1] - y_range[0], 1e-9) * (base - top)

    for v in _ticks(y_range):
        canvas.line(left, y_of(v / 100), right, y_of(v / 100), "axis" if v == 0 else "grid")
        canvas.text(left - 5, y_of(v / 100) + 3.5, f"{v:g}".replace("-", "−"), "tick", "end")
    for v in _ticks(x_range):
        canvas.text(x_of(v / 100), base + 13, f"{v:g}", "tick", "middle")
    canvas.text((left + right) / 2, height - 5, axis, "axis-title", "middle")
    kind = model_class(m.model)
    for c, e in cases:
        x = x_of(x_value(c))
        canvas.line(x, y_of(e.high), x, y_of(e.low), f"whisker {kind}")
        tip = f"{c.title}\n{points(e, sign=True)} points\nn = {e.n:,}"
        canvas.add("circle", cx=x, cy=y_of(e.value), r=2.4, class_=f"dot {kind}", data_tip=tip)
    return canvas.markup()


def _pictures(spectra: Sequence[ShiftSpectrum]) -> list[tuple[ShiftSpectrum, str]]:
    """All on one logarithmic scale of four powers of ten below the largest."""
    finite = [float(s.plane[np.isfinite(s.plane)].max()) for s in spectra if np.isfinite(s.plane).any()]
    most = math.ceil(max(finite, default=0.0) * 2) / 2
    return [(s, picture_of(np.maximum(s.plane, most - 4), sequential(), most - 4, most)) for s in spectra]
