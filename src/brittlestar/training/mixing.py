"""Recipes that mix training images, or replace a patch of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from scipy import special
from torch.nn import functional

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images
from brittlestar.training.recipes import Recipe


def _beta(keys: SampleKeys, alpha: float) -> torch.Tensor:
    """(batch,) float64 draws of a symmetric Beta distribution: its distribution function inverted at 53 random bits.

    One more bit chooses the half, so that values near 0 are as fine as float64 has them: for small ``alpha`` much of
    the probability lies there. What would be exactly 0 or 1 is the float next to it.
    """
    word = keys.bits64(1)[:, 0].cpu()
    # In (0, 1/2): the middle of one of 2^53 equal steps, never an end.
    lower = ((word & ((1 << 53) - 1)).to(torch.float64) + 0.5) * 2.0**-54
    share = torch.from_numpy(special.betaincinv(alpha, alpha, lower.numpy()))
    return torch.where(word < 0, 1 - share, share).clamp(2.0**-1022, 1 - 2.0**-53).to(keys.device)


def _mixed_loss(model: Model, mixed: Images, labels: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with the own label by ``share``, with the label at the mirrored place of the batch by the rest."""
    logits = model.logits(mixed)
    # Batches come in a random order, so that the mirrored place is as random a partner as any.
    own, other = (functional.cross_entropy(logits, y, reduction="none") for y in (labels, labels.flip(0)))
    return (share * own + (1 - share) * other).mean()


@final
@dataclass(frozen=True, kw_only=True)
class Mixup(Recipe):
    """Each image and its label are mixed with another of the batch.

    Fields:
        alpha: Of the Beta distribution of the shares; above 0.

    Reference:
        Zhang et al., ICLR 2018, https://arxiv.org/abs/1710.09412
    """

    name: ClassVar[str] = "mixup"
    # 2: exact draws of the Beta distribution.
    version: ClassVar[int] = 2

    alpha: float = 0.2

    def __post_init__(self) -> None:
        require(self.alpha > 0, f"mixup.alpha must be positive, got {self.alpha}")

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """The loss of the mixed labels."""
        share = _beta(keys.stream("mixup"), self.alpha).to(images)
        wide = share[:, None, None, None]
        return _mixed_loss(model, wide * images + (1 - wide) * images.flip(0), labels, share)


@final
@dataclass(frozen=True, kw_only=True)
class CutMix(Recipe):
    """A rectangle of each image is replaced by that of another; labels count by area.

    Fields:
        alpha: Of the Beta distribution of the kept area; above 0.

    Reference:
        Yun et al., ICCV 2019, https://arxiv.org/abs/1905.04899
    """

    name: ClassVar[str] = "cutmix"
    # 2: exact draws of the Beta distribution.
    version: ClassVar[int] = 2

    alpha: float = 1.0

    def __post_init__(self) -> None:
        require(self.alpha > 0, f"cutmix.alpha must be positive, got {self.alpha}")

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """The loss of the labels by area."""
        # The sides' share, so that the rectangle has 1 - lambda of the area.
        side = (1 - _beta(keys.stream("cutmix"), self.alpha)).sqrt().to(images)
        inside = _window(images, keys, side[:, None] * torch.tensor(images.shape[2:], device=images.device))
        # Counted, not lambda itself: rectangles are cut off at the edges (so does the authors' code).
        share = 1 - inside.float().mean((1, 2, 3))
        return _mixed_loss(model, torch.where(inside, images.flip(0), images), labels, share)


@final
@dataclass(frozen=True, kw_only=True)
class PatchGaussian(Recipe):
    """Normal noise in one square patch of each image, clamped to [0, 1].

    Fields:
        patch: Side of the patch in pixels; at least 1.
        sigma: Standard deviation in units of the value range; above 0.

    Reference:
        Lopes et al. 2019, https://arxiv.org/abs/1906.02611
    """

    name: ClassVar[str] = "patch_gaussian"

    patch: int = 12
    sigma: float = 0.5

    def __post_init__(self) -> None:
        require(self.patch >= 1, f"patch_gaussian.patch must be at least 1, got {self.patch}")
        require(self.sigma > 0, f"patch_gaussian.sigma must be positive, got {self.sigma}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Images with a noisy patch."""
        inside = _window(images, keys, torch.full((len(images), 2), float(self.patch), device=images.device))
        noisy = (images + self.sigma * keys.normal(images.shape[1:])).clamp_(0, 1)
        return torch.where(inside, noisy, images)


def _window(images: Images, keys: SampleKeys, size: torch.Tensor) -> torch.Tensor:
    """(batch, 1, height, width): inside a rectangle of ``size`` (batch, 2) around a random pixel, cut at the edges."""
    height, width = images.shape[2:]
    drawn = keys.stream("window").uniform((2,))
    inside = []
    for axis, length in ((0, height), (1, width)):
        centre = (drawn[:, axis] * length).floor()
        place = torch.arange(length, device=images.device)
        low = (centre - size[:, axis] / 2).round()
        inside.append((place >= low[:, None]) & (place < (low + size[:, axis].round())[:, None]))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]
