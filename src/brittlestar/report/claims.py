"""Findings fit for the first screen: a claim of a few words, one number of one condition, and how it grows.

For every family of shifts its worst severity curve (**where**), for the frequencies theirs (**why**), for attacks and
for wrong answers that a model is sure of theirs (**trust**). The worst were chosen for their numbers: how much accuracy
a curve costs holds together with all curves of all models beside it, and so does every number (``measures.of_many``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from brittlestar import measures
from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.advice import Advice, advised
from brittlestar.report.gather import Gathered
from brittlestar.report.kept import KeptScale, answered, families_of, scale_of, shared
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Finding, Shown, Spark, SparkLine, SparkPoint
from brittlestar.report.series import OCTAVE, Series
from brittlestar.report.subjects import CLEAN, Subject
from brittlestar.report.who import who
from brittlestar.report.words import chosen, images, number, points, share

HALF = 0.5
"""Under this share of its accuracy a model counts as fallen."""

BROKEN = 0.1
"""Under this share hardly anything is left: the claim says that the shift breaks the model, not that it halves it."""

HOLDS = 0.75
"""A model is said to hold where it is shown to keep more than this."""

LEAST = 3
"""A curve has at least so many strengths; shorter ones are asked only where there is no curve in the family."""

LONGEST_AXIS = 30
"""Characters that fit under a spark line."""

SURE = 0.1
"""So many points of confidence beyond accuracy make a model sure though wrong."""

WITHOUT = {
    ("high_pass", ""): "low frequencies",
    ("band_stop", "high"): "low frequencies",
    ("low_pass", ""): "high frequencies",
    ("band_pass", "low"): "high frequencies",
}
"""What filters take away, by (shift, series)."""

Slot = Literal["where", "why", "trust"]


@dataclass(frozen=True, kw_only=True)
class _Hit:
    """A severity curve and the model that it costs most.

    Fields:
        series, conditions: The curve, and its conditions that all of the models have answered.
        subjects: The models of one data set.
        losses: What it costs each, in accuracy.
        worst: Place of the model hit hardest.
    """

    series: Series
    conditions: tuple[str, ...]
    subjects: tuple[Subject, ...]
    losses: tuple[Estimate, ...]
    worst: int

    @property
    def subject(self) -> Subject:
        """The model hit hardest."""
        return self.subjects[self.worst]

    @property
    def lost(self) -> Estimate:
        """What it loses."""
        return self.losses[self.worst]


def shift_claims(gathered: Gathered) -> tuple[Finding, ...]:
    """The worst curve of every family of shifts but filters."""
    families = families_of(gathered)
    groups = {key: listed for key, listed in families.items() if key not in ("frequencies", "attack")}
    return tuple(_claims(gathered, groups, "where"))


def filter_claims(gathered: Gathered) -> tuple[Finding, ...]:
    """What filters, noise in a band and scrambled phases say of what a model reads, one a direction."""
    groups: dict[str, list[Series]] = {}
    for series in families_of(gathered).get("frequencies", []):
        # Nothing gets stronger along octaves, so there is no curve whose loss could be told.
        if series.kind == "shift" and series.series != OCTAVE:
            groups.setdefault(WITHOUT.get((series.shift, series.series), series.title), []).append(series)
    return tuple(_claims(gathered, groups, "why"))


def attack_claims(gathered: Gathered) -> tuple[Finding, ...]:
    """The worst case, one a threat model."""
    attacks = families_of(gathered).get("attack", [])
    return tuple(_claims(gathered, {series.title: [series] for series in attacks}, "trust"))


def _claims(gathered: Gathered, groups: dict[str, list[Series]], slot: Slot) -> Iterator[Finding]:
    scale = gathered.once(scale_of)
    for subjects in _by_data(gathered):
        curves = [series for listed in groups.values() for series in listed]
        losses = Numbers(gathered.rule, measures.of_many(max(len(curves) * len(subjects), 1)))
        cells = sum(len(curve) for s in subjects for curve in answered(curves, s))
        for listed in groups.values():
            hit = _worst(listed, subjects, losses)
            if hit is not None:
                yield _finding(hit, scale, slot, cells, len(curves) * len(subjects))


def _by_data(gathered: Gathered) -> list[tuple[Subject, ...]]:
    """The models with clean images, data set by data set: others share no images."""
    groups: dict[int, list[Subject]] = {}
    for subject in gathered.subjects:
        if subject.clean is not None:
            groups.setdefault(subject.entry.data, []).append(subject)
    return [tuple(group) for group in groups.values()]


def _worst(listed: Sequence[Series], subjects: Sequence[Subject], numbers: Numbers) -> _Hit | None:
    """The curve that costs the model it hits hardest most, by the lower limit; ``None`` where no loss is shown."""
    hits = [hit for series in listed if (hit := _hit(series, subjects, numbers)) is not None]
    long = [hit for hit in hits if len(hit.conditions) >= LEAST]
    worst = max(long or hits, key=lambda hit: hit.lost.low, default=None)
    return worst if worst is not None and worst.lost.low > 0 else None


def _hit(series: Series, subjects: Sequence[Subject], numbers: Numbers) -> _Hit | None:
    asked = tuple(s for s in subjects if any(i.id in s.rows for i in series.infos))
    conditions = shared([series], asked) if asked else []
    if not conditions:
        return None
    losses = tuple(numbers.mean_drop(s, conditions[0]) for s in asked)
    worst = max(range(len(asked)), key=lambda place: losses[place].value)
    return _Hit(series=series, conditions=tuple(conditions[0]), subjects=asked, losses=losses, worst=worst)


def _finding(hit: _Hit, scale: KeptScale, slot: Slot, cells: int, curves: int) -> Finding:
    level = measures.of_many(max(cells, 1))
    found = [[scale.at(s, c, level) for c in hit.conditions] for s in hit.subjects]
    values = [[_plain(e, scale) for e in of_model if e is not None] for of_model in found]
    own = values[hit.worst]
    # HALF is a share of what is kept; of plain accuracy it would mean something else for every model.
    fell = [place for place, e in enumerate(own) if scale.kept and e.high < HALF]
    at = fell[0] if fell else min(range(len(own)), key=lambda place: own[place].value)
    condition, shown = hit.conditions[at], own[at]
    compared = _compared(hit, scale.numbers) if len(hit.subjects) > 1 and scale.kept else ()
    if fell:
        struck = [s for s, of_model in zip(hit.subjects, values, strict=True) if of_model[at].high < HALF]
    else:
        struck = [s for s, lost in zip(hit.subjects, hit.losses, strict=True) if lost.low > 0]
    holding = [s for s, e in compared if e.state == "more sensitive" and _at(hit, values, s, at).low > HOLDS]
    info = hit.subject.infos[condition]
    step = step_of(Series.label(info), at, len(hit.conditions))
    verb = "keeps" if scale.kept else "is right in"
    verb_of = "break" if fell and shown.high < BROKEN else "halve" if fell else "hurt"
    lead = claim_of(hit.series, struck, hit.subjects, step if fell else "", verb_of)
    lead = _with_holding(lead, holding if fell and len(struck) == 1 else [], hit.subjects)
    of_what = " of its accuracy above guessing" if scale.kept else ""
    text = (
        f"{hit.subject.entry.name} {verb} {share(shown)}{of_what} under {small(hit.series.title)}"
        f"{f', {Series.label(info)}' if Series.label(info) else ''}{chosen(cells)}; on average over "
        f"{_strengths(len(hit.conditions))} it loses {points(hit.lost)} of accuracy{chosen(curves)}, {images(shown.n)}."
    )
    advice = Advice(
        subject=hit.subject,
        family=hit.series.family if slot == "where" else slot,
        series=hit.series,
        shown=shown,
        compared=tuple((s, e, _at(hit, values, s, at)) for s, e in compared),
    )
    return Finding(
        lead=f"{lead}:",
        text=text,
        estimates=(shown, hit.lost),
        tone="bad" if fell else "plain",
        sensitivities=tuple(e for _, e in compared) if holding else (),
        model=hit.subject.entry,
        slot=slot,
        claim=lead,
        number=Shown(estimate=shown, before=f"{hit.subject.entry.name} {verb}"),
        lost=_plain(hit.lost, scale),
        condition=condition,
        spark=_spark(hit, values, condition, scale),
        action=advised(advice),
    )


def _at(hit: _Hit, values: Sequence[Sequence[Estimate]], subject: Subject, at: int) -> Estimate:
    return values[hit.subjects.index(subject)][at]


def _plain(found: Estimate, scale: KeptScale) -> Estimate:
    """An estimate that is one of many, at the level at which all of them hold together."""
    return dataclasses.replace(found, level=scale.numbers.level)


def _compared(hit: _Hit, numbers: Numbers) -> tuple[tuple[Subject, Sensitivity], ...]:
    """The model hit hardest against each other one, on the whole curve, corrected for their number."""
    others = [s for s in hit.subjects if s is not hit.subject]
    found = [(s, numbers.sensitivity(hit.subject, s, hit.conditions)) for s in others]
    known = [(s, e) for s, e in found if e is not None]
    corrected = measures.corrected_together([e for _, e in known])
    return tuple((s, e) for (s, _), e in zip(known, corrected, strict=True))


def claim_of(series: Series, struck: Sequence[Subject], subjects: Sequence[Subject], step: str, does: str) -> str:
    """``Fog halves natural by severity 3``, ``all three fail without low frequencies``."""
    alone = len(subjects) == 1
    taken = WITHOUT.get((series.shift, series.series))
    if taken is not None:
        whom, many = ("It", False) if alone else (who(struck, subjects), len(struck) > 1)
        verb, how = ("lean", "on") if does == "hurt" else ("fail", "without")
        return _capital(f"{whom} {verb}{'' if many else 's'} {how} {taken}")
    whom = "accuracy" if alone else who(struck, subjects)
    # Titles are singular but for those of drawn lines and edges and of frequencies: the verb has to agree.
    plural = series.title.split(",")[0].endswith(("edges", "lines", "frequencies"))
    return f"{series.title} {does}{'' if plural else 's'} {whom}{step}"


def _with_holding(claim: str, holding: Sequence[Subject], subjects: Sequence[Subject]) -> str:
    """Adds who holds, where that is one model, or all others: both measures against clean say so."""
    if len(holding) == 1:
        longer = f"{claim}; {holding[0].entry.name} holds"
    elif len(holding) > 1 and len(holding) == len(subjects) - 1:
        longer = f"{claim}; the others hold"
    else:
        return claim
    return longer if len(longer.split()) <= MOST_WORDS else claim


MOST_WORDS = 12
"""In a claim."""


def step_of(label: str, at: int, strengths: int) -> str:
    """``by severity 3``, ``at σ = 0.2``; the number of the step where a label would be a sentence of its own."""
    short = label.split(" (")[0]
    if not short or strengths < 2:
        return ""
    if short.startswith("severity"):
        return f" by {short}"
    return f" at {short}" if len(short.split()) <= 4 else f" by step {at + 1} of {strengths}"


def _capital(text: str) -> str:
    """Names of models stay as they are written."""
    first = text.split()[0]
    return text[:1].upper() + text[1:] if first in ("all", "both", "it") else text


def _strengths(count: int) -> str:
    return f"its {count} strengths" if count > 1 else "it"


def _spark(hit: _Hit, values: Sequence[Sequence[Estimate]], condition: str, scale: KeptScale) -> Spark | None:
    if len(hit.conditions) < 2:
        return None
    lines = []
    for subject, of_model in zip(hit.subjects, values, strict=True):
        start = 1.0 if scale.kept else scale.numbers.accuracy(subject, CLEAN).value
        lines.append(_line(subject, start, hit.series, hit.conditions, [e.value for e in of_model]))
    return Spark(axis=axis_of(hit.series), lines=tuple(lines), model=hit.subject.entry.key, condition=condition)


def axis_of(series: Series) -> str:
    """What the ticks of a spark line are, in a few words: ``fog severity``, ``rotation, degrees``."""
    title, axis = small(series.title), series.axis
    if series.kind == "attack":
        return axis or title
    taken = WITHOUT.get((series.shift, series.series))
    if taken is not None:
        return f"{taken} removed"
    if axis.startswith("severity"):
        return f"{title} severity"
    joined = f"{title}, {axis}"
    return joined if axis and not axis.startswith("share of ") and len(joined) <= LONGEST_AXIS else title


def small(title: str) -> str:
    """A title inside a sentence: ``Fog`` is ``fog``, ``L2 PGD`` and ``JPEG compression`` stay."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _line(
    subject: Subject,
    start: float,
    series: Series,
    conditions: Sequence[str],
    values: Sequence[float],
    said: bool = False,
) -> SparkLine:
    labels = series.axis_labels()
    points = [SparkPoint(condition=CLEAN, label="", value=start)]
    points += [
        SparkPoint(condition=c, label=labels[c], value=value) for c, value in zip(conditions, values, strict=True)
    ]
    return SparkLine(model=subject.entry, points=tuple(points), dashed=said)


