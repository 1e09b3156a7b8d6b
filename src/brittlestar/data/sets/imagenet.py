"""ImageNet's validation set and natural test sets of its classes, as they were published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, unknown
from brittlestar.core.preparation import PUBLISHED
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.data.decode import decode
from brittlestar.data.label_spaces import describe_spaces
from brittlestar.data.published_set import Listed, SetFiles
from brittlestar.data.reader import OpenRequest
from brittlestar.data.sets.folders import ClassFolders
from brittlestar.data.sets.ground_truth import GroundTruth, val_name
from brittlestar.data.sets.imagenet_classes import KNOWN, imagenet, subset
from brittlestar.data.tree import look

VAL_KNOWN = {val_name(number + 1): label for number, label in enumerate(KNOWN)}


@dataclass(frozen=True, kw_only=True)
class ImageNetVal(ClassFolders):
    """The validation set: folders by WordNet number, or all images in one folder with a file of labels."""

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; ``asked.part`` names a label space, or the file of labels."""
        if asked.part not in dict(describe_spaces()):
            root, files = self.labelled(path, asked.part)
            return SetFiles(self, path, Listed(root=root, files=files, classes=self.classes(), part=asked.part), asked)
        root, files = self.labelled(path)
        classes = subset(asked.part)()
        assert classes.space is not None
        # What other sets of these classes are compared with: the images that the validation set has of them.
        of = {output: label for label, own in enumerate(classes.space.members) for output in own}
        kept = [(file, of[label]) for file, label in files if label in of]
        name = f"{self.name}-{asked.part}"
        note = f"the {len(kept):,} images of the classes of {asked.part}"
        listed = Listed(root=root, files=kept, classes=classes, part=asked.part, name=name, notes=(note,))
        return SetFiles(self, path, listed, asked)

    def labelled(self, path: Path, labels: str = "") -> tuple[Path, list[tuple[Path, int]]]:
        """The folder that holds them, and every image with its label, verified."""
        root = self.root_of(path)
        top = look(root, follow=True)
        if top.folders and not top.images:
            self.require(not labels, path, f"its images lie in folders of classes: leave :{labels} out")
            return root, self.files(path, root)
        self.require(
            len(top.images) == self.images,
            path,
            f"it holds {len(top.images):,} images instead of {self.images:,}, and no folders of classes",
        )
        truth = GroundTruth.beside(self, path, root, labels)
        numbers = truth.labels(self, path, [image.stem for image in top.images])
        counts = np.bincount(numbers, minlength=len(self.classes().names))
        odd = int(np.argmax(counts != self.each))
        fits = bool((counts == self.each).all())
        self.require(fits, path, f"{truth.file.name} gives class {odd} to {counts[odd]} images instead of {self.each}")
        return root, list(zip(top.images, numbers, strict=True))


@dataclass(frozen=True, kw_only=True)
class Variants(ClassFolders):
    """Several sets of one layout, each in a folder of its own.

    Fields:
        variants: Names of the folders that each may lie in, by what people type; the first is meant without.
    """

    variants: dict[str, tuple[str, ...]]

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; the path may be one variant's folder."""
        self.require(path.is_dir(), path, "it is no folder")
        part = asked.part
        if part and part not in self.variants:
            raise DataError(str(unknown(f"part of {self.name}", part, self.variants)))
        here = set(look(path, follow=True).folders)
        lying = {name: path / f for name, names in self.variants.items() for f in names if f in here}
        if not lying:
            own = next((name for name, names in self.variants.items() if path.resolve().name in names), "")
            self.require(
                part in ("", own), path, f"it holds no folder of {part} ({', '.join(self.variants.get(part, ()))})"
            )
            return self.opened(path, path, asked, part, f"{self.name}-{own}" if own else self.name)
        chosen = part or (next(iter(lying)) if len(lying) == 1 else next(iter(self.variants)))
        self.require(chosen in lying, path, f"it holds {', '.join(lying)} and no {chosen}")
        return self.opened(path, lying[chosen], asked, part, f"{self.name}-{chosen}")


@dataclass(frozen=True, kw_only=True)
class ObjectNet(ClassFolders):
    """ObjectNet: 313 folders, of which 113 are classes of ImageNet; a red line around every picture.

    Fields:
        folders_published: How many folders it has, of all its classes.
    """

    folders_published: int

    def files(self, path: Path, root: Path) -> list[tuple[Path, int]]:
        """The images of the shared classes; that all others are there is verified by their folders."""
        top = look(root, follow=True)
        names = self.classes().names
        lacks = [name for name in names if name not in top.folders]
        self.require(not lacks, path, f"{len(lacks)} of its classes are missing: {', '.join(lacks[:5])}")
        self.require(
            len(top.folders) == self.folders_published,
            path,
            f"it has {len(top.folders)} folders instead of {self.folders_published}",
        )
        listed = [(image, label) for label, name in enumerate(names) for image in look(top.folders[name]).images]
        whole = f"its {len(names)} classes of ImageNet have {len(listed):,} images instead of {self.images:,}"
        self.require(len(listed) == self.images, path, f"{whole}: was it unpacked whole?")
        # A picture of every twentieth class: all were published alike.
        first = {label: image for image, label in reversed(listed)}
        for label in range(0, len(names), 20):
            self.require(
                _framed(first[label]),
                path,
                f"{readable(first[label].name)} has no red line of {self.border} pixel around it: it was cropped or "
                "resized already",
            )
        return listed


