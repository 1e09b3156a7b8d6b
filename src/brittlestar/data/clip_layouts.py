"""A person's own clips: a video, a folder of frames, a folder of clips, a folder of classes of clips, with or without
a table of labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.text import readable
from brittlestar.data.clips import Anchor, Clip, ClipSet, ClipSource, bad_clip
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import png
from brittlestar.data.frame_files import FrameFiles, natural
from brittlestar.data.neighbours import MOST
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.tree import EXTENSIONS, SERVICE, ordered
from brittlestar.data.video import FORMATS, VideoClip

LABELS = "clips.csv"
"""In the folder of the data: columns ``clip`` (a path in it), ``label`` and, if known, ``fps``."""

KEYS = ("every", "within", "fps")
WITHIN = 10


@dataclass(frozen=True, kw_only=True)
class Anchoring:
    """Which frames are anchors, and what surrounds them.

    Fields:
        every: Of so many frames one is an anchor.
        within: Neighbours are at most so many frames away.
        fps: Frames a second of folders of frames, where no table says it.
    """

    every: int
    within: int
    fps: float | None = None

    @classmethod
    def parse(cls, part: str) -> Anchoring:
        """From ``every=21,within=10,fps=25``; all may be left out.

        Raises:
            DataError: Something else.
        """
        given: dict[str, str] = {}
        for piece in filter(None, part.split(",")):
            key, _, value = piece.partition("=")
            if key not in KEYS:
                raise DataError(f"{unknown('word for clips', key, KEYS)}; write VIDEO.mp4:every=21,within=10")
            require(key not in given, f"{key} is said twice in {part!r}", DataError)
            given[key] = value
        within = _whole("within", given.get("within", str(WITHIN)), 1)
        # So that neighbourhoods touch and none overlaps another.
        every = _whole("every", given.get("every", str(2 * within + 1)), 1)
        return cls(every=every, within=within, fps=_rate("fps", given["fps"]) if "fps" in given else None)

    def anchors(self, clip: int, count: int, label: int) -> list[Anchor]:
        """The anchors of a clip: from the first frame on that has a whole neighbourhood."""
        found = []
        for frame in range(min(self.within, (count - 1) // 2), count, self.every):
            around = (offset for offset in range(-self.within, self.within + 1) if offset)
            numbers = tuple((offset, frame + offset) for offset in around if 0 <= frame + offset < count)
            found.append(Anchor(clip=clip, frame=frame, neighbours=numbers, label=label))
        return found


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A clip by its path in the data; its class and its frames a second, where they are known."""

    path: str
    label: str | None = None
    fps: float | None = None


def _open(path: Path, asked: OpenRequest) -> ClipSource:
    how = Anchoring.parse(asked.part)
    root = path if path.is_dir() else path.parent
    listed = _listed(path)
    require(bool(listed), f"{readable(str(path))} holds no clip: a folder of images, or a video file", DataError)
    labels = [clip.label for clip in listed]
    unlabelled = sum(label is None for label in labels)
    require(
        unlabelled in (0, len(listed)),
        f"{unlabelled} of the {len(listed)} clips of {readable(str(path))} have no label: label all of them, or none",
        DataError,
    )
    classes = None if unlabelled else tuple(ordered(sorted({label for label in labels if label is not None})))
    clips: list[Clip] = []
    anchors: list[Anchor] = []
    notes: list[str] = []
    for one in listed:
        try:
            clip = _clip(root, one, how.fps)
        except DataError as error:
            if not asked.skip_bad:
                raise
            notes.append(bad_clip(error))
            continue
        label = 0 if classes is None or one.label is None else classes.index(one.label)
        anchors += how.anchors(len(clips), clip.count, label)
        clips.append(clip)
    if classes is None:
        notes.append("no labels: only whether answers stay the same is measured, not whether they are right")
    spec = f"{path}:{asked.part}" if asked.part else str(path)
    name = readable(path.resolve().stem if path.is_file() else path.resolve().name)
    notes.insert(0, f"every {how.every}th frame of {len(clips):,} clips, neighbours within {how.within} frames")
    found = ClipSet(clips=clips, anchors=anchors, classes=classes, notes=tuple(notes))
    return ClipSource(found, asked, kind="clips", spec=spec, name=name)


def _clip(root: Path, one: _Listed, fps: float | None) -> Clip:
    place = root / one.path
    shown = readable(Path(one.path).as_posix())
    if place.is_file():
        require(place.suffix.lower() in FORMATS, f"{shown} is no video: {', '.join(FORMATS)}", DataError)
        return VideoClip.read(place, shown)
    require(place.is_dir(), f"there is no clip {shown} in {readable(str(root))}", DataError)
    images = sorted(_entries(place)[1], key=natural)
    require(bool(images), f"the clip {shown} holds no images", DataError)
    files = tuple(str(Path(one.path) / name) for name in images)
    name = shown if one.path != "." else readable(root.resolve().name)
    return FrameFiles(root, name, files, one.fps or fps)


