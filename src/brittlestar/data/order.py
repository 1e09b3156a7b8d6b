"""The seeded order: fixed by ids, labels and seed; classes take turns."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def balanced_order(ids: npt.NDArray[np.str_], labels: npt.NDArray[np.int32], seed: int) -> npt.NDArray[np.int64]:
    """Places in the listing such that every prefix is class-balanced as far as the data allow.

    Within a class, samples are ordered by a hash of (seed, id); the classes then take turns, in an order that is
    hashed anew for every round. The listing's own order plays no part.
    """
    ranks = np.array([_hash(seed, i) for i in ids], dtype=np.uint64)
    by_class = np.lexsort((ids, ranks, labels))
    sorted_labels = labels[by_class]
    first = np.searchsorted(sorted_labels, sorted_labels, side="left")
    rounds = np.arange(len(ids)) - first
    classes = int(labels.max()) + 1 if len(labels) else 0
    turns = np.empty(len(ids), dtype=np.uint64)
    for number in range(int(rounds.max()) + 1 if len(rounds) else 0):
        members = rounds == number
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
        ids[place] = hashlib.blake2b(
            digest + (number.to_bytes(4, "little") if number else b""), digest_size=8
        ).hexdigest()
    return ids


def digest_of(content: bytes) -> bytes:
    """16 bytes that stand for a content."""
    return hashlib.blake2b(content, digest_size=16).digest()
