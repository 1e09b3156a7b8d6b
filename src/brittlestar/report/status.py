"""What comes first: a run that is not finished, a model near chance, a number that a guard distrusts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from brittlestar.core.text import readable
from brittlestar.measures import clopper_pearson, near_chance
from brittlestar.measures.base import Estimate
from brittlestar.report.asked import DONE, LEFT_OUT, Asked, survey_lacks, what_was_asked
from brittlestar.report.gather import Gathered, plain
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Result
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.report.words import THIN, duration, images, listing, number, share
from brittlestar.store.manifest import LOST
from brittlestar.store.skipped import skipped_of

NAMED = 3
"""So many damaged files are named; more would hide what they have in common."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a reader must know before anything else; shown first, wherever the content is shown.

    Fields:
        kind: ``damaged``, ``died``, ``unsteady``, ``not finished``, ``near chance`` or ``guard``.
        lead: Two or three words in capitals.
        text: The rest, a sentence or two.
        model: Whom it is about; ``None`` for a run.
        estimates: What it rests on.
    """

    kind: str
    lead: str
    text: str
    model: ModelEntry | None = None
    estimates: tuple[Estimate, ...] = ()


def build_statuses(gathered: Gathered) -> tuple[Status, ...]:
    """Every status, in the order in which a reader must know it."""
    asked, near = gathered.once(what_was_asked), gathered.once(near_chance_of)
    guards = [
        Status(kind="guard", lead="TAKE NOTE:", text=f"{_end(str(text))}", model=subject.entry)
        for subject in gathered.subjects
        for text in subject.entry.about.get("guards") or ()
    ]
    unfinished = [s for run in range(len(gathered.stores)) for s in _unfinished(gathered, asked, run)]
    # Last, as pictures and explanations may be found damaged while the sections are made.
    broken = [s for run in range(len(gathered.stores)) for s in (*_damaged(gathered, run), *_died(gathered, run))]
    broken += [s for run in range(len(gathered.stores)) for s in _unsteady(gathered, run)]
    return (*broken, *unfinished, *near.values(), *guards)


def _damaged(gathered: Gathered, run: int) -> list[Status]:
    """What is left out of a run, as its file is damaged; and what was, and something else stood in for it."""
    store = gathered.stores[run]
    found, skipped = [store.damage[path] for path in sorted(store.damage)], skipped_of(store.manifest)
    lines = []
    for effect, of in itertools.groupby(sorted(found, key=lambda d: d.effect), lambda d: d.effect):
        several = list(of)
        named = [f"{readable(str(d.path.relative_to(store.path)))} ({d.why})" for d in several[:NAMED]]
        if len(several) > NAMED:
            named.append(f"{len(several) - NAMED:,} more, which `brittlestar store verify {store.path}` names")
        rows = {
            (d.model, c, i)
            for d in several
            if d.model
            for c in d.conditions
            for i in range(*d.rows)
            if i not in skipped
        }
        left_out = f"{len(rows):,} answers are left out; " if rows else ""
        lines.append(f"{listing(named)}: {left_out}{effect}.")
    where = f"{store.path.name}: " if len(gathered.stores) > 1 else ""
    return [Status(kind="damaged", lead="DAMAGED:", text=f"{where}{' '.join(lines)}")] if lines else []


def _died(gathered: Gathered, run: int) -> list[Status]:
    sessions = gathered.stores[run].manifest.sessions
    if not sessions or sessions[-1].stop not in ("died", LOST):
        return []
    last = sessions[-1]
    where = f"{gathered.stores[run].path.name}: " if len(gathered.stores) > 1 else ""
    begun = last.started.replace("T", " ").replace("+00:00", " UTC")
    text = f"{where}the session begun {begun} {last.why}" if last.stop == "died" else f"{where}{last.why}"
    return [Status(kind="died", lead="SESSION DIED:" if last.stop == "died" else "RECORD LOST:", text=_end(text))]


def _unsteady(gathered: Gathered, run: int) -> list[Status]:
    """Sessions at whose end a model answered otherwise than at their beginning: its rows may be of several models."""
    where = f"{gathered.stores[run].path.name}: " if len(gathered.stores) > 1 else ""
    return [
        Status(kind="unsteady", lead="MIXED ROWS:", text=_end(f"{where}{readable(session.why)}"))
        for session in gathered.stores[run].manifest.sessions
        if session.stop == "unsteady"
    ]


def _end(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def near_chance_of(gathered: Gathered) -> dict[str, Status]:
    """The models near chance on clean images that were not declared shifted, by key."""
    found = {}
    for subject in gathered.subjects:
        sessions = [plain(s) for s in gathered.stores[subject.run].manifest.sessions]
        if any(s.get("shifted") for s in sessions):
            continue
        accuracy = _clean(subject, sessions, gathered.numbers)
        if accuracy is not None and near_chance(accuracy, subject.chance):
            name, guess = subject.entry.name, f"{number(subject.chance * 100)}{THIN}%"
            # It stands for all findings on the model (``trusted``): after a wrong preparation they tell of that.
            found[subject.entry.key] = Status(
                kind="near chance",
                lead="NEAR CHANCE:",
                text=f"{name} is right in {share(accuracy)} of the clean images ({images(accuracy.n)}), where always "
                f"answering the commonest class is right in {guess}. Check its normalisation, the order of its "
                "classes, the colour channels, its weights and the labels; nothing else is said of it here.",
                model=subject.entry,
                estimates=(accuracy,),
            )
    return found


def trusted(gathered: Gathered) -> Gathered:
    """The runs without the models near chance, of which nothing else is said."""
    near = gathered.once(near_chance_of)
    kept = tuple(s for s in gathered.subjects if s.entry.key not in near)
    # The same object where all are kept: what it remembers need not be computed again.
    return gathered if len(kept) == len(gathered.subjects) else dataclasses.replace(gathered, subjects=kept)


def _clean(subject: Subject, sessions: Sequence[dict[str, object]], numbers: Numbers) -> Estimate | None:
    """Clean accuracy; of the first answers before the run where the clean condition was not asked."""
    if subject.clean is not None:
        return numbers.accuracy(subject, CLEAN)
    for session in reversed(sessions):
        told = session.get("near_chance")
        if isinstance(told, Mapping) and subject.entry.about["name"] in told:
            right, answered = told[subject.entry.about["name"]]
            return clopper_pearson(int(right), int(answered), numbers.level)
    return None


def _unfinished(gathered: Gathered, asked: Sequence[Asked], run: int) -> list[Status]:
    own = [a for a in asked if a.run == run and a.state != LEFT_OUT]
    open_ = [a for a in own if _open(a)]
    survey = survey_lacks(gathered, run)
    if not open_ and not survey:
        return []
    conditions = {a.info.id for a in own}
    lacking, bare = {a.info.id for a in open_}, {a.info.id for a in open_ if not a.answered}
    what = "conditions and sequences" if any(a.info.kind == "sequence" for a in own) else "conditions"
    models = " for every model" if len({a.model for a in own}) > 1 else ""
    text = f"{len(conditions - lacking):,} of {len(conditions):,} {what} are complete{models}"
    parts = [
        f"{len(lacking - bare):,} have fewer images than were asked" if lacking - bare else "",
        f"{len(bare):,} have none" + (" for some model" if models else "") if bare else "",
    ]
    if any(parts):
        text += f"; {' and '.join(p for p in parts if p)}"
    few, most = (f(a.answered for a in own) for f in (min, max))
    asked_for = max(a.samples for a in own)
    span = f"{few:,}" if few == most else f"{few:,} to {most:,}"
    text += f" ({span} of {asked_for:,} images)" if open_ else ""
    text += "; the sharper Fourier map that was asked is not made yet" if survey else ""
    where = f"{gathered.stores[run].path.name}: " if len(gathered.stores) > 1 else ""
    stop = open_[-1].stop if open_ else ""
    return [Status(kind="not finished", lead="NOT FINISHED:", text=f"{where}{text}. {_why(gathered, run, stop)}")]


def _why(gathered: Gathered, run: int, stop: str) -> str:
    sessions = [plain(s) for s in gathered.stores[run].manifest.sessions]
    # The last session may have ended well; the one that left these conditions open says why.
    last = next((s for s in reversed(sessions) if s.get("stop") == stop), sessions[-1] if sessions else {})
    why = {
        "budget": f"It stopped at its time budget of {duration(float(last.get('budget_s') or 0))}.",
        "interrupted": "It was interrupted.",
        "failed": "Its last session failed: what is lacking could not be done.",
        "unsteady": "A model answered otherwise at the end of its last session than at its beginning.",
        "unread": "Some images could not be read, and their blocks are not done.",
        "running": "It is still running.",
        "died": "Its last session died.",
    }.get(stop, "")
    return f"{why} The same command goes on where it stopped.".strip()


def _open(one: Asked) -> bool:
    return one.state not in (DONE, LEFT_OUT)


def with_statuses(gathered: Gathered, results: Iterable[Result]) -> tuple[Result, ...]:
    """The results, each with what speaks against it."""
    asked, near = gathered.once(what_was_asked), gathered.once(near_chance_of)
    told = {
        s.entry.name: [
            *(["near chance"] if s.entry.key in near else []),
            *(["random"] if s.entry.about.get("random") else []),
        ]
        for s in gathered.subjects
    }
    part = {
        (gathered.names[a.run, a.model], a.info.id): f"{a.state}: {a.answered} of {a.samples} images"
        for a in asked
        if a.answered and a.state != DONE
    }
    listed = {(gathered.names[a.run, a.model], a.info.id) for a in asked}
    unfinished = {name for name, _ in part} | {gathered.names[a.run, a.model] for a in asked if _open(a)}
    damaged = _damaged_rows(gathered)
    found = []
    for result in results:
        key = result.model, result.condition
        # Means over conditions are no condition that was asked: they lack what any of theirs lacks.
        made_of_many = key not in listed and result.model in unfinished
        lost = damaged.get(result.model, set())
        # What is made of many conditions lacks what any of theirs lacks.
        broken = result.condition in lost or bool(lost and key not in listed)
        own = ["DAMAGED"] if broken else []
        own += [
            *told.get(result.model, ()),
            *([part[key]] if key in part else ["not finished"] if made_of_many else []),
        ]
        found.append(dataclasses.replace(result, status="; ".join(own)) if own else result)
    return tuple(found)


def _damaged_rows(gathered: Gathered) -> dict[str, set[str]]:
    """By model the ids of the conditions of which rows are left out, as their files are damaged."""
    found: dict[str, set[str]] = {}
    for run, store in enumerate(gathered.stores):
        names = {str(about["fingerprint"]): gathered.names[run, name] for name, about in store.manifest.models.items()}
        for damage in store.damage.values():
            if damage.model in names:
                ids = {i for i, info in store.manifest.conditions.items() if info.fingerprint in damage.conditions}
                # Where nothing tells whose rows they were, they may be any condition's.
                found.setdefault(names[damage.model], set()).update(ids or store.manifest.conditions)
    return found
