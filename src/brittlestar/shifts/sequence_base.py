"""Perturbation sequences: several frames from one image, each a small step from the one before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Perturbation

Tables = Mapping[str, Mapping[str, Any]]
Harder = Mapping[str, tuple[Mapping[str, Any], ...]]
PAPER = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"


class Window(NamedTuple):
    """A part of an image, in pixels: where it begins, and how large it is."""

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True, kw_only=True)
class Sequence(Perturbation):
    """Frames made from every image, given one at a time for a whole batch. Knows no model.

    Same fields, same image, same key: same frames, whatever the batch.

    Fields:
        count: Number of frames.
        crop: Side of the central square that is shown, in pixels; 0 shows everything. Geometric sequences move the
            whole image and crop then, so that what moves in is picture and not border; the others crop first.
        compare: What a frame's answer is compared with: the ``first`` frame (noise) or the ``previous`` one.

    Class attributes:
        tables: Published fields by table name.
        harder: Published fields of difficulties 2 and 3, for noise; others have none of their own: their frames are
            taken in larger steps when flips are counted.
        moves: Whether frames show what lies around the square: a run then gives the pictures that the data's crop was
            taken from.
    """

    family: ClassVar[str] = "sequence"
    paper: ClassVar[str] = PAPER
    kind: ClassVar[str] = "sequence"
    tables: ClassVar[Tables] = {}
    harder: ClassVar[Harder] = {}
    moves: ClassVar[bool] = False
    # 1 had other borders and rounding in some sequences; rows of it are not used again.
    version: ClassVar[int] = 2

    # Nearly all of the published sequences have 31 frames.
    count: int = 31
    crop: int = 0
    compare: str = "previous"

    def __post_init__(self) -> None:
        require(
            isinstance(self.count, int) and 2 <= self.count <= 10_000,
            f"{self.name}.count must be a whole number of frames from 2, got {self.count}",
        )
        require(
            isinstance(self.crop, int) and self.crop >= 0,
            f"{self.name}.crop must be a whole number of pixels, or 0 for no crop, got {self.crop}",
        )
        require(
            self.compare in ("first", "previous"),
            f"{self.name}.compare must be 'first' or 'previous', got {self.compare!r}",
        )

    @classmethod
    def of(cls, table: str, difficulty: int = 1, crop: int = 0) -> Any:
        """The published sequence of a table; difficulty 2 and 3 only where frames of their own were published."""
        require(table in cls.tables, f"{cls.name} has no table {table!r}; it has {sorted(cls.tables)}")
        harder = cls.harder.get(table, ())
        require(
            1 <= difficulty <= 1 + len(harder),
            f"{cls.name} has frames for difficulty 1 to {1 + len(harder)} in {table}, got {difficulty}",
        )
        fields = {**cls.tables[table], **(harder[difficulty - 2] if difficulty > 1 else {})}
        return cls(**fields, crop=crop)

    @final
    def frames(self, images: Images, keys: SampleKeys) -> Iterator[Images]:
        """The frames, one at a time.

        Args:
            images: (batch, channel, height, width), uint8, or floats in [0, 1].
            keys: One key a sample, on the images' device.

        Yields:
            (batch, channel, height, width) float32 in [0, 1]; ``crop`` on both sides where it is set.

        Raises:
            ShiftError: Images of another rank, type, range or channel count, smaller than the crop; keys not one a
                sample.
        """
        x = self.checked(images)
        require(len(keys) == len(x), f"{self.name} got {len(keys)} keys for {len(x)} images")
        return self.compute(x, keys)

    def compute(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        """The frames of float32 images that were checked before: what the runner calls."""
        require(
            self.crop <= min(x.shape[2:]),
            f"{self.name} shows {self.crop} x {self.crop} pixels, and the images have {x.shape[2]} x {x.shape[3]}",
        )
        return self._clamped(self._frames(x, keys.stream("sequence", self.name)))

    @staticmethod
    def _clamped(made: Iterator[Images]) -> Iterator[Images]:
        while True:
            # Closed before the yield: else the caller would stay in inference mode until it asks again.
            with torch.inference_mode():
                frame = next(made, None)
                if frame is None:
                    return
                frame = frame.clamp(0, 1)
            yield frame

    @abstractmethod
    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        """Frames from float32 ``x``, which must not be written to; each sample on its own."""

    def window(self, height: int, width: int) -> Window:
        """The part of an image that is shown: the central square, half pixels rounded as torchvision does."""
        if not self.crop:
            return Window(0, 0, height, width)
        return Window(round((height - self.crop) / 2), round((width - self.crop) / 2), self.crop, self.crop)

    def cropped(self, x: Images) -> Images:
        """The part that is shown."""
        top, left, rows, columns = self.window(*x.shape[2:])
        return x[:, :, top : top + rows, left : left + columns].contiguous()
