"""From run folders to subjects: one model on one data set with its rows by condition, paired by sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import TIME, ConditionInfo
from brittlestar.core.errors import StoreError, UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged
from brittlestar.core.text import readable
from brittlestar.measures import WIDE, wide_columns
from brittlestar.measures.chance import chance
from brittlestar.measures.sampled import SampledMap, sampled_map
from brittlestar.report.numbers import Numbers
from brittlestar.report.subjects import CLEAN, SEQUENCE, TRANSPLANT, DataEntry, ModelEntry, Subject
from brittlestar.report.words import set_title
from brittlestar.store import RunStore, stopping_rule
from brittlestar.store.damage import Damage

MAP_LEFT_OUT = "the sharper Fourier map is left out; give the same `brittlestar fourier` command again"

T = TypeVar("T")
Made = TypeVar("Made", covariant=True)


class Buildable(Protocol[Made]):
    """A section of the report (``Section``), as far as it is known here: what knows it must not be known by it."""

    def build(self, gathered: Gathered, /) -> Made | None:
        """The section; ``None`` where these runs have nothing to say."""


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Everything read: subjects, data sets, every condition and sequence by id in order, runs, the interval rule and
    why it is ``anytime``.

    ``names`` has the models' names in the report by (run, name in the run), ``data_of`` the place of each run's data.
    """

    subjects: tuple[Subject, ...]
    data: tuple[DataEntry, ...]
    infos: Mapping[str, ConditionInfo]
    stores: tuple[RunStore, ...]
    rule: str
    names: Mapping[tuple[int, str], str]
    data_of: tuple[int, ...]
    sequences: Mapping[str, ConditionInfo] = dataclasses.field(default_factory=dict)
    why: str = ""
    # ``init=False``: ``dataclasses.replace`` begins with an empty one, as other subjects make other numbers.
    _memory: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def numbers(self) -> Numbers:
        """The estimates of these runs, each computed once."""
        # A function of the module: ``once`` knows what it has made by the function's identity.
        return self.once(_numbers)

    def once(self, build: Callable[[Gathered], T]) -> T:
        """What a function makes of these runs; made the first time and remembered."""
        if build not in self._memory:
            self._memory[build] = build(self)
        made: T = self._memory[build]
        return made

    def of(self, section: Buildable[Made]) -> Made | None:
        """A section of the report on these runs, built once; ``None`` where it has nothing to say."""
        return self.once(section.build)

    def sessions(self) -> list[tuple[int, dict[str, Any]]]:
        """(run, session as plain values) in order."""
        return [(i, plain(s)) for i, store in enumerate(self.stores) for s in store.manifest.sessions]


def _numbers(gathered: Gathered) -> Numbers:
    return Numbers(gathered.rule)