def _framed(file: Path) -> bool:
    """Whether the outermost pixels of a picture are red."""
    pixels = decode(file.read_bytes(), file.name)
    if len(pixels) != 3:
        return False
    edges = (pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1])
    red, *others = np.concatenate(edges, axis=1).astype(int)
    return bool(red.mean() > 200 and max(other.mean() for other in others) < 60)


RESIZED = PUBLISHED["imagenet-c"]
"""How these photographs were measured: the shorter side resized to 256, its central 224."""

_RESEARCH = "for non-commercial research (ImageNet's terms)"
_NAE = "people.eecs.berkeley.edu/~hendrycks"

IMAGENET_VAL = ImageNetVal(
    prepare=RESIZED,
    name="imagenet-val",
    title="ImageNet's validation set (2012)",
    layout="one folder a class (n01440764), or all images in one with ILSVRC2012_validation_ground_truth.txt, "
    "val_map.txt or LOC_val_solution.csv beside",
    where="image-net.org, after registration",
    licence=_RESEARCH,
    parts="a label space (imagenet-a) for the images of its classes alone, or the file of labels",
    classes=imagenet,
    images=50_000,
    each=50,
    inside=("val", "ILSVRC2012_img_val"),
    known=VAL_KNOWN,
)

IMAGENET_V2 = Variants(
    prepare=RESIZED,
    name="imagenet-v2",
    title="ImageNetV2",
    layout="folders 0 to 999 in each of imagenetv2-matched-frequency-format-val, -threshold0.7- and -top-images-",
    where="huggingface.co/datasets/vaishaal/ImageNetV2",
    licence="MIT (code); photographs of Flickr",
    parts="matched-frequency, threshold-0.7 or top-images",
    classes=imagenet,
    images=10_000,
    each=10,
    numbered=True,
    variants={
        "matched-frequency": ("imagenetv2-matched-frequency-format-val", "imagenetv2-matched-frequency"),
        "threshold-0.7": ("imagenetv2-threshold0.7-format-val", "imagenetv2-threshold0.7"),
        "top-images": ("imagenetv2-top-images-format-val", "imagenetv2-top-images"),
    },
)

IMAGENET_A = ClassFolders(
    prepare=RESIZED,
    name="imagenet-a",
    title="ImageNet-A",
    layout="one folder a class (n01498041)",
    where=f"{_NAE}/imagenet-a.tar",
    licence="MIT (repository)",
    classes=subset("imagenet-a"),
    images=7_500,
    inside=("imagenet-a",),
)

IMAGENET_O = ClassFolders(
    prepare=RESIZED,
    name="imagenet-o",
    title="ImageNet-O",
    layout="one folder a class that its images were mistaken for (n01443537)",
    where=f"{_NAE}/imagenet-o.tar",
    licence="MIT (repository)",
    classes=subset("imagenet-o"),
    images=2_000,
    inside=("imagenet-o",),
    right=False,
)

IMAGENET_R = ClassFolders(
    prepare=RESIZED,
    name="imagenet-r",
    title="ImageNet-R",
    layout="one folder a class (n01443537)",
    where=f"{_NAE}/imagenet-r.tar",
    licence="MIT (repository)",
    classes=subset("imagenet-r"),
    images=30_000,
    inside=("imagenet-r",),
)

IMAGENET_SKETCH = ClassFolders(
    prepare=RESIZED,
    name="imagenet-sketch",
    title="ImageNet-Sketch",
    layout="one folder a class (n01440764)",
    where="github.com/HaohanWang/ImageNet-Sketch",
    licence="not said; pictures of a search engine",
    classes=imagenet,
    images=50_889,
    inside=("sketch",),
)

STYLIZED_IMAGENET = ClassFolders(
    name="stylized-imagenet",
    title="Stylized-ImageNet (validation)",
    layout="one folder a class (n01440764), 224 pixels a side",
    where="github.com/rgeirhos/Stylized-ImageNet, whose code makes it of ImageNet and paintings",
    licence=_RESEARCH,
    classes=imagenet,
    images=50_000,
    each=50,
    stored=(224,),
    inside=("val",),
)

OBJECTNET = ObjectNet(
    prepare=RESIZED,
    name="objectnet",
    title="ObjectNet",
    layout="one folder a class of things (alarm_clock), a red line of one pixel around every picture",
    where="objectnet.dev",
    licence="for testing only: never to train or tune on",
    classes=subset("objectnet"),
    images=18_574,
    folders_published=313,
    border=1,
    inside=("images", "objectnet-1.0/images"),
)
