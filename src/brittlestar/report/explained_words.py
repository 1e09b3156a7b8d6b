"""What an explanation says of models against each other: only where shift and band agree, beyond clean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sensitivity import Sensitivity, corrected_together
from brittlestar.measures.spectra import band_ratio
from brittlestar.report.agreements import SENSITIVE, Against, Agreement, ShiftContrast
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


def agreements_of(
    store: RunStore, cases: Sequence[Case], maps: Mapping[str, FourierMap], rule: str
) -> tuple[Agreement, ...]:
    """Where shift and band agree that a model is more, or less, sensitive than the first.

    Both against clean on two scales (``measures.sensitivity``), Holm-corrected over all shifts and bands that were
    looked at.
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
        # Not the middle band: shifts that change mainly what lies there are none of ``wanted``.
        for band, low, high in (measures.BANDS[0], measures.BANDS[2])
    }
    shifts = {}
    for case in wanted:
        a, b = (_rows_of(store, m, case.condition) for m in (case.model, first))
        shifts[case.model, case.condition] = measures.row_sensitivity(
            [a], [b], clean[case.model], clean[first], chance, rule, measures.of_many(len(wanted))
        )
    return agreements(
        wanted, bands, shifts, first, lambda name, low, high: _times(maps[name], maps[first], low, high, rule)
    )


def agreements(
    cases: Sequence[Case],
    bands: Mapping[tuple[str, str], Sensitivity],
    shifts: Mapping[tuple[str, str], Sensitivity],
    first: str,
    times: Callable[[str, float, float], Estimate | None],
) -> tuple[Agreement, ...]:
    """The bands that some shift agrees with; of each kind of shift the condition that differs most.

    Args:
        cases: Models under shifts that change low frequencies only, or high ones only.
        bands: By (model, band), against the first model.
        shifts: By (model, condition), against the first model.
        first: Its name.
        times: The ratio of the errors of a model and the first in a band, where there is one to tell.
    """
    judged = corrected_together([*bands.values(), *shifts.values()])
    # Not strict: ``judged`` goes on with the shifts.
    of_band = dict(zip(bands, judged, strict=False))
    of_shift = dict(zip(shifts, judged[len(bands) :], strict=True))
    agreed = []
    for (name, band), apart in of_band.items():
        if apart.state not in SENSITIVE:
            continue
        alike: dict[str, ShiftContrast] = {}
        unlike: dict[str, ShiftContrast] = {}
        for case in cases:
            if case.model != name or (case.high < LOW) != (band == "low"):
                continue
            own = Against.of(of_shift[name, case.condition])
            told = alike if own.state == apart.state else unlike
            best = told.get(case.shift)
            if best is None or _weight(own) > _weight(best.contrast):
                share = 1 - case.high if band == "low" else case.high
                told[case.shift] = ShiftContrast(condition=case.condition, share=share, contrast=own)
        if not alike:
            continue
        _, low, high = next(b for b in measures.BANDS if b[0] == band)
        agreed.append(
            Agreement(
                model=name,
                first=first,
                band=band,
                waves=Against.of(apart),
                times=times(name, low, high),
                shifts=_largest_first(alike.values()),
                # A kind of shift that agrees at one strength is no exception at another.
                exceptions=_largest_first(told for shift, told in unlike.items() if shift not in alike),
                of_bands=len(bands),
                of_shifts=len(shifts),
            )
        )
    return tuple(agreed)


def _weight(found: Against) -> tuple[bool, float]:
    """What is told of a kind of shift: a difference in sensitivity before none, then the largest raw difference."""
    return found.state in SENSITIVE, abs(found.raw.value)


def _largest_first(shifts: Iterable[ShiftContrast]) -> tuple[ShiftContrast, ...]:
    return tuple(sorted(shifts, key=lambda s: _weight(s.contrast), reverse=True))


def sentences(agreed: Sequence[Agreement], side: int, names_of: Mapping[str, str]) -> list[str]:
    """One for each shift that agrees with its band.

    Args:
        agreed: With their shifts.
        side: Of the square of low frequencies.
        names_of: A name for people, by condition.
    """
    return [_sentence(one, shift, side, names_of[shift.condition]) for one in agreed for shift in one.shifts]


def _sentence(one: Agreement, shift: ShiftContrast, side: int, name: str) -> str:
    return (
        f"{name}: {shift.share:.0%} of its change lies {'inside' if one.band == 'low' else 'outside'} the lowest "
        f"{side} x {side} frequencies. {one.model} is {one.state} than {one.first} to it ({_spelt(shift.contrast)}; "
        f"intervals for one chosen of {one.of_shifts:,}) and to waves of {one.band} frequency ({_spelt(one.waves)})"
        f"{_as_often(one.times)}; on clean images {points(shift.contrast.clean)} of accuracy."
    )


def _as_often(times: Estimate | None) -> str:
    """`` (3.10 times [2.20, 4.50] as often)``."""
    return "" if times is None else f" ({times.value:.2f} times [{times.low:.2f}, {times.high:.2f}] as often)"


def _spelt(found: Against) -> str:
    assert found.kept is not None
    return (
        f"accuracy raw {points(found.raw)}, beyond clean {points(found.beyond)}, kept above chance {points(found.kept)}"
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


def _times(own: FourierMap, base: FourierMap, low: float, high: float, rule: str) -> Estimate | None:
    """The ratio of errors in a band, where its interval, as it is printed, has an end and leaves out 1."""
    # A ratio needs every outcome, and a survey has stand-ins for those that it did not ask.
    if not (own.complete and base.complete):
        return None
    try:
        ratio = band_ratio(own, base, low, high, rule=rule)
    except NoSamplesError:
        return None
    low_end, high_end = round(ratio.low, 2), round(ratio.high, 2)
    return ratio if math.isfinite(high_end) and (low_end > 1 or high_end < 1) else None


def points(found: Estimate) -> str:
    """``+3.1 points [1.9, 4.4]``."""
    return f"{100 * found.value:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
