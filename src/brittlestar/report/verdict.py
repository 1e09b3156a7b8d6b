"""Findings in words. Every sentence is made from estimates and carries them; overlap is said, not glossed over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from brittlestar import measures
from brittlestar.measures.base import Estimate
from brittlestar.report.compared import band_name, compare_models
from brittlestar.report.content import Calibration, Comparison, ModelEntry, Sentence, Verdict
from brittlestar.report.gather import CLEAN, Gathered, Subject
from brittlestar.report.numbers import Numbers
from brittlestar.report.overview import condition_title, mean_error, worst_shift
from brittlestar.report.series import Series, broken_below, series_of
from brittlestar.report.spectrum_content import Spectrum
from brittlestar.report.words import THIN, chosen, count, images, interval, listing, number, percent, points, share


@dataclass(frozen=True)
class Breaking:
    """Where a severity curve first falls below a level: the place among the strengths, and the accuracy there."""

    series: Series
    condition: str
    place: int
    strengths: int
    accuracy: Estimate
    sure: bool

    @property
    def reach(self) -> float:
        """How far along its curve the strength lies, in (0, 1]."""
        return reach(self.place, self.strengths)


def build_verdicts(
    gathered: Gathered,
    numbers: Numbers,
    spectrum: Spectrum | None,
    calibration: Calibration | None,
    comparison: Comparison | None,
) -> tuple[Verdict, ...]:
    """The comparison first where there is one, then each model."""
    found = []
    together = compare_models(gathered, numbers, spectrum, comparison)
    if together:
        found.append(Verdict(model=None, sentences=tuple(together)))
    for subject in gathered.subjects:
        sentences = [
            *_breaking(gathered, subject, numbers),
            *_frequencies(subject, spectrum),
            *_on_average(subject, numbers),
            *_attacked(gathered, subject, numbers),
            *_confidence(subject, calibration),
        ]
        found.append(Verdict(model=subject.entry, sentences=tuple(sentences)))
    return tuple(found)


def half_level(subject: Subject, numbers: Numbers) -> tuple[float, str]:
    """The accuracy under which a model counts as broken (see ``broken_below``), and its name."""
    level = broken_below(subject, numbers)
    assert level is not None
    half = level == numbers.accuracy(subject, CLEAN).value / 2
    return level, "half of its clean accuracy" if half else "half way from its clean accuracy to guessing"


def breakings(gathered: Gathered, subject: Subject, numbers: Numbers, level: float) -> list[Breaking]:
    """Every severity curve (attacks and filters apart) that falls below the level, the earliest first.

    The first is chosen of all strengths of all curves, so every interval here holds together with all others.
    """
    listed = ordinary_series(gathered, subject)
    together = simultaneous_level(listed, numbers)
    found = []
    for series in listed:
        for place, info in enumerate(series.infos):
            accuracy = numbers.accuracy(subject, info.id, together)
            if accuracy.value < level:
                found.append(Breaking(series, info.id, place, len(series.infos), accuracy, accuracy.high < level))
                break
    return sorted(found, key=lambda b: (not b.sure, b.reach, b.accuracy.value))


def simultaneous_level(listed: Sequence[Series], numbers: Numbers) -> float:
    """The level at which the intervals of all strengths of some curves hold together."""
    return measures.of_many(max(sum(len(s.infos) for s in listed), 1), numbers.level)


def first_for_sure(first: Breaking, listed: Sequence[Series], numbers: Numbers, subject: Subject, level: float) -> bool:
    """Whether no other curve can have fallen below the level as early, all intervals holding together."""
    together = simultaneous_level(listed, numbers)
    return first.sure and all(
        numbers.accuracy(subject, info.id, together).low >= level
        for series in listed
        if series is not first.series
        for place, info in enumerate(series.infos)
        if reach(place, len(series.infos)) <= first.reach
    )


def reach(place: int, strengths: int) -> float:
    """How far along its curve a strength lies, in (0, 1]; the whole way where there is only one."""
    return (place + 1) / strengths if strengths > 1 else 1.0


def ordinary_series(gathered: Gathered, subject: Subject) -> list[Series]:
    """The subject's severity curves of shifts but filters."""
    listed = []
    for s in series_of(gathered, "shift"):
        own = tuple(i for i in s.infos if i.id in subject.rows)
        if own and s.family != "spectral":
            listed.append(Series(s.family, s.shift, s.series, s.title, s.kind, own))
    return listed


