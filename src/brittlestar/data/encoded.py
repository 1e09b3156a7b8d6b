"""What sources of encoded images share, folders of files and Parquet: pixels are decoded when a block is loaded."""

from __future__ import annotations

import dataclasses
import io
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation
from brittlestar.core.text import readable
from brittlestar.data.base import Changed, DataInfo, Source, reason_of
from brittlestar.data.decode import COLOURS, LARGEST, ImageHeader, Pixels, decode, looks_whole, read_header
from brittlestar.data.labels import require_classes
from brittlestar.data.order import copies, digest_of, sample_ids
from brittlestar.data.reader import OpenRequest


def class_notes(labels: npt.NDArray[np.int32]) -> tuple[str, ...]:
    """A note where classes differ in size by more than a tenth, or where there is one alone."""
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) == 1:
        return (
            "all images are of one class: always answering it would be right everywhere, so whether a model does more "
            "than guess is not judged",
        )
    if counts.max() <= 1.1 * counts.min():
        return ()
    return (
        f"classes differ in size ({counts.min()} to {counts.max()} images): numbers are for the whole set's mix of "
        "classes, also where only a part was answered",
    )


def data_fingerprint(
    ids: npt.NDArray[np.str_], labels: npt.NDArray[np.int32], classes: tuple[str, ...], preparation: list[Any]
) -> str:
    """Over contents, labels, classes and preparation, whatever the listing's order."""
    # Sorted, so that moving or renaming files leaves the data the same.
    pairs = sorted(f"{i}:{label}" for i, label in zip(ids, labels, strict=True))
    return fingerprint_of([pairs, list(classes), preparation])