def confidence_claims(gathered: Gathered) -> tuple[Finding, ...]:
    """The condition under which a model is surest beyond what it is right, one a data set."""
    scale, found = gathered.once(scale_of), []
    shifts = [s for key, listed in families_of(gathered).items() if key != "frequencies" for s in listed]
    shifts = [s for s in shifts if s.kind == "shift"]
    for every in _by_data(gathered):
        # Of mere labels nobody knows how sure they were.
        subjects = [s for s in every if not any(rows.labels_only for rows in s.rows.values())]
        cells = [(s, series, i.id) for s in subjects for series in shifts for i in series.infos if i.id in s.rows]
        level = measures.of_many(max(len(cells), 1))
        gaps = [(measures.overconfidence(s.rows[c], gathered.rule, level), s, series, c) for s, series, c in cells]
        long = [gap for gap in gaps if len(gap[2].infos) >= LEAST]
        worst = max(long or gaps, key=lambda gap: gap[0].low, default=None)
        if worst is not None and worst[0].low > SURE:
            shown, subject, series, condition = worst
            curves = len(shifts) * len(subjects)
            found.append(_sure(scale, subjects, subject, series, condition, shown, len(cells), curves))
    return tuple(found)


def _sure(
    scale: KeptScale,
    subjects: Sequence[Subject],
    subject: Subject,
    series: Series,
    condition: str,
    shown: Estimate,
    cells: int,
    curves: int,
) -> Finding:
    shown = _plain(shown, scale)
    asked = [s for s in subjects if condition in s.rows]
    level = measures.of_many(cells)
    gap = {s.entry.key: measures.overconfidence(s.rows[condition], scale.numbers.rule, level) for s in asked}
    sure = [s for s in asked if gap[s.entry.key].low > SURE]
    conditions = [i.id for i in series.infos if i.id in subject.rows]
    # Findings rank by accuracy lost: points of confidence are on another scale.
    lost = Numbers(scale.numbers.rule, measures.of_many(max(curves, 1))).mean_drop(subject, conditions)
    whom = "it" if len(subjects) == 1 else who(sure, subjects)
    claim = f"{series.title} leaves {whom} sure yet wrong"
    right = scale.numbers.accuracy(subject, condition)
    label = Series.label(subject.infos[condition])
    # Confidence is accuracy plus the gap, so that the sentence's numbers add up.
    says = f"{number(100 * (right.value + shown.value))} %"
    text = (
        f"under {small(series.title)}{f', {label}' if label else ''}, {subject.entry.name} is {says} sure on average "
        f"and right in {share(right)}: {points(shown, sign=True)} too sure{chosen(cells)}, {images(shown.n)}."
    )
    advice = Advice(subject=subject, family=series.family, series=series, shown=shown, compared=())
    return Finding(
        lead=f"{claim}:",
        text=text,
        estimates=(shown, right),
        tone="bad",
        model=subject.entry,
        slot="trust",
        claim=claim,
        number=Shown(estimate=shown, before=f"{subject.entry.name} is", unit="", after="points too sure", sign=True),
        lost=_plain(lost, scale),
        condition=condition,
        spark=_sure_spark(scale, asked, subject, series, conditions, condition),
        action=advised(advice),
    )


def _sure_spark(
    scale: KeptScale,
    asked: Sequence[Subject],
    subject: Subject,
    series: Series,
    conditions: Sequence[str],
    condition: str,
) -> Spark | None:
    """Accuracy of all, and what the model says of itself."""
    if len(conditions) < 2:
        return None
    lines = []
    for one in asked:
        if all(c in one.rows for c in conditions):
            values = [scale.numbers.accuracy(one, c).value for c in (CLEAN, *conditions)]
            lines.append(_line(one, values[0], series, conditions, values[1:]))
    said = [measures.mean_confidence(subject.rows[c]) for c in (CLEAN, *conditions)]
    lines.append(_line(subject, said[0], series, conditions, said[1:], said=True))
    return Spark(axis=axis_of(series), lines=tuple(lines), model=subject.entry.key, condition=condition)
