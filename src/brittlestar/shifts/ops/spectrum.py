"""The Fourier plane: masks, filters and the basis of Yin et al., in signed frequencies (0, 0 at the centre)."""

from __future__ import annotations

import functools

import torch


@functools.lru_cache(maxsize=64)
def square_mask(height: int, width: int, bandwidth: int, device: str = "cpu") -> torch.Tensor:
    """(height, width // 2 + 1) mask for ``rfft2``: 1 inside the centred ``bandwidth`` x ``bandwidth`` square.

    In the shifted spectrum the square covers rows ``h // 2 - b // 2`` to ``h // 2 - b // 2 + b - 1``. For even ``b`` it
    reaches one frequency further on the negative side; the unpaired row and column get weight one half, which is what
    taking the real part of the unsymmetric filter's result does.
    """

    def inside(size: int) -> torch.Tensor:
        # Whole numbers in floats that may be a last bit off.
        frequency = torch.fft.fftfreq(size, 1 / size).round().long()
        low = -(bandwidth // 2)
        return torch.logical_and(frequency >= low, frequency <= low + bandwidth - 1)

    rows, columns = inside(height), inside(width)
    kept = (rows[:, None] & columns[None]).to(torch.float32)
    # At every place what stands at its conjugate's: index -k modulo the side.
    partner = kept.roll((-1, -1), (0, 1)).flip((0, 1))
    mask = (kept + partner) / 2
    return mask[:, : width // 2 + 1].contiguous().to(device)


def distances(height: int, width: int, window: str) -> torch.Tensor:
    """(height, width // 2 + 1) distance of every frequency of ``rfft2`` from the mean, in cycles per image."""
    rows = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64).abs()[:, None]
    columns = torch.arange(width // 2 + 1, dtype=torch.float64)[None]
    return (rows.square() + columns.square()).sqrt() if window == "radial" else torch.maximum(rows, columns)


@functools.lru_cache(maxsize=256)
def band_mask(height: int, width: int, window: str, low: float, high: float, device: str = "cpu") -> torch.Tensor:
    """(height, width // 2 + 1) mask for ``rfft2``: 1 at distances from ``low`` to ``high``, ends included."""
    far = distances(height, width, window)
    # Ends are included, whatever the last bit of the square root.
    return ((far >= low - 1e-9) & (far <= high + 1e-9)).to(torch.float32).to(device)


def random_mask(uniform: torch.Tensor, drop: float) -> torch.Tensor:
    """(height, width // 2 + 1) mask for ``rfft2`` of (height, width) draws in [0, 1): 0 where a draw is below ``drop``;
    the lexicographically first of a frequency and its conjugate decides for both. The mean is kept."""
    height, width = uniform.shape
    partner = uniform.roll((-1, -1), (0, 1)).flip((0, 1))
    place = torch.arange(height * width).view(height, width)
    mirrored = place.roll((-1, -1), (0, 1)).flip((0, 1))
    # If one of a pair went alone, the real part would keep half of the wave.
    kept = (torch.where(place <= mirrored, uniform, partner) >= drop).to(torch.float32)
    # What the paper does with the mean is not known; here it always stays.
    kept[0, 0] = 1
    return kept[:, : width // 2 + 1].contiguous()


def mirrored_angles(angles: torch.Tensor, width: int) -> torch.Tensor:
    """(n, height, width // 2 + 1) angles such that a real image's spectrum, turned by them, is again a real image's:
    where a column holds frequencies and their conjugates, these get opposite angles; the mean and its like get 0."""
    height = angles.shape[1]
    out = angles.clone()
    for column in {0, width // 2} if width % 2 == 0 else {0}:
        half = (height - 1) // 2
        out[:, height - half :, column] = -out[:, 1 : half + 1, column].flip(1)
        out[:, 0, column] = 0
        if height % 2 == 0:
            out[:, height // 2, column] = 0
    return out


def filtered(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Multiply the spectrum of every image and channel of (n, c, h, w) by a half-plane mask.

    The mask is one for all images or, with axes of n and 1 before its own, one for each.

    A library may choose another algorithm, with other last bits, for another number of images. So every transform gets
    the same number, which depends on the images' shape and the kind of device only; the last one is filled up with
    zeros.
    """
    count, channels, height, width = x.shape
    chunk = _CHUNK_ON_ACCELERATORS if x.device.type != "cpu" else max(1, _CHUNK_VALUES // (channels * height * width))
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    for start in range(0, count, chunk):
        piece = x[start : start + chunk]
        here = len(piece)
        factors = mask if mask.ndim == 2 else mask[start : start + chunk]
        if here < chunk:
            piece = torch.cat([piece, piece.new_zeros(chunk - here, channels, height, width)])
            if mask.ndim > 2:
                factors = torch.cat([factors, factors.new_ones(chunk - here, *factors.shape[1:])])
        out[start : start + here] = torch.fft.irfft2(torch.fft.rfft2(piece) * factors, s=(height, width))[:here]
    return out


def with_amplitudes(x: torch.Tensor, amplitudes: torch.Tensor) -> torch.Tensor:
    """(n, c, h, w) with the half-plane amplitudes given, (h, w // 2 + 1), and their own phases (0 where they are 0)."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    # One at a time: see `filtered`.
    for plane, changed in zip(x.flatten(0, 1), out.view(-1, *x.shape[2:]), strict=True):
        spectrum = torch.fft.rfft2(plane)
        size = (spectrum.real.square() + spectrum.imag.square()).sqrt()
        phase = torch.where(size > 0, spectrum / size.clamp_min(_LEAST), 1.0)
        changed.copy_(torch.fft.irfft2(phase * amplitudes, s=x.shape[2:]))
    return out


_LEAST = 1e-30
"""Divisors are at least this."""

_CHUNK_VALUES, _CHUNK_ON_ACCELERATORS = 1 << 15, 64
"""Values a transform on the CPU (more leave its cache), images a transform elsewhere."""


def basis_vector(height: int, width: int, row: int, column: int) -> torch.Tensor:
    """The real Fourier basis vector of a signed frequency, (height, width) float32, Euclidean norm 1.

    Its spectrum is ``(1 + i) / 2`` at the frequency and ``(1 - i) / 2`` at its conjugate (1 where the two are one), as
    in Yin et al.: in space ``cos(t) - sin(t)`` with ``t = 2 pi (row y / height + column x / width)``, scaled.
    """
    y = torch.arange(height, dtype=torch.float64)
    x = torch.arange(width, dtype=torch.float64)
    # Whole turns are taken off before the factor of 2 pi, so that angles keep their digits.
    turns = ((row * y / height)[:, None] + (column * x / width)[None]) % 1.0
    angle = 2 * torch.pi * turns
    wave = torch.cos(angle) if self_conjugate(height, width, row, column) else torch.cos(angle) - torch.sin(angle)
    return torch.as_tensor(wave / (height * width) ** 0.5, dtype=torch.float32)


def self_conjugate(height: int, width: int, row: int, column: int) -> bool:
    """Whether a frequency and its conjugate are one (DC and the Nyquist corners)."""
    return (2 * row) % height == 0 and (2 * column) % width == 0


def canonical(height: int, width: int, row: int, column: int) -> tuple[int, int]:
    """The signed frequency that stands for a conjugate pair: of the two, the lexicographically larger one.

    Frequencies are signed, from ``-(n // 2)`` to ``(n - 1) // 2`` along a side of n.
    """

    def wrap(value: int, size: int) -> int:
        return (value + size // 2) % size - size // 2

    one = (wrap(row, height), wrap(column, width))
    other = (wrap(-row, height), wrap(-column, width))
    return max(one, other)


def half_plane(height: int, width: int, region: int | None = None) -> list[tuple[int, int]]:
    """Every conjugate pair once, low frequencies first: 514 canonical signed frequencies at 32 x 32, the mean included.

    Args:
        height, width: Of the images.
        region: Side of the central square of frequencies to list; ``None`` lists all.
    """
    reach = max(height, width) if region is None else region // 2
    found = {
        canonical(height, width, row, column)
        for row in range(-(height // 2), (height - 1) // 2 + 1)
        for column in range(-(width // 2), (width - 1) // 2 + 1)
        if abs(row) <= reach and abs(column) <= reach
    }
    return sorted(found, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))