def _listed(path: Path) -> list[_Listed]:
    """The clips of a path, in natural order."""
    if path.is_file():
        return [_Listed(path=path.name)]
    if (path / LABELS).is_file():
        return _table(path)
    folders, images, videos = _entries(path)
    if images and not folders and not videos:
        return [_Listed(path=".")]
    inner = {name: _entries(path / name) for name in folders}
    classes = [name for name, (below, _, films) in inner.items() if below or films]
    clips = [name for name, (below, frames, films) in inner.items() if frames and not below and not films]
    require(
        not classes or not (clips or videos),
        f"{readable(str(path))} holds both clips ({(clips + videos)[:1][0] if clips or videos else ''}) and folders of "
        f"clips ({classes[:1][0] if classes else ''}): put every clip into the folder of its class, or say the classes "
        f"in {LABELS}",
        DataError,
    )
    if not classes:
        return [_Listed(path=name) for name in sorted([*clips, *videos], key=natural)]
    found = []
    for name in sorted(classes, key=natural):
        below, _, films = inner[name]
        found += [_Listed(path=f"{name}/{clip}", label=name) for clip in sorted([*below, *films], key=natural)]
    return found


def _table(root: Path) -> list[_Listed]:
    """The clips that ``clips.csv`` lists.

    Raises:
        DataError: It cannot be read, lacks a column, or names a clip twice or outside of the folder.
    """
    file = root / LABELS
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            columns = reader.fieldnames or []
            require(
                "clip" in columns, f"{readable(str(file))} needs a column clip; it has {', '.join(columns)}", DataError
            )
            lines = [{key: (value or "").strip() for key, value in line.items() if key} for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {readable(str(file))}: {error}") from error
    found = []
    for number, line in enumerate(lines, 2):
        where = f"line {number} of {readable(str(file))}"
        clip = Path(line["clip"])
        inside = bool(line["clip"]) and not clip.is_absolute() and ".." not in clip.parts
        require(inside, f"{where}: a clip is a path inside of the folder, got {line['clip']!r}", DataError)
        fps = _rate(f"{where}: fps", line["fps"]) if line.get("fps") else None
        found.append(_Listed(path=clip.as_posix(), label=line.get("label") or None, fps=fps))
    twice = {one.path for one in found if [other.path for other in found].count(one.path) > 1} if found else set()
    require(not twice, f"{readable(str(file))} lists {', '.join(sorted(twice)[:3])} twice", DataError)
    return found


def _entries(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Names of the folders, images and videos in a folder, without what systems leave there."""
    folders, images, videos = [], [], []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                suffix = Path(entry.name).suffix.lower()
                if entry.name.startswith(".") or entry.name.lower() in SERVICE:
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif suffix in EXTENSIONS:
                    images.append(entry.name)
                elif suffix in FORMATS:
                    videos.append(entry.name)
    except OSError as error:
        raise DataError(f"cannot read the folder {readable(str(path))}: {error.strerror or error}") from error
    return sorted(folders), images, videos


def _takes(path: Path) -> bool:
    """Whether a path is clips whatever is said of it: a video, a folder with a table of clips or with videos."""
    if path.is_file():
        return path.suffix.lower() in FORMATS
    if not path.is_dir():
        return False
    if (path / LABELS).is_file():
        return True
    try:
        folders, images, videos = _entries(path)
        # One class tells: looking through all of a large image folder would take as long as opening it.
        return bool(videos or (not images and folders and _entries(path / min(folders))[2]))
    except DataError:
        return False


def _claims(path: Path, part: str) -> bool:
    """Whether what was written behind a path makes its folder one of clips."""
    return path.is_dir() and part.partition("=")[0] in KEYS


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    lines = ["clip,label"]
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / f"clip {place}").mkdir()
        (folder / f"clip {place}" / "0.png").write_bytes(png(image))
        lines.append(f"clip {place},class {label}")
    (folder / LABELS).write_text("\n".join(lines) + "\n")
    return folder


def _whole(key: str, text: str, least: int) -> int:
    right = text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= MOST
    require(right, f"{key} is a whole number of frames from {least} to {MOST:,}, got {text!r}", DataError)
    return int(text)


def _rate(key: str, text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    require(0 < rate <= 100_000, f"{key} is a number of frames a second, got {text!r}", DataError)
    return rate


CLIPS = Reader(
    form="VIDEO.mp4",
    text="or a folder of videos or of folders of frames; FOLDER:every=21,within=10: which frames are anchors and how "
    f"far their neighbours go; classes are folders, or stand in {LABELS}",
    takes=_takes,
    claims=_claims,
    open=_open,
    write=_write,
    parts=True,
)
