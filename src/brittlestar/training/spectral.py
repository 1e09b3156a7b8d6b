"""Recipes about frequencies: training on a band alone, with Fourier waves, or on the union of filtered versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import UsageError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts import SHIFTS, BandPass, BandStop, RandomMask
from brittlestar.shifts.base import Images, Shift
from brittlestar.training.recipes import Recipe


@final
@dataclass(frozen=True, kw_only=True)
class Filtered(Recipe):
    """Only what a filter leaves of the training images, kept as floats.

    Fields:
        keep: ``inside`` keeps the band, ``outside`` removes it.
        window, low, high: The band; see the shift ``band_pass``.
        keep_mean: Whether the channel means stay where the filter would remove them.

    Reference:
        Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988; Jo and Bengio 2017, https://arxiv.org/abs/1711.11561
    """

    name: ClassVar[str] = "filtered"

    keep: str = "outside"
    window: str = "square"
    low: float = 0.0
    high: float = 4.0
    keep_mean: bool = False

    def __post_init__(self) -> None:
        require(self.keep in ("inside", "outside"), f"filtered.keep is 'inside' or 'outside', got {self.keep!r}")
        self.shift()

    def shift(self) -> BandPass | BandStop:
        """The filter, for testing on what was trained on."""
        kind = BandPass if self.keep == "inside" else BandStop
        return kind(window=self.window, low=self.low, high=self.high, keep_mean=self.keep_mean)

    def typical(self, images: Images) -> Images:
        """Filtered images: what is left may be a hundredth of what was there."""
        return self.shift()(images)

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Filtered images."""
        return self.shift().compute(images, keys)


