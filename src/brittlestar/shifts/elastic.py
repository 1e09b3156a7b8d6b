"""Elastic transform: the image on rubber."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import gaussian, uniform, warp_twice
from brittlestar.shifts.ops.smoothing import on_both_sides, smoothing

_MATRIX_FROM = 12
"""Kernels of a larger radius are applied as matrices."""


def affine_of(height: int, width: int, jitter: torch.Tensor) -> torch.Tensor:
    """The map from places in the warped image back to places in the image.

    Three points around the centre, a third of the shorter side away, move by ``jitter``.

    Args:
        height, width: In pixels.
        jitter: (n, 3, 2), in pixels; (column, row) of each point.

    Returns:
        (n, 2, 3) float64: column and row in the image for (column, row, 1).
    """
    # The centre is (height, width) // 2 read as (column, row), as in the published code; it matters off the square.
    first, second, arm = height // 2, width // 2, min(height, width) // 3
    corners = ((first + arm, second + arm), (first + arm, second - arm), (first - arm, second - arm))
    moved = torch.tensor(corners, dtype=torch.float64, device=jitter.device) + jitter.to(torch.float64)
    # The three points form a right angle, so the map needs no general solver.
    along = (moved[:, 1] - moved[:, 2]) / (2 * arm)
    down = (moved[:, 0] - moved[:, 1]) / (2 * arm)
    start = moved[:, 0] - along * corners[0][0] - down * corners[0][1]
    scale = along[:, 0] * down[:, 1] - along[:, 1] * down[:, 0]
    inverse = torch.stack([down[:, 1], -down[:, 0], -along[:, 1], along[:, 0]], 1) / scale[:, None]
    offset = torch.stack(
        [
            -(inverse[:, 0] * start[:, 0] + inverse[:, 1] * start[:, 1]),
            -(inverse[:, 2] * start[:, 0] + inverse[:, 3] * start[:, 1]),
        ],
        1,
    )
    return torch.cat([inverse.view(-1, 2, 2), offset[:, :, None]], 2)


def smoothed(fields: torch.Tensor, sigma: float) -> torch.Tensor:
    """(n, k, h, w) fields blurred, cut off at three standard deviations, edges mirrored."""
    if int(3 * sigma + 0.5) <= _MATRIX_FROM:
        return gaussian(fields, sigma, 3.0, "symmetric")
    down, across = (smoothing(size, sigma, 3.0, "symmetric") for size in fields.shape[2:])
    return on_both_sides(down, fields, across)


def _scaled(side: int, *rows: tuple[float, float, float]) -> Levels:
    """A published table of (alpha, sigma, jitter) in units of a side."""
    alpha, sigma, jitter = (tuple(side * row[i] for row in rows) for i in range(3))
    return levels(alpha=alpha, sigma=sigma, jitter=jitter)


_IMAGENET = ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
# Below 224 pixels the first severity has alpha 0, as published: the affine map alone.
_CIFAR = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
_TINY = ((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02))


@final
@dataclass(frozen=True, kw_only=True)
class ElasticTransform(Shift):
    """Move three points by a random affine map, then every pixel by a smooth random field.

    Fields:
        alpha: The field's size in pixels before smoothing; at least 0.
        sigma: Standard deviation of its smoothing in pixels; at least 0.
        jitter: The three points move by up to this many pixels.

    The table ``imagenet-c`` is scaled by 244, a slip for 224 that the published images have; ``imagenet-c-224`` mends
    it.
    """

    name: ClassVar[str] = "elastic_transform"
    title: ClassVar[str] = "Elastic transform"
    family: ClassVar[str] = "digital"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    strength: ClassVar[str | None] = "alpha"
    strength_unit: ClassVar[str] = "pixels"
    random: ClassVar[bool] = True
    uneven: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": _scaled(244, *_IMAGENET),
        "imagenet-c-224": _scaled(224, *_IMAGENET),
        # 360, though images have 299 pixels: as published.
        "imagenet-c-299": _scaled(360, *_IMAGENET),
        "cifar-c": _scaled(32, *_CIFAR),
        "tiny-c": _scaled(64, *_TINY),
    }

    alpha: float
    sigma: float
    jitter: float

    def __post_init__(self) -> None:
        for name in ("alpha", "sigma", "jitter"):
            value = getattr(self, name)
            require(0 <= value <= 2000, f"elastic_transform.{name} must be in [0, 2000] pixels, got {value}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        jitter = keys.stream("jitter").uniform((3, 2), -self.jitter, self.jitter)
        fields = uniform(keys.stream("field").words, (2, *x.shape[2:]), -1.0, 1.0) if self.alpha else None
        return elastic(x, jitter, fields, self.alpha, self.sigma)


def elastic(x: Images, jitter: torch.Tensor, fields: torch.Tensor | None, alpha: float, sigma: float) -> Images:
    """The transform from its draws.

    Args:
        x: (n, c, h, w) float32.
        jitter: (n, 3, 2), in pixels; see ``affine_of``.
        fields: (n, 2, h, w) in [-1, 1]: columns, then rows; ``None`` for no displacement.
        alpha, sigma: See ``ElasticTransform``.
    """
    fields = None if fields is None or alpha == 0 else smoothed(fields, sigma)
    height, width = x.shape[2:]
    return warp_twice(x, affine_of(height, width, jitter), fields, alpha)
