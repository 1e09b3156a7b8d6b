"""What a run's models answer to unlabelled images, and what images look like: asked block by block, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import StoreError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.data.base import Source
from brittlestar.measures.label_free_range import Described, described, image_values
from brittlestar.runs.bench import Bench
from brittlestar.runs.cell import fill, perturbed
from brittlestar.shifts.conditions import Condition
from brittlestar.store.unlabelled import FOLDER, Arrays, answers_of, kept, rows_of

Say = Callable[[str], None]

BLOCK = 256

_SMALL = 64 * 64
_PIECE = 32


def asked(
    bench: Bench, names: Sequence[str], source: Source, order: npt.NDArray[np.int64], folder: Path, say: Say
) -> tuple[dict[str, Rows], Mapping[str, npt.NDArray[np.float64]]]:
    """Every model's answers by its name, and what the images look like (``image_values``).

    Args:
        bench: The run's.
        names: Of its models.
        source: Of the images.
        order: Places in it.
        folder: In the run folder, where each block is kept as soon as it is there.
        say: Told how far it is, and of damage.
    """
    clean = next((c for c in bench.spec.conditions if c.definition is None), None)
    require(clean is not None, "the run has no clean condition to compare with", StoreError)
    assert clean is not None
    root = bench.store.path
    parts: dict[str, list[Rows]] = {name: [] for name in names}
    looks: list[Arrays] = []
    for start in range(0, len(order), BLOCK):
        block = _Block(bench, source, order[start : start + BLOCK], start, clean)
        end = f"b{start:08d}-{start + len(block.places):08d}.npz"
        looks.append(kept(root, folder / f"images-{end}", block.looks, say))
        for place, name in enumerate(names):
            path = folder / f"{bench.spec.fingerprints[place]}-{end}"
            parts[name].append(rows_of(kept(root, path, partial(block.answers, place), say)))
        say(f"{start + len(block.places):,} of {len(order):,} images answered")
    values = {key: np.concatenate([one[key] for one in looks]) for key in looks[0]}
    return {name: Rows.concatenate(own) for name, own in parts.items()}, values


class _Block:
    """Some of the images, decoded once and only if they are needed."""

    def __init__(
        self, bench: Bench, source: Source, places: npt.NDArray[np.int64], start: int, clean: Condition
    ) -> None:
        self.bench, self.source, self.places, self.start, self.clean = bench, source, places, start, clean
        self._images: torch.Tensor | None = None

    def images(self) -> torch.Tensor:
        if self._images is None:
            self._images = torch.from_numpy(self.source.load(self.places))
        return self._images

    def looks(self) -> Arrays:
        images = self.images().numpy()
        pieces = range(0, len(images), _PIECE)
        parts = [image_values(np.asarray(images[at : at + _PIECE] / 255, np.float32)) for at in pieces]
        return {key: np.concatenate([one[key] for one in parts]) for key in parts[0]}

    def answers(self, place: int) -> Arrays:
        spec, model = self.bench.spec, self.bench.models[place]
        keys = SampleKeys.of(spec.seed, [str(i) for i in self.source.ids[self.places]]).to(model.device)
        position = np.arange(self.start, self.start + len(self.places), dtype=np.int32)
        # No label is known; what rows say of labels is not kept.
        labels = np.zeros(len(self.places), np.int32)
        (rows,) = fill(self.images().to(model.device), labels, position, keys, self.clean, [model], spec.batch)
        return answers_of(rows)


def seen_under_shifts(bench: Bench, say: Say) -> dict[str, Described]:
    """What the run's own images look like, clean and under each of its shifts, by condition; kept in the run folder."""
    spec, shape = bench.spec, bench.spec.source.info.shape
    # Means over images settle soon, and shifts of large images take long.
    count = 64 if shape[1] * shape[2] <= _SMALL else 24
    places = spec.source.present(spec.order)[:count]
    own = _OwnImages(bench, places, say)
    found: dict[str, Described] = {}
    for condition in spec.conditions:
        if condition.info.kind in ("clean", "shift"):
            path = bench.store.path / FOLDER / "conditions" / f"{condition.fingerprint}-{len(places)}.npz"
            found[condition.info.id] = described(dict(kept(bench.store.path, path, partial(own.looks, condition), say)))
    return found


class _OwnImages:
    """Some of the run's own images, decoded once and only if they are needed."""

    def __init__(self, bench: Bench, places: npt.NDArray[np.int64], say: Say) -> None:
        self.source, self.places, self.say = bench.spec.source, places, say
        self.keys = SampleKeys.of(bench.spec.seed, [str(i) for i in self.source.ids[places]])
        self._images: torch.Tensor | None = None

    def looks(self, condition: Condition) -> Arrays:
        if self._images is None:
            self.say("looking at the run's own images under its shifts")
            self._images = torch.from_numpy(self.source.load(self.places)).to(torch.float32) / 255
        labels = torch.zeros(len(self.places), dtype=torch.int64)
        return image_values(perturbed(condition, self._images, labels, self.keys, None).numpy())
