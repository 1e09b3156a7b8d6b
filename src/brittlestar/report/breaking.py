"""Where severity curves fall below a level: which breaks first, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brittlestar import measures
from brittlestar.measures.base import Estimate
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Finding
from brittlestar.report.series import Series, broken_below, condition_title, series_of
from brittlestar.report.subjects import CLEAN, Subject
from brittlestar.report.words import THIN, chosen, count, images, interval, number, percent, share


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


def half_level(subject: Subject, numbers: Numbers) -> tuple[float, str]:
    """The accuracy under which a model counts as broken (see ``broken_below``), and its name."""
    level = broken_below(subject, numbers)
    assert level is not None
    # Exact on floats: ``broken_below`` makes the same division.
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
    # What is shown to break comes before what may have broken by chance.
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
        # What another curve does further along does not take the first place from this one.
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
        # Filters take away information on purpose: that they break a model says little (``kept.APART``).
        if own and s.family != "spectral":
            listed.append(Series(s.family, s.shift, s.series, s.title, s.kind, own))
    return listed


def breaking_findings(gathered: Gathered, subject: Subject, numbers: Numbers) -> list[Finding]:
    """What breaks a model first, or that nothing was seen to."""
    if subject.clean is None:
        return []
    clean = numbers.accuracy(subject, CLEAN)
    level, words = half_level(subject, numbers)
    listed = ordinary_series(gathered, subject)
    if not listed:
        asked = "of shifts only filters and bands of frequencies were" if subject.of_kind("shift") else "no shift was"
        return [
            Finding(
                model=subject.entry,
                lead=f"Right in {percent(clean)} of the clean images",
                text=f"{interval(clean)}, {images(clean.n)}; {asked} asked.",
                estimates=(clean,),
            )
        ]
    # A model that guesses has nothing to lose: its flat curves would read as robustness.
    if clean.low <= subject.chance:
        return [
            Finding(
                model=subject.entry,
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
            Finding(
                model=subject.entry,
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
    return [
        Finding(
            model=subject.entry,
            lead=f"{verb} {first.series.title}:",
            text=text,
            estimates=(first.accuracy, clean),
            tone="bad",
        )
    ]
