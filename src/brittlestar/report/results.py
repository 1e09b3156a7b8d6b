"""The lines of ``results.csv``: one number each, by model, data, condition and measure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures.base import Estimate
from brittlestar.report.content import Break, Calibration, Result
from brittlestar.report.corruption_words import corruption_results
from brittlestar.report.corruptions import CorruptionSet
from brittlestar.report.gather import Gathered, Subject
from brittlestar.report.numbers import Numbers
from brittlestar.report.spectrum_content import Spectrum
from brittlestar.report.stability import StabilitySet, stability_results


def build_results(
    gathered: Gathered,
    numbers: Numbers,
    spectrum: Spectrum | None,
    calibration: Calibration | None,
    breaks: Sequence[Break],
    apart: Collection[str] = (),
) -> tuple[Result, ...]:
    """Accuracy and loss of accuracy of every condition, then what is made of many conditions.

    Models whose keys are in ``apart`` are compared with none.
    """
    found: list[Result] = []
    reference: dict[int, Subject] = {}
    for place, subject in enumerate(gathered.subjects):
        alone = subject.entry.key in apart
        first = subject if alone else reference.setdefault(subject.entry.data, subject)
        found += [
            Result(model=subject.entry.name, data=subject.data.name, condition=c, measure=m, estimate=e)
            for c, m, e in itertools.chain(
                _by_condition(subject, first, numbers),
                _over_shifts(subject, numbers),
                _by_curve(place, breaks),
                _by_band(subject, spectrum),
                _sureness(subject, calibration),
            )
            if e is not None
        ]
    return tuple(found)


def set_results(
    gathered: Gathered, corruptions: Sequence[CorruptionSet], stability: Sequence[StabilitySet]
) -> tuple[Result, ...]:
    """The numbers of the published sets, corruptions and sequences."""
    return tuple(
        Result(model=subject.entry.name, data=subject.data.name, condition=c, measure=m, estimate=e)
        for subject in gathered.subjects
        for c, m, e in itertools.chain(
            *(corruption_results(found, subject.entry) for found in corruptions),
            *(stability_results(found, subject.entry) for found in stability),
        )
        if e is not None
    )


Line = tuple[str, str, Estimate | None]


def _by_condition(subject: Subject, first: Subject, numbers: Numbers) -> Iterator[Line]:
    for info in subject.infos.values():
        yield info.id, "accuracy", numbers.accuracy(subject, info.id)
        if subject.clean is not None and info.kind in ("shift", "attack"):
            yield info.id, "error_increase", numbers.drop(subject, info.id)
        if subject is not first and info.kind != "fourier":
            difference = numbers.difference(subject, first, info.id)
            if difference is not None:
                yield info.id, f"error_minus_{first.entry.name}", difference[0]
            yield from _against(subject, first, numbers, info)


def _against(subject: Subject, first: Subject, numbers: Numbers, info: ConditionInfo) -> Iterator[Line]:
    found = numbers.sensitivity(subject, first, [info.id]) if info.kind in ("shift", "attack") else None
    if found is not None:
        yield info.id, f"accuracy_beyond_clean_minus_{first.entry.name}", found.additive
        yield info.id, f"kept_above_chance_minus_{first.entry.name}", found.ratio


def _over_shifts(subject: Subject, numbers: Numbers) -> Iterator[Line]:
    shifts = [info.id for info in subject.of_kind("shift")]
    if shifts:
        yield "shifts", "mean_error", numbers.mean_error(subject, shifts)
        if subject.clean is not None:
            yield "shifts", "mean_error_increase", numbers.mean_drop(subject, shifts)


def _by_curve(place: int, breaks: Sequence[Break]) -> Iterator[Line]:
    """Area under each severity curve, and its breaking point in units of its strength (``inf``: not reached)."""
    for row in breaks:
        point = row.points[place]
        yield row.key, "severity_area", row.areas[place]
        if point is not None:
            yield (
                row.key,
                "breaking_point",
                Estimate(
                    value=point.value, low=point.low, high=point.high, n=point.n, level=point.level, method=point.method
                ),
            )


def _by_band(subject: Subject, spectrum: Spectrum | None) -> Iterator[Line]:
    for place, map_ in enumerate(spectrum.maps if spectrum else ()):
        if spectrum is not None and map_.model.key == subject.entry.key:
            for band in spectrum.bands:
                yield f"fourier/{band.name}", "error_rate", band.errors[place]
                first, found = spectrum.maps[0].model.name, band.sensitivities[place]
                yield f"fourier/{band.name}", f"error_minus_{first}", band.differences[place]
                if found is not None:
                    yield f"fourier/{band.name}", f"accuracy_beyond_clean_minus_{first}", found.additive
                    yield f"fourier/{band.name}", f"kept_above_chance_minus_{first}", found.ratio


def _sureness(subject: Subject, calibration: Calibration | None) -> Iterator[Line]:
    for model, clean, shifted in calibration.rows if calibration else ():
        if model.key == subject.entry.key:
            yield clean.condition, "ece", clean.ece
            yield clean.condition, "rms_calibration", clean.rms
            if shifted is not None:
                worst = shifted.worst
                yield worst.condition, f"ece_highest_of_{shifted.conditions}", worst.ece
                yield worst.condition, f"rms_calibration_one_of_{shifted.conditions}", worst.rms
                yield "shifts", "mean_ece", shifted.mean
                yield "shifts", "mean_ece_increase", shifted.increase
