"""Labels of ImageNet's validation images that lie in a file of their own, in the forms that are in use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brittlestar.core.text import readable
from brittlestar.data.sets.imagenet_classes import challenge_numbers

if TYPE_CHECKING:
    from brittlestar.data.sets.folders import ClassFolders

FILES = (
    "ILSVRC2012_validation_ground_truth.txt",
    "val_map.txt",
    "val.txt",
    "LOC_val_solution.csv",
    "imagenet_2012_validation_synset_labels.txt",
)
_FOLDERS = (".", "..", "ILSVRC2012_devkit_t12/data", "../ILSVRC2012_devkit_t12/data", "../data", "../..")
_LARGEST = 64 << 20


def val_name(number: int) -> str:
    """What the validation image of a number, from 1, is called, without its suffix."""
    return f"ILSVRC2012_val_{number:08d}"


def val_number(stem: str) -> int | None:
    """The number of a validation image by its name without suffix; ``None`` for other names."""
    match = re.fullmatch(r"ILSVRC2012_val_(\d{8})", stem)
    return None if match is None else int(match[1])


@dataclass(frozen=True)
class GroundTruth:
    """A file of labels: one a line in the order of the images' numbers, or a name and a label a line.

    Fields:
        file: Where it lies.
    """

    file: Path

    @classmethod
    def beside(cls, of: ClassFolders, path: Path, root: Path, named: str = "") -> GroundTruth:
        """The file that was named, or the one that lies near the images."""
        if named:
            file = next((f for f in (root / named, Path(named)) if f.is_file()), None)
            of.require(file is not None, path, f"there is no file of labels {named}")
        else:
            places = (root / folder / name for folder in _FOLDERS for name in FILES)
            file = next((place for place in places if place.is_file()), None)
            of.require(
                file is not None,
                path,
                f"all images lie in one folder, and none of {', '.join(FILES)} lies there or beside it: put one there, "
                f"or name it, {of.spec(path, 'FILE')}",
            )
        assert file is not None
        return cls(file)

    def labels(self, of: ClassFolders, path: Path, stems: Sequence[str]) -> list[int]:
        """The class of each image in the order of the model's outputs.

        Numbers may be of the 2012 challenge (1 to 1,000) or of the outputs (0 to 999); the classes that are known of a
        few images tell which, and refuse any other numbering.
        """
        words = self._words(of, path, stems)
        places = {name: place for place, name in enumerate(of.classes().names)}
        if all(not word.isdecimal() for word in words.values()):
            return self._looked_up(of, path, stems, words, places)
        known = {stem: label for stem, label in of.known.items() if stem in words}
        self_told = {str(place): place for place in places.values()}
        numberings: dict[str, Mapping[str, int]] = {
            "challenge": {str(number): place for number, place in challenge_numbers().items() if place < len(places)},
            "outputs": self_told,
        }
        fits = [n for n, of_word in numberings.items() if all(of_word.get(words[s]) == at for s, at in known.items())]
        first = ", ".join(f"{words[stem]} where {label} is right" for stem, label in list(known.items())[:3])
        of.require(
            len(fits) == 1,
            path,
            f"{self.file.name} numbers classes neither as the 2012 challenge did (1 to 1,000) nor in the order of the "
            f"outputs (0 to 999): it begins {first}",
        )
        return self._looked_up(of, path, stems, words, numberings[fits[0]])

    def _words(self, of: ClassFolders, path: Path, stems: Sequence[str]) -> dict[str, str]:
        """What the file says of each image, by name without suffix."""
        of.require(
            self.file.stat().st_size <= _LARGEST, path, f"{self.file.name} is far too large for a list of labels"
        )
        lines = [
            line for line in self.file.read_text(encoding="utf-8-sig", errors="replace").splitlines() if line.strip()
        ]
        rows = [re.split(r"[\s,]+", line.strip()) for line in lines]
        if rows and rows[0][0] in ("ImageId", "filename", "image"):
            rows = rows[1:]
        of.require(
            len(rows) == of.images,
            path,
            f"{self.file.name} has {len(rows):,} labels for {of.images:,} images",
        )
        if all(len(row) == 1 for row in rows):
            numbers = [val_number(stem) for stem in stems]
            strange = next((stem for stem, number in zip(stems, numbers, strict=True) if number is None), "")
            of.require(
                not strange,
                path,
                f"{self.file.name} has one label a line in the order of ILSVRC2012_val_00000001, ..., and an image is "
                f"called {readable(strange)}",
            )
            return {val_name(number + 1): row[0] for number, row in enumerate(rows)}
        of.require(
            all(len(row) >= 2 for row in rows),
            path,
            f"{self.file.name} is neither one label a line nor a name and a label a line",
        )
        return {Path(row[0]).name.split(".")[0]: row[1] for row in rows}

    def _looked_up(
        self, of: ClassFolders, path: Path, stems: Sequence[str], words: Mapping[str, str], places: Mapping[str, int]
    ) -> list[int]:
        lacks = [stem for stem in stems if stem not in words]
        of.require(not lacks, path, f"{self.file.name} has no label for {readable((lacks or [''])[0])}")
        strange = next((words[stem] for stem in stems if words[stem] not in places), "")
        of.require(not strange, path, f"{self.file.name} has the label {strange!r}, which is none of its classes")
        labels = {stem: places[words[stem]] for stem in stems}
        odd = next((stem for stem, label in of.known.items() if labels.get(stem, label) != label), "")
        of.require(
            not odd, path, f"{self.file.name} gives {odd} class {labels.get(odd)}, and it is {of.known.get(odd)}"
        )
        return [labels[stem] for stem in stems]
