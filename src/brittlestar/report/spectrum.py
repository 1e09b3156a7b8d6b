"""The Fourier section: maps, their radial profile, and errors by band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brittlestar import measures
from brittlestar.core.condition import ConditionInfo
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sampled import SampledMap
from brittlestar.measures.sensitivity import Sensitivity
from brittlestar.report.figure import map_rule
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.panels import Curve, Matrix, Point
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.report.words import count


@dataclass(frozen=True, kw_only=True)
class SpectrumMap:
    """A Fourier map: error and its limits per frequency, NaN where not measured; (rows, columns) each."""

    model: ModelEntry
    value: Matrix
    low: Matrix
    high: Matrix
    samples: int


@dataclass(frozen=True, kw_only=True)
class BandRow:
    """Error in one frequency band per model, and for each later model of the same data its difference from the first.

    ``differences`` and ``sensitivities`` (the same against clean) have one entry a model; ``None`` for the reference
    itself and where it cannot be paired.
    """

    name: str
    reach: str
    frequencies: int
    errors: tuple[Estimate, ...]
    differences: tuple[Estimate | None, ...]
    sensitivities: tuple[Sensitivity | None, ...]


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The Fourier section.

    Fields:
        maps: One a model, all of one shape.
        profile: Lines over radius in cycles per image.
        bands: Errors by band; at least one.
        borders: Radii in cycles between the bands shown.
        rows, columns: Signed frequencies of the maps' rows and columns, in even steps.
        norm: What is added, in words.
        covered: How much of the plane was asked, in a sentence.
        compared: Whether the maps may be held against each other.
    """

    maps: tuple[SpectrumMap, ...]
    profile: tuple[Curve, ...]
    bands: tuple[BandRow, ...]
    borders: tuple[float, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    norm: str
    covered: str
    compared: bool = True


Found = list[tuple[Subject, FourierMap]]


def build_spectrum(gathered: Gathered, numbers: Numbers) -> Spectrum | None:
    """The maps of all models on images of the first size that has any, in one plane; ``None`` without maps."""
    found: Found = []
    norm: float | None = None
    for subject in gathered.subjects:
        infos = subject.of_kind("fourier")
        if norm is None:
            # One norm for all: error grows with the norm, so maps of two norms cannot be compared.
            norm = _norm(infos[0]) if infos else subject.sampled.norm if subject.sampled else None
        own = {(int(i.config["row"]), int(i.config["column"])): subject.rows[i.id] for i in infos if _norm(i) == norm}
        _, height, width = subject.data.shape
        if own and (not found or (found[0][1].height == height and found[0][1].width == width)):
            try:
                found.append((subject, measures.fourier_map(own, height, width)))
            except NoSamplesError:
                continue
        elif not infos and subject.sampled and subject.sampled.norm == norm:
            sampled = subject.sampled
            if not found or (found[0][1].height == sampled.height and found[0][1].width == sampled.width):
                found.append((subject, sampled))
    if not found:
        return None
    plane = found[0][1]
    rows, columns = _axis(found, 0), _axis(found, 1)
    bands = _bands(found, numbers)
    # The Nyquist frequency in cycles: of a square image half its side, of others the root mean square over both
    # sides.
    scale = math.hypot(plane.height / 2, plane.width / 2) / math.sqrt(2)
    measured = max(int(m.multiplicity.sum()) for _, m in found)
    return Spectrum(
        maps=tuple(_map(s, m, rows, columns, numbers.level) for s, m in found),
        profile=tuple(_profile(s, m, scale, numbers) for s, m in found),
        bands=bands,
        borders=tuple(
            high * scale for name, _, high in measures.BANDS if math.isfinite(high) and name != bands[-1].name
        ),
        rows=rows,
        columns=columns,
        norm=f"L2 norm {norm:.3g} a channel" if norm is not None else "",
        covered=" ".join([_covered(plane, measured, rows), *_surveyed(found, numbers.level)]),
    )


def _surveyed(found: Found, level: float) -> list[str]:
    """How many passes a survey made, and how many it saved, for each model that has one."""
    return [
        f"{subject.entry.name}: {m.passes:,} passes, chosen where a guess from the others was unsure, for intervals of "
        f"at most {100 * m.half_width(level):.1f} points to either side that hold together; the same number of images "
        f"for every wave would take {m.fixed:,}."
        for subject, m in found
        if isinstance(m, SampledMap)
    ]


def _norm(info: ConditionInfo) -> float | None:
    value = info.config.get("norm")
    return float(value) if value is not None else None


def _axis(found: Found, axis: int) -> tuple[int, ...]:
    """The signed frequencies along an axis: all of them, or the lattice that was measured, in even steps."""
    size = found[0][1].height if axis == 0 else found[0][1].width
    have = {f[axis] for _, m in found for f in m.frequencies}
    # A real image's spectrum is symmetric: f and -f are one wave, and only one of them is asked.
    have |= {-f if -f >= -(size // 2) and -f < size - size // 2 else f for f in have}
    # 0 where the mean is the only frequency along this axis.
    step = math.gcd(*have) or 1
    return tuple(range(min(have), max(have) + 1, step))


def _map(subject: Subject, found: FourierMap, rows: Sequence[int], columns: Sequence[int], level: float) -> SpectrumMap:
    planes = [np.full((len(rows), len(columns)), np.nan) for _ in range(3)]
    row_of, column_of = ({f: place for place, f in enumerate(axis)} for axis in (rows, columns))
    low, high = found.limits(level)
    error = found.error
    for place, (row, column) in enumerate(found.frequencies):
        for r, c in ((row, column), (-row, -column)):
            r, c = _wrapped(r, found.height), _wrapped(c, found.width)
            if r in row_of and c in column_of:
                for plane, values in zip(planes, (error, low, high), strict=True):
                    plane[row_of[r], column_of[c]] = values[place]
    return SpectrumMap(model=subject.entry, value=planes[0], low=planes[1], high=planes[2], samples=found.samples)


def _wrapped(frequency: int, size: int) -> int:
    """The signed frequency that names the same wave, from ``-size // 2`` up."""
    return (frequency + size // 2) % size - size // 2


def _profile(subject: Subject, found: FourierMap, scale: float, numbers: Numbers) -> Curve:
    rings = measures.radial_profile(found, level=numbers.level, rule=map_rule(numbers.rule, found))
    points = tuple(
        Point(x=ring.radius * scale, label=f"{ring.radius * scale:.1f}", estimate=ring.estimate) for ring in rings
    )
    return Curve(model=subject.entry, points=points)


def _bands(found: Found, numbers: Numbers) -> tuple[BandRow, ...]:
    """One row a band that every map has frequencies in."""
    plane = found[0][1]
    scale = math.hypot(plane.height / 2, plane.width / 2) / math.sqrt(2)
    made = []
    for name, low, high in measures.BANDS:
        inside = (plane.radius > low) & (plane.radius <= high)
        try:
            errors = tuple(
                measures.band_error(m, low, high, numbers.level, map_rule(numbers.rule, m)) for _, m in found
            )
        except NoSamplesError:
            continue
        made.append(
            BandRow(
                name=name,
                reach=_reach(low * scale, high * scale),
                frequencies=int(inside.sum()),
                errors=errors,
                differences=tuple(_difference(found, place, low, high, numbers) for place in range(len(found))),
                sensitivities=tuple(_sensitivity(found, place, low, high, numbers) for place in range(len(found))),
            )
        )
    return tuple(made)


def _difference(found: Found, place: int, low: float, high: float, numbers: Numbers) -> Estimate | None:
    (subject, own), (first, reference) = found[place], found[0]
    if place == 0 or subject.entry.data != first.entry.data:
        return None
    try:
        rule = map_rule(numbers.rule, own, reference)
        return measures.band_difference(own, reference, low, high, numbers.level, rule)
    except NoSamplesError:
        return None


def _sensitivity(found: Found, place: int, low: float, high: float, numbers: Numbers) -> measures.Sensitivity | None:
    """The band difference held against clean, on the images that both maps and both clean conditions have."""
    (subject, own), (first, reference) = found[place], found[0]
    if place == 0 or subject.entry.data != first.entry.data or subject.clean is None or first.clean is None:
        return None
    rule = map_rule(numbers.rule, own, reference)
    try:
        return measures.band_sensitivity(
            own, reference, subject.clean, first.clean, low, high, first.chance, numbers.level, rule
        )
    except NoSamplesError:
        return None


def _reach(low: float, high: float) -> str:
    if low <= 0:
        return f"up to {high:.3g} {'cycle' if high == 1 else 'cycles'}"
    return f"above {low:.3g} cycles" if math.isinf(high) else f"from {low:.3g} to {high:.3g} cycles"


def _covered(plane: FourierMap, measured: int, rows: Sequence[int]) -> str:
    total = plane.height * plane.width
    if measured >= total:
        return f"All {total:,} places of the plane, from {count(len(plane.frequencies), 'distinct wave')}."
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    lattice = f", one in {step} along each side" if step > 1 else ""
    return f"{measured:,} of the plane's {total:,} places were asked{lattice}, up to {max(rows)} cycles along a side."
