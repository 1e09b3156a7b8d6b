"""What lies in an image folder: its classes and their images, what is left out, and layouts that are no such folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}

SERVICE = {
    "@eadir",
    "#recycle",
    "#snapshot",
    "__macosx",
    "thumbs.db",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "desktop.ini",
}
"""What systems leave in folders, beside names that begin with a dot."""

PARTS = re.compile(r"(.*[-_ .])?(train|val|valid|validation|test|dev|eval|holdout|unlabell?ed)(ing)?([-_ .].*)?", re.I)
"""Names of parts with something before or behind: ``seg_train``, ``test_images``."""

SPLIT = re.compile(r"(train|val|valid|validation|test|dev|eval|holdout)(ing)?[-_ ]?(set|split|data|images)?\d*", re.I)
_SEVERITIES = {"1", "2", "3", "4", "5"}


@dataclass
class Folder:
    """One folder that was looked at.

    Fields:
        path: Where it is.
        folders: The folders in it, by name.
        images: Paths of its images, sorted.
        hidden, others, links: Names of hidden files and folders; suffixes of files that are no images; links that lead
            nowhere, to nothing that can be read, or to a folder, which are not followed below the classes.
        dead: How many links have the name of an image and lead to nothing (git-annex, DVC: not fetched).
        runs: How many run folders lie in it, whose pictures are no data.
    """

    path: Path
    folders: dict[str, Path] = field(default_factory=dict)
    images: list[Path] = field(default_factory=list)
    hidden: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    links: int = 0
    dead: int = 0
    runs: int = 0


@dataclass(frozen=True)
class Tree:
    """An image folder: (class name, images) in the order of the labels, and what a reader must know."""

    classes: tuple[tuple[str, tuple[Path, ...]], ...]
    notes: tuple[str, ...]


def look(path: Path, follow: bool = False) -> Folder:
    """What lies in a folder itself.

    Args:
        path: The folder.
        follow: Whether links to folders are folders, if they do not lead back to where one came from.

    Raises:
        DataError: It cannot be read.
    """
    seen = Folder(path)
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in SERVICE:
                seen.hidden["file" if entry.is_file(follow_symlinks=False) else entry.name] += 1
            elif entry.is_dir(follow_symlinks=False) and is_run(Path(entry.path)):
                seen.runs += 1
            elif entry.is_dir(follow_symlinks=False) or (follow and _leads_on(entry)):
                seen.folders[entry.name] = path / entry.name
            elif entry.is_symlink() and not Path(entry.path).is_file():
                if Path(entry.name).suffix.lower() in EXTENSIONS and not Path(entry.path).exists():
                    seen.dead += 1
                else:
                    seen.links += 1
            elif Path(entry.name).suffix.lower() in EXTENSIONS and (entry.is_symlink() or entry.is_file()):
                seen.images.append(path / entry.name)
            else:
                kind = Path(entry.name).suffix.lower() or "no suffix"
                seen.others[kind if entry.is_file() else f"{kind}, which is no file"] += 1
    except OSError as error:
        raise DataError(f"cannot read the folder {readable(str(path))}: {error.strerror or error}") from error
    return seen


def is_run(path: Path) -> bool:
    """Whether a folder is one that ``run`` fills: it may lie in the data that it tells of."""
    manifest = any((path / name).is_file() for name in ("manifest.json", "manifest-copy.json"))
    return manifest and ((path / "rows").is_dir() or (path / "samples.parquet").is_file())


def _leads_on(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder, and not to one that the link itself lies in."""
    if not Path(entry.path).is_dir():
        return False
    target, here = Path(entry.path).resolve(), Path(entry.path).parent.resolve()
    return target != here and target not in here.parents


