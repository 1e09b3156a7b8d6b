"""What others found out about ImageNet's validation images: all right labels (ReaL), and factors (ImageNet-X)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.data.published_set import ClassList, Listed, PublishedSet, SetFiles
from brittlestar.data.reader import OpenRequest
from brittlestar.data.sets.ground_truth import val_number
from brittlestar.data.sets.imagenet import IMAGENET_VAL, RESIZED, ImageNetVal

FACTORS = (
    "multiple_objects",
    "background",
    "color",
    "brighter",
    "darker",
    "style",
    "larger",
    "smaller",
    "object_blocking",
    "person_blocking",
    "partial_view",
    "pattern",
    "pose",
    "shape",
    "subcategory",
    "texture",
)
"""ImageNet-X's, in the order of its files."""

_LARGEST = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Annotated(PublishedSet):
    """The validation images with files that say more of them.

    Fields:
        images: The validation set.
    """

    images: ImageNetVal

    def val(self, path: Path) -> tuple[Path, list[tuple[Path, int]], list[int]]:
        """The folder of the images, each with its label, and their numbers from 1."""
        root, files = self.images.labelled(path)
        numbers = [val_number(file.stem) for file, _ in files]
        strange = next((f.name for (f, _), n in zip(files, numbers, strict=True) if n is None), "")
        self.require(
            not strange, path, f"{readable(strange)} is not named as the validation images are (ILSVRC2012_val_...)"
        )
        known = [number for number in numbers if number is not None]
        fits = sorted(known) == list(range(1, len(known) + 1))
        self.require(fits, path, f"its images are not those numbered 1 to {self.images.images:,}")
        return root, files, known

    def classes(self) -> ClassList:
        """ImageNet's."""
        return self.images.classes()


@dataclass(frozen=True, kw_only=True)
class ReassessedLabels(Annotated):
    """ReaL: all the labels that people found right, and none for some images.

    Fields:
        labelled: How many images have at least one label.
    """

    labelled: int

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return f"{self.images.images:,} images, {self.labelled:,} of them with one right label or more"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``."""
        root, files, numbers = self.val(path)
        file = _file(
            self, path, asked.part, root, ("real.json", "imagenet_real_labels.jsonl", "imagenet_real_labels.json")
        )
        truths = self._truths(path, file)
        listed = Listed(
            root=root,
            files=files,
            classes=self.classes(),
            part=asked.part,
            notes=(
                f"several labels may be right for an image, and {self.labelled:,} have any: the others do not count",
            ),
            truths=[truths[number - 1] for number in numbers],
        )
        return SetFiles(self, path, listed, asked)

    def _truths(self, path: Path, file: Path) -> list[tuple[int, ...]]:
        given, most = _json(self, path, file), len(self.classes().names)
        fits = isinstance(given, list) and len(given) == self.images.images
        has = f"{len(given):,} entries" if isinstance(given, list) else "no list"
        self.require(
            fits, path, f"{file.name} holds {has}, and it has a list of {self.images.images:,} lists of labels"
        )
        good = all(isinstance(own, list) and all(type(one) is int and 0 <= one < most for one in own) for own in given)
        self.require(good, path, f"{file.name} does not give every image a list of labels in 0 .. {most - 1}")
        some = sum(bool(own) for own in given)
        self.require(
            some == self.labelled, path, f"{file.name} has labels for {some:,} images instead of {self.labelled:,}"
        )
        return [tuple(sorted(set(own))) for own in given]


@dataclass(frozen=True, kw_only=True)
class FactorAnnotations(Annotated):
    """ImageNet-X: what sets an image apart from typical ones of its class, by 16 factors.

    Fields:
        annotated: How many images are.
        prototypes: How many images are the typical ones that others were compared with.
        installed: The folder of the files where the package that carries them is installed.
    """

    annotated: int
    prototypes: int
    installed: Callable[[], Path | None]

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return f"{self.images.images:,} images, {self.annotated:,} of them annotated"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; ``asked.part`` names the folder of annotations."""
        root, files, numbers = self.val(path)
        multi = "imagenet_x_val_multi_factor.jsonl"
        file = _file(self, path, asked.part, root, (multi,), self.installed())
        labels = {number: label for number, (_, label) in zip(numbers, files, strict=True)}
        rows = self._rows(path, file, labels)
        top = file.with_name("imagenet_x_val_top_factor.jsonl")
        tops = self._rows(path, top, labels) if top.is_file() else None
        typical = self._prototypes(path, file.with_name("prototypical_paths.csv"))
        contexts = {factor: [_word(rows, number, factor, typical) for number in numbers] for factor in FACTORS}
        if tops is not None:
            contexts["top_factor"] = [_top(tops, number, typical) for number in numbers]
        listed = Listed(
            root=root,
            files=files,
            classes=self.classes(),
            part=asked.part,
            notes=(
                f"{self.annotated:,} of the images are annotated (ImageNet-X); {self.prototypes:,} are typical ones "
                "that others were compared with (prototype)",
            ),
            contexts=contexts,
        )
        return SetFiles(self, path, listed, asked)

    def _rows(self, path: Path, file: Path, labels: dict[int, int]) -> dict[int, dict[str, Any]]:
        """What the file says of each image, by its number."""
        rows: dict[int, dict[str, Any]] = {}
        for line, text in enumerate(_text(self, path, file).splitlines(), 1):
            try:
                row = json.loads(text)
                number = val_number(Path(row["file_name"]).stem)
                values = {factor: row[factor] for factor in FACTORS}
                label = row["class"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise self.wrong(
                    path, f"line {line:,} of {file.name} is not one of ImageNet-X's ({error!r})"
                ) from error
            good = number in labels and number not in rows and all(value in (0, 1) for value in values.values())
            self.require(
                good, path, f"line {line:,} of {file.name} is of no image, or of one a second time, or no 0 and 1"
            )
            assert number is not None
            self.require(
                labels[number] == label,
                path,
                f"{file.name} says class {label} of image {number}, which is {labels[number]}",
            )
            rows[number] = values
        self.require(
            len(rows) == self.annotated, path, f"{file.name} has {len(rows):,} images instead of {self.annotated:,}"
        )
        return rows

    def _prototypes(self, path: Path, file: Path) -> set[int]:
        """Numbers of the images that others were compared with; none where their file is not there."""
        if not file.is_file():
            return set()
        found = {val_number(Path(line.strip()).stem) for line in _text(self, path, file).splitlines()} - {None}
        fits = len(found) == self.prototypes
        self.require(fits, path, f"{file.name} names {len(found):,} images instead of {self.prototypes:,}")
        return {number for number in found if number is not None}


def _word(rows: dict[int, dict[str, Any]], number: int, factor: str, typical: set[int]) -> str:
    if number in typical:
        return "prototype"
    return ("no", "yes")[rows[number][factor]] if number in rows else ""


def _top(rows: dict[int, dict[str, Any]], number: int, typical: set[int]) -> str:
    if number in typical:
        return "prototype"
    if number not in rows:
        return ""
    return next((factor for factor in FACTORS if rows[number][factor]), "none")


def _file(of: PublishedSet, path: Path, named: str, root: Path, names: Sequence[str], more: Path | None = None) -> Path:
    """The file that was named, itself or by its folder, or one that lies near the images or in ``more``."""
    if named:
        there = next((p for p in (root / named, Path(named)) if p.exists()), None)
        of.require(there is not None, path, f"there is no {named}")
        assert there is not None
        folders = [there] if there.is_dir() else []
        if there.is_file():
            return there
    else:
        folders = [path, path.parent, root, root.parent, *([more] if more is not None else [])]
    file = next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)
    require(
        file is not None,
        f"{of.name}: the images are there, and {names[0]} is not, beside them or one folder up: get it from "
        f"{of.where}, or name where it lies, {of.spec(path, 'FILE')}",
        DataError,
    )
    assert file is not None
    return file