def plain(value: Any) -> dict[str, Any]:
    """A dataclass or a mapping as a dictionary."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return dict(value)


def gather(runs: Sequence[RunStore | Path | str]) -> Gathered:
    """Read runs.

    Raises:
        UsageError: No run was given.
        StoreError: A folder is no run, or holds no rows yet.
    """
    if not runs:
        raise UsageError("no run folder given: name at least one, for instance `brittlestar report runs/digits`")
    stores = tuple(run if isinstance(run, RunStore) else RunStore.open(run) for run in runs)
    told = [stopping_rule(store.manifest.sessions) for store in stores]
    # Where n depended on results in one run, so does every comparison with it.
    rule = next((t for t in told if t.rule == "anytime"), told[0])
    data, data_of, common = _data(stores)
    infos: dict[str, ConditionInfo] = {}
    sequences: dict[str, ConditionInfo] = {}
    # What a condition is called depends on those of all runs: subjects share this mapping, which is filled at the
    # end.
    titles: dict[str, str] = {}
    subjects: list[Subject] = []
    names = _names(stores, data, data_of)
    for run, store in enumerate(stores):
        conditions = {c.id: c for c in (_info(v) for v in store.manifest.conditions.values())}
        for name, about in store.manifest.models.items():
            about = plain(about)
            rows = _read(store, about["fingerprint"], conditions, False, common[run])
            frames = _read(store, about["fingerprint"], conditions, True, common[run])
            if not rows and not frames:
                continue
            place = len(subjects)
            entry = ModelEntry(
                key=f"m{place}",
                place=place,
                name=names[run, name],
                data=data_of[run],
                samples=_samples(rows, frames),
                about=about,
            )
            own = {i: c for i, c in conditions.items() if i in rows}
            infos.update({i: c for i, c in own.items() if i not in infos})
            moving = {i: c for i, c in conditions.items() if i in frames}
            sequences.update({i: c for i, c in moving.items() if i not in sequences})
            subjects.append(
                Subject(
                    entry=entry,
                    data=data[data_of[run]],
                    infos=own,
                    rows=rows,
                    titles=titles,
                    run=run,
                    sequences=moving,
                    frames=frames,
                    sampled=_sampled(store, about["fingerprint"], common[run]),
                    pasted=_pasted(store, about["fingerprint"], conditions),
                )
            )
    if not subjects:
        damaged = [str(damage) for store in stores for damage in store.damage.values()]
        lost = "\n  ".join([f"{len(damaged):,} damaged files in {', '.join(str(s.path) for s in stores)}:", *damaged])
        require(not damaged, lost, StoreError)
        raise StoreError(f"{', '.join(str(s.path) for s in stores)}: no rows yet; run `brittlestar run` first")
    titles.update(_titles(infos))
    return Gathered(
        subjects=tuple(subjects),
        data=data,
        infos=infos,
        stores=stores,
        rule=rule.rule,
        why=rule.reason,
        names=names,
        data_of=tuple(data_of),
        sequences=sequences,
    )


def _read(
    store: RunStore,
    model: str,
    conditions: Mapping[str, ConditionInfo],
    moving: bool,
    common: np.ndarray[Any, Any] | None,
) -> dict[str, Rows]:
    """A model's rows of single images with what the measures need, or of sequences (these with their top classes)."""
    # Placements of pasted objects are neither; their section reads them itself.
    told = [c for c in conditions.values() if c.kind != TRANSPLANT]
    chosen = [c for c in told if (c.kind in (SEQUENCE, TIME)) == moving]
    found = store.read(model, [c.fingerprint for c in chosen], detail=True) if moving and chosen else {}
    if not moving:
        # Wide columns are slow to read and large: of hundreds of Fourier frequencies none is read.
        needed = {c.fingerprint: wide_columns(c.kind) for c in chosen}
        narrow, wide = ([f for f, columns in needed.items() if bool(columns) == is_wide] for is_wide in (False, True))
        found = store.read(model, narrow, detail=False) if narrow else {}
        for fingerprint, rows in (store.read(model, wide, detail=True) if wide else {}).items():
            unread: dict[str, Any] = dict.fromkeys(WIDE - needed[fingerprint])
            found[fingerprint] = dataclasses.replace(rows, **unread)
    return {
        c.id: _paired(found[c.fingerprint], common)
        for c in chosen
        if c.fingerprint in found and len(found[c.fingerprint])
    }


def _pasted(store: RunStore, model: str, conditions: Mapping[str, ConditionInfo]) -> dict[str, Rows]:
    """A model's rows of transplanted objects; what was pasted is recorded by positions of the run (``_paired``)."""
    chosen = {c.fingerprint: c.id for c in conditions.values() if c.kind == TRANSPLANT}
    if not chosen:
        return {}
    chosen |= {c.fingerprint: c.id for c in conditions.values() if c.id == CLEAN}
    found = store.read(model, list(chosen), detail=False)
    return {chosen[f]: rows.sorted() for f, rows in found.items() if len(rows)}


def _sampled(store: RunStore, model: str, common: np.ndarray[Any, Any] | None) -> SampledMap | None:
    def leave_out(error: Damaged) -> None:
        store.note(Damage(error.path, error.why, MAP_LEFT_OUT))

    found = sampled_map(store.path, model, sealed=store.manifest.sealed, leave_out=leave_out)
    if found is None or common is None:
        return found
    return dataclasses.replace(found, positions=common[found.positions])


def _samples(rows: Mapping[str, Rows], frames: Mapping[str, Rows]) -> int:
    """Images answered: of the clean condition, else of the first there is."""
    still = rows.get(CLEAN, next(iter(rows.values()), None))
    return len(still) if still is not None else len(np.unique(next(iter(frames.values())).position))


def _titles(infos: Mapping[str, ConditionInfo]) -> dict[str, str]:
    """Titles by id; where severity curves share a title, the curve's name (or its set's) tells them apart."""
    curves: dict[str, set[tuple[str, str]]] = {}
    for info in infos.values():
        curves.setdefault(info.title, set()).add((info.shift, info.series))
    return {
        i: f"{info.title}, {set_title(info.series)}" if info.series and len(curves[info.title]) > 1 else info.title
        for i, info in infos.items()
    }


