"""Sampling images at places between pixels."""

from __future__ import annotations

import torch
from torch.nn import functional


def sample(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, border: str) -> torch.Tensor:
    """Bilinear interpolation.

    Args:
        x: (n, c, h, w) float32.
        rows, columns: (n, h', w') float32, in pixels from the centre of the first one.
        border: ``symmetric`` (cba|abc|cba), ``reflect`` (dcb|abcd|cba), or ``black``: the image lies on black and
            its edges fade into it over one pixel, as in OpenCV's warps.

    Returns:
        (n, c, h', w').
    """
    if border == "black":
        x, rows, columns = on_black(x, rows, columns)
    height, width = x.shape[2:]
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    up, back = 1 - down, 1 - right
    top, left = top.to(torch.int64), left.to(torch.int64)
    first, second = folded(top, height, border), folded(top + 1, height, border)
    start, end = folded(left, width, border), folded(left + 1, width, border)
    flat = x.flatten(2)

    def pick(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        place = (row * width + column).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        return flat.gather(2, place).view(*x.shape[:2], *rows.shape[1:])

    above = (pick(first, start) * back).add_(pick(first, end).mul_(right))
    below = (pick(second, start) * back).add_(pick(second, end).mul_(right))
    return above.mul_(up).add_(below.mul_(down))


def on_black(
    x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images with a black rim of one pixel, and places in them that leave the rim nowhere."""
    wide = functional.pad(x, (1, 1, 1, 1))
    return wide, (rows + 1).clamp_(0, x.shape[2] + 1), (columns + 1).clamp_(0, x.shape[3] + 1)


def folded(index: torch.Tensor, size: int, border: str) -> torch.Tensor:
    """Indices outside ``[0, size)`` brought inside as the border says."""
    if border == "reflect":
        period = max(1, 2 * size - 2)
        index = index.remainder(period)
        return torch.minimum(index, (period - index).clamp_min(0))
    index = index.remainder(2 * size)
    return torch.minimum(index, 2 * size - 1 - index)


def warp_twice(x: torch.Tensor, back: torch.Tensor, fields: torch.Tensor | None, alpha: float) -> torch.Tensor:
    """Images seen through affine maps, edges mirrored without repeating them, and then displaced.

    Args:
        x: (n, c, h, w) float32.
        back: (n, 2, 3) float64: column and row in the image for (column, row, 1) in the result.
        fields: (n, 2, h, w) float32 displacements: columns, then rows; ``None`` for none.
        alpha: What they are multiplied by, in pixels.
    """
    height, width = x.shape[2:]
    rows = torch.arange(height, dtype=torch.float64, device=x.device)[:, None]
    columns = torch.arange(width, dtype=torch.float64, device=x.device)
    m = back[:, :, :, None, None]
    from_column = m[:, 0, 0] * columns + m[:, 0, 1] * rows + m[:, 0, 2]
    from_row = m[:, 1, 0] * columns + m[:, 1, 1] * rows + m[:, 1, 2]
    x = sample(x, from_row.to(torch.float32), from_column.to(torch.float32), "reflect")
    if fields is None:
        return x
    moved = fields * alpha
    down = moved[:, 1] + torch.arange(height, dtype=torch.float32, device=x.device)[:, None]
    across = moved[:, 0] + torch.arange(width, dtype=torch.float32, device=x.device)
    return sample(x, down, across, "symmetric")
