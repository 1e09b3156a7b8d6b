"""Which images are held out: the same share of every class, the same images for every recipe."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.data import Source

Places = npt.NDArray[np.int64]


def divide(source: Source, seed: int, samples: int | None, held_out: float) -> tuple[Places, Places]:
    """Places in the source's listing to train on and to hold out, each in the seeded order.

    Every class gives the same share of its images (largest remainders, so that the total is ``held_out`` of all,
    rounded); where the total allows, at least one of each class that has two. A class never gives its last image. What
    is held out depends on source, seed, samples and share alone, so recipes that are compared share it.

    Args:
        source: Labelled images.
        seed: Of the order.
        samples: Take so many images of the order; ``None`` for all.
        held_out: Share to hold out; in [0, 1).

    Raises:
        UsageError: A share or a number that is impossible.
        DataError: So few images that holding out this share would leave a class none to train on.
    """
    require(0 <= held_out < 1, f"the share held out must be in [0, 1), got {held_out}", UsageError)
    require(samples is None or samples >= 1, f"samples must be at least 1, got {samples}", UsageError)
    order = source.order(seed)[:samples]
    labels = np.asarray(source.labels)[order]
    classes, counts = np.unique(labels, return_counts=True)
    wanted = round(held_out * len(order))
    require(
        wanted <= len(order) - len(classes),
        f"{len(order)} images of {len(classes)} classes are too few to hold out {held_out:.0%} of them and to train on "
        "every class: take more images, or hold out none (--held-out 0)",
        DataError,
    )
    out = np.zeros(len(order), dtype=bool)
    for name, number in zip(classes, quotas(counts, wanted), strict=True):
        members = np.flatnonzero(labels == name)
        out[members[len(members) - number :]] = True
    return order[~out], order[out]


def quotas(counts: Places, wanted: int) -> Places:
    """How many of each class to hold out: proportionate, ``wanted`` in all, at most all but one of a class.

    Args:
        counts: (classes,) images of each class, at least 1.
        wanted: From 0 to the sum of ``counts - 1``.
    """
    most = counts - 1
    share = wanted * counts / counts.sum()
    least: Places = np.minimum(most, 1) if wanted >= int((most > 0).sum()) else np.zeros_like(counts)
    found: Places = np.clip(np.floor(share).astype(np.int64), least, most)
    while (lacking := wanted - int(found.sum())) != 0:
        # Who is farthest below (or above) its share goes first; among equals the larger class, then the earlier.
        free = (found < most) if lacking > 0 else (found > least)
        need = np.where(free, (share - found) * np.sign(lacking), -np.inf)
        chosen = np.lexsort((-counts, -need))[: min(abs(lacking), int(free.sum()))]
        found[chosen] += np.sign(lacking)
    return found
