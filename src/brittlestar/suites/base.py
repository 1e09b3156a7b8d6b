"""A suite: an ordered list of conditions for images of a given shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.shifts.conditions import Condition

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Suite:
    """A named list of conditions.

    Every condition but the clean one has a title, a label, a paper and a table (where its numbers come from); an attack
    says its threat model; several conditions of one shift and series have strengths that rise, with a name, as they
    are points of one curve. ``conditions`` holds what ``build`` gives to it.

    Fields:
        name: What people type.
        summary: One line.
        build: Conditions for (channel, height, width) and a storage.
        storages: How shifted images may be kept (``shifts.storage``); the first is the one that was published.
        channels: Numbers of colour channels it is defined for.
        for_cuts: The same for images that are cut from larger pictures (``DataInfo.cropped``), where that matters.
        prepared: How its photographs were prepared, a key of ``core.preparation.PUBLISHED``: what photographs of
            different sizes get where nothing else is asked for. Empty for sets that were not made from photographs.
    """

    name: str
    summary: str
    build: Callable[[Shape, str], tuple[Condition, ...]]
    storages: tuple[str, ...] = ("float",)
    channels: tuple[int, ...] = (1, 3)
    for_cuts: Callable[[Shape, str], tuple[Condition, ...]] | None = None
    prepared: str = ""

    def conditions(self, shape: Shape, storage: str | None = None, cropped: bool = False) -> tuple[Condition, ...]:
        """The conditions for images of ``shape``, with unique ids and fingerprints.

        Args:
            shape: Of the images.
            storage: One of ``storages``; the published one by default.
            cropped: Whether the images are cut from larger pictures.

        Raises:
            DataError: Images of a shape that the suite is not defined for.
            UsageError: A storage that the suite does not have; conditions that break the rules above.
        """
        channels, height, width = shape
        require(
            storage is None or storage in self.storages,
            f"suite {self.name} keeps its images as {' or '.join(self.storages)}, not {storage}",
            UsageError,
        )
        require(
            channels in self.channels and min(height, width) >= 8,
            f"suite {self.name} needs {' or '.join(map(str, self.channels))} channels and at least 8 x 8 pixels, "
            f"got {shape}",
            DataError,
        )
        build = self.for_cuts if cropped and self.for_cuts is not None else self.build
        listed = build(shape, storage or self.storages[0])
        for what in ("id", "fingerprint"):
            values = [getattr(c.info, what) for c in listed]
            # Counting each takes quadratic time, so only where something is wrong.
            twice = {v for v in values if values.count(v) > 1} if len(set(values)) < len(values) else set()
            require(not twice, f"suite {self.name} lists {what} twice: {sorted(twice)}")
        self._check([condition.info for condition in listed])
        return listed

    def _check(self, listed: list[ConditionInfo]) -> None:
        curves: dict[tuple[str, ...], list[ConditionInfo]] = {}
        for info in (info for info in listed if info.kind != "clean"):
            lacking = [field for field in ("title", "label", "paper", "table") if not getattr(info, field)]
            lacking += ["threat"] if info.kind == "attack" and not info.threat else []
            require(not lacking, f"suite {self.name}: {info.id} needs a {' and a '.join(lacking)}", UsageError)
            if info.kind in ("shift", "attack"):
                curves.setdefault((info.shift, info.series, info.table), []).append(info)
        for infos in curves.values():
            # Equal strengths are refused too: a curve would have two values at one place.
            known = [info.strength for info in infos if info.strength is not None and info.strength_name]
            require(
                len(infos) == 1 or (len(known) == len(infos) and known == sorted({*known})),
                f"suite {self.name}: {infos[0].id} to {infos[-1].id} are one curve: give each a `strength_name` and a "
                f"`strength` that rises from one to the next; got {[info.strength for info in infos]}",
                UsageError,
            )
