"""What a form of data declares: a form on disk, or a set that is known by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.preparation import Preparation
from brittlestar.data.base import Source

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class OpenRequest:
    """What is asked of data on disk.

    Fields:
        how: The preparation.
        otherwise: The preparation where none was asked for and the files differ in size.
        skip_bad: Whether unreadable images are left out.
        progress: Called now and then with (done, total) while files are hashed.
        one_class: Whether images of one class will do, as the model knows others.
        group: The name of the column that groups samples; a reader without columns refuses it.
        contexts: Names of columns to be read into ``Source.contexts``; that they are there is checked by whoever asked.
        metadata: A table beside an image folder, which has the columns that ``contexts`` and ``group`` name.
        image_column, label_column: Names of the columns that hold images and labels, where a reader is to choose none
            itself; only for readers that have ``columns``.
        part: What was written behind the path, ``PATH:PART``; only for readers that have ``parts``.
    """

    how: Preparation
    otherwise: Preparation | None = None
    skip_bad: bool = False
    progress: Progress | None = None
    group: str | None = None
    contexts: tuple[str, ...] = ()
    metadata: str | None = None
    one_class: bool = False
    image_column: str | None = None
    label_column: str | None = None
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A form that data have on disk; the first in ``SOURCES`` that takes a path opens it.

    Fields:
        form: How it is written in lists: ``FILE.npz``.
        text: One line on it.
        takes: Whether an existing path is of this form.
        open: The source; a DataError says what cannot be used.
        write: Writes (n, 1 or 3, height, width) uint8 images and their labels without loss into an empty folder, and
            gives the path to open: the form by example, which the contract tests read back. ``None`` for a published
            set, which is what it is.
        columns: Whether it has columns of images and labels, which a person may name.
        parts: Whether ``PATH:PART`` may name a part of it (a split, a severity).
        claims: Whether what was written behind a path of another form makes it one of this.
    """

    form: str
    text: str
    takes: Callable[[Path], bool]
    open: Callable[[Path, OpenRequest], Source]
    write: Callable[[Path, npt.NDArray[np.uint8], Sequence[int]], Path] | None
    parts: bool = False
    columns: bool = False
    claims: Callable[[Path, str], bool] = lambda path, part: False


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """A set that is known by its name, ``NAME`` or ``NAME:PART``.

    Fields:
        name: What people type.
        text: One line on it, with what it needs.
        parts: Its parts; the first is meant where none is named.
        open: The source of a part, whose ``info.spec`` opens it again; a DataError says where to get what is missing.
    """

    name: str
    text: str
    parts: tuple[str, ...]
    open: Callable[[str], Source]
