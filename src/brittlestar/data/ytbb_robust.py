"""YTBB-Robust (Shankar et al.): 2,030 frames of YouTube-BoundingBoxes with up to 20 frames around each that people
found alike, 24 classes onto which the 1,000 of ImageNet are merged."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from brittlestar.core.errors import DataError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.text import readable
from brittlestar.data.clips import ClipSource
from brittlestar.data.label_spaces import label_space
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.vid_robust import clip_set, number_of, read_json

WHERE = (
    "YTBB-Robust is described at modestyachts.github.io/natural-perturbations-website; its metadata "
    "(anchor_labels.json, pmk_labels.json, ytbb_robustness_test_anchors_full.csv) are those of "
    "github.com/modestyachts/imagenet-testbed"
)

SETS = 2030
"""Anchors that were reviewed and found good. The testbed's own list of settings says 2,530, which is all of them."""

WITHIN = 10

_NAMES = (
    "person,bird,bicycle,boat,bus,bear,cow,cat,giraffe,potted plant,horse,motorcycle,knife,airplane,skateboard,train,"
    "truck,zebra,toilet,dog,elephant,umbrella,none,car"
)

CLASSES = tuple(_NAMES.split(","))

EXCHANGED = {22: 23, 23: 22}
"""``none`` and ``car`` stand under each other's number in the table of anchors."""

_REFUSED = (
    "dissimilar,problematic,incorrect,dont know,deformation,background-change,occlusion-increased,blur-increase,"
    "bad-anchor"
)
_NOT_ALIKE = frozenset(_REFUSED.split(","))

Annotations = Mapping[str, frozenset[str]]


def ytbb_space() -> LabelSpace:
    """The highest logit of each class's outputs; five classes have none, and 0 as in the reference."""
    known = label_space("ytbb")
    of = dict(zip(known.classes, known.members, strict=True))
    return replace(known, name="ytbb-24", classes=CLASSES, members=tuple(of.get(name, ()) for name in CLASSES))


def annotated(path: Path) -> Annotations:
    """What reviewers said of each frame, or of each pair of frames; of several reviews the last counts.

    Raises:
        DataError: The file is not what it should be.
    """
    value = read_json(path, dict, WHERE)
    try:
        names = [str(name) for name in value["labels"]]
        return {
            ",".join(map(_key, str(row["key"]).split(","))): frozenset(names[int(said)] for said in row["labels"])
            for row in value["annotations"]
        }
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{readable(str(path))} holds no annotations ({error!r}). {WHERE}") from error


def first_labels(path: Path) -> Mapping[str, int]:
    """The class of each anchor's clip as the table of anchors has it, 22 and 23 exchanged.

    Raises:
        DataError: The file is not what it should be.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {f"{row['ytid']}_{row['time_ms']}": int(row["label"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"cannot read {readable(str(path))}: {error!r}. {WHERE}") from error
    return {clip: EXCHANGED.get(label, label) for clip, label in rows.items()}


def sets_of(
    anchors: Annotations, pairs: Annotations, labels: Mapping[str, int]
) -> tuple[dict[str, list[str]], dict[str, list[int]]]:
    """The neighbours of every good anchor, and its classes: the table's and those that reviewers added.

    Args:
        anchors: What was said of anchors (``annotated``).
        pairs: What was said of pairs, ``ANCHOR,NEIGHBOUR``.
        labels: Of the clips (``first_labels``).

    Raises:
        DataError: An anchor of a clip that the table lacks.
    """
    bad = {pair.split(",")[0] for pair, said in pairs.items() if "bad-anchor" in said}
    alike = {pair for pair, said in pairs.items() if "similar" in said and not said & _NOT_ALIKE}
    found: dict[str, list[str]] = {}
    right: dict[str, list[int]] = {}
    for anchor, said in anchors.items():
        if "good" not in said or said & {"bad", "unsure"} or anchor in bad:
            continue
        clip = anchor.split("/")[0]
        require(clip in labels, f"the table of anchors has no {clip}. {WHERE}", DataError)
        around = (f"{clip}/frame-{number_of(anchor) + step}.jpg" for step in range(-WITHIN, WITHIN + 1) if step)
        found[anchor] = [frame for frame in around if f"{anchor},{frame}" in alike]
        right[anchor] = sorted({labels[clip], *(CLASSES.index(name) for name in said if name in CLASSES)})
    return found, right


def _key(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _root(path: Path, frames: Iterable[str]) -> Path:
    """The folder below which the clips lie: the data's own, or ``val`` or ``frames`` in it."""
    clip = next(iter(frames)).split("/")[0]
    for root in (path, path / "val", path / "frames"):
        if (root / clip).is_dir():
            return root
    raise DataError(f"{readable(str(path))} has no folder {clip} of frames, nor has val or frames in it. {WHERE}")


def _open(path: Path, asked: OpenRequest) -> ClipSource:
    metadata = path / "metadata"
    anchors, pairs = annotated(metadata / "anchor_labels.json"), annotated(metadata / "pmk_labels.json")
    labels = first_labels(metadata / "ytbb_robustness_test_anchors_full.csv")
    found, right = sets_of(anchors, pairs, labels)
    require(
        len(found) == SETS,
        f"the metadata tell of {len(found):,} good anchors, published are {SETS:,}. {WHERE}",
        DataError,
    )
    given = clip_set(_root(path, found), found, right, ytbb_space())
    return ClipSource(given, asked, kind="ytbb-robust", spec=str(path), name="ytbb-robust")


YTBB_ROBUST = Reader(
    form="FOLDER/metadata/pmk_labels.json",
    text="YTBB-Robust: 2,030 video frames with their neighbours, 24 classes by the highest logit",
    takes=lambda path: (path / "metadata" / "pmk_labels.json").is_file(),
    open=_open,
    write=None,
)
