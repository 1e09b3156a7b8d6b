"""Miniature copies of published sets: the layouts as they are given out, with few classes and tiny pictures."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import brittlestar.data
from brittlestar.data.label_spaces import imagenet_wnids
from brittlestar.data.published_set import ClassList, PublishedSet
from brittlestar.data.sets import SETS
from brittlestar.data.sets.annotated import FACTORS
from brittlestar.data.sets.imagenet_classes import subset

WNIDS = imagenet_wnids()[:3]
SIZES = ((44, 33), (30, 41), (52, 37))
"""Of photographs, in pixels."""

KNOWN = {"ILSVRC2012_val_00000001": 2, "ILSVRC2012_val_00000002": 0, "ILSVRC2012_val_00000003": 1}
"""Classes of the first miniature validation images: with three classes of two images, 3 to 6 being 1, 0, 1, 2."""

VAL = (2, 0, 1, 0, 1, 2)
BY_NAME = {one.name: one for one in SETS}


def three() -> ClassList:
    return ClassList(names=WNIDS, titles=("tench", "goldfish", "great white shark"))


def cut(name: str) -> Callable[[], ClassList]:
    """The first three classes of a label space."""
    whole = subset(name)()
    assert whole.space is not None
    space = dataclasses.replace(whole.space, classes=whole.names[:3], members=whole.space.members[:3])
    return lambda: ClassList(names=whole.names[:3], titles=whole.titles[:3], space=space)


def pixels(seed: int, width: int, height: int, channels: int = 3) -> np.ndarray:
    """(height, width, channels) uint8: a ramp with grain, so that it is an image of its own."""
    ramp = np.linspace(20, 200, width)[None, :, None] + np.linspace(0, 30, height)[:, None, None]
    grain = np.random.default_rng(seed).integers(0, 25, (height, width, channels))
    return np.asarray(np.clip(ramp + grain, 0, 255), np.uint8)


def save(file: Path, seed: int, size: tuple[int, int], frame: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = pixels(seed, *size)
    if frame:
        for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
            edge[:] = (255, 0, 0)
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    file.write_bytes(content.getvalue())


def class_folders(
    root: Path, names: Iterable[str], each: int, sizes: Sequence[tuple[int, int]] = SIZES, frame: bool = False
) -> None:
    for label, name in enumerate(names):
        for number in range(each):
            place = label * each + number
            save(root / name / f"photo_{place}.png", place, sizes[place % len(sizes)], frame)


def val_folders(root: Path, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
    for number, label in enumerate(VAL, 1):
        save(root / WNIDS[label] / f"ILSVRC2012_val_{number:08d}.png", number, sizes[number % len(sizes)])


def flat_val(root: Path) -> None:
    for number in range(1, len(VAL) + 1):
        save(root / f"ILSVRC2012_val_{number:08d}.png", number, SIZES[number % 3])


def small(name: str, **changes: Any) -> PublishedSet:
    """A set's definition with other counts."""
    return dataclasses.replace(BY_NAME[name], **changes)


def tiny_val() -> Any:
    return small("imagenet-val", classes=three, images=6, each=2, known=KNOWN)


def _val(root: Path) -> PublishedSet:
    val_folders(root / "val")
    return tiny_val()


