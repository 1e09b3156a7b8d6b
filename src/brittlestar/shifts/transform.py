"""Shifts inside a PyTorch input pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from brittlestar.core.keys import SampleKeys
from brittlestar.data.order import digest_of
from brittlestar.shifts.base import Shift


@dataclass(frozen=True)
class KeyedTransform:
    """A shift as a transform of single images: the key comes from the image's own content, so repeats are equal.

    Picklable; give it wherever a transform of (channel, height, width) tensors is taken, before any normalisation.

    Fields:
        shift: The shift.
        seed: Of the keys.
    """

    shift: Shift
    seed: int = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The shifted (channel, height, width) image."""
        content = digest_of(image.contiguous().cpu().numpy().tobytes()).hex()
        return self.shift(image[None], SampleKeys.of(self.seed, [content]).to(image.device))[0]


class ShiftedDataset(Dataset[Any]):
    """A data set of (image, label, ...) items with a shift on every image; the key comes from the item's place.

    The same place gives the same pixels in every epoch and worker.
    """

    def __init__(self, dataset: Any, shift: Shift, seed: int = 0) -> None:
        self.dataset, self.shift, self.seed = dataset, shift, seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: int) -> Any:
        image, *rest = self.dataset[place]
        return self.shift(image[None], SampleKeys.of(self.seed, [str(place)]).to(image.device))[0], *rest
