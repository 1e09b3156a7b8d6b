"""Experiments over several architectures: the names, and a study for each on the same test images."""

from __future__ import annotations

import copy
import dataclasses

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.models import zoo
from brittlestar.reproduce.study import Study


def architectures(text: str) -> tuple[str, ...]:
    """The names in a list with commas.

    Raises:
        UsageError: An unknown name (those of timm are looked up when they are built), or one twice.
    """
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in zoo.ARCHITECTURES and not name.startswith("timm:"):
            raise unknown("architecture", name, [*zoo.ARCHITECTURES, "timm:NAME"])
    require(len(set(names)) == len(names), f"an architecture is there twice: {text}", UsageError)
    return names


def by_architecture(study: Study) -> dict[str, Study]:
    """A study for each architecture of the setting, with answers and files of its own; of one, the study itself."""
    names = architectures(study.setting.architecture)
    if len(names) == 1:
        return {names[0]: study}

    def one(name: str) -> Study:
        own = copy.copy(study)  # shares the images, which dataclasses.replace would read again
        own.setting = dataclasses.replace(study.setting, architecture=name)
        own.say = lambda text: study.say(f"{name}: {text}")
        # The copy shares these as well, and every architecture needs its own.
        own.right, own.files = {}, {}
        return own

    return {name: one(name) for name in names}
