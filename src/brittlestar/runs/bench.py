"""A work bench: what one process needs to fill cells, built once from a picklable order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core import whereabouts
from brittlestar.core.condition import TIME
from brittlestar.core.errors import DataError
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.core.sizes import at_once
from brittlestar.core.text import readable
from brittlestar.data.base import Source, reason_of
from brittlestar.models.base import Model
from brittlestar.models.tune import tune
from brittlestar.runs.around import Surroundings
from brittlestar.runs.cell import Pictures, fill
from brittlestar.runs.identity import Behaviour, check_loaded
from brittlestar.runs.skipped import Unread, load_block
from brittlestar.runs.truths import Truths
from brittlestar.shifts.conditions import Condition
from brittlestar.shifts.sequence_base import Sequence as Sequence_
from brittlestar.store import RunStore
from brittlestar.store.skipped import Skipped

PROBE = 16
"""Images that a faster way of answering is held against; fewer of large ones."""

TUNING = 5 * PROBE
"""About so many forward passes that takes."""

_BLOCK = 256 << 20
"""Bytes of decoded images that are held at once; a block of more is worked through in pieces."""

_PICTURES = 512 << 20
"""Bytes of whole pictures that are kept while their block is worked on."""


class ModelMaker(Protocol):
    """Builds a model again, in another process and on another device if it is told one."""

    def __call__(self, device: str | None = None) -> Model:
        """The model; without a device, where it was specified."""


@dataclass(frozen=True)
class BenchSpec:
    """Everything a bench is built from; picklable where its parts are.

    Fields:
        source: The opened data.
        order: Places in the source's listing, in the seeded order.
        labels: (n,) labels in the seeded order, as the models number them.
        seed: Of keys and order.
        conditions: The plan's list.
        makers: One a model: builds it on its device.
        fingerprints: One a model.
        batch: Samples a forward pass.
        folder: The run folder.
        tune: Whether models may answer in a faster way that gives the same logits (``models.tune``).
        probe: On how many images a faster way, or another backend, is held against the model itself.
        behaviours: One a model, what it answered at the start: models that are loaded again must answer so too.
        devices: What workers of this machine compute on, in turn; empty: where the makers have their models.
        truths: (n, most) right classes in the seeded order, where there are several a sample.
    """

    source: Source
    order: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    seed: int
    conditions: tuple[Condition, ...]
    makers: tuple[ModelMaker, ...]
    fingerprints: tuple[str, ...]
    batch: int
    folder: Path
    tune: bool = True
    probe: int = PROBE
    behaviours: tuple[Behaviour, ...] = ()
    devices: tuple[str, ...] = ()
    truths: Truths | None = None


@dataclass
class Bench:
    """What tasks are run at: models, data and run folder; keeps the decoded block between tasks."""

    spec: BenchSpec
    models: Sequence[Model]
    store: RunStore
    tuning: dict[str, str] = field(init=False)
    _block: tuple[int, int] = (-1, -1)
    _positions: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    _images: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    _keys: SampleKeys | None = None
    _pictures: dict[int, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tuning = {}
        # The same images in every process, so that workers, resumed runs and audits tune alike.
        count = at_once(self.spec.source.info.shape, self.spec.probe)
        first = torch.from_numpy(self.spec.source.load(self.spec.source.present(self.spec.order)[:count]))
        for model in self.models:
            note = tune(model, first.to(model.device, torch.float32) / 255, self.spec.tune)
            if note is not None:
                self.tuning[model.name] = note

    @classmethod
    def build(cls, spec: BenchSpec, device: str | None = None) -> Bench:
        """Load the models; onto ``device`` where one is told, else where the makers have them.

        Raises:
            StoreError: One of them is not what it was when the session began.
        """
        models = [maker(device) for maker in spec.makers]
        for model in models:
            model.space = spec.source.space
        # Before they are tuned, as then.
        for model, behaviour in zip(models, spec.behaviours, strict=False):
            check_loaded(model.name, behaviour, model, spec.source)
        return cls(spec, models, RunStore.open(spec.folder))

    def rows(self, start: int, stop: int, groups: Sequence[tuple[int, Sequence[int]]]) -> dict[tuple[int, int], Rows]:
        """Rows of a block by (model, condition), not stored; none where all of its samples are skipped.

        Args:
            start, stop: The block.
            groups: For each model (by its place) the conditions (by theirs).

        Raises:
            Unread: Samples of the block cannot be read.
        """
        # By condition, because models share the images that a shift gives.
        wanted: dict[int, list[int]] = {}
        for model, conditions in groups:
            for c in conditions:
                wanted.setdefault(c, []).append(model)
        parts: dict[tuple[int, int], list[Rows]] = {}
        for begin in range(start, stop, self._piece):
            end = min(begin + self._piece, stop)
            images, keys, labels, positions = self.block(begin, end)
            for c, models in wanted.items() if len(positions) else ():
                condition, asked = self.spec.conditions[c], [self.models[m] for m in models]
                with whereabouts.at(condition.info.id, start, stop, [model.name for model in asked]):
                    answers = fill(
                        images,
                        labels,
                        positions,
                        keys,
                        condition,
                        asked,
                        self.spec.batch,
                        self._pictures_of(condition),
                        None if self.spec.truths is None else self.spec.truths[positions],
                        self._around(condition),
                    )
                for m, rows in zip(models, answers, strict=True):
                    parts.setdefault((m, c), []).append(rows)
        return {cell: own[0] if len(own) == 1 else Rows.concatenate(own) for cell, own in parts.items()}

    @property
    def _piece(self) -> int:
        """How many images of a block are held at once: whole batches, so that rows do not depend on it."""
        batch = self.spec.batch
        return max(_BLOCK // math.prod(self.spec.source.info.shape) // batch * batch, batch)

    def block(
        self, start: int, stop: int
    ) -> tuple[torch.Tensor, SampleKeys, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Images (uint8), keys, labels and positions of a block, or of a piece of it, without skipped samples; decoded
        once for its tasks."""
        if self._block != (start, stop):
            device = self.models[0].device
            self._positions, images = load_block(self.spec.source, self.spec.order, self.store, start, stop)
            places = self.spec.order[self._positions]
            self._images = torch.from_numpy(images).to(device)
            self._keys = SampleKeys.of(self.spec.seed, [str(i) for i in self.spec.source.ids[places]]).to(device)
            self._block = (start, stop)
            self._pictures = {}
        assert self._keys is not None
        return self._images, self._keys, self.spec.labels[self._positions], self._positions

    def _around(self, condition: Condition) -> Surroundings | None:
        """The frames around the block's samples, where the condition shows them."""
        neighbours = self.spec.source.neighbours
        if condition.info.kind != TIME or neighbours is None:
            return None
        places = self.spec.order[self._positions]
        which, owner = neighbours.of_samples(places)

        def load(piece: slice) -> torch.Tensor:
            try:
                return torch.from_numpy(self.spec.source.load_neighbours(which[piece]))
            except DataError as error:
                # Told of the sample: without its neighbourhood it has no row.
                own = sorted({int(place) for place in owner[piece]})
                raise Unread(self._without_neighbours(own, which, owner, error)) from error

        # They are numbers of the data's classes, which a label space leaves as they are.
        own = neighbours.truths if self.spec.source.space is not None else None
        return Surroundings(neighbours.offset[which], owner, load, None if own is None else own[which])

    def _without_neighbours(
        self, own: list[int], which: npt.NDArray[np.int64], owner: npt.NDArray[np.int64], error: DataError
    ) -> list[Skipped]:
        """Those of some of the block's samples that have a neighbour which cannot be read, and why."""
        lacking = []
        for place in own:
            try:
                self.spec.source.load_neighbours(which[owner == place])
            except DataError as why:
                name = readable(self.spec.source.names()[self.spec.order[self._positions[place]]])
                lacking.append(Skipped(int(self._positions[place]), name, readable(reason_of(why))))
        if not lacking:
            raise error
        return lacking

    def _pictures_of(self, condition: Condition) -> Pictures | None:
        definition = condition.definition
        moves = isinstance(definition, Sequence_) and definition.moves
        return self._read if moves and self.spec.source.info.cropped else None

    def _read(self, piece: slice) -> list[torch.Tensor]:
        """Pictures of a part of the block, decoded once as long as there is room for them."""
        places = self._positions[piece].tolist()
        lacking = [p for p in places if p not in self._pictures]
        read = self.spec.source.pictures(self.spec.order[lacking]) if lacking else []
        pictures = self._pictures | {p: torch.from_numpy(x) for p, x in zip(lacking, read, strict=True)}
        if sum(x.nbytes for x in pictures.values()) <= _PICTURES:
            self._pictures = pictures
        return [pictures[p] for p in places]