@final
@dataclass(frozen=True, kw_only=True)
class FourierAugmentation(Recipe):
    """One Fourier wave of random frequency, phase and sign on every channel, its norm drawn from an exponential law.

    Fields:
        norm: Mean Euclidean norm of a channel's wave in units of the value range; above 0.

    Reference:
        Vaish, Wang and Strisciuglio, CVPR 2024, https://arxiv.org/abs/2403.01944 (the additive part, AFA)
    """

    name: ClassVar[str] = "fourier"

    norm: float = 4.0

    def __post_init__(self) -> None:
        require(self.norm > 0, f"fourier.norm must be positive, got {self.norm}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Images with waves, clamped to [0, 1]."""
        _, channels, height, width = images.shape
        drawn = keys.stream("waves").uniform((4, channels))
        cycles = [(drawn[:, i] * n - n // 2).round()[:, :, None, None] for i, n in enumerate((height, width))]
        down = torch.arange(height, device=images.device)[:, None] / height
        across = torch.arange(width, device=images.device) / width
        wave = torch.cos(2 * torch.pi * (cycles[0] * down + cycles[1] * across + drawn[:, 2, :, None, None]))
        # At frequency 0 or the highest a phase may make the wave vanish.
        wave = wave / wave.flatten(2).norm(dim=2).clamp_min(1e-6)[:, :, None, None]
        # The exponential law inverted; a draw of 1 would be infinite.
        strength = -self.norm * torch.log1p(-drawn[:, 3].clamp_max(1 - 1e-6))
        found: Images = (images + strength[:, :, None, None] * wave).clamp_(0, 1)
        return found


@final
@dataclass(frozen=True, kw_only=True)
class FullyAugmented(Recipe):
    """The union of Jo and Bengio's versions: each image unfiltered, radially or randomly filtered, equally often.

    Fields:
        among: The versions, separated by commas: ``unfiltered``, ``radial``, ``random``.
        radius: Of the radial low-pass filter, in cycles per image; above 0.
        drop: Share of frequencies that the random mask removes; in [0, 1).

    Reference:
        Jo and Bengio 2017, https://arxiv.org/abs/1711.11561
    """

    name: ClassVar[str] = "fully_augmented"

    among: str = "unfiltered,radial,random"
    radius: float = 8.0
    drop: float = 0.1

    def __post_init__(self) -> None:
        known = self.versions()
        for name in self.among.split(","):
            require(name in known, f"fully_augmented.among: {name!r} is none of {', '.join(known)}")

    def versions(self) -> dict[str, Shift | None]:
        """All versions, clipped to [0, 1] as in the paper."""
        radial, masked = BandPass(high=self.radius, clip=True), RandomMask(drop=self.drop, clip=True)
        return {"unfiltered": None, "radial": radial, "random": masked}

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Images of one of the versions each."""
        known, names = self.versions(), self.among.split(",")
        choice = keys.stream("version").integers((1,), 0, len(names))[:, :, None, None]
        out = images
        for place, name in enumerate(names):
            shift = known[name]
            version = images if shift is None else shift.compute(images, keys)
            out = torch.where(choice == place, version, out)
        return out


@final
@dataclass(frozen=True, kw_only=True)
class CorruptionAugmentation(Recipe):
    """Each image under one of the chosen published corruptions at a random severity, or, as often as each, unchanged.

    Fields:
        members: Names of published corruptions, separated by commas.
        table: Of their severities: ``imagenet-c``, ``imagenet-c-299``, ``cifar-c`` or ``tiny-c``.
        most: Highest severity; 1 to 5.
    """

    name: ClassVar[str] = "corruptions"

    members: str = "gaussian_noise,defocus_blur,fog"
    table: str = "cifar-c"
    most: int = 5

    def __post_init__(self) -> None:
        require(1 <= self.most <= 5, f"corruptions.most must be from 1 to 5, got {self.most}")
        for name in self.members.split(","):
            require(name in SHIFTS, f"corruptions.members: no shift is called {name!r}")
            require(self.table in SHIFTS[name].severities, f"corruptions: {name} has no table {self.table!r}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Corrupted images."""
        names = self.members.split(",")
        # A multiple of both moduli, so that no remainder is likelier than another.
        drawn = keys.stream("corruption").integers((2,), 0, (len(names) + 1) * self.most)
        which, severity = drawn[:, 0] % (len(names) + 1), drawn[:, 1] % self.most + 1
        out = images.clone()
        for place, name in enumerate(names):
            for level in range(1, self.most + 1):
                chosen = ((which == place) & (severity == level)).nonzero()[:, 0]
                if len(chosen):
                    shift = SHIFTS[name].at(level, self.table)
                    out[chosen] = shift.compute(images[chosen].contiguous(), keys[chosen])
        return out


@final
@dataclass(frozen=True, kw_only=True)
class NoiseLike(Recipe):
    """Normal noise with the mean spectrum of what a published corruption changes, clamped to [0, 1].

    Before the first step, the corruption is applied to the first (at most 1,000) training images; the noise has, at
    every frequency of every channel, the mean power of the differences. Frequencies and channels are independent, the
    mean is 0: what is learnt from it is the spectrum alone.

    Fields:
        like: Name of a published corruption.
        severity: 1 to 5.
        table: Of its severities: ``imagenet-c``, ``imagenet-c-299``, ``cifar-c`` or ``tiny-c``.

    Reference:
        Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988
    """

    name: ClassVar[str] = "noise_like"

    like: str = "fog"
    severity: int = 3
    table: str = "cifar-c"

    def __post_init__(self) -> None:
        require(1 <= self.severity <= 5, f"noise_like.severity must be from 1 to 5, got {self.severity}")
        known = [name for name, kind in SHIFTS.items() if self.table in kind.severities]
        require(bool(known), f"noise_like: no shift has a table {self.table!r}")
        require(self.like in known, f"noise_like.like: {self.like!r} is none of {', '.join(known)}")

    def measured(self, images: torch.Tensor, keys: SampleKeys) -> Recipe:
        """The recipe with the spectrum that it found."""
        shift = SHIFTS[self.like].at(self.severity, self.table)
        power = torch.zeros((), dtype=torch.float64, device=images.device)
        count = min(len(images), 1000)
        for start in range(0, count, 250):
            part = slice(start, min(start + 250, count))
            x = images[part].to(torch.float32) / 255
            change = shift(x, keys[part].stream("noise_like")).double() - x.double()
            power = power + torch.fft.rfft2(change).abs().square().sum(0)
        # White noise of variance 1 has a power of height x width at every frequency.
        return _Spectrum(amplitude=(power / count / images[0, 0].numel()).sqrt().to(torch.float32))

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Never: the spectrum is measured first."""
        raise UsageError("noise_like takes its spectrum from the training images: call .measured(images, keys) first")


@final
@dataclass(frozen=True, kw_only=True)
class _Spectrum(Recipe):
    """Normal noise whose spectrum has an amplitude (channel, height, width // 2 + 1), 1 for that of white noise."""

    name: ClassVar[str] = "noise_like"

    amplitude: torch.Tensor

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Noisy images."""
        white = torch.fft.rfft2(keys.stream("noise").normal(images.shape[1:]))
        # The size is told: half a spectrum does not say whether the width is odd.
        noise: Images = torch.fft.irfft2(white * self.amplitude, s=images.shape[2:])
        return (images + noise).clamp_(0, 1)
