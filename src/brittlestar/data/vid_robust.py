"""ImageNet-Vid-Robust (Shankar et al.): 1,109 frames of ImageNet-Vid with up to 20 frames around each that people found
alike, 30 classes onto which the 1,000 of ImageNet are merged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.text import readable
from brittlestar.data.clips import Anchor, Clip, ClipSet, ClipSource
from brittlestar.data.frame_files import FrameFiles, natural
from brittlestar.data.label_spaces import label_space
from brittlestar.data.reader import OpenRequest, Reader

WHERE = (
    "ImageNet-Vid-Robust comes as imagenet-vid-robust.tar.gz, about 1 GB: github.com/modestyachts/"
    "imagenet-vid-robust-example, download_dataset.sh"
)

ANCHORS, NEIGHBOURS, FULL, SEVERAL = 1109, 21070, 889, 79
"""Anchors, all their neighbours, anchors with all 20 of them, and anchors with several right classes."""


def vid_space() -> LabelSpace:
    """The highest logit of each class's outputs."""
    return label_space("imagenet-vid")


def read_json(path: Path, kind: type, where: str = WHERE) -> Any:
    """What a file of metadata holds; ``where`` says where to get it.

    Raises:
        DataError: It cannot be read, or holds something else.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {readable(str(path))}: {error}. {where}") from error
    require(isinstance(value, kind), f"{readable(str(path))} does not hold what it should. {where}", DataError)
    return value


def check_counts(pmsets: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
    """Hold the metadata against the published counts.

    Raises:
        DataError: They differ, or a frame has no label.
    """
    shaped = all(isinstance(own, list) for own in (*pmsets.values(), *labels.values()))
    require(shaped, f"pmsets.json and labels.json hold a list for every frame. {WHERE}", DataError)
    frames = {*pmsets, *(frame for own in pmsets.values() for frame in own)}
    unlabelled = sorted(frame for frame in frames if not labels.get(frame))
    require(not unlabelled, f"labels.json says nothing of {', '.join(unlabelled[:3])}. {WHERE}", DataError)
    told = {
        "anchors": (len(pmsets), ANCHORS),
        "neighbours": (sum(map(len, pmsets.values())), NEIGHBOURS),
        "anchors with 20 neighbours": (sum(len(own) == 20 for own in pmsets.values()), FULL),
        "anchors with several classes": (sum(len(labels[frame]) > 1 for frame in pmsets), SEVERAL),
    }
    for what, (got, published) in told.items():
        require(got == published, f"pmsets.json has {got:,} {what}, published are {published:,}. {WHERE}", DataError)


def number_of(frame: str) -> int:
    """The frame's number in its name: 442 of ``val/ILSVRC2015_val_00000000/000442.JPEG``.

    Raises:
        DataError: There is none.
    """
    found = re.fullmatch(r"(?:[\w.-]+/)*(?:frame-)?(\d{1,9})\.\w+", frame)
    inside = found is not None and ".." not in frame.split("/")
    require(inside, f"{frame[:80]!r} is no name of a frame, such as val/ILSVRC2015_val_00000000/000442.JPEG", DataError)
    assert found is not None
    return int(found[1])


def clip_set(
    root: Path, pmsets: Mapping[str, list[str]], labels: Mapping[str, list[int]], space: LabelSpace
) -> ClipSet:
    """The clips of some anchors: one each folder, with the frames that are used.

    Neighbours are right by their own labels where all have some, else by those of their anchor.
    """
    each = all(frame in labels for own in pmsets.values() for frame in own)
    used: dict[str, set[str]] = {}
    for anchor, around in pmsets.items():
        for frame in (anchor, *around):
            number_of(frame)
            used.setdefault(frame.rpartition("/")[0], set()).add(frame)
    clips: list[Clip] = []
    place: dict[str, tuple[int, int]] = {}
    for folder in sorted(used, key=natural):
        files = sorted(used[folder], key=natural)
        place |= {file: (len(clips), number) for number, file in enumerate(files)}
        clips.append(FrameFiles(root, folder, tuple(files)))
    anchors = []
    for anchor in sorted(pmsets, key=natural):
        clip, own = place[anchor]
        strange = [frame for frame in pmsets[anchor] if place[frame][0] != clip]
        require(not strange, f"{strange[:1]} is said to be near {anchor}, and lies in another clip", DataError)
        steps = sorted((number_of(frame) - number_of(anchor), place[frame][1], frame) for frame in pmsets[anchor])
        right = _right(anchor, labels, space)
        anchors.append(
            Anchor(
                clip=clip,
                frame=own,
                neighbours=tuple((step, number) for step, number, _ in steps),
                label=right[0],
                truths=right if len(right) > 1 else (),
                around=tuple(_right(frame, labels, space) for _, _, frame in steps) if each else (),
            )
        )
    return ClipSet(clips=clips, anchors=anchors, classes=space.classes, space=space)


def _right(frame: str, labels: Mapping[str, list[int]], space: LabelSpace) -> tuple[int, ...]:
    right = tuple(sorted(set(map(int, labels[frame]))))
    fits = bool(right) and right[0] >= 0 and right[-1] < len(space.classes)
    require(fits, f"{frame} is labelled {right}; classes are 0 .. {len(space.classes) - 1}", DataError)
    return right


def _open(path: Path, asked: OpenRequest) -> ClipSource:
    pmsets = read_json(path / "metadata" / "pmsets.json", dict)
    labels = read_json(path / "metadata" / "labels.json", dict)
    check_counts(pmsets, labels)
    found = clip_set(path, pmsets, labels, vid_space())
    return ClipSource(found, asked, kind="imagenet-vid-robust", spec=str(path), name="imagenet-vid-robust")


VID_ROBUST = Reader(
    form="FOLDER/metadata/pmsets.json",
    text="ImageNet-Vid-Robust: 1,109 video frames with their neighbours, 30 classes by the highest logit",
    takes=lambda path: (path / "metadata" / "pmsets.json").is_file(),
    open=_open,
    write=None,
)
