"""Objects of other pictures pasted into an image at a grid of places (Rosenfeld, Zemel and Tsotsos 2018)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.data.objects import Cut, objects_with
from brittlestar.shifts.base import Images, Perturbation

Floats = npt.NDArray[np.float32]

TREATMENTS = ("donor", "same_class", "grey", "scrambled")
"""What is pasted: an object of another class; one of the host's own class; and in place of the first, a grey patch of
its size, or a patch of its amplitude spectrum with random phases."""

FEATHER = 1.0
"""Standard deviation in pixels of a soft edge."""

REACH = 3
"""So many pixels beyond its box a soft edge reaches."""

_LUMA = np.array([0.299, 0.587, 0.114])


class Patch(NamedTuple):
    """What is pasted: colours (channel, height, width) in [0, 1] times ``opacity`` (height, width), and how far it
    reaches beyond the object's box."""

    colours: Floats
    opacity: Floats
    margin: int


@final
@dataclass(frozen=True, kw_only=True)
class Transplant(Perturbation):
    """Paste one object into every image, at each place of a grid in turn; a frame a place, row by row.

    Which object an image gets is drawn by its key among those of another class (``same_class``: of its own), equally
    for all treatments, sizes and edges. An image without any such object stays as it is, and counts in no measure.

    Fields:
        objects: The folder of the objects (``data.objects``); not a part of the identity.
        content: Their digest.
        classes: The class of each object as the labels are numbered; -1 for one that the data do not have.
        treatment: One of ``TREATMENTS``.
        ratio: The object's longer side over the image's shorter one; 0 leaves objects as large as they are.
        grid: Places along each side; the object lies wholly inside the image.
        feather: Whether the object's edge is soft (a Gaussian of one pixel) instead of cut with scissors.

    Reference:
        Rosenfeld, Zemel and Tsotsos 2018, https://arxiv.org/abs/1808.03305
    """

    name: ClassVar[str] = "transplant"
    family: ClassVar[str] = "transplant"
    title: ClassVar[str] = "Transplanted objects"
    paper: ClassVar[str] = "Rosenfeld, Zemel and Tsotsos 2018, https://arxiv.org/abs/1808.03305"
    kind: ClassVar[str] = "transplant"

    objects: str
    content: str
    classes: tuple[int, ...]
    treatment: str = "donor"
    ratio: float = 0.4
    grid: int = 5
    feather: bool = False

    def __post_init__(self) -> None:
        require(self.treatment in TREATMENTS, f"a treatment is one of {', '.join(TREATMENTS)}, got {self.treatment!r}")
        require(
            isinstance(self.ratio, int | float) and 0 <= self.ratio < 1,
            f"an object's size is a share of the image's shorter side in (0, 1), or 0 for its own, got {self.ratio}",
        )
        require(
            isinstance(self.grid, int) and 1 <= self.grid <= 100,
            f"a grid has a whole number of places a side from 1 to 100, got {self.grid}",
        )

    @property
    def count(self) -> int:
        """Frames: places."""
        return self.grid**2

    def fingerprint(self) -> str:
        """Of everything but the folder, as the digest tells what lies in it."""
        fields = {name: value for name, value in self.config().items() if name != "objects"}
        return fingerprint_of({"name": self.name, "version": self.version, "fields": fields})

    def donors(self, labels: npt.NDArray[np.int32], keys: SampleKeys) -> npt.NDArray[np.int32]:
        """(n,) the place among the objects of what each image gets; -1 where there is none for it."""
        classes = np.asarray(self.classes, np.int32)
        draws = keys.stream(self.name, "donor").uniform((1,))[:, 0].double().cpu().numpy()
        chosen = np.full(len(labels), -1, np.int32)
        for place, (label, draw) in enumerate(zip(labels, draws, strict=True)):
            fitting = np.flatnonzero((classes == label) == (self.treatment == "same_class"))
            if len(fitting):
                chosen[place] = fitting[int(draw * len(fitting))]
        return chosen

    def places(self, donor: int, height: int, width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(grid ** 2,) tops and lefts of an object's box in an image, row by row.

        Raises:
            ShiftError: The object leaves no room for so many places.
        """
        high, wide = self.mask(donor, height, width).shape
        free = min(height - high, width - wide)
        require(
            free >= self.grid - 1,
            f"{self._cut(donor).name} is {wide} x {high} pixels here, and in {width} x {height} there are no "
            f"{self.grid} x {self.grid} places for it: take a smaller size or grid",
        )
        along = [0.5] if self.grid == 1 else np.linspace(0, 1, self.grid)
        tops, lefts = (np.rint(np.asarray(along) * room).astype(np.int64) for room in (height - high, width - wide))
        return np.repeat(tops, self.grid), np.tile(lefts, self.grid)

    def mask(self, donor: int, height: int, width: int) -> npt.NDArray[np.bool_]:
        """(height, width) of an object's box in an image of these sides: its pixels."""
        return _sized(self.objects, self.content, donor, self._side(height, width))[1]

    def covered(self, donor: int, height: int, width: int) -> npt.NDArray[np.bool_]:
        """(height, width) of an object's box: the pixels that what is pasted covers, but for a soft edge."""
        mask = self.mask(donor, height, width)
        return _as_large(mask) if self.treatment in ("grey", "scrambled") else mask

    def check(self, height: int, width: int) -> None:
        """Require every object to fit into images of these sides."""
        for donor in range(len(self.classes)):
            self.places(donor, height, width)

    def frames(self, x: Images, labels: npt.NDArray[np.int32], keys: SampleKeys) -> Iterator[Images]:
        """The frames, one at a time.

        Args:
            x: (batch, channel, height, width) float32 in [0, 1].
            labels: (batch,) classes of the images.
            keys: One a sample.

        Yields:
            (batch, channel, height, width) float32 in [0, 1], new tensors.
        """
        height, width = x.shape[2:]
        chosen = self.donors(labels, keys)
        # Named by the key alone, so that all sizes and edges of a patch share its phases.
        noise = keys.stream(self.name, "phase")
        made = []
        for place, donor in enumerate(chosen.tolist()):
            if donor >= 0:
                patch = self._patch(donor, tuple(x.shape[1:]), noise[place : place + 1])
                tensors = (torch.from_numpy(patch.colours).to(x), torch.from_numpy(patch.opacity).to(x))
                made.append((place, *tensors, patch.margin, *self.places(donor, height, width)))
        for number in range(self.count):
            frame = x.clone()
            for place, colours, opacity, margin, tops, lefts in made:
                paste(frame[place], colours, opacity, int(tops[number]) - margin, int(lefts[number]) - margin)
            yield frame

    def _patch(self, donor: int, shape: tuple[int, ...], key: SampleKeys) -> Patch:
        channels, height, width = shape
        colours, mask = _sized(self.objects, self.content, donor, self._side(height, width))
        colours = colours if channels == 3 else np.tensordot(_LUMA, colours, 1)[None].astype(np.float32)
        if self.treatment in ("grey", "scrambled"):
            colours = np.full_like(colours, 0.5) if self.treatment == "grey" else scrambled(colours, mask, key)
            mask = _as_large(mask)
        return _soft(colours, mask) if self.feather else Patch(colours * mask, mask.astype(np.float32), 0)

    def _side(self, height: int, width: int) -> int:
        return max(1, round(self.ratio * min(height, width))) if self.ratio else 0

    def _cut(self, donor: int) -> Cut:
        return objects_with(self.objects, self.content).cuts[donor]


def paste(image: Images, colours: Images, opacity: Images, top: int, left: int) -> None:
    """Lay colours (times their opacity) over an image, in place; what stands out of the image is cut off.

    Where nothing is opaque the image keeps its pixels, to the last bit.
    """
    height, width = image.shape[1:]
    first, last = (max(top, 0), max(left, 0)), (top + opacity.shape[0], left + opacity.shape[1])
    rows, columns = slice(first[0], min(last[0], height)), slice(first[1], min(last[1], width))
    own = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    under = image[:, rows, columns]
    under.mul_(1 - opacity[own]).add_(colours[:, *own])


@functools.lru_cache(maxsize=4096)
def _sized(objects: str, content: str, donor: int, side: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """An object's colours in [0, 1] and mask, its longer side ``side`` pixels (0: as it is)."""
    cut = objects_with(objects, content).cuts[donor]
    high, wide = cut.mask.shape
    colours = cut.colours.astype(np.float32) / np.float32(255)
    if side in (0, max(high, wide)):
        return colours, cut.mask
    size = tuple(max(1, round(length * side / max(high, wide))) for length in (wide, high))
    # Colours of pixels that are not the object's must not come in at its edge.
    weight = _resample(cut.mask.astype(np.float32), size)
    parts = [_resample(plane * cut.mask, size) / np.maximum(weight, 1e-6) for plane in colours]
    mask = weight >= 0.5
    require(bool(mask.any()), f"{cut.name} has no pixel left at {size[0]} x {size[1]} pixels: take a larger size")
    return _in_levels(np.stack(parts)), mask


def _in_levels(colours: npt.NDArray[Any]) -> Floats:
    """In whole levels of 255, so that no last bit of a mean or a transform is left to differ between machines."""
    return np.asarray(np.rint(colours.clip(0, 1) * 255).astype(np.float32) / np.float32(255), np.float32)


def _resample(plane: npt.NDArray[np.float32], size: tuple[int, ...]) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((size[0], size[1]), Image.Resampling.BILINEAR), np.float32)


def _as_large(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A rectangle in the middle of the box, of its proportions, with as many pixels as the mask, to about one row.

    The object's own outline would show what it is: the outline of a digit is that digit.
    """
    scale = float(np.sqrt(mask.mean()))
    sides = [max(1, round(length * scale)) for length in mask.shape]
    patch = np.zeros_like(mask)
    top, left = ((length - side) // 2 for length, side in zip(mask.shape, sides, strict=True))
    patch[top : top + sides[0], left : left + sides[1]] = True
    return patch


def scrambled(colours: Floats, mask: npt.NDArray[np.bool_], key: SampleKeys) -> Floats:
    """The object's box with its amplitude spectrum and random phases, the same for all channels.

    What lies around the object is filled with its mean colour first.
    """
    mean = colours[:, mask].mean(axis=1, dtype=np.float64)
    filled = np.where(mask, colours.astype(np.float64), mean[:, None, None])
    # Phases of a real picture, so that the result is real as well.
    noise = key.normal(mask.shape)[0].double().cpu().numpy()
    turn = np.fft.fft2(noise)
    turn /= np.maximum(np.abs(turn), 1e-12)
    turn[0, 0] = 1.0  # the mean stays
    mixed = np.fft.ifft2(np.fft.fft2(filled) * turn).real
    return _in_levels(mixed)


def _soft(colours: Floats, mask: npt.NDArray[np.bool_]) -> Patch:
    """The patch with the mask blurred; beyond the edge lie the colours of the object's nearest pixels, weighted so."""
    room = ((REACH, REACH), (REACH, REACH))
    hard = np.pad(mask, room).astype(np.float64)
    opacity = _blurred(hard)
    planes = []
    for plane in colours:
        padded = np.pad(plane.astype(np.float64), room)
        spread = _blurred(padded * hard) / np.maximum(opacity, 1e-12)
        planes.append(np.where(hard > 0, padded, spread) * opacity)
    return Patch(np.stack(planes).astype(np.float32), opacity.astype(np.float32), REACH)


def _blurred(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    steps = np.arange(-REACH, REACH + 1)
    weights = np.exp(-(steps**2) / (2 * FEATHER**2))
    weights /= weights.sum()
    padded = np.pad(plane, REACH)
    high, wide = plane.shape
    rows = sum(w * padded[i : i + high] for i, w in enumerate(weights))
    return np.asarray(sum(w * rows[:, i : i + wide] for i, w in enumerate(weights)))
