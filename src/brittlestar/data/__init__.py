"""Sources of labelled images: folders, Parquet, arrays, named sets.

To add a form of data or a named set, write it in a file of its own and list it in ``SOURCES``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation, published
from brittlestar.core.text import readable
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.clip_layouts import CLIPS
from brittlestar.data.contexts import asked_contexts
from brittlestar.data.decode import decode_image
from brittlestar.data.digits import DIGITS
from brittlestar.data.fashion_mnist import FASHION_MNIST
from brittlestar.data.folder import FOLDER
from brittlestar.data.given import open_given, refuse_options
from brittlestar.data.metadata import require_no_metadata
from brittlestar.data.npy import MNIST_C, NPY
from brittlestar.data.npz import NPZ
from brittlestar.data.other_digits import OTHER_DIGITS
from brittlestar.data.parquet import PARQUET
from brittlestar.data.published_set import PublishedSet
from brittlestar.data.reader import NamedSet, OpenRequest, Progress, Reader
from brittlestar.data.sets import SETS
from brittlestar.data.sets.corrupted import corrupted_folder
from brittlestar.data.spaced import in_space, recorded_space
from brittlestar.data.synthetic_contexts import SYNTHETIC_CONTEXTS
from brittlestar.data.tree import is_run
from brittlestar.data.vid_robust import VID_ROBUST
from brittlestar.data.ytbb_robust import YTBB_ROBUST

__all__ = ["SOURCES", "DataInfo", "Source", "decode_image", "describe_sources", "open_source", "reopened"]

SOURCES: tuple[Reader | NamedSet | PublishedSet, ...] = (
    PARQUET,
    NPZ,
    NPY,
    MNIST_C,
    VID_ROBUST,
    YTBB_ROBUST,
    CLIPS,
    FOLDER,  # Takes every folder, so other forms that are folders stand before it.
    DIGITS,
    OTHER_DIGITS,
    FASHION_MNIST,
    SYNTHETIC_CONTEXTS,
    *SETS,
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
    unlabelled: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
    contexts: Any = None,
    metadata: str | Path | None = None,
) -> Source:
    """Open labelled images.

    Args:
        spec: An image folder, a ``.parquet`` file or a folder of them, an ``.npz`` (``FILE.npz:train`` for a split), an
            ``.npy`` or a folder of CIFAR-10-C's (``FOLDER:fog:3``), ``digits``, ``fashion-mnist`` (each also
            ``:train``), a published set's name and path (``imagenet-v2:PATH``), ``(images, labels)``, or a PyTorch
            ``Dataset`` or ``DataLoader`` (``data.given``).
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
        unlabelled: Whether data without labels will do (films).
        contexts: What else is known of each sample (background, site, camera), to be told apart in the report: names
            of columns or arrays (``"site,camera"`` or a list), of an image folder without ``metadata`` names for the
            levels of folders below the class's; for arrays a mapping of names to one value a sample.
        metadata: A CSV or TSV file beside an image folder, one row an image, found by its file name: it has the
            columns that ``contexts`` and ``groups`` name.

    Raises:
        DataError: Nothing there, or nothing that can be used; the text says what to do.
    """
    how = preparation(resize, crop, filter, rounding, prepare)
    if isinstance(spec, Source):
        refuse_options(
            resize=resize, crop=crop, resize_filter=filter, resize_rounding=rounding, prepare=prepare, skip_bad=skip_bad
        )
        require(groups is None, f"an opened source has its groups: leave {option('groups')} out", DataError)
        require(contexts is None, f"an opened source has its contexts: leave {option('contexts')} out", DataError)
        return spec
    table = None if metadata is None else str(metadata)
    if not isinstance(spec, str | Path):
        require_no_metadata(table, "what was given")
        _require_columns("what was given", False, image_column, label_column)
        return open_given(spec, how, groups, one_class, contexts)
    require(
        groups is None or isinstance(groups, str),
        f"for data on disk groups are the name of a column, got {type(groups).__name__}; values go with arrays",
        DataError,
    )
    names = asked_contexts(contexts)
    name, _, part = str(spec).partition(":")
    for named in SOURCES:
        # What lies on the disk under that name is meant before the set.
        if isinstance(named, NamedSet) and named.name == name and not _there(Path(spec)):
            _require_columns(spec, False, image_column, label_column)
            require_no_metadata(table, spec)
            asked = OpenRequest(how=how, group=groups)
            return _with_contexts(_open_named(named, part, asked), names)
    published, path, part = _published(str(spec))
    recorded = f"{path} is a run folder of Brittlestar, not data: give the data that it was made of"
    require(not (path.is_dir() and is_run(path)), recorded, DataError)
    asked = OpenRequest(
        how=how,
        otherwise=otherwise,
        skip_bad=skip_bad,
        progress=progress,
        one_class=one_class,
        group=groups,
        contexts=names,
        metadata=table,
        image_column=image_column,
        label_column=label_column,
        part=part,
    )
    if published is not None:
        _require_columns(published.name, published.columns, image_column, label_column)
        require_no_metadata(table, published.name)
        return _with_contexts(published.open(path, asked), names)
    for reader in SOURCES:
        if isinstance(reader, Reader) and (reader.takes(path) or reader.claims(path, part)):
            no_parts = f"{path} has no parts: leave :{part} out"
            require(reader.parts or not part, no_parts, DataError)
            _require_columns(path, reader.columns, image_column, label_column)
            if reader is not FOLDER:
                require_no_metadata(table, path)
            opened = reader.open(path, asked)
            bare = f"{path} has no labels, and this needs them: folders of classes, or clips.csv with a column label"
            require(unlabelled or opened.info.labelled, bare, DataError)
            return _with_contexts(_told(opened, path), names)
    forms = [form for form, _ in describe_sources()]
    raise DataError(f"cannot read {path}: data are {', '.join(forms[:-1])} or {forms[-1]}")


def _with_contexts(source: Source, names: tuple[str, ...]) -> Source:
    """The source, if it has what was asked for."""
    lacks = [name for name in names if name not in source.contexts]
    has = ", ".join(map(readable, source.contexts)) or "none"
    told = f"{source.info.spec} has no context {readable(''.join(lacks[:1]))}; its contexts are: {has}"
    require(not lacks, told, DataError)
    return source


def _told(source: Source, path: Path) -> Source:
    """The source, with a word where images that were corrupted and stored are resized or cropped again."""
    seems = corrupted_folder(path) if path.is_dir() and source.info.prepared else None
    if seems is not None:
        held, spec = seems
        note = f"this seems to be {held}, and its images are resized or cropped again; {spec} takes them as stored"
        source.info = dataclasses.replace(source.info, notes=(*source.info.notes, note))
    return source


def _require_columns(where: Any, has: bool, image: str | None, label: str | None) -> None:
    for name, value in (("image_column", image), ("label_column", label)):
        require(has or value is None, f"{where} has no columns: leave {option(name, value)} out", DataError)


def _published(spec: str) -> tuple[PublishedSet | None, Path, str]:
    """The published set that is meant, if one is, the path, and what stands behind it.

    Raises:
        DataError: There is nothing at the path.
    """
    name, _, rest = spec.partition(":")
    named = next((one for one in SETS if one.name == name), None)
    # What lies on the disk under that name is meant before the set, unless the set's path is there too.
    if named is None or (_there(Path(name)) and not _longest(rest)):
        return (None, *_located(spec))
    found = _longest(rest)
    if found is None:
        raise named.lacking(rest)
    return (named, *found)


def _longest(spec: str) -> tuple[Path, str] | None:
    """The longest path that exists, and what stands behind it after a colon; a name may have colons of its own."""
    ends = [len(spec), *(place for place in range(len(spec) - 1, 0, -1) if spec[place] == ":")]
    return next(((Path(spec[:end]), spec[end + 1 :]) for end in ends if end and _there(Path(spec[:end]))), None)


def _located(spec: str) -> tuple[Path, str]:
    """The path that exists, and what stands behind it after a colon: ``FILE.npz:test`` where no file is called so.

    Raises:
        DataError: There is none.
    """
    if (found := _longest(spec)) is not None:
        return found
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
    source = open_source(
        data["spec"], **how, skip_bad=data["how"].get("skip_bad", False), unlabelled=True, one_class=several
    )
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
        yield source.name if isinstance(source, NamedSet) else source.form, source.text
