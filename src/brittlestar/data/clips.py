"""Sources of clips: every sample is a frame, the anchor, and the frames around it are its neighbourhood."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation
from brittlestar.core.text import readable
from brittlestar.data.base import DataInfo, Source, reason_of
from brittlestar.data.decode import LARGEST, Pixels
from brittlestar.data.encoded import class_notes, data_fingerprint
from brittlestar.data.frame_files import FrameFiles
from brittlestar.data.labels import require_classes
from brittlestar.data.neighbours import Neighbours
from brittlestar.data.order import copies, sample_ids
from brittlestar.data.reader import OpenRequest
from brittlestar.data.video import VideoClip

Clip: TypeAlias = "FrameFiles | VideoClip"

FEW_CLIPS = 10
"""From so many clips on, intervals are those of clips."""

STRETCHES = 20
"""Into so many stretches fewer clips are cut, all together."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A frame that is a sample.

    Fields:
        clip: Place of its clip.
        frame: Its number there.
        neighbours: (offset, number) of the frames around it, ascending; offsets are never 0.
        label: Its class; 0 where labels are not known.
        truths: All classes that are right, where there may be several.
        around: The right classes of each neighbour, where they are known by themselves.
    """

    clip: int
    frame: int
    neighbours: tuple[tuple[int, int], ...]
    label: int = 0
    truths: tuple[int, ...] = ()
    around: tuple[tuple[int, ...], ...] = ()

    def without(self, gone: Callable[[int], bool]) -> Anchor:
        """The same without neighbours that cannot be read, by their numbers."""
        kept = [place for place, (_, number) in enumerate(self.neighbours) if not gone(number)]
        around = tuple(self.around[place] for place in kept) if self.around else ()
        return dataclasses.replace(self, neighbours=tuple(self.neighbours[place] for place in kept), around=around)


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """What lies on the disk, before anything but its names was looked at.

    Fields:
        clips: In the order of their names.
        anchors: In the order of the clips.
        classes: Names in label order; ``None`` where labels are not known.
        space: See ``Source.space``.
        notes: What a reader must know.
    """

    clips: Sequence[Clip]
    anchors: Sequence[Anchor]
    classes: tuple[str, ...] | None
    space: LabelSpace | None = None
    notes: tuple[str, ...] = ()


class ClipSource(Source):
    """Anchors of clips with their neighbourhoods; only the frames that are asked for are decoded.

    Samples of one clip are a group: they depend on each other.
    """

    def __init__(self, given: ClipSet, asked: OpenRequest, *, kind: str, spec: str, name: str) -> None:
        require(asked.group is None, "frames of one clip are a group: leave the column to group by out", DataError)
        bad = _looked_at(given, asked)
        frames = {(c, f): error for c, numbers in bad.items() for f, error in numbers.items()}
        anchors = [
            a.without(lambda number, clip=a.clip: (clip, number) in frames)  # type: ignore[misc]
            for a in given.anchors
            if (a.clip, a.frame) not in frames
        ]
        require(bool(anchors), f"{spec} holds no readable frame", DataError)
        self.clips = list(given.clips)
        self._anchors = anchors
        self.how, shape, notes = self._prepared(asked)
        digests = [self.clips[a.clip].digest(a.frame) for a in anchors]
        self.labels = np.array([a.label for a in anchors], np.int32)
        self.ids = sample_ids(digests, self.labels)
        named, told = self._dependent()
        self.groups, dependent = copies(digests, self.labels, named)
        around = [own for a in anchors for own in a.around]
        self.neighbours = dataclasses.replace(
            Neighbours.of([[offset for offset, _ in a.neighbours] for a in anchors]),
            truths=_table(around) if around else None,
        )
        self.space = given.space
        if any(a.truths for a in anchors):
            self.truths = [a.truths or (a.label,) for a in anchors]
        labelled = given.classes is not None
        # Numbers are places among a model's outputs, whatever its classes are called.
        classes = given.classes or ("0",)
        if labelled:
            require_classes(spec, self.labels, asked.one_class)
        self.info = DataInfo(
            name=name,
            spec=spec,
            kind=kind,
            fingerprint=self._fingerprint(classes, labelled, shape[0]),
            classes=classes,
            count=len(anchors),
            shape=shape,
            preparation=self.how.words(),
            prepared=self.how.as_json(),
            skipped=tuple(readable(self.clips[c].frame_name(f)) for c, f in frames),
            notes=(*given.notes, *(class_notes(self.labels) if labelled else ()), *dependent, *told, *notes),
            cropped=self.how.crop is not None,
            labelled=labelled,
            rates={clip.name: clip.rate for clip in self.clips if clip.rate is not None},
        )

    def _dependent(self) -> tuple[list[str], list[str]]:
        """What each anchor's group is called: its clip, or a stretch of it where there are few clips; and a note."""
        count = Counter(a.clip for a in self._anchors)
        if len(count) >= FEW_CLIPS:
            return [self.clips[a.clip].name for a in self._anchors], []
        named, seen = [], Counter[int]()
        for a in self._anchors:
            parts = max(1, round(STRETCHES * count[a.clip] / len(self._anchors)))
            named.append(f"{a.clip} {seen[a.clip] * min(parts, count[a.clip]) // count[a.clip]}")
            seen[a.clip] += 1
        of = "1 clip" if len(count) == 1 else f"{len(count)} clips"
        return named, [
            f"{of} only: intervals are those of {len(set(named))} stretches, and speak of other moments of the same "
            "film, not of other films"
        ]

    def _prepared(self, asked: OpenRequest) -> tuple[Preparation, tuple[int, int, int], list[str]]:
        """The preparation, the shape after it, and what must be said of the files.

        Raises:
            DataError: Frames differ in size, or are too large or too small.
        """
        sizes: dict[tuple[int, int], str] = {}
        grey, jpeg, turned = [], 0, 0
        for clip in self.clips:
            if isinstance(clip, VideoClip):
                sizes.setdefault(clip.size, clip.name)
                turned += clip.turned
                grey.append(False)
                continue
            for number, header in clip.headers.items():
                sizes.setdefault(header.size, clip.frame_name(number))
                jpeg += header.jpeg
                grey.append(header.channels == 1)
        how = asked.how
        if how.empty and asked.otherwise is not None and len(sizes) > 1:
            how = asked.otherwise
        after: dict[tuple[int, int], str] = {}
        for size, name in sizes.items():
            after.setdefault(how.size(*size), name)
        if len(after) > 1:
            (one, a), (two, b) = list(after.items())[:2]
            raise DataError(
                f"frames of different sizes: {a} is {one[0]} x {one[1]}, {b} is {two[0]} x {two[1]}; give "
                f"{option('resize')} and {option('crop')}"
            )
        width, height = next(iter(after))
        give = f"give {option('resize')} and {option('crop')}"
        require(width * height <= LARGEST, f"frames of {width:,} x {height:,} are too large; {give}", DataError)
        require(min(width, height) >= 8, f"frames of {width} x {height} are too small, at least 8 x 8", DataError)
        notes = []
        if jpeg:
            notes.append("stored as JPEG: high frequencies are thinned before any shift")
        if any(isinstance(clip, VideoClip) for clip in self.clips):
            notes.append("frames of compressed video, decoded by FFmpeg: what it left out is gone before any shift")
        if turned:
            notes.append(f"{turned:,} videos are turned upright, as they say")
        channels = 1 if all(grey) else 3
        return dataclasses.replace(how, channels=channels), (channels, height, width), notes

    def _fingerprint(self, classes: tuple[str, ...], labelled: bool, channels: int) -> str:
        lines = sorted(
            f"{i}:{a.truths}:{a.around}:"
            + ",".join(f"{o}={self.clips[a.clip].digest(f).hex()}" for o, f in a.neighbours)
            for i, a in zip(self.ids, self._anchors, strict=True)
        )
        space = None if self.space is None else self.space.as_json()
        around = fingerprint_of([lines, labelled, space])
        return data_fingerprint(self.ids, self.labels, classes, [*self.how.identity(channels), around])

    def names(self) -> Sequence[str]:
        """See ``Source.names``: a file, or ``bikes.mp4#124``."""
        return [self.clips[a.clip].frame_name(a.frame) for a in self._anchors]

    def load(self, index: npt.NDArray[np.int64]) -> Pixels:
        """See ``Source.load``."""
        return self._read([(self._anchors[place].clip, self._anchors[place].frame) for place in index])

    def pictures(self, index: npt.NDArray[np.int64]) -> list[Pixels]:
        """See ``Source.pictures``."""
        whole = dataclasses.replace(self.how, crop=None)
        chosen = [self._anchors[place] for place in index]
        return [next(iter(self.clips[a.clip].frames([a.frame], whole))) for a in chosen]

    def load_neighbours(self, index: npt.NDArray[np.int64]) -> Pixels:
        """See ``Source.load_neighbours``."""
        owners = np.searchsorted(self.neighbours.first, index, side="right") - 1
        within = index - self.neighbours.first[owners]
        chosen = [(self._anchors[o], int(w)) for o, w in zip(owners, within, strict=True)]
        return self._read([(a.clip, a.neighbours[w][1]) for a, w in chosen])

    neighbours: Neighbours

    def _read(self, wanted: Sequence[tuple[int, int]]) -> Pixels:
        """Frames by (clip, number): each clip is gone through once, forwards."""
        images = np.empty((len(wanted), *self.info.shape), np.uint8)
        by_clip: dict[int, dict[int, list[int]]] = {}
        for place, (clip, number) in enumerate(wanted):
            by_clip.setdefault(clip, {}).setdefault(number, []).append(place)
        for clip, places in by_clip.items():
            numbers = sorted(places)
            for number, pixels in zip(numbers, self.clips[clip].frames(numbers, self.how), strict=True):
                images[places[number]] = pixels
        return images


def _table(truths: Sequence[tuple[int, ...]]) -> npt.NDArray[np.int32]:
    most = max(map(len, truths))
    return np.array([[*own, *[own[0]] * (most - len(own))] for own in truths], np.int32)


def _looked_at(given: ClipSet, asked: OpenRequest) -> Mapping[int, Mapping[int, DataError]]:
    """Look at every frame that is used; gives those that cannot be read, by clip."""
    used: dict[int, set[int]] = {}
    for anchor in given.anchors:
        used.setdefault(anchor.clip, set()).update([anchor.frame, *(number for _, number in anchor.neighbours)])
    bad: dict[int, Mapping[int, DataError]] = {}
    for done, (place, numbers) in enumerate(used.items()):
        clip = given.clips[place]
        if isinstance(clip, FrameFiles):
            found = clip.look(sorted(numbers), asked.how, asked.skip_bad)
            if found:
                bad[place] = found
        if asked.progress is not None and done % 20 == 0:
            asked.progress(done, len(used))
    return bad


def bad_clip(error: DataError) -> str:
    """A note on a video that is left out."""
    return f"left out: {readable(reason_of(error))}"
