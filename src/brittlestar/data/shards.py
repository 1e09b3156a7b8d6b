"""Which files of a folder of Parquet are one set: the shards of one part, all of them, and each once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.text import readable
from brittlestar.data.tree import SPLIT

# As the Hugging Face hub names them: train-00000-of-00002.parquet, with a digest behind it in old sets.
_SHARD = re.compile(r"(?P<part>.*?)[-_. ]?(?P<number>\d+)(-of-(?P<count>\d+))?(-[0-9a-f]{8,})?")


def is_parquet(path: Path) -> bool:
    """Whether a name is that of a Parquet file; macOS leaves hidden ones beside them."""
    return path.suffix.lower() == ".parquet" and not path.name.startswith(".")


def files_of(path: Path, part: str) -> tuple[list[Path], tuple[str, ...]]:
    """The files of a set in order, and what a reader must know.

    Args:
        path: A file, or a folder of them.
        part: The part of a folder that is meant (``train``); empty where it has one.

    Raises:
        DataError: Files of several parts, or some of one are missing.
    """
    shown = readable(str(path))
    if not path.is_dir():
        require(not part, f"{shown} is one file, which has no parts: leave :{part} out", DataError)
        match = _SHARD.fullmatch(path.stem)
        count = int(match["count"] or 1) if match else 1
        return [path], (f"{path.name} is one of {count:,} files of its set",) if count > 1 else ()
    files = sorted((file for file in path.iterdir() if is_parquet(file) and file.is_file()), key=str)
    require(bool(files), f"{shown} holds no .parquet files", DataError)
    parts: dict[str, list[Path]] = {}
    for file in files:
        match = _SHARD.fullmatch(file.stem)
        parts.setdefault(match["part"] if match else file.stem, []).append(file)
    splits = [name for name in parts if SPLIT.fullmatch(name)]
    if part:
        if part not in parts:
            raise DataError(str(unknown("part of the folder", part, parts, f"ls {shown}")))
        files = parts[part]
    # Files called otherwise (part1, part2, a, b) are one set.
    elif splits and len(parts) > 1:
        chosen = next((name for name in splits if not name.lower().startswith("train")), splits[0])
        raise DataError(
            f"{shown} holds the parts {', '.join(map(readable, parts))} of a data set: name one of them, such as "
            f"{shown}:{readable(chosen)}"
        )
    for name, own in parts.items():
        if own[0] in files:
            _require_all(path, name, own)
    left = sum(1 for file in path.iterdir() if not is_parquet(file))
    notes = (
        [f"left out: {left:,} {'file' if left == 1 else 'files'} in {path.name} that are no Parquet"] if left else []
    )
    return files, tuple(notes)


def _require_all(path: Path, name: str, files: Sequence[Path]) -> None:
    by_count: dict[int, dict[int, list[str]]] = {}
    for file in files:
        match = _SHARD.fullmatch(file.stem)
        if match and match["count"]:
            by_count.setdefault(int(match["count"]), {}).setdefault(int(match["number"]), []).append(file.name)
    require(
        len(by_count) < 2,
        f"{readable(str(path))} holds files of two versions of {readable(name)}: of "
        f"{' and of '.join(f'{count:,} files' for count in sorted(by_count))}; keep one version",
        DataError,
    )
    for count, numbers in by_count.items():
        _require_each_once(path, count, numbers)


def _require_each_once(path: Path, count: int, numbers: Mapping[int, Sequence[str]]) -> None:
    twice = [names for names in numbers.values() if len(names) > 1]
    names = " and ".join(readable(name) for both in twice for name in both)
    require(not twice, f"{readable(str(path))} holds one file of a set twice: {names}", DataError)
    missing = sorted(set(range(count)) - set(numbers)) if count <= 100_000 else [count]
    shown = ", ".join(f"{number:05d}-of-{count:05d}" for number in missing[:3])
    require(
        not missing,
        f"{readable(str(path))} lacks {len(missing):,} of the {count:,} files of its set ({shown}"
        f"{', ...' if len(missing) > 3 else ''}): fetch them, or give one file alone",
        DataError,
    )
