"""MNIST-C's own functions, for grey images (Mu and Gilmer 2019). Those that are a general shift with fixed parameters
are not repeated here: the suite ``mnist-c`` names them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch.nn import functional

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.elastic import affine_of, smoothed
from brittlestar.shifts.geometric import Affine
from brittlestar.shifts.lens import check_motion
from brittlestar.shifts.ops.canny import canny
from brittlestar.shifts.ops.convolution.plain import along, gaussian_weights
from brittlestar.shifts.ops.dispatch import motion_blur, sample, shuffled, truncated

PAPER = "Mu and Gilmer, 2019, https://arxiv.org/abs/1906.02337"
SIDE = 28
"""Lengths are in pixels of images of this size, and scale with larger ones."""

# Those of scikit-image's rgb2gray, not the Rec. 601 weights that OpenCV and Pillow have.
GREY_WEIGHTS = (0.2125, 0.7154, 0.0721)
"""Weights of red, green and blue where MNIST-C's code makes colours grey again."""


@dataclass(frozen=True, kw_only=True)
class MnistShift(Shift):
    """A function of MNIST-C: for grey images."""

    family: ClassVar[str] = "mnist"
    paper: ClassVar[str] = PAPER
    channels: ClassVar[tuple[int, ...]] = (1,)


@final
@dataclass(frozen=True, kw_only=True)
class Stripe(MnistShift):
    """The left and the right quarter of the image as a negative."""

    name: ClassVar[str] = "mnist_stripe"
    title: ClassVar[str] = "Stripe"

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        width = x.shape[3]
        # Columns 0 to 6 and 21 to 27 of 28, as published.
        reach = round(width * 7 / SIDE)
        column = torch.arange(width, device=x.device)
        return torch.where((column < reach) | (column >= width - reach), 1 - x, x)


@final
@dataclass(frozen=True, kw_only=True)
class CannyEdges(MnistShift):
    """White edges on black, found by Canny's method as scikit-image has it (sigma 1, thresholds 0.1 and 0.2)."""

    name: ClassVar[str] = "mnist_canny_edges"
    title: ClassVar[str] = "Canny edges"

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return canny(x[:, 0])[:, None].to(torch.float32)


@final
@dataclass(frozen=True, kw_only=True)
class Quantization(MnistShift):
    """Fewer grey levels: ``2 ** bits`` of them, evenly spaced, rounded to the nearest.

    Fields:
        bits: 1 to 8.
    """

    name: ClassVar[str] = "mnist_quantize"
    title: ClassVar[str] = "Quantization"
    strength: ClassVar[str | None] = "bits"
    rising: ClassVar[bool] = False

    bits: int

    def __post_init__(self) -> None:
        require(
            isinstance(self.bits, int) and 1 <= self.bits <= 8,
            f"mnist_quantize.bits must be a whole number from 1 to 8, got {self.bits}",
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        steps = float(2**self.bits - 1)
        return (x * steps).round_().div_(steps)


@final
@dataclass(frozen=True, kw_only=True)
class VerticalBlur(MnistShift):
    """Gaussian blur down the columns only: MNIST-C's blur takes a grey image's columns for colour channels.

    Fields:
        sigma: Standard deviation in pixels of a 28-pixel image; at least 0.
    """

    name: ClassVar[str] = "mnist_gaussian_blur"
    title: ClassVar[str] = "Vertical blur"
    strength: ClassVar[str | None] = "sigma"
    strength_unit: ClassVar[str] = "pixels"

    sigma: float

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 50, f"mnist_gaussian_blur.sigma must be in [0, 50] pixels, got {self.sigma}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return vertical(x, self.sigma * x.shape[2] / SIDE)


def vertical(x: Images, sigma: float) -> Images:
    """Gaussian blur down the columns, edges repeated."""
    return along(x, gaussian_weights(float(sigma)), 2)


@final
@dataclass(frozen=True, kw_only=True)
class MnistGlassBlur(MnistShift):
    """Vertical blur, then half of the pixels in turn exchange values with a random neighbour, then the blur again.

    Differs from ``glass_blur``: the blur is vertical only, every pixel has its turn with probability 1/2, and the
    exchange is real (grey values are numbers, not views).

    Fields:
        sigma: Of the blur, in pixels of a 28-pixel image.
        reach: Neighbours lie up to this many pixels away.
        iterations: How often every pixel may have its turn.
    """

    name: ClassVar[str] = "mnist_glass_blur"
    title: ClassVar[str] = "Glass blur"
    random: ClassVar[bool] = True

    sigma: float = 0.7
    reach: int = 1
    iterations: int = 2

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 50, f"mnist_glass_blur.sigma must be in [0, 50] pixels, got {self.sigma}")
        for name, most in (("reach", 20), ("iterations", 20)):
            value = getattr(self, name)
            require(
                isinstance(value, int) and 1 <= value <= most,
                f"mnist_glass_blur.{name} must be a whole number from 1 to {most}, got {value}",
            )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        sigma = self.sigma * x.shape[2] / SIDE
        rows, columns = x.shape[2] - 2 * self.reach, x.shape[3] - 2 * self.reach
        blurred = truncated(vertical(x, sigma))
        if rows > 0 and columns > 0:
            draws = keys.bits16((2, self.iterations, rows, columns)).to(torch.int32) + 32768
            # As numpy's randint(-reach, reach) in the published code: the upper end is left out.
            offsets = ((draws * (2 * self.reach)) >> 16).sub_(self.reach)
            turn = keys.stream("turn").bits16((1, self.iterations, rows, columns)) >= 0
            offsets = (offsets * turn).to(torch.int8)
            blurred = shuffled(blurred, offsets[:, 0], offsets[:, 1], self.reach, True)
        return vertical(blurred, sigma)


