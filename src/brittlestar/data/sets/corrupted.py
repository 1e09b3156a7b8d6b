"""Corrupted ImageNet as published: CORRUPTION/SEVERITY/CLASS folders of images that are used as they were stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, unknown
from brittlestar.data.base import Source
from brittlestar.data.reader import OpenRequest
from brittlestar.data.sets.folders import ClassFolders
from brittlestar.data.sets.imagenet import VAL_KNOWN
from brittlestar.data.sets.imagenet_classes import imagenet

COMMON = (
    *(
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "snow",
    ),
    *("frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    *("speckle_noise", "gaussian_blur", "spatter", "saturate"),
)
"""Corruptions of ImageNet-C and CIFAR-10-C: the 15, then the 4 that are for validation."""

BAR = (
    *("blue_noise_sample", "brownish_noise", "caustic_refraction", "checkerboard_cutout", "cocentric_sine_waves"),
    *("inverse_sparkles", "perlin_noise", "plasma_noise", "single_frequency_greyscale", "sparkles"),
)
BAR_CIFAR = (
    *(
        "blue_noise_sample",
        "brownish_noise",
        "checkerboard_cutout",
        "circular_motion_blur",
        "inverse_sparkles",
        "lines",
    ),
    *("pinch_and_twirl", "ripple", "sparkles", "transverse_chromatic_abberation"),
)
"""Spelt as in the files."""

THREE_D = (
    *("near_focus", "far_focus", "fog_3d", "flash", "color_quant", "low_light", "xy_motion_blur", "z_motion_blur"),
    *("iso_noise", "bit_error", "h265_abr", "h265_crf"),
)

_SEVERITY = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class CorruptedFolders(ClassFolders):
    """A set with a folder for each corruption, in it one for each severity, in it one for each class.

    Fields:
        corruptions: Names of the folders.
        groups: Folders that corruptions may lie in, as they were packed.
    """

    corruptions: tuple[str, ...]
    groups: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return f"{len(self.corruptions)} corruptions, at each severity {super().counts}"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; the path may also be the folder of a corruption or of a severity."""
        self.require(path.is_dir(), path, "it is no folder")
        corruption, _, severity = asked.part.partition(":")
        own = path.resolve()
        if own.parent.name in self.corruptions and _SEVERITY.fullmatch(own.name):
            self.require(not asked.part, path, f"it is one severity already: leave :{asked.part} out")
            return self.opened(path, path, asked, "", f"{self.name}-{own.parent.name}-{own.name}")
        if own.name in self.corruptions:
            corruption, severity, folder = own.name, corruption, path
        else:
            there = dict(self._there(path))
            self.require(
                bool(there), path, f"it holds no folder of a corruption ({', '.join(self.corruptions[:3])}, ...)"
            )
            if corruption not in there:
                raise self._which(path, corruption, list(there))
            folder = there[corruption]
        severities = sorted((p.name for p in folder.iterdir() if _SEVERITY.fullmatch(p.name) and p.is_dir()), key=float)
        self.require(bool(severities), path, f"{corruption} holds no folders of severities")
        if severity not in severities:
            asks = f"{self.spec(path, asked.part.partition(':')[0])}:{severities[-1]}".replace("::", ":")
            got = f"{corruption} has severities {', '.join(severities)}" + (f", got {severity!r}" if severity else "")
            raise DataError(f"{got}: name one, {asks}")
        return self.opened(path, folder / severity, asked, asked.part, f"{self.name}-{corruption}-{severity}")

    def _there(self, path: Path) -> Iterator[tuple[str, Path]]:
        for name in self.corruptions:
            for folder in (path / name, *(path / group / name for group in self.groups)):
                if folder.is_dir():
                    yield name, folder
                    break

    def _which(self, path: Path, corruption: str, there: list[str]) -> DataError:
        if corruption and corruption not in self.corruptions:
            return DataError(str(unknown(f"corruption of {self.name}", corruption, self.corruptions)))
        lacks = f"{path} holds no {corruption}" if corruption else f"{self.name} is opened one corruption at a time"
        return DataError(f"{lacks}; there are {', '.join(there)}: {self.spec(path, there[0])}:3")


_NOTE = "one folder a corruption, in it one a severity, in it one a class (fog/3/n01440764), 224 pixels a side"

IMAGENET_C = CorruptedFolders(
    name="imagenet-c",
    title="ImageNet-C",
    layout=f"{_NOTE} (299 in the version for Inception)",
    where="zenodo.org/record/2235448",
    licence="CC BY 4.0",
    parts="CORRUPTION:SEVERITY (fog:3)",
    classes=imagenet,
    images=50_000,
    each=50,
    stored=(224, 299),
    known=VAL_KNOWN,
    corruptions=COMMON,
    groups=("noise", "blur", "weather", "digital", "extra"),
)

IMAGENET_C_BAR = CorruptedFolders(
    name="imagenet-c-bar",
    title="ImageNet-C-bar",
    layout=_NOTE,
    where="github.com/facebookresearch/augmentation-corruption",
    licence="MIT (code)",
    parts="CORRUPTION:SEVERITY (perlin_noise:3)",
    classes=imagenet,
    images=50_000,
    each=50,
    stored=(224,),
    known=VAL_KNOWN,
    corruptions=BAR,
)

IMAGENET_3DCC = CorruptedFolders(
    name="imagenet-3dcc",
    title="ImageNet-3DCC",
    layout=_NOTE,
    where="github.com/EPFL-VILAB/3DCommonCorruptions (datasets.epfl.ch/3dcc)",
    licence="CC BY-NC 4.0",
    parts="CORRUPTION:SEVERITY (fog_3d:3)",
    classes=imagenet,
    images=50_000,
    each=50,
    stored=(224,),
    known=VAL_KNOWN,
    corruptions=THREE_D,
)


def corrupted_folder(path: Path) -> tuple[str, str] | None:
    """What a folder seems to hold by its name and its parent's, and what opens it as stored; ``None`` for others."""
    here = path.resolve()
    for one in (IMAGENET_C, IMAGENET_C_BAR, IMAGENET_3DCC):
        if here.parent.name in one.corruptions and _SEVERITY.fullmatch(here.name):
            return f"{here.parent.name} at severity {here.name} of {one.title}", one.spec(path)
    return None
