"""Image folders: one sub-folder a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable
from brittlestar.data.base import Changed
from brittlestar.data.contexts import columns_of_text
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import EncodedSource, png
from brittlestar.data.metadata import Metadata
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.tree import tree_of


class FolderSource(EncodedSource):
    """A folder with one sub-folder a class; classes are the sub-folders' names in sorted order, numbers in theirs."""

    by_text = True

    def __init__(
        self,
        root: Path,
        asked: OpenRequest,
    ) -> None:
        require(
            asked.group is None or asked.metadata is not None,
            f"an image folder has no column to group samples by; use Parquet or arrays, or a table beside it "
            f"({option('metadata', 'FILE')})",
            DataError,
        )
        tree = tree_of(root)
        files = [(file, label) for label, (_, images) in enumerate(tree.classes) for file in images]
        self.root = root
        classes = tuple(name for name, _ in tree.classes)
        listing = ((content_or_why(p), str(p.relative_to(root)), label) for p, label in files)
        name = readable(root.resolve().name)
        every = [file.relative_to(root).as_posix() for file, _ in files]
        table = None if asked.metadata is None else Metadata.read(Path(asked.metadata))
        told = _contexts(every, asked.contexts, table, root)
        groups = table.column(asked.group, every, root) if table is not None and asked.group else None
        kept = self._index(listing, len(files), "folder", str(root), name, classes, asked, groups, notes=tree.notes)
        self.files = [str(files[place][0].relative_to(root)) for place in kept]
        self.contexts = {name: column[kept] for name, column in columns_of_text(told, len(files), str(root)).items()}

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


def _contexts(
    files: Sequence[str], names: tuple[str, ...], table: Metadata | None, root: Path
) -> dict[str, Sequence[str]]:
    """Columns of the table beside the folder; without one, the levels of folders below the class's."""
    if table is not None:
        columns = ", ".join(map(readable, table.columns))
        require(
            bool(names),
            f"which columns of {readable(str(table.path))} ({columns}) are contexts? Name them: "
            f"{option('contexts', 'COLUMN,COLUMN')}",
            DataError,
        )
        return {name: table.column(name, files, root) for name in names}
    levels = [file.split("/")[1:-1] for file in files]
    odd = next((place for place, level in enumerate(levels) if names and len(level) != len(names)), None)
    if odd is not None:
        raise DataError(
            f"{readable(files[odd])} lies {len(levels[odd])} folders below its class's, and {option('contexts')} names "
            f"{len(names)} ({', '.join(map(readable, names))}): of an image folder they are the levels of folders "
            f"between class and image, or columns of a table beside it ({option('metadata', 'FILE')})"
        )
    return {name: [level[place] for level in levels] for place, name in enumerate(names)}


def content_or_why(path: Path) -> bytes | DataError:
    """A file's content, or why there is none."""
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
