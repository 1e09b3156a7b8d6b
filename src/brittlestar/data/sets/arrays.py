"""Published sets that are arrays: CIFAR's binary files, .npy files, and MNIST's IDX files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.data.arrays import ArraySource
from brittlestar.data.base import Source
from brittlestar.data.idx import idx_file, read_idx
from brittlestar.data.labels import checked_labels, numbered
from brittlestar.data.npy import images_in, labels_in
from brittlestar.data.npz import require_unchanged, signature
from brittlestar.data.published_set import KIND, PublishedSet
from brittlestar.data.reader import OpenRequest
from brittlestar.data.stored import Array, Stored

CIFAR_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple(str(digit) for digit in range(10))
SEVERITIES = 5
MNIST_C_CORRUPTIONS = (
    *("identity", "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate", "brightness"),
    *("translate", "stripe", "fog", "spatter", "dotted_line", "zigzag", "canny_edges"),
)


@dataclass(frozen=True, kw_only=True)
class ArraySet(PublishedSet):
    """A set of arrays.

    Fields:
        splits: How many images each part has, by what people type; the first is meant where none is named.
        each: How many images of every class, by part; parts that are not there may have any mix.
        classes: Names in label order; empty where a file of the set names them.
    """

    splits: Mapping[str, int]
    each: Mapping[str, int] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = CIFAR_10

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return ", ".join(f"{count:,} images ({name})" for name, count in self.splits.items())

    def split(self, part: str) -> str:
        """The part that is meant."""
        if part and part not in self.splits:
            raise DataError(str(unknown(f"part of {self.name}", part, self.splits)))
        return part or next(iter(self.splits))

    def source(
        self,
        path: Path,
        asked: OpenRequest,
        x: Array | Stored,
        y: Any,
        split: str,
        *,
        name: str = "",
        classes: tuple[str, ...] = (),
        part: str | None = None,
        notes: tuple[str, ...] = (),
        groups: npt.NDArray[np.int64] | None = None,
        contexts: Mapping[str, npt.NDArray[np.str_]] | None = None,
    ) -> ArraySource:
        """The source of arrays that were read, counted."""
        self._require_counts(path, x, y, split)
        own = contexts or {}
        if asked.group is not None:
            there = f"{self.name} has no column {asked.group} to group samples by; it has {', '.join(own) or 'none'}"
            require(asked.group in own, there, DataError)
        made = ArraySource(
            x,
            y,
            kind=KIND,
            spec=self.spec(path, asked.part if part is None else part),
            name=name or f"{self.name}-{split}",
            classes=classes or self.classes,
            how=self.prepared(asked).how,
            notes=notes,
            groups=own[asked.group] if asked.group is not None else groups,
        )
        made.contexts = own
        return made

    def _require_counts(self, path: Path, x: Array | Stored, y: Any, split: str) -> None:
        side = self.stored[0]
        square = x.shape[1:3] == (side, side) and x.dtype == np.uint8
        shape = f"its images are an array of shape {x.shape} ({x.dtype}), and they are {side} x {side} pixels (uint8)"
        self.require(square, path, shape)
        count = self.splits[split]
        self.require(len(x) == count, path, f"{split} has {len(x):,} images instead of {count:,}")
        labels = checked_labels(y, str(path)).numbers
        self.require(len(labels) == count, path, f"{split} has {len(labels):,} labels instead of {count:,}")
        if split in self.each:
            counts = np.bincount(labels)
            odd = int(np.argmax(counts != self.each[split]))
            all_alike = bool((counts == self.each[split]).all())
            self.require(
                all_alike, path, f"{split} has {counts[odd]:,} images of class {odd} instead of {self.each[split]:,}"
            )


@dataclass(frozen=True, kw_only=True)
class BinaryCifar(ArraySet):
    """CIFAR's binary version: one byte or two of labels before the 3,072 bytes of every image.

    Fields:
        files: Names of the files of each part.
        names: The files of class names, one for each byte of labels, by what they name; the last is what is measured.
        pickled: A file by which the version for Python is told.
    """

    files: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]
    pickled: tuple[str, ...]
    inside: str

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        split = self.split(asked.part)
        root = path if (path / self.files[split][0]).is_file() else path / self.inside
        if not (root / self.files[split][0]).is_file() and path.is_dir():
            below = [path, *(p for p in path.iterdir() if p.is_dir())]
            self.require(
                not any((folder / name).is_file() for folder in below for name in self.pickled),
                path,
                "it is the version for Python, whose files are pickles: opening one may run any program, so they are "
                "never opened here; take the binary version (for C programs) from the same page",
            )
        side = self.stored[0]
        labels = len(self.names)
        pieces = []
        for name in self.files[split]:
            file = root / name
            self.require(file.is_file(), path, f"{name} is missing")
            size, whole = file.stat().st_size, self.splits[split] // len(self.files[split]) * (labels + 3 * side**2)
            self.require(size == whole, path, f"{name} has {size:,} bytes instead of {whole:,}: was it unpacked whole?")
            pieces.append(np.fromfile(file, np.uint8))
        table = np.concatenate(pieces).reshape(-1, labels + 3 * side**2)
        named = {what: self._class_names(path, root / file) for what, file in self.names.items()}
        for column, (what, names) in enumerate(named.items()):
            most = int(table[:, column].max(initial=0))
            self.require(most < len(names), path, f"a {what} label is {most}, and there are {len(names)} names")
        *coarser, finest = named.items()
        contexts = {what: np.array(names)[table[:, column]] for column, (what, names) in enumerate(coarser)}
        pixels = np.ascontiguousarray(table[:, labels:]).reshape(-1, 3, side, side)
        return self.source(
            path,
            asked,
            pixels.transpose(0, 2, 3, 1),
            table[:, labels - 1],
            split,
            classes=tuple(finest[1]),
            contexts=contexts,
        )

    def _class_names(self, path: Path, file: Path) -> tuple[str, ...]:
        self.require(file.is_file(), path, f"{file.name} is missing")
        names = tuple(
            line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        )
        self.require(bool(names) and len(set(names)) == len(names), path, f"{file.name} names no classes, or one twice")
        return names


@dataclass(frozen=True, kw_only=True)
class VersionedArrays(ArraySet):
    """A folder of versions, each with its own file of images and of labels.

    Fields:
        files: Files of images and labels, with the part for ``{}``.
        mix: How many images of each class a part has, where its classes differ in size.
    """

    files: tuple[str, str]
    mix: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    inside: str = ""

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        split = self.split(asked.part)
        names = [name.format(split) for name in self.files]
        root = path if (path / names[0]).is_file() else path / self.inside
        x, y = _pair(self, path, root / names[0], root / names[1])
        if split in self.mix:
            counts = tuple(np.bincount(checked_labels(y, str(path)).numbers).tolist())
            self.require(
                counts == self.mix[split], path, f"its classes have {counts} images instead of {self.mix[split]}"
            )
        return self.source(path, asked, x, y, split)


@dataclass(frozen=True, kw_only=True)
class CorruptedArrays(ArraySet):
    """A folder of one .npy a corruption, all severities one after the other, and one labels.npy.

    Fields:
        corruptions: Names of the files.
    """

    corruptions: tuple[str, ...]
    numbered: int = 10

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return f"{len(self.corruptions)} corruptions, {self.splits['test']:,} images at each of {SEVERITIES} severities"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        self.require(path.is_dir(), path, "it is no folder")
        corruption, _, severity = asked.part.partition(":")
        there = [name for name in self.corruptions if (path / f"{name}.npy").is_file()]
        self.require(bool(there), path, f"it holds no {self.corruptions[0]}.npy, nor any other of its corruptions")
        if corruption not in self.corruptions:
            open_one = f"{self.name} is opened one corruption at a time; there are {', '.join(there)}: "
            if not corruption:
                raise DataError(f"{open_one}{self.spec(path, there[0])}:3")
            raise DataError(str(unknown(f"corruption of {self.name}", corruption, self.corruptions)))
        x, y = _pair(self, path, path / f"{corruption}.npy", path / "labels.npy")
        count = self.splits["test"]
        whole = SEVERITIES * count
        self.require(len(x) == whole, path, f"{corruption}.npy has {len(x):,} images instead of {whole:,}")
        labels = checked_labels(y, str(path)).numbers
        repeats = len(labels) == whole and bool((labels.reshape(SEVERITIES, count) == labels[:count]).all())
        self.require(
            len(labels) == count or repeats,
            path,
            "labels.npy is not the labels of the test images, once for each severity",
        )
        labels = labels[:count]
        if self.each and "test" in self.each:
            fits = bool((np.bincount(labels, minlength=self.numbered) == self.each["test"]).all())
            self.require(fits, path, f"labels.npy does not give every class {self.each['test']:,} images")
        names = self.classes or numbered(self.numbered)
        if severity:
            known = severity in map(str, range(1, SEVERITIES + 1))
            require(known, f"{corruption} has severities 1 to {SEVERITIES}, got {severity!r}", DataError)
            first = (int(severity) - 1) * count
            piece = x.part(first, first + count) if isinstance(x, Stored) else x[first : first + count]
            note = (
                f"severity {severity} of {SEVERITIES}: 8-bit levels as they were stored, and nothing is prepared again",
            )
            name = f"{self.name}-{corruption}-{severity}"
            return self.source(path, asked, piece, labels, "test", name=name, classes=names, notes=note)
        whole_set = dataclasses.replace(self, splits={"test": whole}, each={})
        note = (
            f"all {SEVERITIES} severities together, {count:,} images each; {self.spec(path, corruption)}:3 opens one",
        )
        # One photograph at five severities: what is true of one is likely of the others.
        groups = np.tile(np.arange(count), SEVERITIES)
        severities = np.repeat([str(k + 1) for k in range(SEVERITIES)], count)
        return whole_set.source(
            path,
            asked,
            x,
            np.tile(labels, SEVERITIES),
            "test",
            name=f"{self.name}-{corruption}",
            classes=names,
            notes=note,
            groups=groups,
            contexts={"severity": severities},
        )


@dataclass(frozen=True, kw_only=True)
class MnistIdx(ArraySet):
    """MNIST's four IDX files, compressed or not.

    Fields:
        stems: What the files of each part begin with.
    """

    stems: Mapping[str, str]

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        split = self.split(asked.part)
        self.require(path.is_dir(), path, "it is no folder")
        files = []
        for what in ("images-idx3", "labels-idx1"):
            file = idx_file(path, self.stems[split], what)
            self.require(file is not None, path, f"{self.stems[split]}-{what}-ubyte is missing, with .gz or without")
            assert file is not None
            files.append(file)
        x, y = (read_idx(file) for file in files)
        return self.source(path, asked, x, y, split)


@dataclass(frozen=True, kw_only=True)
class CorruptedDigits(ArraySet):
    """MNIST-C: a folder for each corruption, with files of both parts.

    Fields:
        corruptions: Names of the folders.
    """

    corruptions: tuple[str, ...]

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return f"{len(self.corruptions)} folders (identity is uncorrupted), in each {super().counts}"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; the path may be a corruption's folder."""
        self.require(path.is_dir(), path, "it is no folder")
        corruption, _, part = asked.part.partition(":")
        own = path.resolve().name
        if (path / "test_images.npy").is_file() and own in self.corruptions:
            corruption, part, folder = own, asked.part, path
        else:
            there = [name for name in self.corruptions if (path / name).is_dir()]
            self.require(
                bool(there), path, f"it holds no folder of a corruption ({', '.join(self.corruptions[:3])}, ...)"
            )
            if corruption and corruption not in self.corruptions:
                raise DataError(str(unknown(f"corruption of {self.name}", corruption, self.corruptions)))
            listed = f"{self.name} is opened one corruption at a time; there are {', '.join(there)}: "
            require(corruption in there, f"{listed}{self.spec(path, there[0])}", DataError)
            folder = path / corruption
        split = self.split(part)
        x, y = _pair(self, path, folder / f"{split}_images.npy", folder / f"{split}_labels.npy")
        return self.source(path, asked, x, y, split, name=f"{self.name}-{corruption}-{split}")


def _pair(of: PublishedSet, path: Path, images: Path, labels: Path) -> tuple[Array | Stored, Array]:
    """Images where they lie and labels, both of one version of the files."""
    for file in (images, labels):
        of.require(file.is_file(), path, f"{file.name} is missing")
    before = [signature(file) for file in (images, labels)]
    pair = images_in(images), labels_in(labels)
    for file, was in zip((images, labels), before, strict=True):
        require_unchanged(file, was)
    require(bool(pair[0].shape) and bool(pair[1].shape), f"{images} and {labels.name} hold single numbers", DataError)
    return pair
