"""NumPy's ``.npy`` files: images with their labels in a file beside, and the corruption sets published so.

CIFAR-10-C and CIFAR-100-C are a folder with a file for each corruption, five severities one after the other, and one
``labels.npy``; MNIST-C is a folder for each corruption with ``train_`` and ``test_`` files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.data.arrays import ArraySource, check_kind
from brittlestar.data.decode import Pixels
from brittlestar.data.labels import checked_labels
from brittlestar.data.npz import require_unchanged, signature
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.stored import Array, ArrayHeader, Stored, read_header, read_whole

LABELS = "labels.npy"
SEVERITIES = 5
SPLITS = ("test", "train")
_NO_GROUPS = "an .npy file has no column to group samples by; use .npz or arrays"


def _takes(path: Path) -> bool:
    if path.is_dir():
        return (path / LABELS).is_file() and bool(_arrays(path))
    return path.suffix == ".npy"


def _arrays(folder: Path) -> list[Path]:
    """The arrays of images in a folder: all but labels and hidden files."""
    return sorted(p for p in folder.glob("*.npy") if p.name != LABELS and not p.name.startswith(".") and p.is_file())


def _open(path: Path, asked: OpenRequest) -> ArraySource:
    require(asked.group is None, _NO_GROUPS, DataError)
    if not path.is_dir():
        return _one(path, str(path), asked.part, asked)
    files = {file.stem: file for file in _arrays(path)}
    names = sorted(files)
    if not asked.part and len(files) == 1:
        return _one(files[names[0]], str(path), "", asked)
    name, _, severity = asked.part.partition(":")
    require(
        name in files,
        f"{path} holds {len(files)} sets of images{f' and no {name!r}' if name else ''} ({', '.join(names)}): open one "
        f"at a time, {path}:{names[0]}"
        + (f", and at one severity {path}:{names[0]}:3" if _published(files[names[0]]) else ""),
        DataError,
    )
    return _one(files[name], f"{path}:{name}", severity, asked)


def _published(file: Path) -> bool:
    """Whether an array is one of a published set's: others of the same shape stand beside it, and share its labels."""
    others = _arrays(file.parent)
    if len(others) < 2 or file not in others or not (file.parent / LABELS).is_file():
        return False
    shapes = set()
    for other in others:
        with _opened(other) as (_, header):
            shapes.add(header.shape)
    return len(shapes) == 1


def _one(file: Path, spec: str, part: str, asked: OpenRequest) -> ArraySource:
    """One file of images; ``part`` is the severity of a published set."""
    beside = _labels_of(file)
    before = [signature(path) for path in (file, beside)]
    images, labels = images_in(file), labels_in(beside)
    require(labels.ndim > 0 and len(images.shape) > 0, f"{file} and {beside.name} hold single numbers", DataError)
    notes: tuple[str, ...] = ()
    groups = None
    count = len(images) // SEVERITIES
    several = (
        _published(file)
        and beside.name == LABELS
        and count > 0
        and _repeats(checked_labels(labels, spec).numbers, len(images))
    )
    if several:
        labels = labels[:count]
        own = "" if not asked.how.empty else ", and nothing is prepared again"
        notes = (f"a published set of shifted images ({file.stem}): 8-bit levels as they were stored{own}",)
        if part:
            require(
                part in map(str, range(1, SEVERITIES + 1)),
                f"{spec} has severities 1 to {SEVERITIES}, got {part!r}: write {spec}:3, or {spec} for all",
                DataError,
            )
            first = (int(part) - 1) * count
            images = images.part(first, first + count) if isinstance(images, Stored) else images[first : first + count]
            notes = (*notes, f"severity {part} of {SEVERITIES}")
        else:
            labels = np.concatenate([labels] * SEVERITIES)
            # One photograph at five severities: what is true of one is likely of the others.
            groups = np.tile(np.arange(count), SEVERITIES)
            notes = (*notes, f"all {SEVERITIES} severities together, {count:,} images each; {spec}:3 opens one alone")
    else:
        require(not part, f"{spec} has no part {part!r}: leave it out", DataError)
    source = ArraySource(
        images,
        labels,
        kind="npy",
        spec=f"{spec}:{part}" if part else spec,
        name="-".join([file.parent.name, file.stem, *([part] if part else [])]) if several else file.stem,
        how=asked.how,
        notes=notes,
        groups=groups,
        one_class=asked.one_class,
    )
    for path, was in zip((file, beside), before, strict=True):
        require_unchanged(path, was)
    return source


