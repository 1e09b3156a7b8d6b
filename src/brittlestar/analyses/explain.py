"""Does a model's Fourier map explain where it fails? Spectra of a run's shifts against its measured errors."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brittlestar import measures
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import BrittlestarError, DataError, UsageError, require
from brittlestar.core.files import write_atomic
from brittlestar.core.keys import SampleKeys
from brittlestar.core.options import option
from brittlestar.core.sealed import write_json
from brittlestar.core.sizes import at_once
from brittlestar.core.stopwatch import Stopwatch
from brittlestar.core.sums import summed
from brittlestar.core.text import table_cell
from brittlestar.data import Source
from brittlestar.measures import Estimate
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.spectra import FEWEST_GROUPS, correlation, predicted_error, share_above
from brittlestar.report.agreements import Agreement, plain
from brittlestar.report.explained import NAME, SCHEMA, SIDE, identity_of, is_current
from brittlestar.report.explained_words import Case, agreements_of, points, sentences
from brittlestar.report.figure import fourier_maps
from brittlestar.runs.skipped import reopened_as_recorded
from brittlestar.shifts import SHIFTS
from brittlestar.shifts.storage import stored
from brittlestar.store import RunStore, stopping_rule

Power = npt.NDArray[np.float64]
_BATCH = 50
_LATE = "the budget leaves no time for it; `brittlestar explain` does it afterwards"


class OutOfTimeError(BrittlestarError):
    """An explanation would have taken longer than there is time."""


@dataclass(frozen=True, kw_only=True)
class ChangeSpectrum:
    """What a shift condition changes, by frequency.

    Fields:
        info: Of the condition.
        high: Share of the change's energy above the bandwidth.
        power, magnitude: (height, width) mean squared and mean magnitude, the mean frequency in the centre.
    """

    info: ConditionInfo
    high: float
    power: Power
    magnitude: Power


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All cases, and how well the map ranks them.

    Fields:
        bandwidth: Side of the centred square of low frequencies.
        images: How many images the spectra were taken from.
        cases: One a model and condition.
        correlation: By model, Pearson's r of predicted and measured over its conditions; ``None`` where undefined.
        trade: By model but the first, r of the high-frequency share and the error less the first model's.
        agreements: Where a shift and a band of the map say the same of two models.
        sentences: The same in words.
        spectra: One a condition that changes anything.
    """

    bandwidth: int
    images: int
    cases: tuple[Case, ...]
    correlation: dict[str, Estimate | None]
    trade: dict[str, Estimate | None]
    agreements: tuple[Agreement, ...]
    sentences: tuple[str, ...]
    spectra: tuple[ChangeSpectrum, ...] = ()


def spectra_of(info: ConditionInfo, images: torch.Tensor, keys: SampleKeys) -> tuple[Power, Power]:
    """(height, width) mean squared and mean magnitude of the spectrum of what a shift changes, the mean at the centre.

    Args:
        info: Of a shift condition of a run.
        images: (n, channel, height, width) uint8, or float32 in [0, 1].
        keys: One a sample.
    """
    shift = SHIFTS[info.shift].from_config(info.config)
    sums = torch.zeros(2, *images.shape[2:], dtype=torch.float64)
    batch = at_once(images.shape[1:], _BATCH)
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        x = images[part].to(torch.float32) / (255 if images.dtype == torch.uint8 else 1)
        change = stored(shift.compute(x, keys[part]), info.storage) - x
        size = torch.fft.fft2(change.double()).abs()
        sums += torch.stack([size.square().sum((0, 1)), size.sum((0, 1))])
    power, magnitude = torch.fft.fftshift(sums / (len(images) * images.shape[1]), (1, 2)).numpy()
    return np.asarray(power), np.asarray(magnitude)


