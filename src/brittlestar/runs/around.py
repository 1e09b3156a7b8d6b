"""Rows of the frames around samples: each anchor with its neighbours, decoded a few anchors at a time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.rows import Rows
from brittlestar.models.base import Model
from brittlestar.runs.truths import Truths
from brittlestar.shifts.base import Images

Places = npt.NDArray[np.int64]

AT_ONCE = 64 << 20
"""Bytes of decoded neighbours that are held at once."""


@dataclass(frozen=True)
class Surroundings:
    """The neighbours of the samples of a block.

    Fields:
        offset: (m,) frames after the sample, sample by sample.
        owner: (m,) which sample of the block each belongs to, ascending.
        load: Gives the (channel, height, width) uint8 frames of a slice of these, on the CPU.
        truths: (m, most) the right classes of each, where they are known by themselves; else those of the sample.
    """

    offset: npt.NDArray[np.int16]
    owner: npt.NDArray[np.int64]
    load: Callable[[slice], torch.Tensor]
    truths: Truths | None = None

    def right(
        self, right: torch.Tensor | None, target: torch.Tensor, owner: torch.Tensor, place: Places
    ) -> torch.Tensor | None:
        """(k, most) right classes of frames; ``None`` where the label of the sample is all there is.

        Args:
            right: (n, most) of the samples, where there are several.
            target: (n,) labels of the samples.
            owner: (k,) which sample each frame belongs to.
            place: (k,) which neighbour it is, -1 for the sample itself.
        """
        if self.truths is None:
            return None if right is None else right[owner]
        known = (target[:, None] if right is None else right)[owner]
        most = max(known.shape[1], self.truths.shape[1])
        # Repeating one of them changes nothing.
        whole = torch.cat([known, known[:, :1].expand(-1, most - known.shape[1])], 1)
        own = torch.from_numpy(self.truths).to(target)
        own = torch.cat([own, own[:, :1].expand(-1, most - own.shape[1])], 1)
        there = torch.from_numpy(place).to(target.device)
        return torch.where((there >= 0)[:, None], own[there.clamp(min=0)], whole) if len(own) else whole


def fill_around(
    images: Images,
    models: Sequence[Model],
    batch: int,
    around: Surroundings,
    rows_of: Callable[[Model, torch.Tensor, Places, Places], Rows],
) -> list[Rows]:
    """Rows of every frame for each model, sorted by (position, frame); frame 0 is the sample itself.

    Args:
        images: (n, channel, height, width) uint8, the anchors.
        models: All on one device.
        batch: Frames a forward pass.
        around: The neighbours.
        rows_of: Makes rows of all outputs of a model for frames, by the places of their samples in the block and by
            which neighbours they are (-1 for the samples themselves).
    """
    owner = np.concatenate([np.arange(len(images)), around.owner])
    # Stable, so that each sample's own frame comes before its neighbours.
    order = np.argsort(owner, kind="stable")
    owner = owner[order]
    offset = np.concatenate([np.zeros(len(images), np.int16), around.offset])[order]
    # Which neighbour a frame is; -1 for the samples themselves.
    place = np.concatenate([np.full(len(images), -1), np.arange(len(around.owner))])[order]
    logits: list[list[torch.Tensor]] = [[] for _ in models]
    change = np.empty((len(order), 2), np.float32)
    # Whole batches, so that rows do not depend on how many are decoded at once.
    many = max(AT_ONCE // math.prod(images.shape[1:]) // batch, 1) * batch
    for start in range(0, len(order), many):
        some = slice(start, start + many)
        frames = _frames(images, owner[some], place[some], around)
        for first in range(0, len(frames), batch):
            few = frames[first : first + batch]
            here = slice(start + first, start + first + len(few))
            # A batch at a time, as whole numbers take eight times the memory of the levels.
            change[here] = distances(few, images[torch.from_numpy(owner[here]).to(images.device)])
            x = few.to(torch.float32).div_(255)
            for own, model in zip(logits, models, strict=True):
                with torch.inference_mode():
                    own.append(model.all_outputs(x).detach().to(torch.float32))
    rows = (rows_of(model, torch.cat(own), owner, place) for model, own in zip(models, logits, strict=True))
    return [dataclasses.replace(one, frame=offset, change=change).sorted() for one in rows]


def _frames(images: Images, owner: npt.NDArray[np.int64], place: npt.NDArray[np.int64], around: Surroundings) -> Images:
    """(k, channel, height, width) uint8: samples from the block, neighbours decoded."""
    found = images[torch.from_numpy(owner).to(images.device)].clone()
    neighbours = np.flatnonzero(place >= 0)
    if len(neighbours):
        first, last = int(place[neighbours[0]]), int(place[neighbours[-1]])
        found[torch.from_numpy(neighbours).to(images.device)] = around.load(slice(first, last + 1)).to(images.device)
    return found


def distances(frames: Images, anchors: Images) -> npt.NDArray[np.float32]:
    """(k, 2): of (k, channel, height, width) uint8 frames from their anchors, in L-inf and in L2, pixels in [0, 1].

    Sums are of whole numbers, and so the same to the last bit on every device.
    """
    apart = (frames.to(torch.int32) - anchors.to(torch.int32)).flatten(1).abs()
    largest, squares = apart.amax(1).cpu().numpy(), apart.to(torch.int64).square().sum(1).cpu().numpy()
    return np.stack([largest / 255, np.sqrt(squares) / 255], 1).astype(np.float32)
