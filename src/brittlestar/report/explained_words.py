"""What an explanation says of models against each other: only where shift and band agree, beyond clean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sensitivity import Sensitivity, corrected_together
from brittlestar.measures.spectra import band_ratio
from brittlestar.report.figure import map_rule
from brittlestar.store import RunStore

LOW, HIGH = 0.2, 0.8
"""A shift is one of low (high) frequencies where less (more) than this share of its energy lies above the square."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model under one shift condition.

    Fields:
        model, condition, shift: Which.
        high: Share of the change's energy above the bandwidth.
        predicted: The map's error weighted by the change's energy.
        measured: Error minus the clean error, paired by sample.
        against: Error minus the first model's on the same samples; ``None`` for the first model.
    """

    model: str
    condition: str
    shift: str
    high: float
    predicted: float
    measured: Estimate
    against: Estimate | None


def explained_sentences(
    store: RunStore,
    cases: Sequence[Case],
    maps: Mapping[str, FourierMap],
    side: int,
    rule: str,
    names_of: Mapping[str, str],
) -> list[str]:
    """A sentence where shift and band agree that a model is more, or less, sensitive than the first.

    Both against clean on two scales (``measures.sensitivity``), Holm-corrected over all shifts and bands that were
    looked at. Of each kind of shift the condition with the largest raw difference is told.
    """
    clean, chance = _clean_rows(store, list(maps))
    first, *others = maps
    wanted = [c for c in cases if c.against is not None and not LOW <= c.high <= HIGH]
    bands = {
        (name, band): measures.band_sensitivity(
            maps[name],
            maps[first],
            clean[name],
            clean[first],
            low,
            high,
            chance,
            measures.of_many(2 * len(others)),
            map_rule(rule, maps[name], maps[first]),
        )
        for name in others
        for band, low, high in (measures.BANDS[0], measures.BANDS[2])
    }
    shifts = {}
    for case in wanted:
        a, b = (_rows_of(store, m, case.condition) for m in (case.model, first))
        shifts[case.model, case.condition] = measures.row_sensitivity(
            [a], [b], clean[case.model], clean[first], chance, rule, measures.of_many(len(wanted))
        )
    return [
        f"{names_of[case.condition]}: {said}"
        for case, said in agreements(
            wanted, bands, shifts, first, side, lambda n, low, high: _times(maps[n], maps[first], low, high, rule)
        )
    ]


def agreements(
    cases: Sequence[Case],
    bands: Mapping[tuple[str, str], Sensitivity],
    shifts: Mapping[tuple[str, str], Sensitivity],
    first: str,
    side: int,
    times: Callable[[str, float, float], str],
) -> list[tuple[Case, str]]:
    """The cases whose shift and band agree, the one that differs most of each kind of shift, and what is said of it.

    Args:
        cases: Models under shifts that change low frequencies only, or high ones only.
        bands: By (model, band), against the first model.
        shifts: By (model, condition), against the first model.
        first: Its name.
        side: Of the square of low frequencies.
        times: The ratio of the errors of a model and the first in a band, in words.
    """
    judged = corrected_together([*bands.values(), *shifts.values()])
    of_band = dict(zip(bands, judged, strict=False))
    of_shift = dict(zip(shifts, judged[len(bands) :], strict=True))
    found = []
    for (name, band), apart in of_band.items():
        strongest: dict[str, Case] = {}
        for case in cases:
            if case.model != name or (case.high < LOW) != (band == "low"):
                continue
            own = of_shift[name, case.condition]
            if own.state != apart.state or own.state not in ("more sensitive", "less sensitive"):
                continue
            best = strongest.get(case.shift)
            if best is None or abs(own.raw.value) > abs(of_shift[name, best.condition].raw.value):
                strongest[case.shift] = case
        _, low, high = next(b for b in measures.BANDS if b[0] == band)
        ratio = times(name, low, high) if strongest else ""
        for case in strongest.values():
            own = of_shift[name, case.condition]
            share = 1 - case.high if band == "low" else case.high
            text = (
                f"{share:.0%} of its change lies {'inside' if band == 'low' else 'outside'} the lowest {side} x {side} "
                f"frequencies. {name} is {own.state} than {first} to it ({_spelt(own)}; intervals for one chosen of "
                f"{len(shifts):,}) and to waves of {band} frequency ({_spelt(apart)}){ratio}; on clean images "
                f"{points(own.clean)} of accuracy."
            )
            found.append((case, text))
    return found


def _spelt(found: Sensitivity) -> str:
    assert found.ratio is not None
    return (
        f"accuracy raw {points(found.raw)}, beyond clean {points(found.additive)}, "
        f"kept above chance {points(found.ratio)}"
    )


def _clean_rows(store: RunStore, names: list[str]) -> tuple[dict[str, Rows], float]:
    """The answers of every model to clean images, and the accuracy of always answering the commonest class."""
    (clean,) = [i.fingerprint for i in store.manifest.conditions.values() if i.kind == "clean"]
    rows = {m: store.read(store.manifest.models[m]["fingerprint"], [clean], detail=False)[clean] for m in names}
    _, labels = store.samples()
    return rows, measures.chance(labels)


def _rows_of(store: RunStore, model: str, condition: str) -> Rows:
    (fingerprint,) = [i.fingerprint for i in store.manifest.conditions.values() if i.id == condition]
    return store.read(store.manifest.models[model]["fingerprint"], [fingerprint], detail=False)[fingerprint]


def _times(own: FourierMap, base: FourierMap, low: float, high: float, rule: str) -> str:
    """`` (3.10 times [2.20, 4.50] as often)``, where the interval has an end and leaves out 1."""
    if not (own.complete and base.complete):
        return ""
    try:
        ratio = band_ratio(own, base, low, high, rule=rule)
    except NoSamplesError:
        return ""
    low_end, high_end = round(ratio.low, 2), round(ratio.high, 2)
    shown = math.isfinite(high_end) and (low_end > 1 or high_end < 1)
    return f" ({ratio.value:.2f} times [{low_end:.2f}, {high_end:.2f}] as often)" if shown else ""


def points(found: Estimate) -> str:
    """``+3.1 points [1.9, 4.4]``."""
    return f"{100 * found.value:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
