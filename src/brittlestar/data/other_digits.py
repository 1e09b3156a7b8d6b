"""Handwritten digits of another origin than MNIST's, without a download: a natural shift of them."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from brittlestar.core.errors import DataError, require
from brittlestar.data.arrays import ArraySource
from brittlestar.data.reader import NamedSet

BOX, SIDE = 20, 28
"""MNIST's own layout: a digit fills a box of 20 pixels in the middle of 28."""

LEVELS = 16


def _open(part: str) -> ArraySource:
    """1,797 digits of 43 writers, 8 x 8 pixels of 17 levels, that scikit-learn carries, laid out as MNIST's are.

    Reference:
        Alpaydin and Kaynak 1998, https://doi.org/10.24432/C50P49
    """
    package = importlib.util.find_spec("sklearn")
    require(
        package is not None and bool(package.submodule_search_locations),
        "these digits come with the package scikit-learn: pip install scikit-learn",
        DataError,
    )
    assert package is not None and package.submodule_search_locations is not None
    # Its file is read as it lies: importing scikit-learn takes a second.
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    require(path.is_file(), f"{path} is missing: pip install --force-reinstall scikit-learn", DataError)
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",").astype(np.uint8)
    small, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int32)
    return ArraySource(np.stack([_laid_out(digit) for digit in small]), labels, kind="named", spec=part, name=part)


def _laid_out(
    digit: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    levels = np.round(digit * (255 / LEVELS)).astype(np.uint8)
    edge = (SIDE - BOX) // 2
    return np.pad(np.asarray(Image.fromarray(levels).resize((BOX, BOX), Image.Resampling.BICUBIC)), edge)


OTHER_DIGITS = NamedSet(
    name="sklearn-digits",
    text="1,797 digits of other writers and another scanner than MNIST's, 28 px: a natural shift of digits; needs "
    "pip install scikit-learn",
    parts=("sklearn-digits",),
    open=_open,
)