def _breaking(gathered: Gathered, subject: Subject, numbers: Numbers) -> list[Sentence]:
    if subject.clean is None:
        return []
    clean = numbers.accuracy(subject, CLEAN)
    level, words = half_level(subject, numbers)
    listed = ordinary_series(gathered, subject)
    if not listed:
        asked = "of shifts only filters and bands of frequencies were" if subject.of_kind("shift") else "no shift was"
        return [
            Sentence(
                lead=f"Right in {percent(clean)} of the clean images",
                text=f"{interval(clean)}, {images(clean.n)}; {asked} asked.",
                estimates=(clean,),
            )
        ]
    if clean.low <= subject.chance:
        return [
            Sentence(
                lead="Not shown to do more than guess:",
                text=f"right in {share(clean)} of the clean images, where always answering one class is right in "
                f"{number(100 * subject.chance)}{THIN}% ({images(clean.n)}); what would break it cannot be told.",
                estimates=(clean,),
                tone="bad",
            )
        ]
    broken = breakings(gathered, subject, numbers, level)
    if not broken:
        conditions = [i.id for s in listed for i in s.infos]
        worst, accuracy = numbers.lowest_accuracy(subject, conditions)
        sure = accuracy.low >= level
        return [
            Sentence(
                lead="Does not break" if sure else "Was not seen to break",
                text=f"at any strength of the {count(len(listed), 'shift')} asked: accuracy stays above {words} "
                f"({percent(clean)}){'' if sure else ', by less than the interval'}. Lowest under "
                f"{condition_title(subject, worst)}: {share(accuracy)}{chosen(len(conditions))}, "
                f"{images(accuracy.n)}.",
                estimates=(clean, accuracy),
                tone="good" if sure else "plain",
            )
        ]
    first = broken[0]
    strength = Series.label(subject.infos[first.condition])
    certain = first_for_sure(first, listed, numbers, subject, level)
    verb = "Breaks first at" if certain else "Among the first to break it:" if first.sure else "May break first at"
    total = sum(len(s.infos) for s in listed)
    where = f" from {strength}" if strength and first.strengths > 1 else f" at {strength}" if strength else ""
    rank = f", strength {first.place + 1} of {first.strengths}" if first.strengths > 1 else ""
    together = f"; all {total} intervals hold together" if total > 1 else ""
    found = f"{share(first.accuracy)} against {percent(clean)} clean, {images(first.accuracy.n)}{rank}{together}"
    text = f"below {words}{where} ({found})."
    held = len(listed) - len(broken)
    text += (
        f" {len(broken)} of {count(len(listed), 'shift')} bring it that low at some strength; {held} do not."
        if len(listed) > 1
        else ""
    )
    return [Sentence(lead=f"{verb} {first.series.title}:", text=text, estimates=(first.accuracy, clean), tone="bad")]


def _frequencies(subject: Subject, spectrum: Spectrum | None) -> list[Sentence]:
    place = _place(subject.entry, spectrum)
    if spectrum is None or place is None or len(spectrum.bands) < 2:
        return []
    low, high = spectrum.bands[0], spectrum.bands[-1]
    a, b = low.errors[place], high.errors[place]
    base = f"{images(a.n)}, {spectrum.norm}"
    if a.high < b.low:
        weak, strong, first, second = low, high, b, a
    elif b.high < a.low:
        weak, strong, first, second = high, low, a, b
    else:
        text = f"error is {share(a)} under waves {low.reach} and {share(b)} {high.reach} ({base})."
        return [
            Sentence(
                lead=f"{band_name(low.name).capitalize()} or {band_name(high.name)} frequencies, no difference shown:",
                text=text,
                estimates=(a, b),
            )
        ]
    text = f"waves {strong.reach} bring its error to {share(first)}, "
    text += f"those {weak.reach} to {share(second)} ({base})."
    return [Sentence(lead=f"Leans on {band_name(strong.name)} frequencies:", text=text, estimates=(first, second))]


