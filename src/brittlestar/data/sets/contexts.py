"""Published sets whose images come with a context: NICO, NICO++ and CINIC-10."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, unknown
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.data.published_set import ClassList, Listed, PublishedSet, SetFiles
from brittlestar.data.reader import OpenRequest
from brittlestar.data.sets.arrays import CIFAR_10
from brittlestar.data.sets.folders import ClassFolders
from brittlestar.data.tree import Folder, look


@dataclass(frozen=True, kw_only=True)
class Nico(PublishedSet):
    """NICO: SUPERCLASS/CLASS/CONTEXT folders.

    Fields:
        superclasses: How many images each class has, by superclass; names of folders without regard to capitals.
        contexts: How many contexts a class has, from and to.
    """

    superclasses: Mapping[str, Mapping[str, int]]
    contexts: tuple[int, int]

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        low, high = self.contexts
        classes = [count for own in self.superclasses.values() for count in own.values()]
        return f"{sum(classes):,} images of {len(classes)} classes in {low} or {high} contexts each"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; ``asked.part`` names one superclass."""
        self.require(path.is_dir(), path, "it is no folder")
        if asked.part and asked.part not in self.superclasses:
            raise DataError(str(unknown(f"part of {self.name}", asked.part, self.superclasses)))
        wanted = [asked.part] if asked.part else list(self.superclasses)
        files: list[tuple[Path, int]] = []
        names: list[str] = []
        columns: dict[str, list[str]] = {"superclass": [], "context": []}
        for superclass in wanted:
            folders = _by_name(look(path, follow=True))
            root = folders.get(superclass) or folders.get(f"{superclass}s")
            self.require(root is not None, path, f"it has no folder {superclass.capitalize()}")
            assert root is not None
            for name, context, image in self._images(path, root, self.superclasses[superclass]):
                if name not in names:
                    names.append(name)
                files.append((image, names.index(name)))
                columns["superclass"].append(superclass)
                columns["context"].append(context)
        listed = Listed(
            root=path, files=files, classes=ClassList(names=tuple(names)), part=asked.part, contexts=columns
        )
        return SetFiles(self, path, listed, asked)

    def _images(self, path: Path, root: Path, counts: Mapping[str, int]) -> Iterator[tuple[str, str, Path]]:
        """(class, context, image), counted."""
        folders = _by_name(look(root, follow=True))
        low, high = self.contexts
        for name, count in counts.items():
            self.require(name in folders, path, f"{readable(root.name)} has no folder {name}")
            contexts = look(folders[name], follow=True)
            some = len(contexts.folders)
            self.require(
                low <= some <= high and not contexts.images,
                path,
                f"{name} has {some} folders of contexts instead of {low} to {high}"
                + (f", and {len(contexts.images)} images beside them" if contexts.images else ""),
            )
            found = [(name, context, image) for context, f in contexts.folders.items() for image in look(f).images]
            self.require(len(found) == count, path, f"{name} has {len(found):,} images instead of {count:,}")
            yield from found
        more = sorted(set(folders) - set(counts))
        self.require(
            not more, path, f"{readable(root.name)} has the folder {more[0] if more else ''}, which is no class"
        )


