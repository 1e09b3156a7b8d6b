"""Experiments that need no training: the papers' numbers from the files that they published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.files import make_folder
from brittlestar.reproduce.cifar_101 import reproduce_cifar_101
from brittlestar.reproduce.imagenet_x import reproduce_imagenet_x
from brittlestar.reproduce.over_time import reproduce_time
from brittlestar.reproduce.page import write_page
from brittlestar.reproduce.population_tables import reproduce_clip, reproduce_testbed
from brittlestar.reproduce.study import Reproduction

FROM_TABLES: dict[str, Callable[[Path, Path], Reproduction]] = {
    "cifar-10.1": reproduce_cifar_101,
    "testbed": reproduce_testbed,
    "clip": reproduce_clip,
    "imagenet-x": reproduce_imagenet_x,
    "time": reproduce_time,
}
"""By name, what makes the reproduction of a folder of published files; pictures go into the second folder."""


def reproduce_from(name: str, folder: Path, out: Path) -> tuple[Reproduction, Path]:
    """Do an experiment again from the folder that holds its published files; gives it and its page.

    Raises:
        UsageError: Unknown name.
        DataError: No such folder, or files missing in it: the text says where they are had.
    """
    if name not in FROM_TABLES:
        raise unknown("experiment", name, FROM_TABLES)
    require(folder.is_dir(), f"{folder} is no folder: {name} takes the folder of the published files", DataError)
    make_folder(out)
    reproduction = FROM_TABLES[name](folder, out)
    return reproduction, write_page(reproduction, out)
