"""People and models on the same pictures: who reads what the other misses, and whether they err alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from brittlestar.measures.base import LEVEL
from brittlestar.measures.consistency import consistency, mean_resampled, outcomes, response_entropy
from brittlestar.measures.means import share
from brittlestar.measures.samples import Samples
from brittlestar.report.gather import Gathered
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.report.words import listing
from brittlestar.report.words import share as told
from brittlestar.store.people import Export, Stimulus, exports, kept_files, stimulus_of
from brittlestar.store.trials import NO_ANSWER, Trial

ABOVE_CHANCE = 0.05
"""People cannot read a condition where the upper limit of their accuracy is below chance and this much."""

Answer = tuple[Stimulus, Trial]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A model on the pictures that people saw under one condition.

    Fields:
        model: Which.
        accuracy: On these pictures, each as often as people saw it.
        observed, kappa: Consistency with people, the mean over people.
        entropy: Of its answers, in bits.
    """

    model: ModelEntry
    accuracy: Estimate
    observed: Estimate
    kappa: Estimate
    entropy: float


@dataclass(frozen=True, kw_only=True)
class PeopleCondition:
    """People under one condition.

    Fields:
        shown_as: The condition as trials name it.
        title: For people.
        condition: Its id in the run.
        people, trials: How many of each.
        accuracy: Of people; the interval is over pictures, with these people.
        limit: The upper limit of their accuracy, corrected for the number of conditions.
        entropy: Of their answers, in bits, the mean over people.
        kappa: Consistency between pairs of people who saw the same pictures; ``None`` of one alone.
        unreadable: Whether people cannot read it: ``limit`` is below chance and five points.
        models: Beside them.
    """

    shown_as: str
    title: str
    condition: str
    people: int
    trials: int
    accuracy: Estimate
    limit: float
    entropy: float
    kappa: Estimate | None
    unreadable: bool
    models: tuple[Beside, ...]


@dataclass(frozen=True, kw_only=True)
class BothWays:
    """What one of model and people reads of what the other does not.

    Fields:
        model: Which.
        missed: People's share right on pictures that the model gets wrong; ``None`` where it gets none wrong.
        read: The same on pictures that it gets right.
        unreadable: The model's share right, over all of the run's images, under conditions that people cannot read;
            ``None`` where there is none.
        kappa: Error consistency with people, the mean over people and conditions.
    """

    model: ModelEntry
    missed: Estimate | None
    read: Estimate | None
    unreadable: Estimate | None
    kappa: Estimate


@dataclass(frozen=True, kw_only=True)
class PeopleExport:
    """All that came back of one export.

    Fields:
        export: Its digest, shortened.
        data: Name of the run's data.
        people, trials: How many of each; ``pictures`` that the export holds.
        chance: Accuracy of guessing the commonest class.
        needed: Trials of a condition with which people at chance would count as unable to read it.
        conditions: In the order of the export.
        models: Both ways.
    """

    export: str
    data: str
    people: int
    trials: int
    pictures: int
    chance: float
    needed: int
    conditions: tuple[PeopleCondition, ...]
    models: tuple[BothWays, ...]

    @property
    def unreadable(self) -> tuple[PeopleCondition, ...]:
        """Conditions that people cannot read."""
        return tuple(one for one in self.conditions if one.unreadable)


def people_of(gathered: Gathered) -> tuple[PeopleExport, ...]:
    """Every export of these runs that was answered.

    Raises:
        Damaged: Files of an export, or of answers, are not what was written.
    """
    found = []
    for run, store in enumerate(gathered.stores):
        subjects = [s for s in gathered.subjects if s.run == run]
        for export in exports(store.path) if subjects else ():
            trials = [trial for kept in kept_files(store.path, export) for trial in kept]
            if trials:
                answers = [(stimulus_of(trial, export, "kept trials"), trial) for trial in trials]
                found.append(_compared(gathered, run, export, answers, subjects))
    return tuple(found)


