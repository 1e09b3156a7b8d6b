"""Answers to images without labels, in the run folder: a sealed file a model and block, of everything but labels.

RUN/unlabelled/<data>/<model>-b<start>-<stop>.npz    answers
RUN/unlabelled/<data>/images-b<start>-<stop>.npz     what the images look like (``measures.label_free_range``)
RUN/unlabelled/<data>/estimate.json                  what was made of them
RUN/unlabelled/conditions/<condition>-<images>.npz   what the run's own images look like under a condition
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged, read_arrays, write_arrays
from brittlestar.store.damage import set_aside

FOLDER = "unlabelled"
ESTIMATE = "estimate.json"

_ANSWERS = ("position", "frame", "prediction", "top_logit", "log_sum_exp", "top_classes", "top_logits", "logits")

Arrays = Mapping[str, npt.NDArray[Any]]


def answers_of(rows: Rows) -> Arrays:
    """What is kept of rows whose labels mean nothing."""
    columns = rows.columns()
    return {name: columns[name] for name in _ANSWERS if name in columns}


def rows_of(arrays: Arrays) -> Rows:
    """Rows of kept answers: every label is -1, and no logit is its own.

    Raises:
        KeyError, ValueError: These are no answers.
    """
    count = len(arrays["position"])
    columns: dict[str, Any] = {name: arrays[name] for name in _ANSWERS if name in arrays}
    return Rows(label=np.full(count, -1, np.int32), label_logit=np.full(count, np.nan, np.float32), **columns)


def kept(root: Path, path: Path, make: Callable[[], Arrays], say: Callable[[str], None]) -> Arrays:
    """The arrays of a file; made and written where it is not there or is damaged.

    Args:
        root: The run folder.
        path: The file in it.
        make: Makes them.
        say: Told of damage.
    """
    if path.is_file():
        try:
            return read_arrays(path)
        except Damaged as error:
            moved = set_aside(root, path)
            say(f"{path.relative_to(root)} is damaged ({error.why}): moved to {moved}; made again")
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, made)
    return made