def _on_average(subject: Subject, numbers: Numbers) -> list[Sentence]:
    conditions = [info.id for info in subject.of_kind("shift")]
    worst = worst_shift(subject, numbers)
    if not conditions or worst is None or subject.clean is None:
        return []
    error, loss = mean_error(subject, numbers), numbers.mean_drop(subject, conditions)
    assert error is not None
    text = (
        f"on average over {count(len(conditions), 'condition')}: {points(loss, sign=True)} against clean images. "
        f"Worst: {condition_title(subject, worst[0])}, accuracy {share(worst[1])}{chosen(len(conditions))}."
    )
    return [
        Sentence(
            lead=f"Errs in {percent(error)} {interval(error)} of the shifted images,",
            text=text,
            estimates=(error, loss, worst[1]),
        )
    ]


def _attacked(gathered: Gathered, subject: Subject, numbers: Numbers) -> list[Sentence]:
    """Where each attack first brings a model below the level; the strengths were chosen, so intervals hold together."""
    if subject.clean is None:
        return []
    level, words = half_level(subject, numbers)
    listed = [
        dataclasses.replace(series, infos=own)
        for series in series_of(gathered, "attack")
        if (own := tuple(i for i in series.infos if i.id in subject.rows))
    ]
    if not listed:
        return []
    together = simultaneous_level(listed, numbers)
    parts, shown, every = [], [], []
    for series in listed:
        values = [numbers.accuracy(subject, i.id, together) for i in series.infos]
        lowest = min(range(len(values)), key=lambda k: values[k].value)
        at = next((k for k, v in enumerate(values) if v.value < level), lowest)
        parts.append(f"{series.title} at {Series.label(series.infos[at])} leaves {share(values[at])}")
        shown.append(values[at])
        every += values
    if any(v.high < level for v in shown):
        lead, tone = f"Falls below {words} under attack:", "bad"
    elif any(v.value < level for v in shown):
        lead, tone = f"May fall below {words} under attack:", "bad"
    elif all(v.low >= level for v in every):
        lead, tone = f"Stays above {words} under attack:", "good"
    else:
        lead, tone = f"Was not seen to fall below {words} under attack, by less than the interval:", "plain"
    of_all = f"; all {len(every)} intervals hold together" if len(every) > 1 else ""
    text = f"{listing(parts)} (white box, {images(shown[0].n)}{of_all})."
    return [Sentence(lead=lead, text=text, estimates=tuple(shown), tone=tone)]


def _confidence(subject: Subject, calibration: Calibration | None) -> list[Sentence]:
    if calibration is None:
        return []
    row = next((r for r in calibration.rows if r[0].key == subject.entry.key), None)
    if row is None:
        return []
    _, clean, shifted = row
    if shifted is None:
        return [
            Sentence(
                lead=f"Calibration error {percent(clean.ece)} on clean images",
                text=f"{interval(clean.ece)}, {images(clean.ece.n)}.",
                estimates=(clean.ece,),
            )
        ]
    worst, mean, increase = shifted.worst, shifted.mean, shifted.increase
    if increase.low > 0:
        lead, tone = "Worse calibrated when shifted than when clean:", "bad"
    elif increase.high < 0:
        lead, tone = "Better calibrated when shifted than when clean:", "plain"
    else:
        lead, tone = "Calibration, no difference shown between clean and shifted:", "plain"
    over = "" if shifted.conditions == 1 else f" on average over {shifted.conditions} shifted conditions"
    text = (
        f"calibration error {share(clean.ece)} clean, {share(mean)}{over} ({points(increase, sign=True)}, the same "
        f"images). {'Largest under' if shifted.conditions > 1 else 'Under'} {worst.title}, where it says "
        f"{number(worst.confidence * 100)}{THIN}% and is right in {share(worst.accuracy)}{chosen(shifted.conditions)}."
    )
    estimates = (clean.ece, mean, increase, worst.accuracy)
    return [Sentence(lead=lead, text=text, estimates=estimates, tone=tone)]


def _place(model: ModelEntry, spectrum: Spectrum | None) -> int | None:
    keys = [m.model.key for m in spectrum.maps] if spectrum is not None else []
    return keys.index(model.key) if model.key in keys else None
