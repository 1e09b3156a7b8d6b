"""What stops a run: intervals that are narrow enough, or a model that does no more than guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar import measures
from brittlestar.attacks.base import Attack
from brittlestar.core.condition import TIME
from brittlestar.data.base import Source
from brittlestar.measures.base import LEVEL
from brittlestar.models.base import Model
from brittlestar.runs.first import Judge, Judgement
from brittlestar.runs.runner import Progress
from brittlestar.shifts.conditions import Condition
from brittlestar.store import RunStore


def precise_enough(
    target: float, folder: Path, source: Source, models: Sequence[Model], conditions: Sequence[Condition]
) -> Callable[[Progress], bool]:
    """A stop rule: every condition of every model has an interval of half-width at most ``target``.

    The intervals are those that the report will show: confidence sequences, for the whole set's mix of classes, of
    clusters where images depend on each other.

    Args:
        target: Half-width.
        folder: The run folder.
        source: What is evaluated.
        models: That are asked; those without gradients are not asked for attacks that need them.
        conditions: What is done to the images.
    """
    sizes = np.unique(source.labels, return_counts=True)[1]
    # Tallies will do where images are independent and count alike; elsewhere rows know their groups and weights.
    plain = source.groups is None and bool((sizes == sizes[0]).all())
    # The frames of a sequence depend on each other.
    plain = plain and all(c.info.kind not in ("sequence", TIME) for c in conditions)
    fingerprints = [c.fingerprint for c in conditions]
    needing = sum(isinstance(c.definition, Attack) and c.definition.needs_gradients for c in conditions)
    expected = sum(len(conditions) - (0 if model.differentiable else needing) for model in models)

    def estimates(progress: Progress) -> Iterator[measures.Estimate]:
        if plain:
            for n, errors in progress.tallies.values():
                yield measures.confidence_sequence(errors, n, LEVEL)
            return
        store = RunStore.open(folder)
        for model in models:
            rows = store.read(store.manifest.models[model.name]["fingerprint"], fingerprints, detail=False)
            for own in rows.values():
                yield measures.error_rate(own, "anytime", LEVEL)

    def enough(progress: Progress) -> bool:
        if len(progress.tallies) < expected:
            return False
        return all((e.high - e.low) / 2 <= target for e in estimates(progress))

    return enough


STRICT = 0.99
"""Level of the interval that stops a run: looked at up to ten times, and stopping a sound model would be worse than
letting a broken one through, which the report still tells."""


def judge_of(labels: npt.NDArray[np.int32]) -> Judge:
    """Tells models near chance on images with these labels (those of the whole data set) from first answers."""
    guess = measures.chance(labels)

    def judge(right: npt.NDArray[np.bool_], label: npt.NDArray[np.int32]) -> Judgement:
        accuracy = measures.accuracy_in_mix(right, label, labels, STRICT)
        near = True if measures.near_chance(accuracy, guess) else None
        # With one class a guess is always right, and being near it says nothing.
        if guess == 1 or accuracy.low > measures.chance_limit(guess):
            near = False
        mix = " in the mix of the data's classes" if abs(accuracy.value - right.mean()) > 0.005 else ""
        text = (
            f"{int(right.sum()):,} of the first {len(right):,}, {100 * accuracy.value:.1f} %{mix} "
            f"[{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]; always answering the commonest class is right in "
            f"{100 * guess:.1f} %"
        )
        return Judgement(near, accuracy.low > guess, text)

    return judge
