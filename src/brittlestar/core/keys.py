"""Keyed randomness: draws that depend on a sample's key and on nothing else.

Every sample has a 64-bit key made from (seed, sample id). A shift folds its own identity into it, so that two
shifts never share draws while all strengths of one shift do. Draw number ``i`` of a key is
``mix(key + (i + 1) * GOLDEN)``, the splitmix64 generator (Steele, Lea and Flood 2014) in 64-bit integer tensor
operations: the same bits for any batch size, order, process and device. Distributions are made from those bits by
integer operations and tables of fixed numbers, never by transcendental functions whose last bit differs between
machines:

* ``bits16``: 16 random bits a draw, four draws a word.
* ``uniform``: 24 bits over [0, 1), two draws a word, exact in float32.
* ``normal``: the mean of the standard normal over each of 65,536 slices of equal probability, so 16 bits a draw and
  values up to 4.4; the first four moments are right to better than 0.001.
* ``signs``, ``integers``: from ``bits16`` and 32 bits.
* ``poisson``: by inversion of the cumulative distribution at 16 bits, for rates ``scale * level / 255`` on the 8-bit
  grid; other rates are split into a grid rate plus a small remainder, which are drawn apart and added (exact for
  Poisson variables).
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import special, stats

from brittlestar.core.errors import UsageError, require

# 2^64 over the golden ratio, as an odd integer: the step of splitmix64.
GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def _signed(value: int) -> int:
    """The two's complement reading of an unsigned 64-bit value."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


# The multipliers of splitmix64, as the signed integers that torch has.
_C1, _C2, _GOLDEN = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB), _signed(GOLDEN)


def _shift_right(x: torch.Tensor, by: int) -> torch.Tensor:
    """Logical right shift of int64 (torch's own is arithmetic)."""
    return (x >> by).bitwise_and_((1 << (64 - by)) - 1)


def mix(x: torch.Tensor) -> torch.Tensor:
    """The splitmix64 finaliser of an int64 tensor: a bijection that flips half the bits when one bit changes."""
    # Signed products wrap modulo 2^64 and leave the same bits as the unsigned ones of the published code.
    x = (x ^ _shift_right(x, 30)).mul_(_C1)
    x ^= _shift_right(x, 27)
    x.mul_(_C2)
    x ^= _shift_right(x, 31)
    return x


def word_of(*parts: object) -> int:
    """A signed 64-bit word from text or numbers (BLAKE2b)."""
    # The separator keeps ("a", "bc") and ("ab", "c") apart.
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