def explain(
    store: RunStore, source: Source, samples: int = 200, bandwidth: int | None = None, until: float | None = None
) -> Explanation:
    """Hold every shift of a run against the maps of its models.

    Args:
        store: A run with shifts and a Fourier map of at least one model.
        source: The run's images.
        samples: Images for the spectra.
        bandwidth: Side of the centred square that counts as low; half of the shorter side (to Nyquist / 2) otherwise.
        until: ``time.monotonic()`` when it is to be over, if it matters.

    Raises:
        OutOfTimeError: It would take longer.
        DataError: The source is not the run's.
        UsageError: The run has no map or no shifts.
    """
    require(samples >= 1, f"{option('samples')} must be at least 1, got {samples}", UsageError)
    require(
        store.manifest.data["fingerprint"] == source.info.fingerprint,
        f"{source.info.name} is not the data of the run {store.path}: give the same, prepared the same way",
        DataError,
    )
    maps = fourier_maps(store)
    infos = [i for i in store.manifest.conditions.values() if i.kind == "shift" and i.shift in SHIFTS]
    require(
        bool(infos),
        f"{store.path} has no shifts: run it with {option('suite', 'broad')} or cifar-c as well",
        UsageError,
    )
    order = source.present(source.order(store.manifest.seed))[:samples]
    images = torch.from_numpy(source.load(order))
    keys = SampleKeys.of(store.manifest.seed, [str(i) for i in source.ids[order]])
    side = bandwidth or min(images.shape[2:]) // 2
    stopwatch = Stopwatch(None if until is None else until - time.monotonic())
    spectra = {}
    for done, info in enumerate(infos):
        require(stopwatch.room(done, len(infos) - done) == len(infos) - done or done < 2, _LATE, OutOfTimeError)
        if (found := _spectrum(info, images, keys, side)) is not None:
            spectra[info.fingerprint] = found
    rule = stopping_rule(store.manifest.sessions).rule
    cases = _cases(store, maps, spectra, rule)
    names = list(maps)
    predicted_and_measured = {
        m: _r([c for c in cases if c.model == m], lambda c: c.predicted, lambda c: c.measured.value) for m in names
    }
    trade = {
        m: _r([c for c in cases if c.model == m], lambda c: c.high, lambda c: c.against.value if c.against else 0.0)
        for m in names[1:]
    }
    names_of = {i.id: f"{i.title}, {i.label}" if i.label else i.title for i in infos}
    agreed = agreements_of(store, cases, maps, rule)
    return Explanation(
        bandwidth=side,
        images=len(images),
        cases=tuple(cases),
        correlation=predicted_and_measured,
        trade=trade,
        agreements=agreed,
        sentences=tuple(sentences(agreed, side, names_of)),
        spectra=tuple(spectra.values()),
    )


def _spectrum(info: ConditionInfo, images: torch.Tensor, keys: SampleKeys, side: int) -> ChangeSpectrum | None:
    power, magnitude = spectra_of(info, images, keys)
    try:
        return ChangeSpectrum(info=info, high=share_above(power, side), power=power, magnitude=magnitude)
    except NoSamplesError:
        # The condition changes nothing, so there is no energy to share out.
        return None


def _cases(store: RunStore, maps: dict[str, FourierMap], spectra: dict[str, ChangeSpectrum], rule: str) -> list[Case]:
    cases, first = [], None
    clean = [i.fingerprint for i in store.manifest.conditions.values() if i.kind == "clean"]
    require(bool(clean), f"{store.path} has no clean condition", UsageError)
    for name, waves in maps.items():
        rows = store.read(store.manifest.models[name]["fingerprint"], [clean[0], *spectra], detail=False)
        first = first or rows
        for fingerprint, spectrum in spectra.items():
            own, info = rows.get(fingerprint), spectrum.info
            if own is None or clean[0] not in rows or not len(own.position):
                continue
            try:
                case = Case(
                    model=name,
                    condition=info.id,
                    shift=info.shift,
                    high=spectrum.high,
                    predicted=predicted_error(waves, spectrum.power),
                    measured=measures.error_increase(own, rows[clean[0]], rule),
                    against=None if rows is first else measures.paired_difference(own, first[fingerprint], rule),
                )
            except NoSamplesError:
                continue
            cases.append(case)
    return cases


def _r(cases: list[Case], x: Callable[[Case], float], y: Callable[[Case], float]) -> Estimate | None:
    try:
        return correlation([x(c) for c in cases], [y(c) for c in cases], [c.shift for c in cases])
    except NoSamplesError:
        return None


