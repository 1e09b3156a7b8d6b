"""What turns drops into water in the spatter corruption: edges, distances, relief; integer arithmetic as OpenCV's."""

from __future__ import annotations

import torch
from torch.nn import functional

from brittlestar.shifts.ops.convolution.plain import padded

LOW, HIGH = 50, 150
"""Canny's thresholds on the sum of absolute derivatives."""

TANGENT = 13573
"""tan(22.5 degrees) times 2^15."""

FARTHEST = 20
"""Distances are cut off here, in pixels."""

STEPS = ((0, 1, 65536), (1, 0, 65536), (1, 1, 91750), (1, 2, 143976), (2, 1, 143976))
"""The 5 x 5 distance mask: rows, columns, length (1, 1.4 and 2.1969) times 2^16, for one quadrant."""

# The published kernel, which embosses.
RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))


def relief(levels: torch.Tensor) -> torch.Tensor:
    """How thick water looks: edges' distance, smoothed, equalised, embossed, smoothed.

    Args:
        levels: (n, h, w) uint8: how wet.

    Returns:
        (n, h, w) uint8.
    """
    distance = distances(edges(levels))
    smooth = _box(distance.to(torch.float64) / 65536)
    even = equalised((smooth + 1e-9).floor().to(torch.int32))
    wide = _ring(even)
    height, width = even.shape[1:]
    embossed = torch.zeros_like(even)
    for row, weights in enumerate(RELIEF):
        for column, weight in enumerate(weights):
            if weight:
                embossed += weight * wide[:, row : row + height, column : column + width]
    return _box(embossed.clamp_(0, 255).to(torch.float64)).round_().to(torch.uint8)


def _ring(x: torch.Tensor) -> torch.Tensor:
    return padded(padded(x, 1, 1, "reflect"), 1, 2, "reflect")


def _box(x: torch.Tensor) -> torch.Tensor:
    """Mean over 3 x 3, mirrored at the edges; float64, summed along rows and then down."""
    wide = _ring(x)
    across = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    return (across[:, :-2] + across[:, 1:-1] + across[:, 2:]) / 9


def edges(x: torch.Tensor) -> torch.Tensor:
    """Canny's edges of (n, h, w) uint8, as booleans: 3 x 3 Sobel, L1 norm, thresholds 50 and 150."""
    wide = padded(padded(x.to(torch.int32), 1, 1, "edge"), 1, 2, "edge")
    across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    dx = across[:, :, 2:] - across[:, :, :-2]
    down = wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]
    dy = down[:, 2:] - down[:, :-2]
    size = dx.abs() + dy.abs()
    around = functional.pad(size, (1, 1, 1, 1))
    height, width = x.shape[1:]

    def beside(row: int, column: int) -> torch.Tensor:
        return around[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    flat, steep = dx.abs() * TANGENT, dy.abs() << 15
    horizontal = steep < flat
    # tan(67.5 degrees) is tan(22.5 degrees) plus 2.
    vertical = steep > flat + (dx.abs() << 16)
    rising = (dx ^ dy) < 0
    falling_peak = (size > beside(-1, -1)) & (size > beside(1, 1))
    rising_peak = (size > beside(-1, 1)) & (size > beside(1, -1))
    # Of two equal neighbours the first is the edge, as in OpenCV; along diagonals neither is.
    peak = torch.where(
        horizontal,
        (size > beside(0, -1)) & (size >= beside(0, 1)),
        torch.where(
            vertical,
            (size > beside(-1, 0)) & (size >= beside(1, 0)),
            torch.where(rising, rising_peak, falling_peak),
        ),
    )
    weak = peak & (size > LOW)
    strong = weak & (size > HIGH)
    while True:
        grown = functional.max_pool2d(strong[:, None].to(torch.float32), 3, 1, 1)[:, 0] > 0
        grown &= weak
        if torch.equal(grown, strong):
            return strong
        strong = grown


def distances(edge: torch.Tensor) -> torch.Tensor:
    """Chamfer distance to the nearest edge, (n, h, w) int32 in 65,536ths of a pixel, cut off at 20 pixels."""
    far = FARTHEST * 65536
    nearest = torch.where(edge, 0, far).to(torch.int32)
    height, width = edge.shape[1:]
    reach = 2
    # No step is shorter than a pixel: after 20 rounds nothing below the limit can change.
    for _ in range(FARTHEST):
        around = functional.pad(nearest, (reach,) * 4, value=far)
        nearer = nearest
        for row, column, length in STEPS:
            for down, right in {(row, column), (row, -column), (-row, column), (-row, -column)}:
                top, left = reach + down, reach + right
                nearer = torch.minimum(nearer, around[:, top : top + height, left : left + width] + length)
        if torch.equal(nearer, nearest):
            break
        nearest = nearer
    return nearest


def equalised(x: torch.Tensor) -> torch.Tensor:
    """Histogram equalisation of (n, h, w) int32 in [0, 255]: the first level present becomes 0, the last 255."""
    count = x.shape[1] * x.shape[2]
    levels = torch.zeros(len(x), 256, dtype=torch.int64, device=x.device)
    one = torch.ones((), dtype=torch.int64, device=x.device)
    levels.scatter_add_(1, x.flatten(1).to(torch.int64), one.expand(len(x), count))
    total = levels.cumsum(1)
    first = total.gather(1, (total > 0).to(torch.int32).argmax(1, keepdim=True))
    scale = (255.0 / (count - first).clamp_min(1).to(torch.float64)).to(torch.float32)
    # In float32, as in OpenCV: its rounding decides between levels.
    table = ((total - first).to(torch.float32) * scale).round_().clamp_(0, 255).to(torch.int32)
    # An image of one level stays as it is.
    table = torch.where(first == count, torch.arange(256, dtype=torch.int32, device=x.device), table)
    return table.gather(1, x.flatten(1).to(torch.int64)).view_as(x)