class SampleKeys:
    """The keys of a batch: one int64 a sample.

    Make them with ``SampleKeys.of(seed, ids)``; derive streams with ``stream``. Shapes given to the draws are those
    of one sample; the result has the batch axis in front and lies on the keys' device.
    """

    def __init__(self, words: torch.Tensor) -> None:
        require(words.dtype == torch.int64 and words.ndim == 1, "keys must be one int64 a sample", UsageError)
        self.words = words

    @classmethod
    def of(cls, seed: int, ids: Sequence[str], device: torch.device | str = "cpu") -> SampleKeys:
        """Keys from a seed and stable sample ids (text)."""
        base = word_of("seed", seed)
        words = np.fromiter((word_of("id", i) for i in ids), dtype=np.int64, count=len(ids))
        return cls(mix(torch.from_numpy(words) ^ base).to(device))

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: slice | torch.Tensor) -> SampleKeys:
        return SampleKeys(self.words[index])

    @property
    def device(self) -> torch.device:
        """Where the keys, and so the draws, lie."""
        return self.words.device

    def to(self, device: torch.device | str) -> SampleKeys:
        """The same keys on another device."""
        return SampleKeys(self.words.to(device))

    def stream(self, *identity: object) -> SampleKeys:
        """Independent keys for a purpose, for instance ``keys.stream("gaussian_noise")``."""
        return SampleKeys(mix(mix(self.words ^ word_of(*identity)) + _GOLDEN))

    def streams(self, count: int) -> torch.Tensor:
        """(batch, count) int64: the words of ``stream(0)`` to ``stream(count - 1)``, at the cost of one."""
        numbers = numbered_words(count).to(self.device)
        return mix(mix(self.words[:, None] ^ numbers) + _GOLDEN)

    def bits64(self, count: int, start: int = 0) -> torch.Tensor:
        """(batch, count) int64 words, numbers ``start`` to ``start + count - 1`` of each key."""
        # The published generator steps before it mixes, hence start + 1.
        steps = torch.arange(start + 1, start + count + 1, dtype=torch.int64, device=self.device) * _GOLDEN
        return mix(self.words[:, None] + steps)

    def bits16(self, shape: Sequence[int]) -> torch.Tensor:
        """(batch, *shape) int16, all 65,536 values equally likely (-32,768 to 32,767)."""
        count = math.prod(shape)
        lanes = self.bits64(-(-count // 4)).view(torch.int16)
        return lanes[:, :count].reshape(len(self), *shape)

    def bits32(self, shape: Sequence[int]) -> torch.Tensor:
        """(batch, *shape) int32, all values equally likely."""
        count = math.prod(shape)
        return self.bits64(-(-count // 2)).view(torch.int32)[:, :count].reshape(len(self), *shape)

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """(batch, *shape) float32 in [low, high), 24 bits each."""
        # The shift copies the sign bit, which the mask takes away again. 24 bits are what a float32 holds exactly.
        unit = ((self.bits32(shape) >> 8) & 0xFFFFFF).to(torch.float32) * 2.0**-24
        return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low

    def normal(self, shape: Sequence[int]) -> torch.Tensor:
        """(batch, *shape) float32 standard normal draws."""
        index = self.bits16(shape).to(torch.int32) + 32768
        table = normal_table(self.device.type, self.device.index)
        return table.index_select(0, index.flatten()).view(index.shape)

    def signs(self, shape: Sequence[int]) -> torch.Tensor:
        """(batch, *shape) float32, -1 or 1 with equal probability."""
        # Exactly half of the int16 values are negative.
        return (self.bits16(shape) >= 0).to(torch.float32) * 2 - 1

    def integers(self, shape: Sequence[int], low: int, high: int) -> torch.Tensor:
        """(batch, *shape) int64 in [low, high), from 32 bits by multiply and shift (bias below (high - low) / 2^32)."""
        require(high > low, f"integers need low < high, got {low} and {high}", UsageError)
        # Read as unsigned: negative words would fall below ``low``.
        word = self.bits32(shape).to(torch.int64) & 0xFFFFFFFF
        return ((word * (high - low)) >> 32) + low

    def poisson(self, levels: torch.Tensor, scale: float) -> torch.Tensor:
        """Poisson draws with mean ``scale * levels``: (batch, ...) float32 for ``levels`` (batch, ...) in [0, 1]."""
        # At 10,000 the table of limits already takes 11 MB.
        require(0 < scale <= 10_000, f"the Poisson scale must be in (0, 10000], got {scale}", UsageError)
        exact = levels.to(torch.float32) * 255
        # A value that rounding left just below its level still belongs to it.
        level = (exact + 1e-3).floor().clamp_(0, 255)
        draws = self._poisson_on_grid(level.to(torch.int32), scale)
        rest = (exact - level).clamp_(0, 1)
        rest = rest.mul_(rest > 2e-3)  # Rounding of values on the grid: what neighbours need must not reach them.
        if bool(rest.any()):
            # From a stream of its own: whether anyone in the batch needs this leaves the draws on the grid alone.
            draws += self.stream("remainder")._poisson_by_steps(rest.to(torch.float64) * (scale / 255))
        return draws

    def _poisson_on_grid(self, level: torch.Tensor, scale: float) -> torch.Tensor:
        guide, limits, width = poisson_tables(scale, self.device.type, self.device.index)
        shape = level.shape
        u = (self.bits16(shape[1:]).to(torch.int32) + 32768).flatten()
        level = level.flatten()
        # Start where the top byte alone allows, so that few steps of the search are left.
        value = guide.index_select(0, level * 256 + (u >> 8))
        base = level * width
        active = torch.nonzero(u >= limits.index_select(0, base + value)).flatten()
        while len(active):
            value[active] += 1
            active = active[u[active] >= limits[(base[active] + value[active]).long()]]
        return value.to(torch.float32).view(shape)

    def _poisson_by_steps(self, rate: torch.Tensor) -> torch.Tensor:
        """Inversion by adding up the probabilities in float64, against 24 random bits; float32 counts."""
        u = self.uniform(rate.shape[1:]).to(torch.float64)
        # The one transcendental function here. Against 24 random bits, its last bit in float64 all but never decides.
        term = torch.exp(-rate)
        cumulative, value, k = term.clone(), torch.zeros_like(rate), 0
        # This ends: u is at most 1 - 2^-24, and the sum comes within float64's rounding of 1.
        while bool((beyond := u >= cumulative).any()):
            k += 1
            value += beyond
            term = term * rate / k
            cumulative += term
        return value.to(torch.float32)


@functools.lru_cache(maxsize=32)
def numbered_words(count: int) -> torch.Tensor:
    """``word_of`` of 0 to ``count - 1``."""
    return torch.tensor([word_of(number) for number in range(count)], dtype=torch.int64)


# One a device.
@functools.lru_cache(maxsize=8)
def normal_table(device: str, index: int | None) -> torch.Tensor:
    """Mean of the standard normal over 65,536 equally likely slices: phi(a) - phi(b), times 65,536."""
    edges = special.ndtri(np.arange(1, 65536) / 65536)
    # The outer slices reach to infinity, where the density is 0.
    density = np.concatenate([[0.0], np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi), [0.0]])
    table = torch.from_numpy(((density[:-1] - density[1:]) * 65536).astype(np.float32))
    return table.to(torch.device(device, index) if index is not None else device)


@functools.lru_cache(maxsize=32)
def poisson_tables(scale: float, device: str, index: int | None) -> tuple[torch.Tensor, torch.Tensor, int]:
    """For each of 256 levels: the cumulative distribution in 65,536ths, and where to start for each top byte."""
    # A tail of 1e-9 is far below the 2^-16 that 16 bits resolve.
    width = int(stats.poisson.isf(1e-9, scale)) + 2
    cdf = stats.poisson.cdf(np.arange(width)[None], (np.arange(256) / 255 * scale)[:, None])
    limits = np.minimum(np.rint(cdf * 65536), 65536).astype(np.int32)
    # Above every draw, so that the search always ends.
    limits[:, -1] = 65536
    starts = np.stack([np.searchsorted(row, np.arange(256) * 256, side="right") for row in limits]).astype(np.int32)
    place = torch.device(device, index) if index is not None else torch.device(device)
    return torch.from_numpy(starts.ravel()).to(place), torch.from_numpy(limits.ravel()).to(place), width
