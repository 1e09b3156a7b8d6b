"""What the frequencies of a shift's changes say about a model's errors (Yin et al. 2019, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, check_level, enclosing
from brittlestar.measures.fourier import FourierMap, common
from brittlestar.measures.ratios import over_scores

Scores = npt.NDArray[np.float64]
_EDGE = 1e-9

FEWEST_GROUPS = 8
"""Fewer have no correlation: its interval would not hold, and where it did it would say nothing."""

CAUTION = 1.15
"""For skewed values of which a few groups decide, as shares of errors are (simulated, docs/measures.md)."""


def share_above(power: npt.ArrayLike, bandwidth: int) -> float:
    """The share of a change's energy that lies outside the centred ``bandwidth`` x ``bandwidth`` square.

    Args:
        power: (height, width) mean squared magnitudes of the change's spectrum, the mean at [height // 2, width // 2].
        bandwidth: Side of the square in frequencies; at least 1.

    Raises:
        NoSamplesError: The change has no energy.
    """
    p = np.asarray(power, dtype=np.float64)
    require(p.ndim == 2 and bool((p >= 0).all()), f"power is (height, width), not negative, got {p.shape}", UsageError)
    require(bandwidth >= 1, f"the bandwidth must be at least 1, got {bandwidth}", UsageError)
    total = float(p.sum())
    if total == 0:
        raise NoSamplesError("the change has no energy")
    # Where the low-pass and high-pass filters cut; an even square is off centre by one.
    top, left = (size // 2 - bandwidth // 2 for size in p.shape)
    inside = p[max(0, top) : max(0, top + bandwidth), max(0, left) : max(0, left + bandwidth)]
    return 1 - float(inside.sum()) / total


def predicted_error(found: FourierMap, power: npt.ArrayLike) -> float:
    """The map's error averaged over frequencies with the change's energy as weight.

    The waves of a map all have one norm and a change its own, so this ranks changes; it is no error rate to expect.

    Raises:
        NoSamplesError: No energy at any mapped frequency.
    """
    p = np.asarray(power, dtype=np.float64)
    require(
        p.shape == (found.height, found.width),
        f"power of {p.shape}, map of {(found.height, found.width)}: both must be of one image size",
        UsageError,
    )
    error = found.matrix()
    weights = np.where(np.isnan(error), 0.0, p)
    if weights.sum() == 0:
        raise NoSamplesError("the change has no energy at any mapped frequency")
    return float((np.nan_to_num(error) * weights).sum() / weights.sum())


def band_ratio(
    a: FourierMap, b: FourierMap, low: float, high: float, level: float = LEVEL, rule: str = "fixed"
) -> Estimate:
    """How many times as often ``a`` errs as ``b`` under waves with radius in (low, high], relative to Nyquist.

    On the frequencies and samples that both have; a paired bootstrap over samples (``ratios.over_scores``).

    Raises:
        NoSamplesError: They share nothing there, or ``b`` errs too rarely there to be divided by.
        UsageError: Maps of different image sizes, or of which not every outcome was seen.
    """
    a, b = common(a, b)
    require(
        a.complete and b.complete,
        "a ratio needs maps of which every outcome was seen; take band_difference for sampled ones",
        UsageError,
    )
    weights = a.multiplicity * ((a.radius > low + _EDGE) & (a.radius <= high + _EDGE))
    if not weights.any():
        raise NoSamplesError(f"no frequency that both maps have has a radius in ({low:g}, {high:g}] of Nyquist")
    weights = weights / weights.sum()
    above, below = (np.asarray(np.clip(weights @ m.wrong, 0, 1), dtype=np.float64)[:, None] for m in (a, b))
    divided = over_scores(above, below, rule=rule, level=level, samples=a.drawn)
    found = divided.parts[0]
    if found is None:
        raise NoSamplesError(f"the error of the second map in this band {divided.why[0]}")
    return found


def correlation(x: npt.ArrayLike, y: npt.ArrayLike, groups: Sequence[str], level: float = LEVEL) -> Estimate:
    """Pearson's r over cases in groups, its interval over groups: on Fisher's scale, Student's with two groups less.

    The standard error is the larger of the jackknife's, each group left out in turn, ``CAUTION`` times as large, and
    that of as many independent normal pairs as there are groups. The first knows heavy tails and cases that go
    together, but is by chance too small where groups are few; a percentile bootstrap over groups is so even more.

    Args:
        x, y: One value a case.
        groups: Cases of one group (severities of one shift, several models) are left out together.
        level: Of confidence.

    Raises:
        NoSamplesError: Fewer than ``FEWEST_GROUPS`` groups, or values that do not vary in all groups but one.

    Reference:
        Hinkley 1978, https://doi.org/10.1093/biomet/65.1.13
    """
    check_level(level)
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    require(a.shape == b.shape == (len(groups),), "x, y and groups must be equally long", UsageError)
    of, names = np.asarray(groups), sorted(set(groups))
    if len(names) < FEWEST_GROUPS:
        raise NoSamplesError(f"too few groups for a correlation: {len(names)}, and it takes {FEWEST_GROUPS}")
    rest = [of != name for name in names]
    # The jackknife leaves out each group in turn, and constants have no correlation.
    if any(a[kept].std() == 0 or b[kept].std() == 0 for kept in rest):
        raise NoSamplesError("a correlation needs values that vary in more than one group")
    value = _pearson(a, b)
    without = np.array([_fisher(_pearson(a[kept], b[kept])) for kept in rest])
    count = len(names)
    jackknife = float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))
    error = max(CAUTION * jackknife, 1 / np.sqrt(count - 3))
    half = float(special.stdtrit(count - 2, 0.5 + level / 2)) * error
    low, high = (float(np.tanh(_fisher(value) + sign * half)) for sign in (-1, 1))
    return enclosing(value, low, high, count, level, "jackknife over groups")


def _fisher(r: float) -> float:
    """The inverse hyperbolic tangent; of exact lines a large number."""
    return float(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)))


def _pearson(a: Scores, b: Scores) -> float:
    return float(np.corrcoef(a, b)[0, 1])