def _compared(
    gathered: Gathered, run: int, export: Export, answers: Sequence[Answer], subjects: Sequence[Subject]
) -> PeopleExport:
    store = gathered.stores[run]
    answered = {stimulus.shown_as for stimulus, _ in answers}
    shown = list(dict.fromkeys(s.shown_as for s in export.stimuli if s.shown_as in answered))
    of_shown = {name: [(s, t) for s, t in answers if s.shown_as == name] for name in shown}
    wanted = {stimulus.condition for stimulus, _ in answers}
    infos = {info.id: info for info in store.manifest.conditions.values() if info.id in wanted}
    rows: dict[str, dict[str, Rows]] = {}
    for subject in subjects:
        by_print = store.read(
            subject.entry.about["fingerprint"], [info.fingerprint for info in infos.values()], detail=False
        )
        rows[subject.entry.key] = {i: by_print[info.fingerprint] for i, info in infos.items()}
    # Attacks were made against one model: what the others say of them was never asked.
    models = [s for s in subjects if not export.model or s.entry.about.get("name") == export.model]
    labels = np.bincount([stimulus.label for stimulus, _ in answers], minlength=len(export.classes))
    chance = max(1 / len(export.classes), float(labels.max() / labels.sum()))
    conditions = tuple(
        _condition(
            name,
            {i: f"{info.title}, {info.label}" if info.label else info.title for i, info in infos.items()},
            of_shown[name],
            export,
            chance,
            len(shown),
            [(s.entry, rows[s.entry.key]) for s in models],
        )
        for name in shown
    )
    blind = {c.condition for c in conditions} - {c.condition for c in conditions if not c.unreadable}
    return PeopleExport(
        export=export.short,
        data=subjects[0].data.name,
        people=len({trial.subject for _, trial in answers}),
        trials=len(answers),
        pictures=len(export.stimuli),
        chance=chance,
        needed=_needed(chance, len(shown)),
        conditions=conditions,
        models=tuple(_both_ways(s.entry, rows[s.entry.key], of_shown, blind) for s in models),
    )


def _level(conditions: int) -> float:
    """Of an interval one of whose ends holds for all conditions together."""
    return 1 - (1 - LEVEL) / conditions


def _needed(chance: float, conditions: int) -> int:
    """The fewest trials whose upper limit, with a share right of chance, lies below chance and five points."""
    for n in range(20, 5001, 10):
        if _limit(round(chance * n), n, conditions) < chance + ABOVE_CHANCE:
            return n
    return 5000


def _limit(right: int, n: int, conditions: int) -> float:
    hits = np.arange(n) < right
    limit: float = share(Samples(np.arange(n, dtype=np.int32)), hits, level=_level(conditions)).high
    return limit


def _condition(
    name: str,
    titles: Mapping[str, str],
    answers: Sequence[Answer],
    export: Export,
    chance: float,
    conditions: int,
    models: Sequence[tuple[ModelEntry, Mapping[str, Rows]]],
) -> PeopleCondition:
    stimulus = answers[0][0]
    samples = Samples(np.array([s.position for s, _ in answers], np.int32))
    right = np.array([trial.correct for _, trial in answers])
    limit = share(samples, right, level=_level(conditions)).high
    by_person = _by_person(answers)
    persons = [[t.response for _, t in listed] for listed in by_person.values()]
    pairs = _pairs(by_person)
    beside = []
    for entry, rows in models:
        answered = _answered(rows[stimulus.condition])
        correct = np.array([answered[s.position][0] for s, _ in answers])
        agree = consistency(_tables(by_person, answered))
        seen = dict.fromkeys(s.position for s, _ in answers)
        predictions = [_name(answered[position][1], export) for position in seen]
        beside.append(
            Beside(
                model=entry,
                accuracy=share(samples, correct),
                observed=agree.observed.estimate(),
                kappa=agree.kappa.estimate(),
                entropy=response_entropy(predictions, export.classes),
            )
        )
    title = titles.get(stimulus.condition, stimulus.condition)
    return PeopleCondition(
        shown_as=name,
        title=title if stimulus.scale == "true" else f"{title}, stretched to one spread",
        condition=stimulus.condition,
        people=len(by_person),
        trials=len(answers),
        accuracy=share(samples, right),
        limit=limit,
        entropy=float(np.mean([response_entropy(given, export.classes) for given in persons])),
        kappa=consistency(pairs).kappa.estimate() if pairs is not None else None,
        unreadable=limit < chance + ABOVE_CHANCE,
        models=tuple(beside),
    )