def _real(root: Path) -> PublishedSet:
    flat_val(root)
    (root / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{(449, 450, 442)[k]}\n" for k in VAL))
    (root / "real.json").write_text(json.dumps([[2], [0, 1], [], [1], [1], [2]]))
    return small("imagenet-real", images=tiny_val(), labelled=5)


def factor_rows(which: Callable[[int], set[str]]) -> str:
    rows = [
        {"file_name": f"ILSVRC2012_val_{n:08d}.JPEG", "class": VAL[n - 1]} | {f: int(f in which(n)) for f in FACTORS}
        for n in (1, 2, 4, 5, 6)
    ]
    return "".join(json.dumps(row | {"justification": "words"}) + "\n" for row in rows)


def _factors(root: Path) -> PublishedSet:
    val_folders(root / "val")
    both = {"pose", "background"}
    (root / "imagenet_x_val_multi_factor.jsonl").write_text(factor_rows(lambda n: both if n == 2 else {"pose"}))
    (root / "imagenet_x_val_top_factor.jsonl").write_text(factor_rows(lambda n: set() if n == 4 else {"pose"}))
    (root / "prototypical_paths.csv").write_text("file_name\nILSVRC2012_val_00000006.JPEG\n")
    return small("imagenet-x", images=tiny_val(), annotated=5, prototypes=1, installed=lambda: None)


def _v2(root: Path) -> PublishedSet:
    for name in ("matched-frequency", "threshold0.7", "top-images"):
        class_folders(root / f"imagenetv2-{name}-format-val", map(str, range(12)), 2)
    classes = ClassList(names=imagenet_wnids()[:12])
    return small("imagenet-v2", classes=lambda: classes, images=24, each=2)


def _natural(name: str, classes: Callable[[], ClassList] = three) -> Callable[[Path], PublishedSet]:
    def write(root: Path) -> PublishedSet:
        class_folders(root / name, classes().names, 2)
        return small(name, classes=classes, images=6, inside=(name,))

    return write


def _stylized(root: Path) -> PublishedSet:
    class_folders(root / "val", WNIDS, 2, [(40, 40)])
    return small("stylized-imagenet", classes=three, images=6, each=2, stored=(40,))


def _objectnet(root: Path) -> PublishedSet:
    classes = cut("objectnet")
    class_folders(root / "images", [*classes().names, "squeegee"], 2, frame=True)
    return small("objectnet", classes=classes, images=6, folders_published=4)


def _corrupted(name: str, corruption: str, group: str = "") -> Callable[[Path], PublishedSet]:
    def write(root: Path) -> PublishedSet:
        for severity in "12345":
            val_folders(root / group / corruption / severity, [(36, 36)])
        return small(name, classes=three, images=6, each=2, stored=(36,), known=KNOWN)

    return write


def _cifar(name: str) -> Callable[[Path], PublishedSet]:
    def write(root: Path) -> PublishedSet:
        known: Any = BY_NAME[name]
        folder = root / known.inside
        folder.mkdir()
        for what, file in known.names.items():
            (folder / file).write_text("".join(f"{what} {k}\n" for k in range(3)))
        for number, file in enumerate([f for files in known.files.values() for f in files]):
            rows = [
                bytes([(k + 1) % 3, k % 3][2 - len(known.names) :])
                + pixels(10 * number + k, 32, 32).transpose(2, 0, 1).tobytes()
                for k in range(6)
            ]
            (folder / file).write_bytes(b"".join(rows))
        counts = {part: 6 * len(files) for part, files in known.files.items()}
        each = {part: count // 3 for part, count in counts.items()}
        return small(name, splits=counts, each=each)

    return write


def _stack(seed: int, count: int, side: int = 32, channels: int = 3) -> np.ndarray:
    return np.stack([pixels(100 * seed + k, side, side, channels) for k in range(count)])


def _cifar_10_1(root: Path) -> PublishedSet:
    for seed, (part, labels) in enumerate((("v4", [0, 1, 1, 2, 2, 2]), ("v6", [0, 1, 2, 0, 1, 2]))):
        np.save(root / f"cifar10.1_{part}_data.npy", _stack(seed, 6))
        np.save(root / f"cifar10.1_{part}_labels.npy", np.array(labels))
    return small("cifar-10.1", splits={"v6": 6, "v4": 6}, each={"v6": 2}, mix={"v4": (1, 2, 3)})


def _npy_corruptions(name: str, corruption: str) -> Callable[[Path], PublishedSet]:
    def write(root: Path) -> PublishedSet:
        classes = 10 if name != "cifar-100-c" else 100
        for seed, one in ((7, corruption), (8, "brightness")):
            np.save(root / f"{one}.npy", _stack(seed, 5 * classes))
        np.save(root / "labels.npy", np.tile(np.arange(classes), 5))
        return small(name, splits={"test": classes}, each={"test": 1})

    return write


def _cinic(root: Path) -> PublishedSet:
    for split in ("train", "valid", "test"):
        for label, name in enumerate(("airplane", "automobile")):
            save(root / split / name / f"cifar10-train-{label}.png", label, (32, 32))
            save(root / split / name / f"n01440764_{label}.png", 10 + label, (32, 32))
    classes = ClassList(names=("airplane", "automobile"))
    return small("cinic-10", classes=lambda: classes, images=4, each=2)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def _mnist(root: Path) -> PublishedSet:
    labels = np.arange(10, dtype=np.uint8)
    for stem in ("t10k", "train"):
        (root / f"{stem}-images-idx3-ubyte").write_bytes(idx(_stack(1, 10, 28, 1)[..., 0]))
        (root / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return small("mnist", splits={"test": 10, "train": 10})


def _mnist_c(root: Path) -> PublishedSet:
    for seed, name in enumerate(("identity", "fog")):
        (root / name).mkdir()
        for split in ("train", "test"):
            np.save(root / name / f"{split}_images.npy", _stack(seed, 10, 28, 1))
            np.save(root / name / f"{split}_labels.npy", np.arange(10))
    return small("mnist-c", splits={"test": 10, "train": 10})


def _nico(root: Path) -> PublishedSet:
    for superclass, names in (("Animal", ("bear", "cow")), ("Vehicle", ("bus",))):
        for label, name in enumerate(names):
            for number, context in enumerate(("in forest", "on snow", "white")):
                save(root / superclass / name / context / f"{number}.png", 10 * label + number, (40, 40))
    return small("nico", superclasses={"animal": {"bear": 3, "cow": 3}, "vehicle": {"bus": 3}}, contexts=(3, 3))


def _nico_plus(root: Path) -> PublishedSet:
    contexts = ("autumn", "dim", "grass", "outdoor", "rock", "water")
    for number, context in enumerate(contexts):
        class_folders(root / "train" / context, ("bear", "cow"), 1, [(40 + number, 40)] * 2)
        for label, name in enumerate(("bear", "cow")):
            save(root / "train" / context / name / f"photo_{label}.png", 10 * number + label, (40, 40))
    (root / "dg_label_id_mapping.json").write_text(json.dumps({"cow": 0, "bear": 1}))
    return small("nico++", classes=2, images=12)


TABLE = """img_id,filename,y,split,hospital,place
1,a/0.png,0,train,north,land
2,a/1.png,1,test,north,water
3,b/2.png,1,test,south,land
4,b/3.png,0,test,south,water
"""


def _wilds(root: Path) -> PublishedSet:
    for number, folder in enumerate("aabb"):
        save(root / "images" / folder / f"{number}.png", number, (40, 40))
    (root / "metadata.csv").write_text(TABLE)
    return BY_NAME["wilds"]


LAYOUTS: dict[str, tuple[Callable[[Path], PublishedSet], str, int]] = {
    "imagenet-val": (_val, "", 6),
    "imagenet-real": (_real, "", 6),
    "imagenet-x": (_factors, "", 6),
    "imagenet-v2": (_v2, "top-images", 24),
    "imagenet-a": (_natural("imagenet-a", cut("imagenet-a")), "", 6),
    "imagenet-o": (_natural("imagenet-o", cut("imagenet-o")), "", 6),
    "imagenet-r": (_natural("imagenet-r", cut("imagenet-r")), "", 6),
    "imagenet-sketch": (_natural("imagenet-sketch"), "", 6),
    "stylized-imagenet": (_stylized, "", 6),
    "objectnet": (_objectnet, "", 6),
    "imagenet-c": (_corrupted("imagenet-c", "fog", "weather"), "fog:3", 6),
    "imagenet-c-bar": (_corrupted("imagenet-c-bar", "perlin_noise"), "perlin_noise:5", 6),
    "imagenet-3dcc": (_corrupted("imagenet-3dcc", "fog_3d"), "fog_3d:1", 6),
    "cifar-10": (_cifar("cifar-10"), "", 6),
    "cifar-100": (_cifar("cifar-100"), "train", 6),
    "cifar-10.1": (_cifar_10_1, "v4", 6),
    "cifar-10-c": (_npy_corruptions("cifar-10-c", "fog"), "fog:3", 10),
    "cifar-100-c": (_npy_corruptions("cifar-100-c", "fog"), "fog", 500),
    "cifar-10-c-bar": (_npy_corruptions("cifar-10-c-bar", "lines"), "lines:5", 10),
    "cinic-10": (_cinic, "", 4),
    "mnist": (_mnist, "train", 10),
    "mnist-c": (_mnist_c, "fog", 10),
    "nico": (_nico, "animal", 6),
    "nico++": (_nico_plus, "", 12),
    "wilds": (_wilds, "test", 3),
}
"""By name: what writes a miniature into an empty folder and gives the definition with its counts; a part; its count."""


def written(patch: pytest.MonkeyPatch, name: str, root: Path) -> str:
    """A miniature, known to the package in place of the real set; what opens it, without a part."""
    definition = LAYOUTS[name][0](root)
    known = tuple(definition if one.name == name else one for one in SETS)
    patch.setattr(brittlestar.data, "SETS", known)
    return f"{name}:{root}"
