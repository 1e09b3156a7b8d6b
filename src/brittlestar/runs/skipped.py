"""Samples that cannot be read, or are not what they were: found, told, and left out where that was asked for.

A block that meets one is not stored, and the others go on. With ``skip_bad`` such a sample is recorded in the manifest
before any row of its block is stored without it; its position stays, its rows are missing from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.sealed import Damaged
from brittlestar.core.text import readable
from brittlestar.data import reopened
from brittlestar.data.base import Source, reason_of
from brittlestar.data.encoded import EncodedSource
from brittlestar.data.recorded import RecordedSource
from brittlestar.data.spaced import spaced_fingerprint
from brittlestar.models import map_labels
from brittlestar.store import Manifest, RunStore
from brittlestar.store.manifest import is_run
from brittlestar.store.skipped import Skipped, remaining_positions, skipped_of

MOST = 0.5
"""Where more than this part of a block, or of the data, is gone, the disk is: nothing is left out then."""

SMALL = 8
"""Blocks of so few samples say nothing about the disk."""


class Unread(DataError):
    """Samples of a block that cannot be read or have changed."""

    def __init__(self, samples: Sequence[Skipped]) -> None:
        super().__init__(told(samples))
        self.samples = tuple(samples)

    def __reduce__(self) -> tuple[type[Unread], tuple[tuple[Skipped, ...]]]:
        """Errors of workers are pickled, and are made again of the arguments."""
        return type(self), (self.samples,)


def told(samples: Sequence[Skipped]) -> str:
    """Which samples cannot be read, and why: the first five."""
    more = f"; and {len(samples) - 5:,} more" if len(samples) > 5 else ""
    return "; ".join(sample.reason for sample in samples[:5]) + more


def load_block(
    source: Source, order: npt.NDArray[np.int64], store: RunStore, start: int, stop: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Positions of a block that are not skipped, and their images.

    Raises:
        Unread: Some of the others cannot be read.
    """
    positions = remaining_positions(store.manifest, start, stop)
    try:
        return positions, _images(source, order[positions])
    except DataError:
        # The session may have recorded since what its workers cannot read.
        store.manifest = Manifest.load(store.path)
    positions = remaining_positions(store.manifest, start, stop)
    unread = [sample for position in positions for sample in _unread(source, order, int(position))]
    if unread:
        raise Unread(unread)
    return positions, _images(source, order[positions])


