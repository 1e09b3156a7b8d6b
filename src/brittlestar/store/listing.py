"""Row files by their names: which cells they hold, and which of them belong together. Opens none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

# Files of earlier versions have no digest in their names.
_NAME = re.compile(r"b(\d+)-(\d+)-([0-9a-f]{16})(?:-([0-9a-f]{16}))?\.parquet")


class FileName(NamedTuple):
    """What a row file's name says: its block, its group, and the digest of its content (empty in old names)."""

    start: int
    stop: int
    group: str
    digest: str

    @classmethod
    def parse(cls, name: str) -> FileName | None:
        """The parts of a name; ``None`` where it is no row file's."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(int(match[1]), int(match[2]), match[3], match[4] or "")

    @property
    def stem(self) -> str:
        """The name without digest and suffix: files that hold the same cells share it."""
        return f"b{self.start:08d}-{self.stop:08d}-{self.group}"  # padded: names sort by position


class RowFile(NamedTuple):
    """A stored file: the cells of these conditions at positions ``[start, stop)``."""

    start: int
    stop: int
    conditions: tuple[str, ...]
    path: Path


def row_names(folder: Path) -> list[str]:
    """Names of the row files in a model's folder, in order."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(name for name in names if _NAME.fullmatch(name) is not None)


def by_group(files: Iterable[RowFile]) -> dict[tuple[str, ...], list[RowFile]]:
    """Files by their conditions: those of one group have the same columns and are read together."""
    groups: dict[tuple[str, ...], list[RowFile]] = {}
    for file in files:
        groups.setdefault(file.conditions, []).append(file)
    return groups


def ranges_by_condition(files: Iterable[RowFile]) -> dict[tuple[tuple[int, int], ...], list[str]]:
    """Conditions by the sorted ranges that are stored of them."""
    member_of: dict[str, list[int]] = {}
    ranges: list[list[tuple[int, int]]] = []
    for group, members in by_group(files).items():
        for condition in group:
            member_of.setdefault(condition, []).append(len(ranges))
        ranges.append([(file.start, file.stop) for file in members])
    together: dict[tuple[int, ...], list[str]] = {}
    for condition, groups in member_of.items():
        together.setdefault(tuple(groups), []).append(condition)
    found: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for groups_, conditions in together.items():
        found.setdefault(tuple(sorted(r for g in groups_ for r in ranges[g])), []).extend(conditions)
    return found


def overlapping(files: Iterable[RowFile]) -> set[str]:
    """Conditions of which some position may be stored twice."""
    return {
        condition
        for ranges, conditions in ranges_by_condition(files).items()
        if any(after[0] < before[1] for before, after in pairwise(ranges))
        for condition in conditions
    }
