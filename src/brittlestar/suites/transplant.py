"""Transplanted objects: every treatment, size and edge of a set of objects (Rosenfeld, Zemel and Tsotsos 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from brittlestar.core.errors import UsageError, require
from brittlestar.core.text import readable
from brittlestar.data.objects import Objects
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.transplant import TREATMENTS, Transplant
from brittlestar.suites.base import Shape, Suite

NAME = "transplant"
TITLES = {
    "donor": "Object of another class",
    "same_class": "Object of the same class",
    "grey": "Grey patch",
    "scrambled": "Phase-scrambled object",
}
SIZES, GRID = (0.4,), 5


def transplant_suite(
    folder: str,
    objects: Objects,
    classes: Sequence[str],
    sizes: Sequence[float] = SIZES,
    grid: int = GRID,
    feather: bool = True,
) -> Suite:
    """The clean images, and each treatment at each size, cut with scissors and (``feather``) with a soft edge.

    Args:
        folder: Of the objects.
        objects: What lies there.
        classes: Names in the order of the labels. Objects of other names are donors that no answer can name.
        sizes: The objects' longer side over the images' shorter one; 0 leaves objects as large as they are.
        grid: Places a side.
        feather: Whether soft edges are asked as well.

    Raises:
        UsageError: No class of the objects is one of the data, or no size is given, or one twice.
    """
    known = {name: place for place, name in enumerate(classes)}
    numbers = tuple(known.get(label, -1) for label in objects.labels)
    shown = [", ".join(readable(name) for name in sorted({*names})[:5]) for names in (objects.labels, classes)]
    none = f"no object is of a class of the data: the objects have {shown[0]}, the data {shown[1]}"
    require(max(numbers) >= 0, f"{none}; name the objects' sub-folders like the classes", UsageError)
    twice = f"give sizes, each once, got {', '.join(f'{size:g}' for size in sizes) or 'none'}"
    require(bool(sizes) and len({*sizes}) == len(sizes), twice, UsageError)

    def build(shape: Shape, storage: str) -> tuple[Condition, ...]:
        found = [clean()]
        for size in sorted(sizes):
            for soft in (False, True) if feather else (False,):
                for treatment in TREATMENTS:
                    definition = Transplant(
                        objects=folder,
                        content=objects.digest,
                        classes=numbers,
                        treatment=treatment,
                        ratio=float(size),
                        grid=grid,
                        feather=soft,
                    )
                    definition.check(*shape[1:])
                    found.append(_condition(definition))
        return tuple(found)

    return Suite(NAME, "objects of other pictures at a grid of places", build)


def pasted_suite(folder: str, objects: Objects, sizes: Sequence[float], grid: int) -> Suite:
    """For detectors: any of the objects in each photograph, and a grey patch as large, cut with scissors.

    Args:
        folder: Of the objects.
        objects: What lies there.
        sizes: As in ``transplant_suite``.
        grid: Places a side.
    """
    require(bool(sizes) and len({*sizes}) == len(sizes), "give sizes, each once", UsageError)

    def build(shape: Shape, storage: str) -> tuple[Condition, ...]:
        found = [clean()]
        for size in sorted(sizes):
            for treatment in ("donor", "grey"):
                definition = Transplant(
                    objects=folder,
                    content=objects.digest,
                    classes=(-1,) * len(objects.cuts),
                    treatment=treatment,
                    ratio=float(size),
                    grid=grid,
                )
                definition.check(*shape[1:])
                found.append(_condition(definition))
        return tuple(found)

    return Suite(NAME, "objects of other pictures at a grid of places", build)


def _condition(definition: Transplant) -> Condition:
    size = f"{100 * definition.ratio:.3g} % of the side" if definition.ratio else "own size"
    edge = "soft" if definition.feather else "hard"
    return condition(
        definition,
        shown=("treatment", "ratio", "grid", "feather", "content"),
        label=f"{size}, {edge} edge, {definition.grid} x {definition.grid} places",
        series=f"{definition.treatment}, {size}, {definition.feather}",
        table=NAME,
        detail="outcome",
        title=TITLES[definition.treatment],
    )
