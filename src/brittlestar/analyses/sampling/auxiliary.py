"""What a guess is made from: what is known before anything is asked, and what was asked."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Of three channels, two each move with the first or against it.
PATTERNS = 4


@dataclasses.dataclass(frozen=True)
class Auxiliary:
    """What is known of conditions and samples before anything is asked.

    Fields:
        condition: (conditions, a) features.
        sample: (samples, b) features; the last two are those that say most of how sure the model is.
        group: (samples,) whole numbers from 0; samples of one group resemble each other (their class).
        pattern: (conditions, samples) whole numbers below ``PATTERNS``: kinds of one condition (the random signs).
        near: (kernels, conditions, conditions) how alike two conditions are, from narrow to wide; 1 on the diagonal.
        together: (conditions, conditions) covariance to be expected of what two conditions do to one sample.
    """

    condition: Floats
    sample: Floats
    group: Ints
    pattern: npt.NDArray[np.int8]
    near: Floats
    together: Floats


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was asked: ``asked`` (conditions, samples) and there the ``margin`` of the label (negative is an error)."""

    asked: Mask
    margin: Floats

    def squashed(self) -> Floats:
        """(conditions, samples) margins over their median size, between -1 and 1; 0 where nothing was asked."""
        size = max(float(np.median(np.abs(self.margin[self.asked]))), 1e-6)
        return np.where(self.asked, np.tanh(self.margin / size), 0).astype(np.float32)