def _name(answer: int, export: Export) -> str:
    """A model's answer; of a larger label space it may be none of the classes."""
    return export.classes[answer] if 0 <= answer < len(export.classes) else NO_ANSWER


def _by_person(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for stimulus, trial in answers:
        found.setdefault(trial.subject, []).append((stimulus, trial))
    return found


def _answered(rows: Rows) -> dict[int, tuple[bool, int]]:
    """Whether a model is right, and what it says, by position."""
    return {int(p): (bool(c), int(a)) for p, c, a in zip(rows.position, rows.correct, rows.prediction, strict=True)}


def _tables(by_person: Mapping[str, Sequence[Answer]], answered: Mapping[int, tuple[bool, int]]) -> np.ndarray:
    """(pictures, people, 4): outcomes of each person and a model."""
    place = {p: i for i, p in enumerate(sorted({s.position for listed in by_person.values() for s, _ in listed}))}
    tables = np.zeros((len(place), len(by_person), 4))
    for column, listed in enumerate(by_person.values()):
        person = np.array([t.correct for _, t in listed])
        model = np.array([answered[s.position][0] for s, _ in listed])
        tables[[place[s.position] for s, _ in listed], column] = outcomes(person, model)
    return tables


def _pairs(by_person: Mapping[str, Sequence[Answer]]) -> np.ndarray | None:
    """(pictures, pairs, 4): outcomes of two people on what both saw; ``None`` where no two saw the same."""
    people = [{s.position: t.correct for s, t in listed} for listed in by_person.values()]
    places = {p: i for i, p in enumerate(sorted({p for one in people for p in one}))}
    columns = []
    for i, first in enumerate(people):
        for second in people[i + 1 :]:
            common = [p for p in first if p in second]
            if common:
                table = np.zeros((len(places), 4))
                table[[places[p] for p in common]] = outcomes(
                    np.array([first[p] for p in common]), np.array([second[p] for p in common])
                )
                columns.append(table)
    return np.stack(columns, 1) if columns else None


def _both_ways(
    entry: ModelEntry, rows: Mapping[str, Rows], of_shown: Mapping[str, Sequence[Answer]], blind: set[str]
) -> BothWays:
    answered = {condition: _answered(found) for condition, found in rows.items()}
    every = [pair for listed in of_shown.values() for pair in listed]
    model = np.array([answered[s.condition][s.position][0] for s, _ in every])
    person = np.array([t.correct for _, t in every])
    position = np.array([s.position for s, _ in every], np.int32)

    def people_on(chosen: np.ndarray) -> Estimate | None:
        return share(Samples(position[chosen]), person[chosen]) if chosen.any() else None

    unreadable = [rows[condition] for condition in rows if condition in blind]
    return BothWays(
        model=entry,
        missed=people_on(~model),
        read=people_on(model),
        unreadable=_pooled(unreadable) if unreadable else None,
        kappa=mean_resampled(
            [
                consistency(_tables(_by_person(listed), answered[listed[0][0].condition])).kappa
                for listed in of_shown.values()
            ]
        ).estimate(),
    )


def _pooled(parts: Sequence[Rows]) -> Estimate:
    """The share right under several conditions together; a sample's answers belong together."""
    position = np.concatenate([rows.position for rows in parts])
    return share(Samples(position), np.concatenate([rows.correct for rows in parts]))


def sentences(found: PeopleExport) -> Iterator[tuple[BothWays, str]]:
    """What the comparison says of each model, in words without its name."""
    for one in found.models:
        parts = []
        if one.missed is not None:
            parts.append(f"people read {told(one.missed)} of what it misses (n = {one.missed.n:,})")
            if one.read is not None:
                parts[0] += f", {told(one.read)} of what it gets right"
        else:
            parts.append("it misses none of the pictures shown")
        if one.unreadable is not None:
            names = listing([c.title for c in found.unreadable])
            parts.append(
                f"it reads {told(one.unreadable)} (n = {one.unreadable.n:,}) where people cannot ({names}; their upper "
                "limit is under chance and 5 points)"
            )
        yield one, "; ".join(parts)
