"""Image folders: one sub-folder a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.text import readable
from brittlestar.data.base import Changed
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import EncodedSource, png
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.tree import tree_of


class PictureFiles(EncodedSource):
    """Image files below a folder."""

    def index_files(
        self,
        root: Path,
        files: Sequence[tuple[Path, int]],
        classes: tuple[str, ...],
        asked: OpenRequest,
        notes: Sequence[str],
    ) -> None:
        """Read the files (path, label) once; ``classes`` in the order of the labels."""
        self.root = root
        listing = ((_or_why(p), str(p.relative_to(root)), label) for p, label in files)
        name = readable(root.resolve().name)
        kept = self._index(listing, len(files), "folder", str(root), name, classes, asked, notes=notes)
        self.files = [str(files[place][0].relative_to(root)) for place in kept]

    def names(self) -> Sequence[str]:
        """See ``Source.names``."""
        return [Path(file).as_posix() for file in self.files]

    def contents(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """See ``EncodedSource.contents``."""
        for place in index:
            try:
                yield (self.root / self.files[place]).read_bytes(), self.files[place]
            except FileNotFoundError:
                raise Changed(f"{self.files[place]} is gone from {self.root} since this session began") from None
            except OSError as error:
                raise DataError(f"cannot read {self.files[place]} in {self.root}: {error.strerror}") from error


class FolderSource(PictureFiles):
    """A folder with one sub-folder a class; classes are the sub-folders' names in sorted order, numbers in theirs."""

    by_text = True

    def __init__(
        self,
        root: Path,
        asked: OpenRequest,
    ) -> None:
        require(
            asked.group is None, "an image folder has no column to group samples by; use Parquet or arrays", DataError
        )
        tree = tree_of(root)
        files = [(file, label) for label, (_, images) in enumerate(tree.classes) for file in images]
        self.index_files(root, files, tuple(name for name, _ in tree.classes), asked, tree.notes)


def _or_why(path: Path) -> bytes | DataError:
    try:
        return path.read_bytes()
    except OSError as error:
        return DataError(f"cannot read {readable(str(path))}: {error.strerror}")


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        file = folder / "images" / f"class {label}" / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(image))
    return folder / "images"


FOLDER = Reader(
    form="FOLDER/",
    text="images in one sub-folder a class (JPEG, PNG, WebP, BMP, TIFF, GIF)",
    takes=Path.is_dir,
    open=FolderSource,
    write=_write,
)
