"""Class files: the names of a model's outputs, as editors, programs and data sets write them."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brittlestar.core.errors import UsageError, require
from brittlestar.core.text import readable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark it begins with.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_WORDNET = re.compile(r"n\d{8}\s+\S")


def read_classes(path: Path) -> dict[str, str]:
    """Class names in the order of a model's outputs, and what people call them.

    One a line; of tab-separated columns, the first that is no number is the name and the next what people call it; a
    column that stands alone may be of numbers. Lines like ``n01440764 tench, Tinca tinca`` are such columns too.

    JSON is taken as well: a list of names, or an object of names or of [name, what people call it] by the number of the
    output, as torchvision's and Keras' files have them.

    Raises:
        UsageError: The file is missing, in no encoding that can be told, or names a class twice.
    """
    require(path.is_file(), f"no such file: {path}", UsageError)
    text = _decoded(path)
    pairs = _of_json(text, path) if text.lstrip()[:1] in ("[", "{") else _of_lines(text, path)
    require(bool(pairs), f"{path} names no class", UsageError)
    count = Counter(name for name, _ in pairs)
    twice = [readable(name) for name, n in count.items() if n > 1]
    more = ", ..." if len(twice) > 5 else ""
    require(
        not twice,
        f"{path} names {'a class' if len(twice) == 1 else 'classes'} twice: {', '.join(twice[:5])}{more}",
        UsageError,
    )
    titles = Counter(title for _, title in pairs)
    # Two classes may be called alike (ImageNet has two cranes): the name tells them apart.
    return {name: title if titles[title] == 1 else f"{title} ({name})" for name, title in pairs}


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    coding = next((coding for mark, coding in _MARKS if content.startswith(mark)), "utf-8")
    if coding == "utf-8" and b"\0" in content[:2]:
        # No text holds a zero: UTF-16 without a mark, as some programs write it.
        coding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content.decode(coding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path} line {line} is not {coding.upper()}: save the file as UTF-8 (if it is Latin-1: iconv -f latin1 -t "
            f"utf8 {path.name} > NEW)"
        ) from None


def _of_lines(text: str, path: Path) -> list[tuple[str, str]]:
    # Not splitlines(), which also parts at characters that names may hold.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [(number, [cell.strip() for cell in line.split("\t")]) for number, line in enumerate(lines, 1)]
    rows = [(number, [cell for cell in cells if cell]) for number, cells in rows if any(cells)]
    if rows and all(len(cells) == 1 and _WORDNET.match(cells[0]) for _, cells in rows):
        # ImageNet's own lists: the number of a synset, a space, its words with commas between.
        parts = [cells[0].split(maxsplit=1) for _, cells in rows]
        return [(name, words.partition(",")[0]) for name, words in parts]
    if all(len(cells) == 1 for _, cells in rows):
        return [(cells[0], cells[0].replace("_", " ")) for _, cells in rows]
    pairs = []
    for number, cells in rows:
        named = [cell for cell in cells if not cell.isdigit()]
        numbers = f"{path} line {number} holds no class name, but numbers: {readable(' '.join(cells))}"
        require(bool(named), numbers, UsageError)
        pairs.append((named[0], named[min(1, len(named) - 1)].replace("_", " ")))
    return pairs


def _of_json(text: str, path: Path) -> list[tuple[str, str]]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} begins like JSON and is none ({error})") from None
    if isinstance(found, dict):
        found = list(_by_number(found, path))
    pairs = []
    for place, entry in enumerate(found):
        names = entry if isinstance(entry, list) else [entry]
        require(
            0 < len(names) <= 2 and all(isinstance(name, str | int) and not isinstance(name, bool) for name in names),
            f"{path}: class {place} is {json.dumps(entry)[:60]}, not a name or [name, what people call it]",
            UsageError,
        )
        pairs.append((str(names[0]), str(names[-1]).replace("_", " ")))
    return pairs


def _by_number(found: dict[str, Any], path: Path) -> Iterator[Any]:
    """The entries in the order of the outputs, whether these are the keys or, as in ``class_to_idx``, the values."""
    if found and all(isinstance(value, int) and not isinstance(value, bool) for value in found.values()):
        found = {str(value): name for name, value in found.items()}
    require(
        set(found) == {str(i) for i in range(len(found))},
        f"{path}: the keys of an object must be the numbers of the outputs, 0 to {len(found) - 1}",
        UsageError,
    )
    yield from (found[str(i)] for i in range(len(found)))