def tree_of(root: Path) -> Tree:
    """The classes of an image folder.

    Raises:
        DataError: It is none; where it is known what it is instead, the text says what to give.
    """
    top = look(root, follow=True)
    shown = readable(str(root))
    require(
        bool(top.folders),
        f"{shown} has no sub-folders: an image folder holds one sub-folder a class with its images inside"
        + (
            f"; its {len(top.images):,} images lie in the folder itself: sort them into sub-folders named after their "
            "classes, or give them as Parquet with a column label"
            if top.images
            else f"; it holds {_listed(top.others)}"
            if top.others
            else ""
        ),
        DataError,
    )
    _refuse_other_layouts(root, top)
    names = ordered(list(top.folders))
    below = {name: list(walk(top.folders[name])) for name in names}
    found = {name: sorted(file for folder in below[name] for file in folder.images) for name in names}
    empty = [name for name in names if not found[name]]
    if empty:
        tables = [folder.path for name in empty for folder in below[name] if folder.others[".parquet"]]
        require(
            not tables,
            f"{shown} has no sub-folder of images for each class, but Parquet files below: give "
            f"{readable(str(tables[0] if tables else root))}",
            DataError,
        )
        raise DataError(_empty(root, empty, below))
    every = [top, *(folder for folders in below.values() for folder in folders)]
    called, notes = _called(names)
    notes += order_notes(names)
    nested = [name for name in names if any(folder.images for folder in below[name][1:])]
    if nested:
        of = "1 class lie" if len(nested) == 1 else f"{len(nested):,} classes lie"
        notes.append(f"images of {of} in sub-folders ({_some(nested)}): the first level names the class")
    return Tree(
        tuple((called[name], tuple(found[name])) for name in names), (*notes, *left_out(every, len(top.images)))
    )


def walk(path: Path) -> Iterator[Folder]:
    """A folder and all folders below it, without those of runs."""
    seen = look(path)
    yield seen
    for folder in seen.folders.values():
        yield from walk(folder)


def _empty(root: Path, empty: Sequence[str], below: Mapping[str, Sequence[Folder]]) -> str:
    others: Counter[str] = sum((folder.others for name in empty for folder in below[name]), Counter())
    lie = f"; there are {_listed(others)}" if others else ""
    if dead := sum(folder.dead for name in empty for folder in below[name]):
        lie += f"; {_many(dead, 'link')} to images lead to nothing: fetch the files first (git annex get, dvc pull)"
    what = (
        f"{readable(str(root / empty[0]))} holds no images"
        if len(empty) == 1
        else (f"{len(empty):,} class folders of {readable(str(root))} hold no images: {_some(empty)}")
    )
    return f"{what} ({', '.join(sorted(EXTENSIONS))}){lie}: remove what is no class, or put its images there"


def _refuse_other_layouts(root: Path, top: Folder) -> None:
    """Name what is known not to be one folder a class."""
    inner = {name: look(path) for name, path in top.folders.items()}
    shown, first = readable(str(root)), next(iter(inner.values()))
    if all(SPLIT.fullmatch(name) for name in inner) or _are_parts(inner):
        chosen = next((n for n in inner if "train" not in n.lower() and "unlab" not in n.lower()), next(iter(inner)))
        raise DataError(
            f"{shown} holds the parts {_some(list(inner))} of a data set, not its classes: give one of them, such as "
            f"{readable(str(root / chosen))}"
            + ("" if any(f.folders for f in inner.values()) else ", once it has one sub-folder a class")
        )
    if all(folder.folders and not folder.images for folder in inner.values()):
        if all(all(SPLIT.fullmatch(name) for name in folder.folders) for folder in inner.values()):
            raise DataError(
                f"the classes of {shown} each hold the parts {_some(list(first.folders))}: make a folder of one part, "
                "with one sub-folder a class"
            )
        if (
            set(inner) <= _SEVERITIES
            and len(first.folders) > 1
            and len({tuple(f.folders) for f in inner.values()}) == 1
        ):
            raise DataError(
                f"{shown} holds the severities {_some(list(inner))} of a published set, not classes: give one of them, "
                f"such as {readable(str(root / next(iter(inner))))}"
            )
        deep = {name: look(next(iter(folder.folders.values()))) for name, folder in inner.items()}
        for folders, depth in ((inner, 1), (deep, 2)):
            if all(set(folder.folders) and set(folder.folders) <= _SEVERITIES for folder in folders.values()):
                one = next(iter(folders.values()))
                levels = "corruption/severity/class" if depth == 1 else "group/corruption/severity/class"
                raise DataError(
                    f"{shown} is laid out as ImageNet-C is ({levels}): give one severity of one corruption, such as "
                    f"{readable(str(next(iter(one.folders.values()))))}"
                )
        within = _single(first.path, first) if len(inner) == 1 else None
        if within is not None:
            raise DataError(
                f"{shown} holds one folder alone, and the {len(look(within).folders):,} sub-folders of "
                f"{readable(str(within))} look like the classes: give that"
            )


