"""RandAugment and AugMix: random chains of simple operations, one choice an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images
from brittlestar.training.recipes import Recipe

Change = Callable[[Images, torch.Tensor], Images]
"""Images and one strength an image, from -1 to 1 (its sign is a direction), to images."""


def _wide(strength: torch.Tensor) -> torch.Tensor:
    return strength[:, None, None, None]


def _moved(x: Images, rows: list[list[torch.Tensor | float]]) -> Images:
    """Through one affine map an image, given as 2 rows of 3; black comes in at the edges."""
    zero = torch.zeros(len(x), device=x.device)
    matrix = torch.stack([torch.stack([zero + value for value in row], 1) for row in rows], 1)
    grid = functional.affine_grid(matrix, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _rotate(x: Images, strength: torch.Tensor) -> Images:
    angle = strength * math.pi / 6
    ratio = x.shape[2] / x.shape[3]
    c, s = angle.cos(), angle.sin()
    return _moved(x, [[c, -s * ratio, 0.0], [s / ratio, c, 0.0]])


def _autocontrast(x: Images, strength: torch.Tensor) -> Images:
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp_min(1e-6), x)


def _equalize(x: Images, strength: torch.Tensor) -> Images:
    """Levels by rank: the share of the channel's values that are smaller."""
    n, c, h, w = x.shape
    flat = (x * 255).round().flatten(2)
    ordered = flat.sort(2).values.contiguous()
    return (torch.searchsorted(ordered, flat.contiguous(), right=True).to(x.dtype) / (h * w)).view(n, c, h, w)


def _posterize(x: Images, strength: torch.Tensor) -> Images:
    step = torch.exp2((strength.abs() * 4).round())[:, None, None, None]
    return ((x * 255) / step).floor() * step / 255


def _solarize(x: Images, strength: torch.Tensor) -> Images:
    return torch.where(x >= 1 - _wide(strength.abs()), 1 - x, x)


def _contrast(x: Images, strength: torch.Tensor) -> Images:
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (1 + 0.9 * _wide(strength)) + mean


def _colour(x: Images, strength: torch.Tensor) -> Images:
    grey = x.mean(1, keepdim=True)
    return (x - grey) * (1 + 0.9 * _wide(strength)) + grey


def _sharpness(x: Images, strength: torch.Tensor) -> Images:
    soft = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return x + (x - soft) * 0.9 * _wide(strength)


SHAPES: dict[str, Change] = {
    "rotate": _rotate,
    "shear_x": lambda x, s: _moved(x, [[1.0, 0.3 * s, 0.0], [0.0, 1.0, 0.0]]),
    "shear_y": lambda x, s: _moved(x, [[1.0, 0.0, 0.0], [0.3 * s, 1.0, 0.0]]),
    "translate_x": lambda x, s: _moved(x, [[1.0, 0.0, 0.66 * s], [0.0, 1.0, 0.0]]),
    "translate_y": lambda x, s: _moved(x, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.66 * s]]),
}
TONES: dict[str, Change] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "posterize": _posterize,
    "solarize": _solarize,
}
CORRUPTING: dict[str, Change] = {
    "brightness": lambda x, s: x * (1 + 0.9 * _wide(s)),
    "contrast": _contrast,
    "colour": _colour,
    "sharpness": _sharpness,
}
"""Left out of AugMix, as in the paper: they are corruptions of the test."""


def random_change(x: Images, operations: dict[str, Change], strength: float, keys: SampleKeys) -> Images:
    """One operation an image, chosen by its key, of a strength uniform up to ``strength`` either way."""
    drawn = keys.uniform((3,))
    chosen = (drawn[:, 0] * len(operations)).long().clamp_max(len(operations) - 1)
    level = strength * drawn[:, 1] * torch.where(drawn[:, 2] < 0.5, -1.0, 1.0)
    out = x.clone()
    for number, change in enumerate(operations.values()):
        mine = (chosen == number).nonzero()[:, 0]
        if len(mine):
            out[mine] = change(x[mine], level[mine]).clamp_(0, 1)
    return out


@final
@dataclass(frozen=True, kw_only=True)
class RandAugment(Recipe):
    """A few random operations of one common strength on every image.

    Fields:
        operations: How many, one after another; at least 1.
        strength: In (0, 1]; 1 is the strongest (30 degrees, a third of the image, all contrast).

    Reference:
        Cubuk et al., NeurIPS 2020, https://arxiv.org/abs/1909.13719
    """

    name: ClassVar[str] = "randaugment"

    operations: int = 2
    strength: float = 0.5

    def __post_init__(self) -> None:
        require(self.operations >= 1, f"randaugment.operations must be at least 1, got {self.operations}")
        require(0 < self.strength <= 1, f"randaugment.strength must be in (0, 1], got {self.strength}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Changed images."""
        x = images
        for step in range(self.operations):
            x = random_change(x, SHAPES | TONES | CORRUPTING, self.strength, keys.stream("operation", step))
        return x


@final
@dataclass(frozen=True, kw_only=True)
class AugMix(Recipe):
    """Mixtures of three chains of one to three operations, and a loss for disagreement among two of them and the image.

    Fields:
        strength: Of the operations; in (0, 1] (0.3 in the paper).
        consistency: Weight of the Jensen-Shannon divergence; at least 0 (12 in the paper).

    Reference:
        Hendrycks et al., ICLR 2020, https://arxiv.org/abs/1912.02781
    """

    name: ClassVar[str] = "augmix"

    strength: float = 0.3
    consistency: float = 12.0

    def __post_init__(self) -> None:
        require(0 < self.strength <= 1, f"augmix.strength must be in (0, 1], got {self.strength}")
        require(self.consistency >= 0, f"augmix.consistency must be at least 0, got {self.consistency}")

    def mixed(self, images: Images, keys: SampleKeys) -> Images:
        """One mixture an image: flat Dirichlet weights of three chains, blended with the image by a uniform share."""
        weights = -torch.log(keys.stream("weights").uniform((3,)).clamp_min(1e-7))
        weights = weights / weights.sum(1, keepdim=True)
        depth = keys.stream("depth").integers((3,), 1, 4)
        mix = torch.zeros_like(images)
        for chain in range(3):
            x = images
            for step in range(3):
                changed = random_change(x, SHAPES | TONES, self.strength, keys.stream("chain", chain, step))
                x = torch.where(_wide(depth[:, chain] > step), changed, x)
            mix += _wide(weights[:, chain]) * x
        share = _wide(keys.stream("share").uniform((1,))[:, 0])
        return (share * images + (1 - share) * mix).clamp_(0, 1)

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """Cross-entropy on the image and the weighted divergence of the three predictions."""
        views = torch.cat([images, *(self.mixed(images, keys.stream("mixture", i)) for i in range(2))])
        logits = model.logits(views)
        shares = [part.softmax(1) for part in logits.chunk(3)]
        middle = (sum(shares[1:], shares[0]) / 3).clamp(1e-7, 1).log()
        apart = sum((functional.kl_div(middle, p, reduction="batchmean") for p in shares), torch.zeros(()).to(images))
        return functional.cross_entropy(logits[: len(images)], labels) + self.consistency * apart / 3