def write(explanation: Explanation, folder: Path) -> list[Path]:
    """``explain.csv`` and ``explain.md``."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["model", "condition", "shift", "share_above", "predicted", "error_increase", "low", "high", "n"])
    for c in explanation.cases:
        numbers = (c.high, c.predicted, c.measured.value, c.measured.low, c.measured.high)
        writer.writerow(
            [*map(table_cell, (c.model, c.condition, c.shift)), *(f"{v:.5f}" for v in numbers), c.measured.n]
        )
    contents = {"explain.csv": text.getvalue(), "explain.md": markdown(explanation)}
    with summed(folder, contents):
        for name, content in contents.items():
            write_atomic(folder / name, content)
    return [folder / name for name in contents]


def keep(explanation: Explanation, store: RunStore) -> Path:
    """Leave it in the run folder, where a report finds it."""
    strongest: dict[tuple[str, str], tuple[float, str]] = {}
    for s in explanation.spectra:
        key = s.info.shift, s.info.title
        strongest[key] = max(strongest.get(key, (0.0, "")), (float(s.power.sum()), s.info.id))
    shown = {condition for _, condition in strongest.values()}
    numbers = {
        "schema": SCHEMA,
        "identity": identity_of(store),
        "bandwidth": explanation.bandwidth,
        "images": explanation.images,
        "cases": [asdict(case) for case in explanation.cases],
        "fit": {name: None if e is None else asdict(e) for name, e in explanation.correlation.items()},
        "trade": {name: None if e is None else asdict(e) for name, e in explanation.trade.items()},
        "sentences": list(explanation.sentences),
        "agreements": [plain(one) for one in explanation.agreements],
        "spectra": [
            {
                "condition": s.info.id,
                "high": s.high,
                "strongest": s.info.id in shown,
                "plane": [[None if v is None else round(v, 2) for v in row] for row in _logarithm(s.magnitude)],
            }
            for s in explanation.spectra
        ],
    }
    path = store.path / NAME
    write_json(path, numbers, allow_nan=False, separators=(",", ":"))
    return path


def _logarithm(magnitude: Power) -> list[list[float | None]]:
    """Base 10, of means over blocks so that no side is longer than ``SIDE``; ``None`` where nothing changes."""
    ends = [np.linspace(0, n, min(n, SIDE) + 1).round().astype(int) for n in magnitude.shape]
    sums = np.add.reduceat(np.add.reduceat(magnitude, ends[0][:-1], 0), ends[1][:-1], 1)
    means = sums / np.outer(*(np.diff(e) for e in ends))
    floor = 1e-6 * float(means.max())
    return [[math.log10(v) if v > floor else None for v in row] for row in means.tolist()]


def explained_again(folder: Path, most: int = 200, until: float | None = None) -> Explanation | None:
    """Explain a run whose data can be opened as recorded, and keep it.

    ``None`` without shifts, maps or such data, and where nothing was answered since it was last explained.

    Args:
        folder: Of the run.
        most: Images for the spectra; fewer (at least 25) of more than 64 x 64 pixels.
        until: ``time.monotonic()`` when it is to be over, if it matters.

    Raises:
        OutOfTimeError: It would take longer.
        DataError: The data have changed.
    """
    store = RunStore.open(folder)
    data, kinds = store.manifest.data, {i.kind for i in store.manifest.conditions.values()}
    how = data.get("how") or {}
    given = data.get("kind") != "array" and "resize" in how
    if not {"clean", "shift"} <= kinds or not given or is_current(store):
        return None
    try:
        fourier_maps(store)
    except UsageError:
        return None
    require(until is None or time.monotonic() < until, _LATE, OutOfTimeError)
    source = reopened_as_recorded(store)
    pixels = data["shape"][1] * data["shape"][2]
    explanation = explain(store, source, max(25, min(most, most * 64 * 64 // pixels)), until=until)
    keep(explanation, store)
    return explanation


def markdown(explanation: Explanation) -> str:
    """The page as text: correlations, sentences, and the shifts by where their energy lies."""
    side = explanation.bandwidth
    lines = [
        "# Frequencies of the shifts, and errors",
        "",
        f"Spectra of what each shift changes, over {explanation.images:,} images; low: in the centred {side} x {side} "
        "frequencies. Predicted: the Fourier map's error weighted by that energy; it ranks shifts "
        "and is no error rate to expect: waves and shifts differ in size. r: Pearson's, jackknife over shifts, "
        "95 %; none under 8 shifts.",
        "",
        "| model | r of predicted and measured error | r of high-frequency share and error less the first model's |",
        "|---|---|---|",
    ]
    for model, r in explanation.correlation.items():
        shifts = len({c.shift for c in explanation.cases if c.model == model})
        trade = _r_text(explanation.trade[model], shifts) if model in explanation.trade else ""
        lines.append(f"| {_cell(model)} | {_r_text(r, shifts)} | {trade} |")
    lines += ["", *(f"* {s}" for s in explanation.sentences)]
    if not explanation.sentences:
        lines.append("No shift, band and comparison agree with intervals that leave 0 out.")
    lines += ["", "| model | condition | above | predicted | error less clean |", "|---|---|---|---|---|"]
    for c in sorted(explanation.cases, key=lambda c: (c.model, c.high)):
        row = (_cell(c.model), _cell(c.condition), f"{c.high:.0%}", f"{c.predicted:.1%}", points(c.measured))
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _r_text(r: Estimate | None, shifts: int) -> str:
    if r is None:
        return f"too few ({shifts} shifts of {FEWEST_GROUPS})" if shifts < FEWEST_GROUPS else "values do not vary"
    return f"{r.value:+.2f} [{r.low:+.2f}, {r.high:+.2f}], {r.n} shifts"
