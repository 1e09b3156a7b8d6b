"""From data and a recipe's name to a file of weights that says how it was made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.files import make_folder
from brittlestar.core.keys import word_of
from brittlestar.data import Source
from brittlestar.models import ModelSpec
from brittlestar.models.base import Preprocess
from brittlestar.models.devices import check_device
from brittlestar.models.files import state_dict
from brittlestar.models.zoo import build
from brittlestar.training.loop import Epoch, Labelled, Plan, accuracy, batches, save_weights, train, trial
from brittlestar.training.recipes import Recipe
from brittlestar.training.split import divide
from brittlestar.training.start import built_by, checked, opened, origin

WEIGHTS = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"


def fit(
    source: Source,
    recipe: Recipe,
    plan: Plan,
    folder: Path,
    *,
    architecture: str = "small_cnn",
    seed: int = 0,
    samples: int | None = None,
    held_out: float = 0.1,
    device: str = "cpu",
    start: ModelSpec | None = None,
    progress: Callable[[Epoch], None] = lambda _: None,
) -> Path:
    """Train a named architecture on a source's images.

    Killed and called again, it goes on after the last epoch; what is finished is not trained again.

    Recipes are paired by seed: what is held out, the initial weights, the order of the images and how each is moved
    and mirrored depend on the seed and not on the recipe.

    Normalisation is by the training images' channel means and standard deviations (after the recipe's filter, where it
    filters), and stands in the file, so that ``brittlestar run --model FILE`` needs nothing else.

    Args:
        source: Labelled images, all of one size.
        recipe: What happens to them.
        plan: How the weights are moved.
        folder: Gets ``model.safetensors`` and, meanwhile, ``checkpoint.safetensors``.
        architecture: Of ``models.zoo``; not used with ``start``.
        seed: Of weights, order and draws.
        samples: Use so many images of the seeded, class-balanced order; all otherwise.
        held_out: Share of every class kept for the accuracy after every epoch; in [0, 1).
        device: Where it is trained.
        start: Go on from this model's weights, with its normalisation, instead of from fresh ones. A network that a
            factory builds is loaded again with the same factory (``training.start.reopened``).
        progress: Called after every epoch.

    Returns:
        The file of weights.

    Raises:
        UsageError: Impossible arguments, or the folder holds another training.
        StoreError: The folder cannot be made.
        DataError: Unusable data.
        ModelError: Unknown architecture, or a start that does not load or does not fit the data.
    """
    check_device(device)
    trained, out = divide(source, seed, samples, held_out)
    images, labels = _part(source, trained, device)
    validation = _part(source, out, device) if len(out) else None
    channels, height, width = (int(n) for n in images.shape[1:])
    classes = len(source.info.classes)
    size = height if height == width else (height, width)
    if start is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(word_of(seed, "weights") & 0x7FFFFFFF)
            module = build(architecture, classes, channels, size).to(device)
        preprocess, origin_of_weights = _normalisation(images, recipe), architecture
    else:
        first = opened(start, device)
        module, preprocess, origin_of_weights = first.module, first.preprocess, first.fingerprint()
    split = fingerprint_of([[str(i) for i in source.ids[places]] for places in (trained, out)])
    # Earlier versions averaged without a warm-up: what they made is another training.
    averaged = ["warm-up"] if plan.ema else []
    identity = fingerprint_of([source.info.fingerprint, origin_of_weights, preprocess.as_json(), split, *averaged])
    key = fingerprint_of([identity, recipe.fingerprint(), asdict(plan), seed, torch.__version__])
    path = folder / WEIGHTS
    if path.is_file() and state_dict(path)[1].get("key") == key:
        return path
    if start is None:
        made: dict[str, Any] = {
            "architecture": {"name": architecture, "classes": classes, "channels": channels, "size": size}
        }
    else:
        notes = checked(first, images, labels, classes)
        right = None if validation is None else accuracy(first, recipe, validation)
        told = {"name": origin(start), "fingerprint": origin_of_weights, "accuracy": right, "notes": notes}
        made = {**built_by(start), "start": told}
    few = min(2, *batches(len(images), plan.batch))
    trial(module, preprocess, images[:few], labels[:few], classes, architecture if start is None else origin(start))
    # Only now, so that what cannot be trained leaves no folder behind.
    make_folder(folder)
    history = train(
        module,
        images,
        labels,
        recipe,
        plan,
        seed=seed,
        preprocess=preprocess,
        validation=validation,
        checkpoint=folder / CHECKPOINT,
        identity=identity,
        progress=progress,
    )
    facts: dict[str, Any] = {
        "key": key,
        "recipe": recipe.name,
        "fields": recipe.config(),
        "plan": asdict(plan),
        "epochs": plan.epochs,
        "seed": seed,
        **made,
        "preprocess": preprocess.as_json(),
        "data": {
            "name": source.info.name,
            "fingerprint": source.info.fingerprint,
            "trained_on": len(trained),
            "held_out": len(out),
            "split": split,
            "shape": [channels, height, width],
            "classes": list(source.info.classes),
        },
        "history": [asdict(row) for row in history],
    }
    save_weights(module, path, facts)
    # Last: whoever is killed before this has the weights, and a checkpoint that is never read again.
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return path


def _part(source: Source, places: np.ndarray[Any, Any], device: str) -> Labelled:
    images = torch.from_numpy(source.load(places)).to(device)
    return images, torch.from_numpy(np.asarray(source.labels[places])).to(torch.int64).to(device)


def _normalisation(images: torch.Tensor, recipe: Recipe) -> Preprocess:
    """Channel means and standard deviations of (at most 2,000) training images as the network will see them."""
    some = images[:2000].to(torch.float32) / 255
    seen = recipe.typical(some).double()
    # The bound is for channels that are constant.
    mean, std = seen.mean((0, 2, 3)), seen.std((0, 2, 3)).clamp_min(1e-4)
    return Preprocess(
        mean=tuple(round(float(v), 6) for v in mean), std=tuple(max(1e-6, round(float(v), 6)) for v in std)
    )