@dataclass(frozen=True, kw_only=True)
class NicoPlus(PublishedSet):
    """NICO++ as given out for its challenge: CONTEXT/CLASS folders.

    Fields:
        contexts: Names of the folders.
        classes: How many classes each holds.
        images: How many images there are.
        inside: Folders that the contexts may lie in.
        numbering: The file that numbers the classes, where it lies beside.
    """

    contexts: tuple[str, ...]
    classes: int
    images: int
    inside: tuple[str, ...]
    numbering: str

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return f"{self.images:,} images of {self.classes} classes in {len(self.contexts)} contexts"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; ``asked.part`` names one context."""
        self.require(path.is_dir(), path, "it is no folder")
        if asked.part and asked.part not in self.contexts:
            raise DataError(str(unknown(f"part of {self.name}", asked.part, self.contexts)))
        root = next((p for p in (path, *(path / f for f in self.inside)) if (p / self.contexts[0]).is_dir()), path)
        there = look(root, follow=True).folders
        lacks = [name for name in self.contexts if name not in there]
        self.require(not lacks, path, f"it has no folder {', '.join(lacks)}")
        by_context = {name: look(there[name], follow=True).folders for name in self.contexts}
        every = sorted({name for own in by_context.values() for name in own})
        self.require(len(every) == self.classes, path, f"it has {len(every)} classes instead of {self.classes}")
        names = self._numbered(path, root, every)
        found = [
            (image, names.index(name), context)
            for context, own in by_context.items()
            for name in names
            if name in own
            for image in look(own[name]).images
        ]
        whole = f"it holds {len(found):,} images instead of {self.images:,}: was it unpacked whole?"
        self.require(len(found) == self.images, path, whole)
        kept = [row for row in found if asked.part in ("", row[2])]
        listed = Listed(
            root=root,
            files=[(image, label) for image, label, _ in kept],
            classes=ClassList(names=tuple(names)),
            part=asked.part,
            name=f"{self.name}-{asked.part}" if asked.part else self.name,
            contexts={"context": [context for _, _, context in kept]},
        )
        return SetFiles(self, path, listed, asked)

    def _numbered(self, path: Path, root: Path, every: list[str]) -> list[str]:
        """Classes in the order of the set's own file of numbers, else of their names."""
        file = next(
            (p / self.numbering for p in (root, root.parent, path.parent) if (p / self.numbering).is_file()), None
        )
        if file is None:
            return every
        try:
            given = json.loads(file.read_text(encoding="utf-8"))
            numbers = {str(name): int(number) for name, number in given.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise self.wrong(path, f"{file.name} cannot be read ({error})") from error
        fits = set(numbers) == set(every) and sorted(numbers.values()) == list(range(len(every)))
        self.require(fits, path, f"{file.name} does not number its classes from 0")
        return sorted(every, key=lambda name: numbers[name])


@dataclass(frozen=True, kw_only=True)
class Cinic(ClassFolders):
    """CINIC-10: one folder a part, in it one a class; where an image comes from is in its name.

    Fields:
        splits: Folders of the parts; the first is meant where none is named.
    """

    splits: tuple[str, ...]

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        split = asked.part or self.splits[0]
        if split not in self.splits:
            raise DataError(str(unknown(f"part of {self.name}", split, self.splits)))
        self.require(path.is_dir(), path, "it is no folder")
        self.require((path / split).is_dir(), path, f"it has no folder {split}")
        files = self.files(path, path / split)
        origin = ["cifar-10" if file.name.startswith("cifar10-") else "imagenet" for file, _ in files]
        listed = Listed(
            root=path / split,
            files=files,
            classes=self.classes(),
            part=asked.part,
            name=f"{self.name}-{split}",
            contexts={"origin": origin},
        )
        return SetFiles(self, path, listed, asked)


def _by_name(folder: Folder) -> dict[str, Path]:
    """Folders by their names in small letters, of which no two are alike."""
    names = Counter(name.lower() for name in folder.folders)
    return {name.lower(): place for name, place in folder.folders.items() if names[name.lower()] == 1}


NICO = Nico(
    name="nico",
    title="NICO",
    layout="Animal and Vehicle, in each one folder a class, in it one a context (Animal/bear/in forest)",
    where="nico.thumedialab.com",
    licence="for research",
    parts="animal or vehicle",
    superclasses={
        "animal": {
            **{"bear": 1609, "bird": 1590, "cat": 1479, "cow": 1192, "dog": 1624, "elephant": 1178, "horse": 1258},
            **{"monkey": 1117, "rat": 846, "sheep": 918},
        },
        "vehicle": {
            **{"airplane": 930, "bicycle": 1639, "boat": 2156, "bus": 1009, "car": 1026, "helicopter": 1351},
            **{"motorcycle": 1542, "train": 750, "truck": 1000},
        },
    },
    contexts=(9, 10),
)

NICO_PLUS = NicoPlus(
    name="nico++",
    title="NICO++ (track 1 of its challenge, training part)",
    layout="one folder a context, in it one a class (autumn/bear)",
    where="github.com/xxgege/NICO-plus",
    licence="for non-commercial research",
    parts="autumn, dim, grass, outdoor, rock or water",
    contexts=("autumn", "dim", "grass", "outdoor", "rock", "water"),
    classes=60,
    images=88_866,
    inside=("train", "public_dg_0416/train", "nico/train"),
    numbering="dg_label_id_mapping.json",
)

CINIC_10 = Cinic(
    name="cinic-10",
    title="CINIC-10",
    layout="test, train and valid, in each one folder a class",
    where="doi.org/10.7488/ds/2448",
    licence="MIT (repository)",
    parts="test, train or valid",
    classes=lambda: ClassList(names=CIFAR_10),
    images=90_000,
    each=9_000,
    stored=(32,),
    splits=("test", "train", "valid"),
)