def _images(source: Source, places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    return source.load(places) if len(places) else np.empty((0, *source.info.shape), np.uint8)


def _unread(source: Source, order: npt.NDArray[np.int64], position: int) -> list[Skipped]:
    try:
        source.load(order[position : position + 1])
    except DataError as error:
        return [Skipped(position, readable(source.names()[order[position]]), readable(reason_of(error)))]
    return []


def skip(store: RunStore, unread: list[Skipped]) -> bool:
    """Record what cannot be read and empty the list, but for what looks like a disk that is gone.

    Returns:
        Whether there was anything to record: the blocks concerned can be done now.
    """
    by_block: dict[tuple[int, int], set[Skipped]] = {}
    count = len(store.samples()[0])
    for sample in unread:
        start = sample.position - sample.position % 256
        by_block.setdefault((start, min(start + 256, count)), set()).add(sample)
    few = {
        sample
        for (start, stop), samples in by_block.items()
        if len(samples) <= max(SMALL, MOST * (stop - start))
        for sample in samples
    }
    unread[:] = [sample for sample in unread if sample not in few]
    if few:
        store.skip(few)
    return bool(few)


def skip_lacking(store: RunStore, source: Source, order: npt.NDArray[np.int64]) -> None:
    """Record what was gone when the data were opened."""
    known, names = skipped_of(store.manifest), source.names()
    gone = [p for p, place in enumerate(order.tolist()) if place in source.lacking and p not in known]
    if gone:
        store.skip([Skipped(p, readable(names[order[p]]), readable(source.lacking[int(order[p])])) for p in gone])


def unread_text(folder: Path, unread: Iterable[Skipped]) -> str:
    """What is said at the end of a session some of whose blocks could not be done."""
    samples = sorted(set(unread))
    several = len(samples) > 1
    many, blocks, them = (
        (f"{len(samples):,} images", "Their blocks are", "them") if several else ("1 image", "Its block is", "it")
    )
    return (
        f"{many} could not be read: {told(samples)}. {blocks} not done; all else is kept in {folder}. Put {them} in "
        f"order and run the same command again, or add {option('skip_bad', True)} to go on without {them}"
    )


def as_recorded(source: Source, folder: Path, skip_bad: bool) -> Source:
    """The data in the listing of the run in ``folder``, where they are its data but for samples that are gone.

    Args:
        source: The data as they are now.
        folder: A run folder, or what will be one.
        skip_bad: Whether samples that the run does not know to be gone may be.

    Raises:
        DataError: Samples are gone that may not be; they are named.
    """
    if not is_run(folder) or not (folder / "samples.parquet").exists():
        return source
    try:
        store = RunStore.open(folder)
        if not isinstance(source, EncodedSource) or source.info.fingerprint == store.manifest.data.get("fingerprint"):
            return source
        recorded = _matched(source, store)
    except Damaged:  # the session mends it before anything else
        return source
    if recorded is None:
        return source
    known, order = skipped_of(store.manifest), recorded.order(store.manifest.seed)
    new = [why for p, place in enumerate(order.tolist()) if (why := recorded.lacking.get(place)) and p not in known]
    require(
        skip_bad or not new,
        f"{len(new):,} of the {len(order):,} images of {folder} are not what they were: {'; '.join(new[:5])}"
        f"{'; ...' if len(new) > 5 else ''}. Put them back, or add {option('skip_bad', True)} to go on without them",
        DataError,
    )
    return recorded


def _matched(source: EncodedSource, store: RunStore) -> RecordedSource | None:
    """The source in the run's listing; ``None`` where it is other data."""
    data, (ids, labels), names = store.manifest.data, store.samples(), store.names()
    try:
        to = map_labels(source.info.classes, tuple(data.get("classes") or ()))
    except DataError:
        return None
    own_of = {int(output): label for label, output in enumerate(to)}
    if names is None or not set(labels.tolist()) <= own_of.keys():
        return None
    own = np.array([own_of[label] for label in labels.tolist()], np.int32)
    place_of = {(str(i), int(label)): p for p, (i, label) in enumerate(zip(source.ids, source.labels, strict=True))}
    places = np.array([place_of.get(key, -1) for key in zip(ids.tolist(), own.tolist(), strict=True)], np.int64)
    now = [readable(name) for name in source.names()]
    # A file that changed has a new id under a name that the run knows; one that was damaged may have been mended.
    known = {*names, *(readable(str(name)) for name in data.get("skipped") or ())}
    extra = np.setdiff1d(np.arange(len(now)), places)
    same = spaced_fingerprint(source.fingerprint(ids, own, source.info.classes, source.info.shape[0]), source.space)
    if same != data.get("fingerprint") or not known.issuperset(now[place] for place in extra):
        return None
    gone = np.flatnonzero(places < 0)
    if len(gone) > MOST * len(ids):
        return None
    there = set(now)
    bad = {readable(name): why for name, why in source.bad.items()}
    lacking = {
        int(p): bad.get(names[p], f"{names[p]} {'has changed' if names[p] in there else 'is gone'}") for p in gone
    }
    return RecordedSource(
        source,
        places,
        ids=ids,
        labels=own,
        groups=store.design().groups,
        names=names,
        lacking=lacking,
        fingerprint=same,
        contexts=store.contexts(),
    )


def reopened_as_recorded(store: RunStore) -> Source:
    """The data of a run as its manifest describes them, also where it goes on without some of them."""
    data = store.manifest.data
    skips = bool(data["how"]["skip_bad"] or store.manifest.skipped)
    return as_recorded(reopened(data | {"how": data["how"] | {"skip_bad": skips}}), store.path, skips)
