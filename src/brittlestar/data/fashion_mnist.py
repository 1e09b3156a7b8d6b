"""Fashion-MNIST from Debian's package."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.data.arrays import ArraySource
from brittlestar.data.reader import NamedSet

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def _open(part: str) -> ArraySource:
    """Fashion-MNIST from Debian's package (or the folder that BRITTLESTAR_FASHION_MNIST names)."""
    folder = Path(os.environ.get("BRITTLESTAR_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    stem = "train" if part == "train" else "t10k"
    arrays = []
    # Headers of the idx format: four bytes each for its kind, the count and, for images, both sides.
    for what, head in (("images-idx3", 16), ("labels-idx1", 8)):
        path = folder / f"{stem}-{what}-ubyte.gz"
        require(
            path.is_file(),
            f"{path} is missing: apt-get install dataset-fashion-mnist, or set BRITTLESTAR_FASHION_MNIST to its folder",
            DataError,
        )
        with gzip.open(path, "rb") as file:
            arrays.append(np.frombuffer(file.read(), np.uint8, offset=head))
    x, y = arrays[0].reshape(-1, 28, 28), arrays[1].astype(np.int32)
    name = "fashion-mnist" if part == "test" else f"fashion-mnist:{part}"
    return ArraySource(x, y, kind="named", spec=name, name=name.replace(":", "-"), classes=FASHION)


FASHION_MNIST = NamedSet(
    name="fashion-mnist",
    text="10,000 pictures of clothes (fashion-mnist:train is 60,000); Debian's dataset-fashion-mnist",
    parts=("test", "train"),
    open=_open,
)
