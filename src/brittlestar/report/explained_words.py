"""What an explanation says of models against each other: only where shift and band agree, beyond clean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    places = [(name, band) for name in others for band in (measures.BANDS[0], measures.BANDS[2])]
    bands = {
        (name, band[0]): measures.band_sensitivity(
            maps[name],
            maps[first],
            clean[name],
            clean[first],
            band[1],
            band[2],
            chance,
            rule=map_rule(rule, maps[name], maps[first]),
        )
        for name, band in places
    }
    shifts = {}
    for case in cases:
        if case.against is not None and not 0.2 <= case.high <= 0.8:
            a, b = (_rows_of(store, m, case.condition) for m in (case.model, first))
            shifts[case.model, case.condition] = measures.row_sensitivity(
                [a], [b], clean[case.model], clean[first], chance, rule
            )
    judged = corrected_together([*bands.values(), *shifts.values()])
    of_band = dict(zip(bands, judged, strict=False))
    of_shift = dict(zip(shifts, judged[len(bands) :], strict=True))
    found = []
    for name, (band, low, high) in places:
        apart = of_band[name, band]
        strongest: dict[str, Case] = {}
        for case in cases:
            inside = case.high < 0.2 if band == "low" else case.high > 0.8
            own = of_shift.get((name, case.condition)) if case.model == name and inside else None
            if own is None or own.state != apart.state or own.state not in ("more sensitive", "less sensitive"):
                continue
            best = strongest.get(case.shift)
            if best is None or abs(_raw(case)) > abs(_raw(best)):
                strongest[case.shift] = case
        times = _times(maps[name], maps[first], low, high, rule) if strongest else ""
        for case in strongest.values():
            own = of_shift[name, case.condition]
            share = 1 - case.high if band == "low" else case.high
            found.append(
                f"{names_of[case.condition]}: {share:.0%} of its change lies "
                f"{'inside' if band == 'low' else 'outside'} the lowest {side} x {side} frequencies. {name} is "
                f"{own.state} than {first} to it ({_spelt(own)}) and to waves of {band} frequency ({_spelt(apart)})"
                f"{times}; on clean images {points(own.clean)} of accuracy."
            )
    return found


def _raw(case: Case) -> float:
    return case.against.value if case.against else 0.0


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