@final
@dataclass(frozen=True, kw_only=True)
class MnistMotionBlur(MnistShift):
    """Motion blur that comes back from ImageMagick in 8 bits, cut off where MNIST-C's other functions are rounded.

    Fields:
        radius, sigma, spread: As of ``motion_blur``.
    """

    name: ClassVar[str] = "mnist_motion_blur"
    title: ClassVar[str] = "Motion blur"
    random: ClassVar[bool] = True

    radius: int = 10
    sigma: float = 3.0
    spread: float = 45.0

    def __post_init__(self) -> None:
        check_motion(self.name, self.radius, self.sigma, self.spread)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        degrees = keys.uniform((1,), -self.spread, self.spread)[:, 0]
        return truncated(motion_blur(x, self.radius, self.sigma, degrees))


@final
@dataclass(frozen=True, kw_only=True)
class MnistSaturation(MnistShift):
    """Hue, saturation and value all become ``clip(factor * v + offset)``, and the colours grey again.

    Fields:
        factor, offset: At least 0.
    """

    name: ClassVar[str] = "mnist_saturate"
    title: ClassVar[str] = "Saturation"

    factor: float = 20.0
    offset: float = 0.2

    def __post_init__(self) -> None:
        require(self.factor >= 0, f"mnist_saturate.factor must be at least 0, got {self.factor}")
        require(0 <= self.offset <= 1, f"mnist_saturate.offset must be in [0, 1], got {self.offset}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        # A grey image has hue and saturation 0, so both become the offset: one colour, in shades.
        saturation, sector = self.offset, math.floor(self.offset * 6)
        part = self.offset * 6 - sector
        low, falling, rising = 1 - saturation, 1 - part * saturation, 1 - (1 - part) * saturation
        colours = (
            (1, rising, low),
            (falling, 1, low),
            (low, 1, rising),
            (low, falling, 1),
            (rising, low, 1),
            (1, low, falling),
        )
        grey = sum(w * c for w, c in zip(GREY_WEIGHTS, colours[sector % 6], strict=True))
        return (x * self.factor + self.offset).clamp_(0, 1).mul_(grey)


@final
@dataclass(frozen=True, kw_only=True)
class MnistElasticTransform(MnistShift):
    """The elastic transform in units of the side, black outside.

    The affine part fades into the black over one pixel, as OpenCV has it; what the displacement looks for beyond the
    outermost pixels' centres is black at once, as scipy's ``constant`` has it.

    Fields:
        alpha, sigma, jitter: As of ``elastic_transform``, relative to the side.
    """

    name: ClassVar[str] = "mnist_elastic_transform"
    # 1 had other edges than OpenCV and scipy; rows of it are not used again.
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Elastic transform"
    random: ClassVar[bool] = True

    alpha: float = 2.0
    sigma: float = 0.7
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for name in ("alpha", "sigma", "jitter"):
            value = getattr(self, name)
            require(0 <= value <= 10, f"mnist_elastic_transform.{name} must be in [0, 10], got {value}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        side = min(height, width)
        jitter = keys.stream("jitter").uniform((3, 2), -self.jitter * side, self.jitter * side)
        fields = smoothed(keys.stream("field").uniform((2, height, width), -1.0, 1.0), self.sigma * side)
        return elastic_on_black(x, jitter, fields * (self.alpha * side))


def elastic_on_black(x: Images, jitter: torch.Tensor, moves: torch.Tensor) -> Images:
    """The transform from its draws.

    Args:
        x: (n, c, h, w) float32.
        jitter: (n, 3, 2), in pixels; see ``affine_of``.
        moves: (n, 2, h, w), in pixels: columns, then rows.
    """
    height, width = x.shape[2:]
    back = affine_of(height, width, jitter)[:, :, :, None, None]
    rows = torch.arange(height, dtype=torch.float64, device=x.device)[:, None]
    columns = torch.arange(width, dtype=torch.float64, device=x.device)
    place = [(back[:, i, 0] * columns + back[:, i, 1] * rows + back[:, i, 2]).to(torch.float32) for i in (1, 0)]
    x = sample(x, place[0], place[1], "black")
    down, across = moves[:, 1] + rows.to(torch.float32), moves[:, 0] + columns.to(torch.float32)
    inside = (down >= 0) & (down <= height - 1) & (across >= 0) & (across <= width - 1)
    down, across = down.where(inside, 0.0), across.where(inside, 0.0)
    return sample(x, down, across, "symmetric") * inside[:, None]


@final
@dataclass(frozen=True, kw_only=True)
class ReleasedShear(Affine):
    """Shear with the matrix of 2019's scikit-image, which also stretches vertically: the released files have it.

    The matrix is not verified against those files; the suite's ``shear`` uses today's, without the stretch.

    Fields:
        radians: Angle; 0 to 1.4.
        border: See ``Affine``.
    """

    name: ClassVar[str] = "mnist_released_shear"
    title: ClassVar[str] = "Shear, as in 2019"
    family: ClassVar[str] = "mnist"
    paper: ClassVar[str] = PAPER
    channels: ClassVar[tuple[int, ...]] = (1,)
    random: ClassVar[bool] = True

    radians: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.radians <= 1.4, f"mnist_released_shear.radians must be in [0, 1.4], got {self.radians}")

    def _matrix(self, count: int, height: int, width: int, keys: SampleKeys) -> torch.Tensor:
        matrix = torch.zeros(count, 2, 3, device=keys.device)
        matrix[:, 0, 0] = 1
        matrix[:, 0, 1] = keys.signs((1,))[:, 0] * math.sin(self.radians)
        matrix[:, 1, 1] = math.cos(self.radians)
        return matrix


@final
@dataclass(frozen=True, kw_only=True)
class PessimalNoise(MnistShift):
    """Normal draws through a matrix learnt to raise a model's error, scaled to a length, tiled 2 x 2.

    The published matrix is not part of this package. Give one as a (196, 196) array in a ``.npy`` file; of the file
    only its content counts for the shift's identity.

    Fields:
        matrix: Path of the file; nothing is unpickled.
        length: L2 norm of the whole pattern on 28 x 28 pixels; above 0.
    """

    name: ClassVar[str] = "mnist_pessimal_noise"
    title: ClassVar[str] = "Pessimal noise"
    random: ClassVar[bool] = True

    matrix: str
    # The published code scales each of the four tiles to 10.63 / 4; together they have twice that.
    length: float = 10.63 / 2

    def __post_init__(self) -> None:
        require(self.length > 0, f"mnist_pessimal_noise.length must be above 0, got {self.length}")
        require(Path(self.matrix).is_file(), f"mnist_pessimal_noise.matrix: no such file: {self.matrix}")
        self._learnt()

    def _learnt(self) -> torch.Tensor:
        try:
            found: Any = np.load(self.matrix, allow_pickle=False)
        except (OSError, ValueError) as error:
            found = error
        require(
            isinstance(found, np.ndarray) and found.shape == (196, 196) and bool(np.isfinite(found).all()),
            f"mnist_pessimal_noise.matrix must be a .npy file of 196 x 196 finite numbers, got {self.matrix}: "
            f"{found.shape if isinstance(found, np.ndarray) else found}",
        )
        return torch.from_numpy(found.astype(np.float64))

    def fingerprint(self) -> str:
        """Of the matrix's content and the length."""
        digest = hashlib.sha256(self._learnt().numpy().tobytes()).hexdigest()
        fields = {"matrix": digest, "length": self.length}
        return fingerprint_of({"name": self.name, "version": self.version, "fields": fields})

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        draws = keys.normal((196,)).to(torch.float64)
        matrix = self._learnt().to(x.device)
        # Products are added one by one: a library's matrix product may round otherwise for another batch.
        pattern = torch.zeros_like(draws)
        for place in range(196):
            pattern += draws[:, place : place + 1] * matrix[place]
        norm = torch.zeros_like(pattern[:, :1])
        for place in range(196):
            norm += pattern[:, place : place + 1] ** 2
        # Four equal tiles have twice the norm of one.
        tile = (pattern / norm.sqrt() * (self.length / 2)).to(torch.float32).view(-1, 1, 14, 14).repeat(1, 1, 2, 2)
        return x + functional.interpolate(tile, size=x.shape[2:], mode="nearest")
