"""Canny's edge detector as scikit-image has it: Gaussian of sigma 1, interpolated non-maximum suppression, hysteresis.

Not the one of ``ops.water``, which is OpenCV's: integers, no smoothing, four directions.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from brittlestar.shifts.ops.convolution.plain import along, gaussian_weights, padded

LOW, HIGH = 0.1, 0.2
"""Thresholds on the length of the Sobel gradient of images in [0, 1]."""

# numpy's machine epsilon, which scikit-image adds to the divisor.
_EPSILON = 2.0**-52


def canny(x: torch.Tensor, sigma: float = 1.0) -> torch.Tensor:
    """Edges of (n, h, w) floats in [0, 1], as booleans.

    Reference:
        Canny 1986, https://doi.org/10.1109/TPAMI.1986.4767851
    """
    # The blur sees black outside; dividing by a blurred white image makes up for it.
    smooth = _blurred(x.to(torch.float64), sigma) / (
        _blurred(torch.ones_like(x[:1], dtype=torch.float64), sigma) + _EPSILON
    )
    down, right = _sobel(smooth, 1), _sobel(smooth, 2)
    size = (down * down + right * right).sqrt()
    around = functional.pad(size, (1, 1, 1, 1))
    height, width = x.shape[1:]

    def beside(row: int, column: int) -> torch.Tensor:
        return around[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    steep, flat = down.abs(), right.abs()
    falling = ((down >= 0) & (right >= 0)) | ((down <= 0) & (right <= 0))
    mostly_down = torch.where(falling, steep > flat, steep >= flat)
    longer = torch.maximum(steep, flat)
    # Without a gradient there is no direction: 0 / 1, not 0 / 0.
    share = torch.minimum(steep, flat) / torch.where(longer > 0, longer, 1.0)
    diagonal = torch.where(falling, beside(1, 1), beside(-1, 1))
    opposite = torch.where(falling, beside(-1, -1), beside(1, -1))
    straight = torch.where(mostly_down, torch.where(falling, beside(1, 0), beside(-1, 0)), beside(0, 1))
    behind = torch.where(mostly_down, torch.where(falling, beside(-1, 0), beside(1, 0)), beside(0, -1))
    peak = (diagonal * share + straight * (1 - share) <= size) & (opposite * share + behind * (1 - share) <= size)
    peak &= size >= LOW
    # scikit-image finds no edges in the outermost ring, where gradients look beyond the image.
    peak[:, [0, -1], :] = False
    peak[:, :, [0, -1]] = False
    strong = peak & (size >= HIGH)
    while True:
        grown = functional.max_pool2d(strong[:, None].to(torch.float32), 3, 1, 1)[:, 0] > 0
        grown &= peak
        if torch.equal(grown, strong):
            return strong
        strong = grown


def _blurred(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur with nothing outside the image."""
    weights = gaussian_weights(sigma)
    reach = len(weights) // 2
    wide = functional.pad(x[:, None], (reach, reach, reach, reach))
    blurred = along(along(wide, weights, 2), weights, 3)
    return blurred[:, 0, reach:-reach, reach:-reach]


def _sobel(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Derivative along ``dim``, smoothed (1, 2, 1) along the other; edges mirrored with the outermost repeated."""
    other = 3 - dim
    wide = padded(padded(x, 1, 1, "symmetric"), 1, 2, "symmetric")
    size, across = x.shape[dim], x.shape[other]
    change = wide.narrow(dim, 2, size) - wide.narrow(dim, 0, size)
    return change.narrow(other, 0, across) + 2 * change.narrow(other, 1, across) + change.narrow(other, 2, across)
