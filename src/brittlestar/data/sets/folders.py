"""Published sets of one folder a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brittlestar.core.errors import DataError, require
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.data.published_set import ClassList, Listed, PublishedSet, SetFiles
from brittlestar.data.reader import OpenRequest
from brittlestar.data.tree import Folder, look


@dataclass(frozen=True, kw_only=True)
class ClassFolders(PublishedSet):
    """A set of one folder a class.

    Fields:
        classes: Its classes; their names are those of the folders.
        images: How many it has.
        each: How many of each class; ``None`` where they differ.
        numbered: Whether folders are the numbers of the classes from 0, not their names.
        inside: Names of the folder that classes may lie in, where the path is its parent.
        right: Whether the folder's class is right for its images; otherwise none is (ImageNet-O).
        known: Which class a file is known to be of, by file name: tells folders that were named in another order.
    """

    classes: Callable[[], ClassList]
    images: int
    each: int | None = None
    numbered: bool = False
    inside: tuple[str, ...] = ()
    right: bool = True
    known: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        each = f", {self.each:,} of each" if self.each else ""
        return f"{self.images:,} images of {len(self.classes().names):,} classes{each}"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        require(not asked.part, f"{self.name} has no parts: leave :{asked.part} out", DataError)
        return self.opened(path, self.root_of(path), asked)

    def root_of(self, path: Path) -> Path:
        """The folder that holds the classes: the path, or a folder in it."""
        self.require(path.is_dir(), path, "it is no folder")
        wanted = {*self.folders()}
        if wanted & set(look(path, follow=True).folders):
            return path
        return next((path / name for name in self.inside if (path / name).is_dir()), path)

    def folders(self) -> list[str]:
        """Names of the folders in label order."""
        names = self.classes().names
        return [str(number) for number in range(len(names))] if self.numbered else list(names)

    def opened(self, path: Path, root: Path, asked: OpenRequest, part: str = "", name: str = "") -> Source:
        """The verified classes in ``root``."""
        files = self.files(path, root)
        truths = None if self.right else [()] * len(files)
        notes = () if self.right else (f"no class is right for the images of {self.title}: they are outside of all",)
        listed = Listed(
            root=root,
            files=files,
            classes=self.classes(),
            part=part,
            name=name,
            notes=notes,
            truths=truths,
        )
        return SetFiles(self, path, listed, asked)

    def files(self, path: Path, root: Path) -> list[tuple[Path, int]]:
        """Every image with its label, counted; ``path`` is what messages name."""
        top = look(root, follow=True)
        by_class = self._by_class(path, top)
        listed: list[tuple[Path, int]] = []
        for label, folder in enumerate(by_class):
            images = look(folder).images
            count = f"class {readable(folder.name)} has {len(images)} images"
            self.require(bool(images), path, f"{count}, directly in {readable(str(folder))}")
            self.require(
                self.each in (None, len(images)), path, f"{count} instead of {self.each}: was it unpacked whole?"
            )
            listed += [(image, label) for image in images]
        whole = f"it holds {len(listed):,} images instead of {self.images:,}: was it unpacked whole, and only once?"
        self.require(len(listed) == self.images, path, whole)
        self._require_known(path, listed)
        return listed

    def _by_class(self, path: Path, top: Folder) -> list[Path]:
        """The folder of each class, in label order."""
        self.require(
            bool(top.folders),
            path,
            f"it has no sub-folders{f' and {len(top.images):,} images' if top.images else ''}; there is one a class",
        )
        there = {_plain(name): place for name, place in top.folders.items()}
        names = self.folders()
        numbers = all(name.isdecimal() for name in there)
        if self.numbered and not numbers:
            # Sorted WordNet numbers are the order of the outputs, so either name tells the class.
            names = list(self.classes().names)
        elif numbers and not self.numbered:
            raise self.wrong(
                path,
                f"its {len(there):,} folders are numbers, which may be places in the order of the outputs, in that of "
                "their text (0, 1, 10, 100, ...) or numbers of the 2012 challenge, and each gives other labels: name "
                "them as published (n01440764)",
            )
        lacks, more = [n for n in names if n not in there], sorted(set(there) - set(names))
        instead = f" instead of {len(names):,}" if len(there) != len(names) else ", as it should, but of other classes"
        told = f"it has {len(there):,} class folders{instead}"
        if len(lacks) == len(names):
            told += f", none of which is named as its classes are ({_some(more)} instead of {_some(names)})"
        else:
            told += f"; {len(lacks):,} are missing: {_some(lacks)}" if lacks else ""
            told += f"; {len(more):,} are none of its classes: {_some(more)}" if more else ""
        if self.numbered and numbers and set(there) == {str(k) for k in range(1, len(names) + 1)}:
            told += "; its folders are numbered from 0, these from 1"
        self.require(not lacks and not more, path, told)
        return [there[name] for name in names]

    def _require_known(self, path: Path, listed: Sequence[tuple[Path, int]]) -> None:
        classes = self.classes()
        for file, label in listed:
            right = self.known.get(file.stem, label)
            if right != label:
                raise self.wrong(
                    path,
                    f"{readable(file.name)} lies in {readable(file.parent.name)} and is of {classes.names[right]}: "
                    "the folders were named in another order",
                )


def _plain(name: str) -> str:
    """A folder's name; of a number without leading zeros."""
    return str(int(name)) if name.isdecimal() else name


def _some(names: Sequence[str]) -> str:
    return ", ".join(readable(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
