"""How loops are compiled: the decorators and array views that every ``compiled.py`` takes from here.

Nothing else imports this file, so numba is loaded when ``dispatch`` first takes a compiled kernel, and never by a
process that takes none. numba keeps machine code beside the sources and looks at the age of the caller's own file
alone: after a change to a function that kernels of another file call, clear the ``__pycache__`` folders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """The function as machine code, kept on disk for the next process."""
    # No fastmath: fused or reordered sums would be other bits than the tensor operations'. Divisions by zero give what
    # IEEE says (error_model), as in torch, and need no branch, so that loops become vector instructions.
    return cast(Kernel, njit(cache=True, nogil=True, error_model="numpy")(kernel))


def inlined(kernel: Kernel) -> Kernel:
    """The same, copied into its callers: for bodies of inner loops."""
    return cast(Kernel, njit(cache=True, nogil=True, error_model="numpy", inline="always")(kernel))


def planes(x: torch.Tensor) -> Any:
    """(n * c, h, w) numpy view of (n, c, h, w), copied only where it is not contiguous."""
    return x.contiguous().flatten(0, 1).numpy()


def flat(x: torch.Tensor) -> Any:
    """(n, values) numpy view of images, copied only where they are not contiguous."""
    return x.contiguous().view(len(x), math.prod(x.shape[1:])).numpy()


def single(values: Sequence[float]) -> Any:
    """Numbers as float32, as torch rounds a Python float that meets a float32 tensor."""
    return np.asarray(values, dtype=np.float32)
