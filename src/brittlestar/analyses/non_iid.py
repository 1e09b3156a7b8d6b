"""The Non-I.I.D. index between two sets of images, under the features of a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.options import option
from brittlestar.core.sizes import at_once
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.measures.non_iid import Features, NonIid, non_iid
from brittlestar.models.base import Model
from brittlestar.models.layers import PENULTIMATE, Layer


def features_of(layer: Layer, source: Source, places: npt.NDArray[np.int64]) -> Features:
    """(places, values) float64: what a layer gives for a source's images."""
    found, some = [], at_once(source.info.shape, 250)
    with torch.inference_mode():
        for start in range(0, len(places), some):
            images = torch.from_numpy(source.load(places[start : start + some])).to(layer.model.device, torch.float32)
            found.append(layer(images / 255).cpu().numpy().astype(np.float64))
    return np.concatenate(found)


def index_between(
    model: Model,
    train: Source,
    test: Source,
    *,
    layer: str = PENULTIMATE,
    samples: int | None = None,
    seed: int = 0,
    permutations: int = 200,
) -> tuple[Mapping[int, NonIid], NonIid]:
    """The index of every class, and the mean over classes (``measures.non_iid``).

    Args:
        model: Whose features; a torch model.
        train, test: Sources of the same classes and size of images.
        layer: Of the model (``models.layers``); the input of the last linear layer by default.
        samples: Use so many images of each in the seeded order; all otherwise.
        seed: Of that order and of the random divisions.
        permutations: How many of these.

    Raises:
        DataError: The sets have other classes or sizes.
        ModelError: No such layer.
        NoSamplesError: No class has enough images in both.
        UsageError: No sample is asked for.
    """
    require(samples is None or samples >= 1, f"{option('samples')} is at least 1, got {samples}", UsageError)
    require(
        train.info.shape == test.info.shape,
        f"the index compares images of one size: {train.info.name} has {train.info.shape}, {test.info.name} "
        f"{test.info.shape}",
        DataError,
    )
    apart = sorted(set(train.info.classes) ^ set(test.info.classes))
    more = f"in one alone: {', '.join(map(readable, apart[:3]))}" if apart else "here they stand in another order"
    same = f"the index compares the same classes: {train.info.name} and {test.info.name} have others, {more}"
    require(train.info.classes == test.info.classes, same, DataError)
    reads = Layer(model, layer)
    parts = []
    for source in (train, test):
        places = np.sort(source.present(source.order(seed))[:samples])
        parts.append((features_of(reads, source, places), source.labels[places]))
    return non_iid(parts[0], parts[1], seed, permutations)
