"""Which images are held out: the same share of every class, the same images for every recipe."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.options import option
from brittlestar.data import Source

Places = npt.NDArray[np.int64]


def divide(source: Source, seed: int, samples: int | None, held_out: float) -> tuple[Places, Places]:
    """Places in the source's listing to train on and to hold out, each in the seeded order.

    Every class gives the same share of its images (largest remainders, so that the total is ``held_out`` of all,
    rounded); where the total allows, at least one of each class that has two. A class never gives its last image. What
    is held out depends on source, seed, samples and share alone, so recipes that are compared share it.

    What depends on each other (``Source.groups``: copies of an image, pictures of one patient) stays on one side, or
    the accuracy told would be that of images trained on. A group is then held out only where that brings the classes
    nearer to their shares, so these are met as nearly as whole groups allow.

    Args:
        source: Labelled images.
        seed: Of the order.
        samples: Take so many images of the order; ``None`` for all.
        held_out: Share to hold out; in [0, 1).

    Raises:
        UsageError: A share or a number that is impossible.
        DataError: So few images, or so few groups, that holding out this share would leave a class none to train on,
            or would hold out none at all.
    """
    require(0 <= held_out < 1, f"the share held out must be in [0, 1), got {held_out}", UsageError)
    require(samples is None or samples >= 1, f"{option('samples')} must be at least 1, got {samples}", UsageError)
    order = source.order(seed)[:samples]
    labels = np.asarray(source.labels)[order]
    classes, counts = np.unique(labels, return_counts=True)
    wanted = round(held_out * len(order))
    require(
        wanted <= len(order) - len(classes),
        f"{len(order)} images of {len(classes)} classes are too few to hold out {held_out:.0%} of them and to train on "
        f"every class: take more images, or hold out none ({option('held_out', 0)})",
        DataError,
    )
    place = np.searchsorted(classes, labels)
    groups = np.arange(len(order)) if source.groups is None else source.groups[order]
    out = _whole_groups(place, groups, counts, quotas(counts, wanted))
    require(
        wanted == 0 or bool(out.any()),
        f"images that depend on each other (copies, groups) stay on one side, and no group of these {len(order)} "
        f"images is small enough to hold out {held_out:.0%}: hold out more, or none ({option('held_out', 0)})",
        DataError,
    )
    return order[~out], order[out]


def _whole_groups(place: Places, groups: Places, counts: Places, wanted: Places) -> npt.NDArray[np.bool_]:
    """Which samples to hold out: from the last to the first, each group that brings the classes nearer to ``wanted``.

    Args:
        place: (n,) each sample's class, as a place in ``counts``.
        groups: (n,) equal where samples stay together.
        counts: (classes,) samples of each class; none is held out whole.
        wanted: (classes,) how many of each to hold out.
    """
    out = np.zeros(len(place), dtype=bool)
    lacking = wanted.copy()
    # Stable, so that a group's last member is its last place in the order.
    by_group = np.argsort(groups, kind="stable")
    parts = np.split(by_group, np.flatnonzero(np.diff(groups[by_group])) + 1)
    for members in sorted(parts, key=lambda part: -int(part[-1])):
        own, sizes = np.unique(place[members], return_counts=True)
        after = lacking[own] - sizes
        left = counts[own] - wanted[own] + after
        if (left >= 1).all() and np.abs(after).sum() < np.abs(lacking[own]).sum():
            out[members] = True
            lacking[own] = after
    return out


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
