"""Sharper Fourier maps: intervals of a given width from few passes, over cells that a sampling design chooses.

Everything that a design draws and sees is kept in a folder of its own, so a killed one goes on with the same draws and
loses no answer, and one that is asked for narrower intervals goes on from what is known.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.analyses.margin_task import margin_tasks, read_margins
from brittlestar.analyses.sampling import Field, Stage, active_estimate, auxiliary_of_map, fixed_passes, image_features
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import UsageError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged, read_arrays, write_arrays
from brittlestar.core.sizes import at_once
from brittlestar.measures.sampled import FOLDER, MAP, SampledMap, write_sampled
from brittlestar.measures.samples import Samples
from brittlestar.runs.bench import BenchSpec
from brittlestar.runs.executors import Executor
from brittlestar.runs.request import FollowUp
from brittlestar.runs.runner import through
from brittlestar.shifts.spectral import FourierBasis
from brittlestar.store import RunStore
from brittlestar.store.damage import set_aside
from brittlestar.store.skipped import skipped_of
from brittlestar.suites.base import Shape, Suite

Floats = npt.NDArray[np.float32]
Say = Callable[[str], None]

# To be raised when a design draws otherwise, so that no survey goes on with stages of another version.
_VERSION = 1
_RECORDED = "fourier (surveyed)"
"""How sessions record it: run folders are matched by this text, so it stays as it was first written."""
_PIECE = 16_000_000
"""Pixels times channels that a task may need decoded at once."""


def sharper(suite: Suite, shape: Shape, half_width: float, level: float = 0.95) -> FollowUp:
    """What ``evaluate`` does after the clean images, so that every model of the run has a map as sharp as asked for.

    Args:
        suite: Holds the waves.
        shape: (channel, height, width) of the images.
        half_width: Of every frequency's interval, all intervals holding together; in (0, 0.5).
        level: That they hold.

    Raises:
        UsageError: An impossible half-width.
    """
    told = f"a half-width lies between 0 and 0.5, for instance 0.06; got {half_width}"
    require(0 < half_width < 0.5, told, UsageError)
    waves = tuple(c for c in suite.conditions(shape) if isinstance(c.definition, FourierBasis))

    def follow(executor: Executor, spec: BenchSpec, store: RunStore, say: Say) -> int:
        passes = 0
        clean = next(c for c in spec.conditions if c.definition is None).fingerprint
        for place, fingerprint in enumerate(spec.fingerprints):
            rows = store.read(fingerprint, [clean])[clean].sorted()
            # Images may be gone since they were answered.
            rows = rows.take(~np.isin(rows.position, list(skipped_of(store.manifest))))
            passes += sharpen(executor, spec, place, rows, half_width, level=level, say=say).passes
        return passes

    return FollowUp(waves, follow, _RECORDED)


def sharpen(
    executor: Executor,
    spec: BenchSpec,
    model: int,
    clean: Rows,
    half_width: float,
    *,
    level: float = 0.95,
    say: Say = lambda _: None,
) -> SampledMap:
    """The Fourier map of one model; kept in the run folder.

    Args:
        executor: Where the model is asked.
        spec: Its conditions hold the waves of the map (and others).
        model: Place in ``spec``.
        clean: Rows of the unchanged images, sorted by position; they are the samples of the map.
        half_width, level: See ``sharper``.
        say: Told what is asked.
    """
    waves = [i for i, c in enumerate(spec.conditions) if isinstance(c.definition, FourierBasis)]
    definitions = [d for i in waves if isinstance(d := spec.conditions[i].definition, FourierBasis)]
    frequencies, norm = [(d.row, d.column) for d in definitions], definitions[0].norm
    count, (channels, height, width) = len(clean), spec.source.info.shape
    order = spec.order[clean.position]
    # Without the half-width: whoever asks for narrower intervals later goes on from the same stages.
    made = [_VERSION, spec.seed, count, level, *(spec.conditions[i].fingerprint for i in waves)]
    if not np.array_equal(clean.position, np.arange(count)):
        made.append(clean.position.tolist())
    folder = spec.folder / FOLDER / spec.fingerprints[model] / fingerprint_of(made)
    folder.mkdir(parents=True, exist_ok=True)
    keys = SampleKeys.of(spec.seed, [str(i) for i in spec.source.ids[order]])
    # The shift's own stream: which channels move together is known before anything is asked.
    signs = [keys.stream(FourierBasis.name, *f).signs((channels,)).numpy().astype(np.int8) for f in frequencies]
    # In parts, as decoded images take far more memory than their features.
    part = at_once(spec.source.info.shape, 500)
    images = [image_features(spec.source.load(order[start : start + part])) for start in range(0, count, part)]
    labels = clean.label.astype(np.int64)
    auxiliary = auxiliary_of_map(
        frequencies, height, width, _logits(clean), labels, np.stack(signs), np.concatenate(images)
    )
    field = _Asked(executor, spec, model, clean.position, np.array(waves, np.int64), folder, say)
    # The guesses are fitted with gradients, whatever the caller has switched off.
    with torch.inference_mode(False):
        estimate = active_estimate(auxiliary, field, half_width, level=level, seed=spec.seed)
    rates = estimate.rates
    sampled = SampledMap(
        height,
        width,
        tuple(frequencies),
        estimate.stand_ins,
        clean.position,
        rates.variance,
        rates.typical,
        rates.freedom,
        norm,
        rates.passes,
        fixed_passes(rates.value, float(rates.half_width(level).max()), level),
    )
    sampled = sampled.drawn_as(Samples.of(clean), rates.sampling, rates.value)
    write_sampled(sampled, folder / MAP)
    return sampled


def _logits(clean: Rows) -> Floats:
    """(n, classes) clean logits; where only the highest are stored, the others lie one below the lowest of these."""
    if clean.logits is not None:
        return clean.logits
    assert clean.top_classes is not None and clean.top_logits is not None
    classes = int(max(clean.top_classes.max(), clean.label.max())) + 1
    filled = np.repeat(clean.top_logits.min(1, keepdims=True) - 1, classes, axis=1)
    at = np.arange(len(clean))
    filled[at, clean.label] = np.minimum(clean.label_logit, filled[at, clean.label])
    np.put_along_axis(filled, clean.top_classes.astype(np.int64), clean.top_logits, axis=1)
    return np.asarray(filled, np.float32)


class _Asked(Field):
    """Cells of one model, asked through an executor; stages and answers are files."""

    def __init__(
        self,
        executor: Executor,
        spec: BenchSpec,
        model: int,
        positions: npt.NDArray[np.int32],
        waves: npt.NDArray[np.int64],
        folder: Path,
        say: Say,
    ) -> None:
        self.executor, self.spec, self.model, self.positions, self.waves = executor, spec, model, positions, waves
        self.folder, self.say = folder, say
        pixels = int(np.prod(spec.source.info.shape))
        self.size = int(np.clip(_PIECE // pixels, 50, 1000))

    def kept(self, name: str) -> Stage | None:
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            return None
        try:
            kept = read_arrays(path, required=False)
            return Stage(kept["condition"], kept["sample"], kept["probability"], kept["expected"])
        except (Damaged, KeyError) as error:
            # It is drawn again; what was answered belongs to the cells that it named.
            for file in (path, *self.folder.glob(f"{name}-*.npy")):
                self._aside(file, error)
            return None

    def keep(self, name: str, stage: Stage) -> None:
        drawn = {field: getattr(stage, field) for field in ("condition", "sample", "probability", "expected")}
        write_arrays(self.folder / f"{name}.npz", drawn)

    def _aside(self, path: Path, why: object) -> None:
        moved = set_aside(self.spec.folder, path)
        self.say(f"{path.relative_to(self.spec.folder)} is damaged ({why}): moved to {moved}; asked again")

    def margins(self, name: str, stage: Stage) -> Floats:
        sample = self.positions[stage.sample].astype(np.int64)
        asked = margin_tasks(name, self.waves[stage.condition], sample, self.model, self.size, self.folder)
        for task, places in asked:
            if task.path.is_file():
                try:
                    read_margins(task.path, len(places))
                except Damaged as error:
                    self._aside(task.path, error.why)
        passes = 0
        for done in through(self.executor, [task for task, _ in asked if not task.path.is_file()]):
            passes += int(done.task.work)
            self.say(f"{name}: {passes:,} of {len(stage.condition):,} passes")
        margin = np.empty(len(stage.condition), np.float32)
        for task, places in asked:
            margin[places] = read_margins(task.path, len(places))
        return margin
