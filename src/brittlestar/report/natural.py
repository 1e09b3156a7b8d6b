"""What models do on other labelled data: read from the run folders inside a run."""

from __future__ import annotations

from dataclasses import dataclass

from brittlestar.core.errors import StoreError
from brittlestar.core.text import readable
from brittlestar.measures import Estimate
from brittlestar.measures.selection import of_many
from brittlestar.measures.unpaired import unpaired_difference, unpaired_kept
from brittlestar.report.gather import Gathered, gather
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.store import RunStore
from brittlestar.store.nature import nature_runs


@dataclass(frozen=True, kw_only=True)
class Away:
    """A model on other data.

    Fields:
        model: Which.
        data: Name of the other data.
        here, there: Clean accuracy on the run's own data and on the other.
        change: ``there`` less ``here``: other images, so the samples are not paired.
        kept: Share of the accuracy above guessing that is kept; ``None`` where there is none to keep.
        count: How many images the other data have.
        lost: Whether ``change`` is below 0 in an interval that holds for all models on all other data together.
    """

    model: ModelEntry
    data: str
    here: Estimate
    there: Estimate
    change: Estimate
    kept: Estimate | None
    count: int
    lost: bool

    @property
    def whole(self) -> bool:
        """Whether all images were answered."""
        return self.there.n >= self.count


@dataclass(frozen=True, kw_only=True)
class OtherData:
    """All that models did on other data, and what could not be read."""

    models: tuple[Away, ...]
    unread: tuple[str, ...]


def elsewhere(gathered: Gathered) -> OtherData:
    """Every model of these runs on every natural shift of its run, in the order of names."""
    pairs: list[tuple[Subject, Gathered, Subject, str]] = []
    unread: list[str] = []
    for run, store in enumerate(gathered.stores):
        own = {str(s.entry.about["fingerprint"]): s for s in gathered.subjects if s.run == run and s.clean is not None}
        for name, path in nature_runs(store.path):
            try:
                away = gather([RunStore.open(path)])
            except StoreError as error:
                unread.append(f"{name}: {readable(str(error))}")
                continue
            unread += [f"{name}: {readable(str(damage))}" for damage in away.stores[0].damage.values()]
            for subject in away.subjects:
                # The same files, behaviour and preprocessing: what has only its name in common is another model.
                known = own.get(str(subject.entry.about["fingerprint"]))
                if known is not None and subject.clean is not None:
                    pairs.append((known, away, subject, readable(name)))
    level = of_many(max(len(pairs), 1), gathered.numbers.level)
    return OtherData(models=tuple(_away(gathered, *pair, level) for pair in pairs), unread=tuple(unread))


def _away(gathered: Gathered, known: Subject, away: Gathered, subject: Subject, name: str, together: float) -> Away:
    both = of_many(2, gathered.numbers.level)
    here, there = gathered.numbers.accuracy(known, CLEAN), away.numbers.accuracy(subject, CLEAN)
    kept = unpaired_kept(
        away.numbers.accuracy(subject, CLEAN, both),
        gathered.numbers.accuracy(known, CLEAN, both),
        subject.chance,
        known.chance,
    )
    there_of_all, here_of_all = (
        numbers.accuracy(one, CLEAN, together) for numbers, one in ((away.numbers, subject), (gathered.numbers, known))
    )
    return Away(
        model=known.entry,
        data=name,
        here=here,
        there=there,
        change=unpaired_difference(there, here),
        kept=kept,
        count=subject.data.count,
        lost=unpaired_difference(there_of_all, here_of_all).high < 0,
    )
