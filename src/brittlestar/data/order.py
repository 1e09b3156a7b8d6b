"""The seeded order: fixed by ids, labels and seed; classes take turns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def balanced_order(ids: npt.NDArray[np.str_], labels: npt.NDArray[np.int32], seed: int) -> npt.NDArray[np.int64]:
    """Places in the listing such that every prefix is class-balanced as far as the data allow.

    Within a class, samples are ordered by a hash of (seed, id); the classes then take turns, in an order that is
    hashed anew for every round. The listing's own order plays no part.
    """
    ranks = np.array([_hash(seed, i) for i in ids], dtype=np.uint64)
    # The last key counts first: by class, in it by hash; ids settle equal hashes.
    by_class = np.lexsort((ids, ranks, labels))
    sorted_labels = labels[by_class]
    first = np.searchsorted(sorted_labels, sorted_labels, side="left")
    rounds = np.arange(len(ids)) - first
    classes = int(labels.max()) + 1 if len(labels) else 0
    turns = np.empty(len(ids), dtype=np.uint64)
    for number in range(int(rounds.max()) + 1 if len(rounds) else 0):
        members = rounds == number
        # Run folders hold this order: 11, like the text that _hash takes, can never change. Modulo, since numpy takes
        # no negative seed.
        shuffled = np.random.Generator(np.random.PCG64([seed % 2**32, number, 11])).permutation(classes)
        turns[members] = shuffled[sorted_labels[members]].astype(np.uint64)
    return by_class[np.lexsort((turns, rounds))].astype(np.int64)


def _hash(seed: int, sample: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{sample}".encode(), digest_size=8).digest(), "little")


def sample_ids(digests: list[bytes], labels: npt.NDArray[np.int32]) -> npt.NDArray[np.str_]:
    """16 hexadecimal digits a sample from content digests; equal contents are numbered in the order of labels."""
    seen: dict[bytes, int] = {}
    ids = np.empty(len(digests), dtype="U16")
    for place in np.argsort(labels, kind="stable"):
        digest = digests[place]
        number = seen.get(digest, 0)
        seen[digest] = number + 1
        # The first of equal contents has the id that it would have alone.
        ids[place] = hashlib.blake2b(
            digest + (number.to_bytes(4, "little") if number else b""), digest_size=8
        ).hexdigest()
    return ids


def copies(
    digests: list[bytes], labels: npt.NDArray[np.int32], named: Sequence[Any] | None = None
) -> tuple[npt.NDArray[np.int64] | None, tuple[str, ...]]:
    """Which samples depend on each other, and what a reader must know about it.

    Args:
        digests: Of contents; equal contents are one group, whatever their labels.
        labels: Of the same samples.
        named: A value a sample that names its group besides (the film, the patient), ``None`` for no group. Groups
            that share a content are one.

    Returns:
        (n,) numbers, equal within a group and decided by contents and values alone, or ``None`` where every sample is
        a group of its own; and sentences.
    """
    count = Counter(digests)
    many = [d for d, n in count.items() if n > 1]
    notes = []
    if many:
        stand = "image stands" if len(many) == 1 else "images stand"
        notes.append(
            f"{len(many):,} {stand} there twice or more ({sum(count[d] for d in many):,} samples): copies depend on "
            "each other, and intervals allow for that"
        )
        pairs = Counter(d for d, _ in set(zip(digests, labels.tolist(), strict=True)))
        two = sum(n > 1 for n in pairs.values())
        if two:
            stand = "image stands" if two == 1 else "images stand"
            notes.append(f"{two:,} {stand} there under two labels or more; each label stays a sample of its own")
    content = np.array([_number(d) for d in digests], np.int64)
    own = content
    if named is not None:
        told = [c if v is None else _number(f"group {v}".encode()) for v, c in zip(named, content, strict=True)]
        own = np.array(told, np.int64)
    groups = _joined(own, content)
    if len(np.unique(groups)) == len(groups):
        return None, tuple(notes)
    if named is not None:
        notes.insert(0, f"{len(groups):,} samples in {len(np.unique(groups)):,} groups: intervals are those of groups")
    return groups, tuple(notes)


def _number(content: bytes) -> int:
    # 63 bits, which int64 holds.
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1


def _joined(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Numbers of what is connected by an equal number in either: the least number in ``one`` of its members."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = (np.unique(numbers, return_inverse=True)[1] for numbers in (one, other))
    size = int(a.max() + b.max()) + 2
    # Both kinds of numbers are nodes, each sample a link between two.
    links = coo_array((np.ones(len(a), np.int8), (a, a.max() + 1 + b)), shape=(size, size))
    member = connected_components(links, directed=False)[1][a]
    least = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(least, member, one)
    return np.asarray(least[member])


def digest_of(content: bytes) -> bytes:
    """16 bytes that stand for a content."""
    return hashlib.blake2b(content, digest_size=16).digest()