def _repeats(labels: npt.NDArray[np.int32], images: int) -> bool:
    """Whether so many images are the labels' samples five times over, in the labels' order."""
    if images % SEVERITIES:
        return False
    count = images // SEVERITIES
    return len(labels) == count or (
        len(labels) == images and bool((labels.reshape(SEVERITIES, count) == labels[:count]).all())
    )


def _labels_of(file: Path) -> Path:
    """The file of labels that belongs to a file of images: named alike, or ``labels.npy``."""
    stem = file.stem
    names = [
        stem.replace(one, other) for one, other in (("images", "labels"), ("image", "label"), ("x", "y"), ("X", "y"))
    ]
    names = [name for name in dict.fromkeys(names) if name != stem] if file.name != LABELS else []
    for name in (*names, "labels", "targets", "y"):
        if (beside := file.with_name(f"{name}.npy")).is_file() and beside != file:
            return beside
    raise DataError(f"{file} has no labels: put {LABELS} beside it, one whole number an image")


def images_in(path: Path) -> Array | Stored:
    """The array of images where it lies; in memory where its first axis moves fastest."""
    with _opened(path) as (file, header):
        check_kind(header.dtype, str(path))
        if header.fortran:
            return read_whole(file, header, str(path))
        return Stored(str(path), str(path), len(header.head), header.shape, header.dtype)


def labels_in(path: Path) -> Array:
    """An array of labels, in memory."""
    with _opened(path) as (file, header):
        return read_whole(file, header, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], ArrayHeader]]:
    try:
        with path.open("rb") as file:
            yield file, read_header(file, str(path), path.stat().st_size)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    np.save(folder / "images.npy", images)
    np.save(folder / LABELS, np.asarray(labels))
    return folder / "images.npy"


NPY = Reader(
    form="FILE.npy",
    text="images, labels in labels.npy beside; CIFAR-10-C's folders: FOLDER:fog:3 is fog at severity 3, FOLDER:fog all",
    takes=_takes,
    open=_open,
    write=_write,
    parts=True,
)


def _takes_mnist_c(path: Path) -> bool:
    try:
        return path.is_dir() and (_has_splits(path) or (not (path / LABELS).exists() and any(_corruptions(path))))
    except OSError:
        # The reader of folders says what is wrong with it.
        return False


def _has_splits(folder: Path) -> bool:
    return any((folder / f"{split}_images.npy").is_file() for split in SPLITS)


def _corruptions(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".") and _has_splits(p))


def _open_mnist_c(path: Path, asked: OpenRequest) -> ArraySource:
    require(asked.group is None, _NO_GROUPS, DataError)
    folder, spec, part = path, str(path), asked.part
    if not _has_splits(path):
        names = [p.name for p in _corruptions(path)]
        name, _, part = asked.part.partition(":")
        require(
            name in names,
            f"{path} holds {len(names)} sets of images{f' and no {name!r}' if name else ''} ({', '.join(names)}): open "
            f"one at a time, {path}:{names[0]}",
            DataError,
        )
        folder, spec = path / name, f"{path}:{name}"
    require(part in ("", *SPLITS), f"{spec} has {' and '.join(SPLITS)}, got {part!r}", DataError)
    split = part or next(split for split in SPLITS if (folder / f"{split}_images.npy").is_file())
    images, labels = (folder / f"{split}_{kind}.npy" for kind in ("images", "labels"))
    for file in (images, labels):
        require(file.is_file(), f"{file} is missing", DataError)
    before = [signature(file) for file in (images, labels)]
    own = "" if not asked.how.empty else ", and nothing is prepared again"
    source = ArraySource(
        images_in(images),
        labels_in(labels),
        kind="npy",
        spec=f"{spec}:{part}" if part else spec,
        name=f"{folder.name}-{split}",
        how=asked.how,
        notes=(f"the {split} split of {folder.name}: 8-bit levels as they were stored{own}",),
        one_class=asked.one_class,
    )
    for file, was in zip((images, labels), before, strict=True):
        require_unchanged(file, was)
    return source


def _write_mnist_c(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    (folder / "fog").mkdir()
    np.save(folder / "fog" / "test_images.npy", images.transpose(0, 2, 3, 1))
    np.save(folder / "fog" / "test_labels.npy", np.asarray(labels))
    return folder / "fog"


MNIST_C = Reader(
    form="FOLDER/ of MNIST-C",
    text="test_images.npy and test_labels.npy, train_ likewise: FOLDER:train; of the whole set FOLDER:fog",
    takes=_takes_mnist_c,
    open=_open_mnist_c,
    write=_write_mnist_c,
    parts=True,
)
