"""Sources: labelled images with stable ids in a fixed, seeded, class-balanced order."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError
from brittlestar.core.label_space import LabelSpace
from brittlestar.data.neighbours import Neighbours


class Changed(DataError):
    """A sample is not what it was when its id was made: its file changed, grew or vanished since."""

    @classmethod
    def of(cls, name: str) -> Changed:
        """The error for the sample that is found under this name."""
        return cls(f"{name} has changed since this session read it first: put it back as it was, or start again")


class Unreadable(DataError):
    """A sample that cannot be read.

    Attributes:
        reason: What is wrong with it; the text says besides what to do.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason, self._remedy = reason, remedy

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        """Errors of workers are pickled, and are made again of the arguments."""
        return type(self), (self.reason, self._remedy)


def reason_of(error: DataError) -> str:
    """What is wrong with a sample, without what to do about it."""
    return error.reason if isinstance(error, Unreadable) else str(error)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataInfo:
    """What a run records about its data.

    Fields:
        name: Short display name (``digits``, the folder's name).
        spec: What the person typed.
        kind: ``folder``, ``parquet``, ``npz``, ``npy``, ``named`` or ``published``.
        fingerprint: 16 hexadecimal digits over all sample ids, labels, classes and the preparation.
        classes: Class names in label order.
        titles: What people call the classes, in the same order; empty where the names are all there is.
        count: Number of samples.
        shape: (channel, height, width) after preparation.
        preparation: Resize and crop before the shift, in words; empty for none.
        prepared: The same as plain values (``Preparation.as_json``); empty for none.
        skipped: Names of unreadable images left out on request.
        notes: Facts a reader must know (lossy storage, class imbalance).
        cropped: Whether images are a square cut from larger pictures, which ``Source.pictures`` gives.
        labelled: Whether the labels are known; without, only the steadiness of answers is measured.
        rates: For frames of clips, frames a second by the clip's name, where they are known.
        space: The label space that they are measured in (``LabelSpace.as_json``), which the fingerprint heeds then.
    """

    name: str
    spec: str
    kind: str
    fingerprint: str
    classes: tuple[str, ...]
    count: int
    shape: tuple[int, int, int]
    preparation: str = ""
    prepared: dict[str, Any] = dataclasses.field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cropped: bool = False
    titles: tuple[str, ...] = ()
    labelled: bool = True
    rates: dict[str, float] = dataclasses.field(default_factory=dict)
    space: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for the manifest; a space only where there is one, as before there were any."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "space" or value is not None}


class Source(ABC):
    """An opened data set. Picklable and cheap to send to a worker: pixels are read by ``load`` only.

    Attributes:
        info: See ``DataInfo``.
        ids: (n,) content-based sample ids, 16 hexadecimal digits each, in the source's own listing.
        labels: (n,) int32 in the same listing.
        groups: (n,) int64, equal where samples depend on each other (copies of an image, what a group column says);
            ``None`` where none do.
        lacking: Why samples cannot be read, by place; only the data of a run that has lost some since have any.
        contexts: What else is known of each sample, by name (context, site, camera): (n,) strings in the same listing.
        truths: Where several classes are right for a sample, all of them, (n,) tuples in the same listing; an empty one
            where none is, and the sample does not count. ``None`` where the label is all there is.
        space: What makes a model's outputs scores of these classes; ``None`` where they are the same.
        neighbours: The frames around each sample, for data that are frames of clips; else ``None``.
        settled: Whether space and truths are in the fingerprint, and samples without a right class are left out
            (``data.spaced.in_space``).
    """

    info: DataInfo
    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int32]
    groups: npt.NDArray[np.int64] | None = None
    lacking: Mapping[int, str] = {}
    contexts: Mapping[str, npt.NDArray[np.str_]] = {}
    truths: Sequence[tuple[int, ...]] | None = None
    space: LabelSpace | None = None
    neighbours: Neighbours | None = None
    settled: bool = False

    def present(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Of these places, those that can be read."""
        return order[~np.isin(order, list(self.lacking))] if self.lacking else order

    @abstractmethod
    def load(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """(len(index), channel, height, width) uint8 images for places in the listing.

        Raises:
            DataError: An image cannot be read; its name is in the text.
        """

    def pictures(self, index: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint8]]:
        """The pictures that images are cut from: resized, not cropped, (channel, height, width) uint8 of sizes of their
        own. The images themselves where nothing is cut off.

        Raises:
            DataError: An image cannot be read; its name is in the text.
        """
        return list(self.load(index))

    def load_neighbours(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """(len(index), channel, height, width) uint8 frames for places in ``neighbours``.

        Raises:
            DataError: A frame cannot be read; its name is in the text.
        """
        raise DataError(f"{self.info.name} has no frames around its images")

    def names(self) -> Sequence[str]:
        """(n,) where each image is found, for people, in the listing's order; paths are relative to the data's root."""
        return [f"image {place:,}" for place in range(len(self.ids))]

    def order(self, seed: int) -> npt.NDArray[np.int64]:
        """Places in the listing in the seeded order: depends on ids, labels and seed only."""
        from brittlestar.data.order import balanced_order

        return balanced_order(self.ids, self.labels, seed)
