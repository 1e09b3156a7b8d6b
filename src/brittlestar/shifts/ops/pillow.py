"""Operations of Pillow on batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image


def picture_by_picture(levels: torch.Tensor, change: Callable[[Image.Image], Image.Image]) -> torch.Tensor:
    """(n, c, h, w) uint8 images on the CPU through an operation that keeps their size.

    Nothing is copied where the images lie in memory with their channels last, and so does the result.
    """
    pixels = levels.permute(0, 2, 3, 1).contiguous().numpy()
    changed = np.empty_like(pixels)
    for number, image in enumerate(pixels):
        # Pillow's grey pictures have no axis for the channel.
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        changed[number] = np.asarray(change(picture)).reshape(image.shape)
    return torch.from_numpy(changed).permute(0, 3, 1, 2)
