"""Published sets that a person has on disk: ``NAME:PATH``, verified, and never downloaded."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.data.folder import FolderSource, content_or_why
from brittlestar.data.reader import OpenRequest

KIND = "published"
"""``DataInfo.kind`` of these sets."""


@dataclass(frozen=True, kw_only=True)
class ClassList:
    """The classes of a set.

    Fields:
        names: In label order, as folders or files name them.
        titles: What people call them, in the same order; empty where the names are all there is.
        space: What makes the outputs of a model with other classes scores of these; ``None`` where they are the same.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...] = ()
    space: LabelSpace | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedSet(ABC):
    """A set that is known by its name and lies where a person put it: ``NAME:PATH`` or ``NAME:PATH:PART``.

    Fields:
        name: What people type before the path.
        title: What it is called in messages.
        layout: What lies there, in a few words.
        where: Where to get it.
        licence: What the publisher says of its use.
        parts: What may stand behind the path, in words; empty where nothing may.
        stored: Sides in pixels of the published images, which are used as they are; empty for photographs of many
            sizes, which are prepared.
        prepare: How photographs are prepared where nobody asks for anything else, as the set was measured; ``None``
            where it was not measured in one way.
        border: Pixels on every side that belong to no picture.
        columns: Whether it has columns of images and labels, which a person may name.
    """

    name: str
    title: str
    layout: str
    where: str
    licence: str = ""
    parts: str = ""
    stored: tuple[int, ...] = ()
    prepare: Preparation | None = None
    border: int | None = None
    columns: bool = False

    @property
    def form(self) -> str:
        """How it is written in lists."""
        return f"{self.name}:PATH"

    @property
    @abstractmethod
    def counts(self) -> str:
        """What of it is counted, in words: ``7,500 images of 200 classes``."""

    @property
    def text(self) -> str:
        """One line: what it is, its layout, its count, and where to get it."""
        parts = f"; {self.form}:PART, PART is {self.parts}" if self.parts else ""
        return f"{self.title}: {self.layout}; {self.counts}; {self.where}{parts}"

    @abstractmethod
    def open(self, path: Path, asked: OpenRequest) -> Source:
        """The verified set at an existing path.

        Raises:
            DataError: It is not this set; the text says why, what it should be, and where to get it.
        """

    def spec(self, path: Path, part: str = "") -> str:
        """What opens it again."""
        return f"{self.name}:{path}" + (f":{part}" if part else "")

    def wrong(self, path: Path, why: str) -> DataError:
        """The error for what is not this set."""
        return DataError(
            f"{readable(str(path))} is not {self.title} as published: {why}. {self.name} is {self.layout}, "
            f"{self.counts}; get it from {self.where}. What differs on purpose is opened by its path alone"
        )

    def lacking(self, path: str) -> DataError:
        """The error where nothing lies at the path, or none was given."""
        lead = f"no such data: {path}" if path else f"{self.name} needs the path where it lies: {self.form}"
        return DataError(
            f"{lead}. {self.title} is {self.layout}, {self.counts}; get it from {self.where}"
            f"{f' (licence: {self.licence})' if self.licence else ''}: nothing is downloaded"
        )

    def require(self, good: bool, path: Path, why: str) -> None:
        """Raise ``wrong`` unless something holds."""
        if not good:
            raise self.wrong(path, why)

    def prepared(self, asked: OpenRequest) -> OpenRequest:
        """What is asked, with the preparation that this set has; stored images are never prepared again.

        Raises:
            DataError: Published images of one size would be resized or cropped again.
        """
        how, otherwise = asked.how, asked.otherwise
        if self.stored:
            side = " or ".join(map(str, self.stored))
            require(
                how.empty,
                f"{self.name} is used as it was stored, {side} pixels a side, never resized or cropped again: "
                f"leave {option('resize')}, {option('crop')} and {option('prepare')} out; a model that wants another "
                f"size makes it itself ({option('model_resize')})",
                DataError,
            )
            otherwise = None
        elif how.empty and self.prepare is not None:
            # Without a border only: what a suite asks for is recorded by its name, and that knows of no border.
            how = otherwise if otherwise and self.border is None else self.prepare
        return dataclasses.replace(asked, how=dataclasses.replace(how, border=self.border), otherwise=otherwise)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What of a set is opened.

    Fields:
        root: The folder that the files lie in or below.
        files: Paths and labels.
        classes: See ``ClassList``.
        part: What opens it again behind the path.
        name: Short display name.
        notes: What a reader must know.
        contexts: What else is known of each file, by name.
        truths: All right classes of each file; ``None`` where the label is all there is.
    """

    root: Path
    files: Sequence[tuple[Path, int]]
    classes: ClassList
    part: str = ""
    name: str = ""
    notes: tuple[str, ...] = ()
    contexts: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    truths: Sequence[tuple[int, ...]] | None = None


class SetFiles(FolderSource):
    """The image files of a published set, in the order and under the labels that its definition gives."""

    by_text = False

    def __init__(self, of: PublishedSet, path: Path, listed: Listed, asked: OpenRequest) -> None:
        self._set, self._path = of, path
        named = None
        if asked.group is not None:
            known = ", ".join(listed.contexts) or "none"
            there = f"{of.name} has no column {asked.group} to group samples by; it has {known}"
            require(asked.group in listed.contexts, there, DataError)
            named = listed.contexts[asked.group]
        how = dataclasses.replace(of.prepared(asked), one_class=True)
        self.root = listed.root
        contents = ((content_or_why(p), str(p.relative_to(listed.root)), label) for p, label in listed.files)
        kept = self._index(
            contents,
            len(listed.files),
            KIND,
            of.spec(path, listed.part),
            listed.name or of.name,
            listed.classes.names,
            how,
            named,
            listed.notes,
        )
        self.files = [str(listed.files[place][0].relative_to(listed.root)) for place in kept]
        # A definition holds functions, which do not go to workers.
        del self._set, self._path
        self.space = listed.classes.space
        self.contexts = {name: np.array(values, np.str_)[kept] for name, values in listed.contexts.items()}
        if listed.truths is not None:
            self.truths = [listed.truths[place] for place in kept]
        self.info = dataclasses.replace(self.info, titles=listed.classes.titles)

    def require_sizes(self, sizes: Mapping[tuple[int, int], str]) -> None:
        """Refuse what was resized or cropped since it was published."""
        of, path = self._set, self._path
        if of.stored:
            for (width, height), file in sizes.items():
                fits = width == height and width in of.stored
                side = " or ".join(f"{s} x {s}" for s in of.stored)
                of.require(fits, path, f"{readable(file)} is {width} x {height}, and its images are {side} as stored")
            several = f"it mixes images of {len(sizes)} sizes"
            of.require(len(sizes) == 1, path, several)
        elif of.prepare is not None and of.border is None:
            shorter = {min(size) for size in sizes}
            (width, height) = next(iter(sizes))
            cut = f"all its images are {width} x {height}: they were resized or cropped already, and it has many sizes"
            of.require(len(sizes) > 1, path, cut)
            resized = f"the shorter side of all its images is {min(shorter)}: they were resized already"
            of.require(len(shorter) > 1, path, resized)
