"""Spectral: what a model sees of an image's frequencies, and noise made of chosen ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.ops.reduce import total
from brittlestar.shifts.ops.spectrum import basis_vector, canonical, filtered, half_plane, square_mask

__all__ = ["BandNoise", "FourierBasis", "HighPass", "LowPass", "half_plane"]

_YIN = "Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988"


def _check_bandwidth(name: str, bandwidth: int) -> None:
    require(
        isinstance(bandwidth, int) and bandwidth >= 1,
        f"{name}.bandwidth must be a whole number, at least 1, got {bandwidth!r}",
    )


@final
@dataclass(frozen=True, kw_only=True)
class LowPass(Shift):
    """Keep only the centred ``bandwidth`` x ``bandwidth`` square of each channel's spectrum. Not clamped.

    Fields:
        bandwidth: Side of the square that is kept, in frequencies; at least 1 (the mean alone).
    """

    name: ClassVar[str] = "low_pass"
    title: ClassVar[str] = "Low-pass filter"
    family: ClassVar[str] = "spectral"
    paper: ClassVar[str] = _YIN
    strength: ClassVar[str | None] = "bandwidth"
    strength_unit: ClassVar[str] = "frequencies kept along a side"
    rising: ClassVar[bool] = False
    clamps: ClassVar[bool] = False

    bandwidth: int

    def __post_init__(self) -> None:
        _check_bandwidth(self.name, self.bandwidth)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return filtered(x, square_mask(*x.shape[2:], self.bandwidth, str(x.device)))


@final
@dataclass(frozen=True, kw_only=True)
class HighPass(Shift):
    """Remove the centred ``bandwidth`` x ``bandwidth`` square of each channel's spectrum. Not clamped.

    Yin et al. remove the mean with the square and train models on the result. Here models are tested that were trained
    on ordinary images, so the mean stays unless it is asked to go.

    Fields:
        bandwidth: Side of the square that is removed, in frequencies; at least 1.
        keep_mean: Put the channel means back, so that values stay about where a model expects them; otherwise they are
            small, signed and centred on 0, as in the paper.
    """

    name: ClassVar[str] = "high_pass"
    title: ClassVar[str] = "High-pass filter"
    family: ClassVar[str] = "spectral"
    paper: ClassVar[str] = _YIN
    strength: ClassVar[str | None] = "bandwidth"
    strength_unit: ClassVar[str] = "frequencies removed along a side"
    clamps: ClassVar[bool] = False

    bandwidth: int
    keep_mean: bool = True

    def __post_init__(self) -> None:
        _check_bandwidth(self.name, self.bandwidth)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        mask = square_mask(*x.shape[2:], self.bandwidth, str(x.device))
        if self.keep_mean:
            # The mask is kept for later calls: it must not be written to.
            mask = mask.clone()
            mask[0, 0] = 0
        # By subtraction: the low pass and, without its mean, the high pass add up to the image.
        return x - filtered(x, mask)


@final
@dataclass(frozen=True, kw_only=True)
class BandNoise(Shift):
    """Add normal noise that holds only low or only high frequencies, scaled to the same L2 norm for every image.

    All bands of one sample are cut from the same draw.

    Fields:
        band: ``low`` keeps the centred square of frequencies, ``high`` removes it.
        bandwidth: Side of the square, in frequencies; at least 1.
        norm: Euclidean norm of the noise over all pixels and channels, in units of the value range.
        clip: Whether results are clamped to [0, 1] (which changes the norm).
    """

    name: ClassVar[str] = "band_noise"
    title: ClassVar[str] = "Band-limited noise"
    family: ClassVar[str] = "spectral"
    paper: ClassVar[str] = _YIN
    strength: ClassVar[str | None] = "norm"
    random: ClassVar[bool] = True
    clamps: ClassVar[bool] = False

    band: str
    bandwidth: int
    norm: float
    clip: bool = False

    def __post_init__(self) -> None:
        require(self.band in ("low", "high"), f"band_noise.band must be 'low' or 'high', got {self.band!r}")
        _check_bandwidth(self.name, self.bandwidth)
        require(self.norm >= 0, f"band_noise.norm must be at least 0, got {self.norm}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        noise = keys.normal(x.shape[1:])
        low = filtered(noise, square_mask(*x.shape[2:], self.bandwidth, str(x.device)))
        noise = low if self.band == "low" else noise - low
        size = total(noise.flatten(1).square()).sqrt().clamp_min(1e-12)
        y = x + noise * (self.norm / size)[:, None, None, None]
        return y.clamp_(0, 1) if self.clip else y


@final
@dataclass(frozen=True, kw_only=True)
class FourierBasis(Shift):
    """Add one real Fourier basis vector, with a random sign for every image and channel.

    The vector is that of Yin et al. (see ``ops.spectrum.basis_vector``); each channel's change has norm ``norm``. A
    frequency and its conjugate give the same vector and have the same name here (the lexicographically larger one).

    Fields:
        row, column: Signed frequency in cycles per image height and width; 0, 0 is the mean.
        norm: Euclidean norm of the change of each channel, in units of the value range (4 at 32 x 32 in the paper).
        clip: Whether results are clamped to [0, 1]; not in the paper, where all changes have equal norm.
    """

    name: ClassVar[str] = "fourier_basis"
    title: ClassVar[str] = "Fourier basis vector"
    family: ClassVar[str] = "fourier"
    kind: ClassVar[str] = "fourier"
    paper: ClassVar[str] = _YIN
    strength: ClassVar[str | None] = "norm"
    random: ClassVar[bool] = True
    clamps: ClassVar[bool] = False
    # Signs are drawn anew for every frequency, as in the authors' code; all norms of one share them.
    stream_fields: ClassVar[tuple[str, ...]] = ("row", "column")

    row: int
    column: int
    norm: float
    clip: bool = False

    def __post_init__(self) -> None:
        require(
            isinstance(self.row, int) and isinstance(self.column, int),
            f"fourier_basis.row and column are whole numbers of cycles, got {self.row!r} and {self.column!r}",
        )
        require(self.norm >= 0, f"fourier_basis.norm must be at least 0, got {self.norm}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        require(
            canonical(height, width, self.row, self.column) == (self.row, self.column),
            f"fourier_basis: at {height} x {width} the frequency ({self.row}, {self.column}) is written "
            f"{canonical(height, width, self.row, self.column)}",
        )
        wave = _wave(height, width, self.row, self.column, self.norm, x.device)
        y = torch.addcmul(x, keys.signs((x.shape[1],))[:, :, None, None], wave)
        return y.clamp_(0, 1) if self.clip else y


def _wave(height: int, width: int, row: int, column: int, norm: float, device: torch.device) -> torch.Tensor:
    """The basis vector times its norm; kept where a whole map's fit into about 32 MB (up to 64 x 64 pixels)."""
    make = _kept_wave if height * width <= _KEPT_UP_TO else _kept_wave.__wrapped__
    return make(height, width, row, column, norm, device)


_KEPT_UP_TO = 64 * 64


# 64 x 64 pixels have 2,050 conjugate pairs: room for a whole map.
@functools.lru_cache(maxsize=2100)
def _kept_wave(height: int, width: int, row: int, column: int, norm: float, device: torch.device) -> torch.Tensor:
    return (basis_vector(height, width, row, column) * norm).to(device)
