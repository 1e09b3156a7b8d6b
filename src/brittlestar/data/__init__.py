"""Sources of labelled images: folders, Parquet, arrays, named sets.

To add a form of data or a named set, write it in a file of its own and list it in ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation, published
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.decode import decode_image
from brittlestar.data.digits import DIGITS
from brittlestar.data.fashion_mnist import FASHION_MNIST
from brittlestar.data.folder import FOLDER
from brittlestar.data.given import open_given, refuse_options
from brittlestar.data.npy import MNIST_C, NPY
from brittlestar.data.npz import NPZ
from brittlestar.data.other_digits import OTHER_DIGITS
from brittlestar.data.parquet import PARQUET
from brittlestar.data.reader import NamedSet, OpenRequest, Progress, Reader
from brittlestar.data.spaced import in_space, recorded_space
from brittlestar.data.tree import is_run

__all__ = ["SOURCES", "DataInfo", "Source", "decode_image", "describe_sources", "open_source", "reopened"]

SOURCES: tuple[Reader | NamedSet, ...] = (
    PARQUET,
    NPZ,
    NPY,
    MNIST_C,
    FOLDER,  # Takes every folder, so other forms that are folders stand before it.
    DIGITS,
    OTHER_DIGITS,
    FASHION_MNIST,
)
"""What data may be: the first form that takes a path opens it."""


def open_source(
    spec: Any,
    *,
    resize: int | None = None,
    crop: int | None = None,
    filter: str | None = None,
    rounding: str | None = None,
    prepare: str | None = None,
    otherwise: Preparation | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    groups: Any = None,
    one_class: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """Open labelled images.

    Args:
        spec: An image folder, a ``.parquet`` file or a folder of them, an ``.npz`` (``FILE.npz:train`` for a split), an
            ``.npy`` or a folder of CIFAR-10-C's (``FOLDER:fog:3``), ``digits``, ``fashion-mnist`` (each also
            ``:train``), ``(images, labels)``, or a PyTorch ``Dataset`` or ``DataLoader`` (``data.given``).
        resize: Shorter side in pixels; ``None`` leaves it.
        crop: Central square in pixels; ``None`` leaves it.
        filter: With ``resize``, one of ``FILTERS``; bilinear by default.
        rounding: Of sizes and offsets, one of ``ROUNDINGS``; as in torchvision by default.
        prepare: Prepare as for a published set (a key of ``PUBLISHED``), instead of the four above.
        otherwise: What is done where nothing was asked for and the files differ in size.
        skip_bad: Leave unreadable images out.
        progress: Called now and then with (done, total) while files are hashed.
        groups: What tells which samples depend on each other (the film, the patient, the place): the name of a column
            of a Parquet file or of an array of an ``.npz``, or for arrays one value a sample; ``None`` for a sample of
            its own. Exact copies are found without.
        image_column, label_column: Names of columns of Parquet files, where they are not the usual ones.
        one_class: Whether images of one class will do, as the model is known to have others.

    Raises:
        DataError: Nothing there, or nothing that can be used; the text says what to do.
    """
    how = preparation(resize, crop, filter, rounding, prepare)
    if isinstance(spec, Source):
        refuse_options(
            resize=resize, crop=crop, resize_filter=filter, resize_rounding=rounding, prepare=prepare, skip_bad=skip_bad
        )
        require(groups is None, f"an opened source has its groups: leave {option('groups')} out", DataError)
        return spec
    if not isinstance(spec, str | Path):
        _require_columns("what was given", False, image_column, label_column)
        return open_given(spec, how, groups, one_class)
    require(
        groups is None or isinstance(groups, str),
        f"for data on disk groups are the name of a column, got {type(groups).__name__}; values go with arrays",
        DataError,
    )
    name, _, part = str(spec).partition(":")
    for named in SOURCES:
        # What lies on the disk under that name is meant before the set.
        if isinstance(named, NamedSet) and named.name == name and not _there(Path(spec)):
            _require_columns(spec, False, image_column, label_column)
            asked = OpenRequest(how=how, group=groups)
            return _open_named(named, part, asked)
    path, part = _located(str(spec))
    recorded = f"{path} is a run folder of Brittlestar, not data: give the data that it was made of"
    require(not (path.is_dir() and is_run(path)), recorded, DataError)
    asked = OpenRequest(
        how=how,
        otherwise=otherwise,
        skip_bad=skip_bad,
        progress=progress,
        one_class=one_class,
        group=groups,
        image_column=image_column,
        label_column=label_column,
        part=part,
    )
    for reader in SOURCES:
        if isinstance(reader, Reader) and reader.takes(path):
            no_parts = f"{path} has no parts: leave :{part} out"
            require(reader.parts or not part, no_parts, DataError)
            _require_columns(path, reader.columns, image_column, label_column)
            return reader.open(path, asked)
    forms = [form for form, _ in describe_sources()]
    raise DataError(f"cannot read {path}: data are {', '.join(forms[:-1])} or {forms[-1]}")


def _require_columns(where: Any, has: bool, image: str | None, label: str | None) -> None:
    for name, value in (("image_column", image), ("label_column", label)):
        require(has or value is None, f"{where} has no columns: leave {option(name, value)} out", DataError)


def _located(spec: str) -> tuple[Path, str]:
    """The path that exists, and what stands behind it after a colon: ``FILE.npz:test`` where no file is called so.

    Raises:
        DataError: There is none.
    """
    # The longest path first: a name may have colons of its own.
    ends = [len(spec), *(place for place in range(len(spec) - 1, 0, -1) if spec[place] == ":")]
    for end in ends:
        if _there(Path(spec[:end])):
            return Path(spec[:end]), spec[end + 1 :]
    names = ", ".join(source.name for source in SOURCES if isinstance(source, NamedSet))
    raise DataError(f"no such data: {spec}{'' if '/' in spec else f'; named sets are {names}'}")


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # Names that no file can have, for instance longer ones.
        return False


def _open_named(named: NamedSet, part: str, asked: OpenRequest) -> Source:
    if (part or named.parts[0]) not in named.parts:
        raise unknown(f"part of {named.name}", part, named.parts)
    require(asked.group is None, f"{named.name} has no column to group samples by", DataError)
    require(
        asked.how.empty, f"{named.name} takes no {option('resize')} or {option('crop')}; resize in the model", DataError
    )
    return named.open(part or named.parts[0])


def reopened(data: Mapping[str, Any]) -> Source:
    """The data of a run as its manifest describes them, prepared as they were then; a DataError where they are gone."""
    keys = ("resize", "crop", "filter", "rounding", "prepare", "image_column", "label_column")
    how = {key: data["how"].get(key) for key in keys}
    several = len(data.get("classes") or ()) > 1
    source = open_source(data["spec"], **how, skip_bad=data["how"].get("skip_bad", False), one_class=several)
    return in_space(source, recorded_space(data))


def preparation(
    resize: int | None, crop: int | None, filter: str | None, rounding: str | None, prepare: str | None
) -> Preparation:
    """The preparation that options name; a DataError where they contradict each other."""
    given: dict[str, Any] = {"resize": resize, "crop": crop, "filter": filter, "rounding": rounding}
    asked = {key: value for key, value in given.items() if value is not None}
    if prepare is not None:
        said = ", ".join(asked)
        require(
            not asked, f"{option('prepare', prepare)} says it all: leave out what else was said of {said}", DataError
        )
        return published(prepare)
    require(
        filter is None or resize is not None,
        f"{option('resize_filter', filter)} goes with {option('resize')}, which is missing",
        DataError,
    )
    require(
        rounding is None or bool(resize or crop),
        f"{option('resize_rounding', rounding)} goes with {option('resize')} or {option('crop')}, which are missing",
        DataError,
    )
    return Preparation(**asked)


def describe_sources() -> Iterator[tuple[str, str]]:
    """The forms data may be given in, one line each."""
    for source in SOURCES:
        yield source.form if isinstance(source, Reader) else source.name, source.text
