"""Calibration errors as measures; the mathematics stands in ``calibration``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate
from brittlestar.measures.calibration import ece, rms_calibration
from brittlestar.measures.measure import Measure


@final
@dataclass(frozen=True, kw_only=True)
class CalibrationError(Measure):
    """Expected calibration error in [0, 1]: mean gap between confidence and accuracy (see ``ece``).

    Fields:
        bins: Of equal width.
    """

    name: ClassVar = "ece"
    better: ClassVar = "lower"
    text: ClassVar = "expected calibration error, 15 equal-width bins"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction", "top_logit", "log_sum_exp")
    anytime: ClassVar = False

    bins: int = 15

    def compute(self, rows: Rows, rule: str, level: float) -> Estimate:
        """With its interval for a fixed number of samples."""
        return ece(rows, self.bins, level)


@final
@dataclass(frozen=True, kw_only=True)
class RmsCalibrationError(Measure):
    """Root mean squared calibration error in [0, 1] (see ``rms_calibration``)."""

    name: ClassVar = "rms_calibration"
    better: ClassVar = "lower"
    text: ClassVar = "root mean squared calibration error, bins of 100 samples, none left out"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction", "top_logit", "log_sum_exp")
    # A thousand simulated measurements each: for every shift they would take longer than the rest of a report.
    kinds: ClassVar = ("clean",)
    anytime: ClassVar = False

    def compute(self, rows: Rows, rule: str, level: float) -> Estimate:
        """With its interval for a fixed number of samples."""
        return rms_calibration(rows, level=level)
