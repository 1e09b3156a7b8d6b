"""The task of a sharper map: single cells here and there, of which only the label's margin is kept."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core import whereabouts
from brittlestar.core.errors import ModelError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.core.sealed import Damaged, read_sealed, write_sealed
from brittlestar.core.sizes import at_once
from brittlestar.runs.bench import Bench
from brittlestar.runs.cell import perturbed
from brittlestar.runs.task import Done
from brittlestar.runs.truths import folded

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MarginTask:
    """Cells of one model and of one piece of the order, and where their margins go.

    Fields:
        start, stop: The piece.
        model: Place among the bench's models.
        condition: (n,) places among the bench's conditions, ascending.
        sample: (n,) positions in the piece.
        path: ``.npy`` of the margins, (n,) float32, written whole or not at all.
    """

    start: int
    stop: int
    model: int
    condition: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    path: Path

    @property
    def work(self) -> float:
        """Forward passes in all."""
        return float(len(self.condition))

    def run(self, bench: Bench) -> Done:
        """Ask the model, and keep the margins; no cell is whole, so there is nothing to tally."""
        began = time.perf_counter()
        margin = np.empty(len(self.condition), np.float32)
        with torch.inference_mode(), whereabouts.at("waves", self.start, self.stop, [bench.models[self.model].name]):
            self._ask(bench, margin)
        require(
            bool(np.isfinite(margin).all()),
            f"model {bench.models[self.model].name} gave outputs that are not finite; everything computed so far is "
            "kept",
            ModelError,
        )
        file = io.BytesIO()
        np.save(file, margin)
        write_sealed(self.path, file.getvalue())
        return Done(self, seconds=time.perf_counter() - began)

    def _ask(self, bench: Bench, margin: Floats) -> None:
        """Decode the images that are asked about, and no others; put waves together until they fill a batch."""
        spec, model, batch = bench.spec, bench.models[self.model], bench.spec.batch
        used, row = np.unique(self.sample, return_inverse=True)
        places = spec.order[used]
        images = torch.from_numpy(spec.source.load(places)).to(model.device)
        keys = SampleKeys.of(spec.seed, [str(i) for i in spec.source.ids[places]]).to(model.device)
        labels = torch.from_numpy(spec.labels[used]).to(model.device, torch.int64)
        rows = torch.from_numpy(row.reshape(-1)).to(model.device)
        right = None if spec.truths is None else torch.from_numpy(spec.truths[used]).to(model.device, torch.int64)
        waiting: list[torch.Tensor] = []
        first = 0
        waves = np.flatnonzero(np.diff(self.condition, prepend=-1))
        # A wave's images are shifted together, unless they are so large that they would not fit.
        most = max(batch, at_once(spec.source.info.shape, len(self.condition)))
        ends = [*waves[1:], len(self.condition)]
        starts = [at for a, b in zip(waves, ends, strict=True) for at in range(int(a), int(b), most)]
        for start, stop in zip(starts, [*starts[1:], len(self.condition)], strict=True):
            at = rows[int(start) : int(stop)]
            plain = images[at].to(torch.float32).div_(255)
            condition = spec.conditions[int(self.condition[start])]
            waiting.append(perturbed(condition, plain, labels[at], keys[at], model))
            whereabouts.alive()
            if stop - first >= batch or stop == len(self.condition):
                x = torch.cat(waiting)
                for place in range(0, len(x), batch):
                    piece = slice(first + place, min(first + place + batch, int(stop)))
                    logits = model.logits(x[place : place + batch]).to(torch.float32)
                    if right is not None:
                        logits = folded(logits, labels[rows[piece]], right[rows[piece]])
                    margin[piece] = margins(logits, labels[rows[piece]])
                waiting, first = [], int(stop)


def read_margins(path: Path, count: int) -> Floats:
    """The margins that a task kept, (count,).

    Raises:
        Damaged: The file is missing, not what was written, or of another number of cells.
    """
    content = read_sealed(path, required=False)
    try:
        margin: Floats = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Damaged(path, str(error)) from error
    if margin.shape != (count,):
        raise Damaged(path, f"it holds {margin.shape} answers, not {count}")
    return margin


def margins(logits: torch.Tensor, labels: torch.Tensor) -> Floats:
    """(n,) the label's logit minus the highest other one; below 0 where the label is not the first among the highest.

    A tie counts as right only where the label comes first, as in ``argmax``; it is then the smallest number above 0.
    """
    own = logits.gather(1, labels[:, None])[:, 0]
    rest = logits.scatter(1, labels[:, None], -torch.inf).max(1).values
    apart = own - rest
    right = logits.argmax(1) == labels
    tie = torch.finfo(torch.float32).tiny
    apart = torch.where(apart == 0, torch.where(right, tie, -tie), apart)
    return np.asarray(apart.cpu().numpy(), np.float32)


def margin_tasks(
    name: str,
    condition: npt.NDArray[np.int64],
    sample: npt.NDArray[np.int64],
    model: int,
    size: int,
    folder: Path,
) -> list[tuple[MarginTask, npt.NDArray[np.int64]]]:
    """Cells cut into tasks of ``size`` samples of the order, each with the places of its cells."""
    tasks = []
    for at in np.unique(sample // size):
        own = np.flatnonzero(sample // size == at)
        # By wave, then sample: each wave is then made in one call for all its images.
        own = own[np.lexsort((sample[own], condition[own]))].astype(np.int64)
        start = int(at) * size
        path = folder / f"{name}-{start:06d}.npy"
        tasks.append((MarginTask(start, start + size, model, condition[own], sample[own], path), own))
    return tasks
