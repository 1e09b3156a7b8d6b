"""Measures: pure functions of rows that give an estimate with its interval and its count. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from brittlestar.measures.accuracy import (
    accuracy,
    error_increase,
    error_rate,
    mean_error,
    mean_error_difference,
    mean_error_increase,
    paired,
    rate,
    top_k_error,
)
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.calibration import ReliabilityBin, ece, reliability, rms_calibration
from brittlestar.measures.compare import (
    Comparison,
    benjamini_hochberg,
    compare,
    corrected,
    holm,
    mcnemar,
    mcnemar_counts,
    paired_difference,
)
from brittlestar.measures.fourier import (
    BANDS,
    FourierMap,
    Ratio,
    Ring,
    band_contrast,
    band_difference,
    band_error,
    fourier_map,
    high_low_ratio,
    radial_profile,
)
from brittlestar.measures.intervals import (
    clopper_pearson,
    mean_interval,
    paired_rates,
    signed_mean_interval,
    wilson,
    wilson_many,
)
from brittlestar.measures.sequences import (
    anytime_p,
    bounded_sequence,
    confidence_sequence,
    confidence_sequence_many,
    paired_sequence,
)
from brittlestar.measures.severity import BreakingPoint, breaking_point, severity_area

__all__ = [
    "BANDS",
    "MEASURES",
    "BreakingPoint",
    "Comparison",
    "Estimate",
    "FourierMap",
    "Measure",
    "NoSamplesError",
    "Ratio",
    "ReliabilityBin",
    "Ring",
    "accuracy",
    "anytime_p",
    "band_contrast",
    "band_difference",
    "band_error",
    "benjamini_hochberg",
    "bounded_sequence",
    "breaking_point",
    "clopper_pearson",
    "compare",
    "confidence_sequence",
    "confidence_sequence_many",
    "corrected",
    "ece",
    "error_increase",
    "error_rate",
    "fourier_map",
    "high_low_ratio",
    "holm",
    "mcnemar",
    "mcnemar_counts",
    "mean_error",
    "mean_error_difference",
    "mean_error_increase",
    "mean_interval",
    "paired",
    "paired_difference",
    "paired_rates",
    "paired_sequence",
    "radial_profile",
    "rate",
    "reliability",
    "rms_calibration",
    "severity_area",
    "signed_mean_interval",
    "top_k_error",
    "wilson",
    "wilson_many",
]


@dataclass(frozen=True)
class Measure:
    """A line of ``brittlestar list measures``: which way is better, and what it is."""

    better: str
    text: str

    def summary(self) -> str:
        """One line."""
        return self.text


MEASURES: dict[str, Measure] = {
    "accuracy": Measure("higher", "share of images classified as labelled; Wilson interval or confidence sequence"),
    "error": Measure("lower", "share of images not classified as labelled"),
    "top_k_error": Measure("lower", "share of images whose label is not among the k highest classes"),
    "error_increase": Measure("lower", "error under a shift minus clean error on the same images; paired interval"),
    "severity_area": Measure("higher", "mean accuracy along a ladder of strengths"),
    "breaking_point": Measure("higher", "the weakest strength at which accuracy falls under a level"),
    "ece": Measure("lower", "expected calibration error, 15 equal-width bins"),
    "rms_calibration": Measure("lower", "root mean squared calibration error, bins of 100 samples, none left out"),
    "fourier_band_error": Measure("lower", "mean error over a band of the Fourier-basis sensitivity map"),
    "fourier_contrast": Measure("neither", "error at high minus error at low frequencies"),
    "high_low_ratio": Measure("neither", "error that high frequencies add to clean error over what low ones add"),
    "paired_difference": Measure(
        "neither", "error of one model minus another's on the same images, exact McNemar, Holm"
    ),
}