def _text(of: PublishedSet, path: Path, file: Path) -> str:
    of.require(file.stat().st_size <= _LARGEST, path, f"{file.name} is far too large")
    return file.read_text(encoding="utf-8-sig", errors="replace")


def _json(of: PublishedSet, path: Path, file: Path) -> Any:
    try:
        return json.loads(_text(of, path, file))
    except (ValueError, RecursionError) as error:
        raise of.wrong(path, f"{file.name} cannot be read as JSON ({error})") from error


def _installed() -> Path | None:
    # Found without importing it: what it needs besides its files may not be there.
    found = importlib.util.find_spec("imagenet_x")
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) / "annotations" if places else None


IMAGENET_REAL = ReassessedLabels(
    name="imagenet-real",
    title="ImageNet-ReaL",
    layout=f"ImageNet's validation set (see {IMAGENET_VAL.name}) with real.json beside it",
    where="github.com/google-research/reassessed-imagenet",
    licence="Apache-2.0 (labels)",
    parts="real.json where it lies elsewhere",
    prepare=RESIZED,
    images=IMAGENET_VAL,
    labelled=46_837,
)

IMAGENET_X = FactorAnnotations(
    name="imagenet-x",
    title="ImageNet-X",
    layout=f"ImageNet's validation set (see {IMAGENET_VAL.name}) with imagenet_x_val_multi_factor.jsonl beside it, or "
    "the package imagenet-x installed",
    where="github.com/facebookresearch/imagenetx, or pip install --no-deps imagenet-x",
    licence="CC BY-NC 4.0 (annotations)",
    parts="the folder of the annotations",
    prepare=RESIZED,
    images=IMAGENET_VAL,
    annotated=48_868,
    prototypes=3_000,
    installed=_installed,
)