class EncodedSource(Source):
    """Shared by folders and Parquet: hashes and headers once at the start, pixels on demand.

    Attributes:
        how: The preparation.
        digests: (n, 16) uint8, of the encoded contents that the ids were made of.
        bad: What is wrong with the files that were left out, by name.
    """

    by_text: ClassVar[bool] = False
    """Whether the fingerprint takes the classes in the order of their names, whatever their numbers are."""

    how: Preparation
    digests: npt.NDArray[np.uint8]
    bad: dict[str, str]

    @abstractmethod
    def contents(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """(encoded bytes, name) for places in the listing, as they are now.

        Raises:
            Changed: One is not there any more.
        """

    def _same(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """``contents``, each compared with what its id was made of."""
        for place, (content, name) in zip(index, self.contents(index), strict=True):
            if digest_of(content) != self.digests[place].tobytes():
                raise Changed.of(name)
            yield content, name

    def load(self, index: npt.NDArray[np.int64]) -> Pixels:
        """See ``Source.load``."""
        images = np.empty((len(index), *self.info.shape), np.uint8)
        for place, (content, name) in enumerate(self._same(index)):
            images[place] = decode(content, name, self.how)
        return images

    def pictures(self, index: npt.NDArray[np.int64]) -> list[Pixels]:
        """See ``Source.pictures``."""
        whole = replace(self.how, crop=None)
        return [decode(content, name, whole) for content, name in self._same(index)]

    def fingerprint(
        self, ids: npt.NDArray[np.str_], labels: npt.NDArray[np.int32], classes: tuple[str, ...], channels: int
    ) -> str:
        """Of these samples, prepared as these data are."""
        listed = tuple(sorted(classes)) if self.by_text else classes
        place = np.array([listed.index(name) for name in classes] if self.by_text else range(len(classes)), np.int32)
        return data_fingerprint(ids, place[labels], listed, self.how.identity(channels))

    def require_sizes(self, sizes: Mapping[tuple[int, int], str]) -> None:
        """Refuse images of sizes, (width, height) with the name of a file of each, that these data cannot have."""

    def _index(
        self,
        listing: Iterator[tuple[bytes | DataError, str, int]],
        total: int,
        kind: str,
        spec: str,
        name: str,
        classes: tuple[str, ...],
        asked: OpenRequest,
        named: Sequence[Any] | None = None,
        notes: Sequence[str] = (),
    ) -> npt.NDArray[np.int64]:
        """Hash every image and read its header; decode it where its end is missing or ``skip_bad`` is set.

        The listing has an error where there is no content. Gives the places that are kept.
        """
        want, otherwise, skip_bad = asked.how, asked.otherwise, asked.skip_bad
        digests: list[bytes] = []
        labels: list[int] = []
        kept: list[int] = []
        self.bad = {}
        sizes: dict[tuple[int, int], str] = {}
        kinds: Counter[str] = Counter()
        for place, (content, file, label) in enumerate(listing):
            try:
                if isinstance(content, DataError):
                    raise content
                header: ImageHeader = read_header(content, file)
                # Decoding everything would take far longer than reading it, and truncated files lack their end.
                if skip_bad or not looks_whole(content):
                    decode(content, file, want)
            except DataError as error:
                if not skip_bad:
                    raise
                self.bad[readable(file)] = readable(reason_of(error))
                continue
            sizes.setdefault(header.size, file)
            kinds["turned"] += header.turned
            kinds["jpeg"] += header.jpeg
            kinds["grey"] += header.channels == 1
            kinds["several"] += header.several
            kinds["clear"] += header.clear
            kinds[header.colours] += 1
            digests.append(digest_of(content))
            labels.append(label)
            kept.append(place)
            if asked.progress is not None and place % 500 == 0:
                asked.progress(place, total)
        require(bool(digests), f"{spec} holds no readable image", DataError)
        self.require_sizes(sizes)
        if want.empty and otherwise is not None and len(sizes) > 1:
            want = otherwise
        prepared: dict[tuple[int, int], str] = {}
        for size, file in sizes.items():
            prepared.setdefault(want.size(*size), file)
        if len(prepared) > 1:
            (one, a), (two, b) = list(prepared.items())[:2]
            raise DataError(
                f"images of different sizes: {a} is {one[0]} x {one[1]}, {b} is {two[0]} x {two[1]}; "
                f"give {option('resize')} and {option('crop')}"
            )
        width, height = next(iter(prepared))
        require(
            width * height <= LARGEST,
            f"images of {width:,} x {height:,} are too large to be shifted; give {option('resize')} "
            f"and {option('crop')}",
            DataError,
        )
        require(min(width, height) >= 8, f"images of {width} x {height} are too small, at least 8 x 8", DataError)
        # Grey only where all are: one model takes them all.
        channels = 1 if kinds["grey"] == len(digests) else 3
        self.how = dataclasses.replace(want, channels=channels)
        self.digests = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        self.labels = np.array(labels, dtype=np.int32)
        self.ids = sample_ids(digests, self.labels)
        self.groups, dependent = copies(digests, self.labels, None if named is None else [named[k] for k in kept])
        require_classes(spec, self.labels, asked.one_class)
        notes = [*notes, *class_notes(self.labels), *dependent]
        if kinds["jpeg"]:
            notes.append("stored as JPEG: high frequencies are thinned before any shift")
        if 0 < kinds["grey"] < len(digests):
            notes.append("grey and colour files are mixed: all are treated as RGB")
        if kinds["turned"]:
            notes.append(f"{_images(kinds['turned'], 'is', 'are')} turned upright, as their EXIF tag says")
        if kinds["several"]:
            notes.append(f"{_images(kinds['several'], 'holds', 'hold')} several pictures or frames: the first is taken")
        if kinds["clear"]:
            notes.append(f"{_images(kinds['clear'], 'is', 'are')} wholly transparent, and so white")
        notes += [
            f"{_images(kinds[colours], 'is', 'are')} stored as {colours}: converted to RGB without a colour profile"
            for colours in COLOURS
            if kinds[colours]
        ]
        self.info = DataInfo(
            name=name,
            spec=spec,
            kind=kind,
            fingerprint=self.fingerprint(self.ids, self.labels, classes, channels),
            classes=classes,
            count=len(digests),
            shape=(channels, height, width),
            preparation=self.how.words(),
            prepared=self.how.as_json() | ({"turned": kinds["turned"]} if kinds["turned"] else {}),
            skipped=tuple(self.bad),
            notes=tuple(notes),
            cropped=self.how.crop is not None,
        )
        return np.array(kept, dtype=np.int64)


def _images(number: int, is_: str, are: str) -> str:
    return f"{number:,} image {is_}" if number == 1 else f"{number:,} images {are}"


def png(image: Pixels) -> bytes:
    """A (1 or 3, height, width) uint8 image as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()
