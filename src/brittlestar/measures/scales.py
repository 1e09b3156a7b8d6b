"""Scales on which accuracies of many models lie on a line: as they are, probit and logit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import Scores


@dataclass(frozen=True, kw_only=True)
class AccuracyScale:
    """A scale for accuracies in [0, 1].

    Fields:
        name: ``raw``, ``probit`` or ``logit``.
        forward: From accuracies to the scale; infinite at 0 and 1 but for ``raw``.
        inverse: Back.
    """

    name: str
    forward: Callable[[npt.ArrayLike], Scores]
    inverse: Callable[[npt.ArrayLike], Scores]


def _same(values: npt.ArrayLike) -> Scores:
    return np.asarray(values, dtype=np.float64)


def _of(function: Callable[..., object]) -> Callable[[npt.ArrayLike], Scores]:
    return lambda values: np.asarray(function(_same(values)), dtype=np.float64)


# Through functions of their own: scipy is a stand-in until something is computed (cli/lazy.py).
SCALES: dict[str, AccuracyScale] = {
    "raw": AccuracyScale(name="raw", forward=_same, inverse=_same),
    "probit": AccuracyScale(
        name="probit", forward=_of(lambda p: special.ndtri(p)), inverse=_of(lambda z: special.ndtr(z))
    ),
    "logit": AccuracyScale(
        name="logit", forward=_of(lambda p: special.logit(p)), inverse=_of(lambda z: special.expit(z))
    ),
}


def scale_of(name: str) -> AccuracyScale:
    """The scale of a name.

    Raises:
        UsageError: Another name.
    """
    require(name in SCALES, f"a scale is {', '.join(SCALES)}, got {name!r}", UsageError)
    return SCALES[name]