def _are_parts(inner: Mapping[str, Folder]) -> bool:
    """Whether folders that are named like parts hold the same classes, or a class of their own besides others."""
    if len(inner) < 2 or not all(PARTS.fullmatch(name) for name in inner) or any(f.images for f in inner.values()):
        return False
    return any(len(folder.folders) > 1 for folder in inner.values())


def _single(path: Path, folder: Folder) -> Path | None:
    """The folder that looks like the classes' below one that stands alone in another, perhaps several times."""
    for _ in range(8):
        if folder.images or not folder.folders:
            return None
        if len(folder.folders) > 1:
            return path
        ((_, path),) = folder.folders.items()
        folder = look(path)
    return None


def ordered(names: Sequence[str]) -> list[str]:
    """Names: numbers in their order, everything else as text."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def order_notes(names: Sequence[str]) -> list[str]:
    """A word where the order of the classes may not be what a person expects."""
    other = f"names in the model's order: {option('classes', 'FILE')}"
    if all(name.isdecimal() for name in names):
        numbers = [int(name) for name in names]
        notes = []
        if list(names) != sorted(names):
            text = ", ".join(sorted(names)[:4])
            notes.append(
                f"classes are numbers: taken in numeric order ({', '.join(names[:4])}, ...), not as text "
                f"({text}, ...), as torchvision's ImageFolder takes them; {other}"
            )
        if numbers != list(range(len(numbers))):
            why = "begin at " + names[0] if numbers[0] else "have gaps"
            notes.append(f"the numbers of the classes {why}: {names[0]} is taken as the model's first output; {other}")
        return notes
    natural = sorted(names, key=lambda name: [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in _parts(name)])
    if natural == list(names):
        return []
    one, two = next((a, b) for a, b in zip(names, natural, strict=True) if a != b)
    return [f"classes are in the order of their names as text: {readable(one)} before {readable(two)}; {other}"]


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", name) if part]


def _called(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What classes are called, by the name of their folder: as on the disk, if that is text.

    Raises:
        DataError: Two folders are called alike.
    """
    called, notes = {}, []
    for name in names:
        called[name] = name
        if any("\ud800" <= c <= "\udfff" for c in name):
            called[name] = os.fsencode(name).decode("latin-1")
    odd = [readable(called[name]) for name in names if called[name] != name]
    if odd:
        notes.append(f"names of folders that are not UTF-8 are read as Latin-1: {_some(odd)}")
    by_form: dict[str, str] = {}
    for name in names:
        form = unicodedata.normalize("NFC", called[name])
        require(
            form not in by_form,
            f"two folders are called {readable(form)}, with accents or bytes written in two ways: put their images "
            "into one of them",
            DataError,
        )
        by_form[form] = name
    folded = Counter(form.casefold() for form in by_form)
    alike = [form for form in by_form if folded[form.casefold()] > 1]
    if alike:
        notes.append(f"classes that differ only in upper and lower case are two: {_some(alike)}")
    return called, notes


def left_out(folders: Sequence[Folder], loose: int) -> list[str]:
    """A note on what lies in folders and is not taken, ``loose`` images among it; empty where there is nothing."""
    hidden: Counter[str] = sum((folder.hidden for folder in folders), Counter())
    others: Counter[str] = sum((folder.others for folder in folders), Counter())
    links = sum(folder.links for folder in folders)
    files = hidden.pop("file", 0)
    parts = []
    if hidden:
        parts.append(f"{_many(sum(hidden.values()), 'hidden folder')} ({_some(sorted(hidden))})")
    parts += [_many(files, "hidden file")] if files else []
    parts += [_listed(others)] if others else []
    parts += [f"{_many(loose, 'image')} outside the classes' folders"] if loose else []
    parts += [f"{_many(links, 'link')} to folders or to nothing"] if links else []
    dead = sum(folder.dead for folder in folders)
    parts += [f"{_many(dead, 'link')} to images that are not there (fetch them first?)"] if dead else []
    runs = sum(folder.runs for folder in folders)
    parts += [f"{_many(runs, 'run folder')} of Brittlestar"] if runs else []
    return [f"left out: {', '.join(parts)}"] if parts else []


def _listed(others: Counter[str]) -> str:
    kinds = ", ".join(
        f"{n:,} {readable(suffix)}" for suffix, n in sorted(others.items(), key=lambda p: (-p[1], p[0]))[:8]
    )
    return f"{_many(others.total(), 'file')} with no image's suffix ({kinds}{', ...' if len(others) > 8 else ''})"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(readable(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