def _info(value: Any) -> ConditionInfo:
    return value if isinstance(value, ConditionInfo) else ConditionInfo(**value)


def _data(stores: Sequence[RunStore]) -> tuple[tuple[DataEntry, ...], list[int], list[np.ndarray[Any, Any] | None]]:
    """The distinct data sets, which run has which, and per run a map from its positions to common ones."""
    entries: list[DataEntry] = []
    places: dict[str, int] = {}
    index: dict[str, dict[str, int]] = {}
    data_of: list[int] = []
    maps: list[np.ndarray[Any, Any] | None] = []
    guess = {
        str(plain(store.manifest.data)["fingerprint"]): chance(store.samples()[1])
        for store in stores
        if store.stored_models()
    }
    for store in stores:
        about = plain(store.manifest.data)
        key = str(about["fingerprint"])
        if key not in places:
            places[key] = len(entries)
            entries.append(
                DataEntry(
                    name=readable(str(about["name"])),
                    classes=tuple(readable(str(c)) for c in about.get("titles") or about["classes"]),
                    count=int(about["count"]),
                    shape=tuple(about["shape"]),
                    about=about,
                    chance=guess.get(key, 1.0),  # without rows it is never asked
                )
            )
        data_of.append(places[key])
        # One run is paired with itself: its own positions will do.
        if len(stores) == 1:
            maps.append(None)
            continue
        known = index.setdefault(key, {})
        # By id: runs of other seeds have the same images in another order.
        maps.append(np.array([known.setdefault(str(i), len(known)) for i in sample_ids(store)], np.int32))
    known_contexts = _contexts(stores, data_of, maps)
    entries = [dataclasses.replace(e, contexts=known_contexts.get(i, {})) for i, e in enumerate(entries)]
    return _distinct(entries), data_of, maps


def _contexts(
    stores: Sequence[RunStore], data_of: Sequence[int], maps: Sequence[np.ndarray[Any, Any] | None]
) -> dict[int, dict[str, npt.NDArray[np.str_]]]:
    """What is known of samples besides their class, by data set and name, at their common positions."""
    found: dict[int, dict[str, npt.NDArray[np.str_]]] = {}
    for store, data, places in zip(stores, data_of, maps, strict=True):
        for name, column in (store.contexts() if store.stored_models() else {}).items():
            columns = found.setdefault(data, {})
            if places is None:
                columns[name] = column
                continue
            own = dict(enumerate(columns[name].tolist())) if name in columns else {}
            own |= {int(p): v for p, v in zip(places, column.tolist(), strict=True) if v or int(p) not in own}
            columns[name] = np.array([own.get(place, "") for place in range(max(own, default=-1) + 1)], np.str_)
    return found


def sample_ids(store: RunStore) -> list[str]:
    """Sample ids in the order of positions."""
    ids, _ = store.samples()
    return [str(i) for i in ids]


def _distinct(entries: Sequence[DataEntry]) -> tuple[DataEntry, ...]:
    names = [e.name for e in entries]
    return tuple(
        dataclasses.replace(e, name=f"{e.name} ({str(e.about['fingerprint'])[:6]})") if names.count(e.name) > 1 else e
        for e in entries
    )


def _names(stores: Sequence[RunStore], data: Sequence[DataEntry], data_of: Sequence[int]) -> dict[tuple[int, str], str]:
    """Names of models, made distinct by the data set, then by the run's folder, then by a number."""
    keys = [(run, str(name)) for run, store in enumerate(stores) for name in store.manifest.models]
    names = {key: readable(key[1]) for key in keys}
    hints = (
        [data[place].name for place in data_of],
        [readable(s.path.name) for s in stores],
        [f"{i + 1}" for i in range(len(stores))],
    )
    for hint in hints:
        groups: dict[str, list[tuple[int, str]]] = {}
        for key, name in names.items():
            groups.setdefault(name, []).append(key)
        for name, clash in groups.items():
            if len({hint[run] for run, _ in clash}) > 1:
                names.update({(run, own): f"{name} · {hint[run]}" for run, own in clash})
    return names


def _paired(rows: Rows, common: np.ndarray[Any, Any] | None) -> Rows:
    if common is not None:
        rows = dataclasses.replace(rows, position=common[rows.position])
    # Measures pair by ascending position, and rows of single images are nearly always in that order.
    return rows if bool((np.diff(rows.position) > 0).all()) else rows.sorted()
