"""Shifts inside a PyTorch input pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from brittlestar.core.errors import UsageError, require
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
    """A map-style data set with a shift on every image; the same item has the same pixels in every epoch and worker.

    Args:
        dataset: Its items are images, (channel, height, width) tensors before any normalisation, or tuples that begin
            with one.
        shift: The shift.
        seed: Of the keys.
        ids: A stable id for every item; its place in the data set where left out.

    Raises:
        UsageError: There are not as many ids as items.
        IndexError: A place outside the data set.
    """

    def __init__(self, dataset: Any, shift: Shift, seed: int = 0, ids: Sequence[str] | None = None) -> None:
        require(
            ids is None or len(ids) == len(dataset),
            f"a shifted data set needs one id an item, got {len(ids or ())} for {len(dataset)} items",
            UsageError,
        )
        self.dataset, self.shift, self.seed, self.ids = dataset, shift, seed, ids

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: int) -> Any:
        # -1 is the last item, with the same key as its positive place; beyond the ends this raises IndexError.
        place = range(len(self))[place]
        item = self.dataset[place]
        image = item if isinstance(item, torch.Tensor) else item[0]
        name = str(place) if self.ids is None else self.ids[place]
        shifted = self.shift(image[None], SampleKeys.of(self.seed, [name]).to(image.device))[0]
        return shifted if isinstance(item, torch.Tensor) else (shifted, *item[1:])
