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
from brittlestar.measures.alexnet import (
    ALEXNET,
    ALEXNET_FLIPS,
    CORRUPTION_SETS,
    SEQUENCE_SETS,
    PublishedErrors,
    PublishedFlips,
)
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.calibration import (
    ReliabilityBin,
    ece,
    mean_confidence,
    mean_ece,
    mean_ece_increase,
    reliability,
    rms_calibration,
)
from brittlestar.measures.chance import accuracy_in_mix, chance, chance_limit, near_chance
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
from brittlestar.measures.corruption import (
    RunErrors,
    ce,
    corruption_errors,
    mce,
    mean_ce_of,
    mean_corruption_error,
    relative_corruption_errors,
    relative_mce,
)
from brittlestar.measures.effective import exact_limits
from brittlestar.measures.fourier import (
    BANDS,
    FourierMap,
    Ring,
    band_contrast,
    band_difference,
    band_error,
    band_scores,
    fourier_map,
    radial_profile,
)
from brittlestar.measures.frequency_ratio import Ratio, high_low_ratio
from brittlestar.measures.intervals import (
    clopper_pearson,
    mean_interval,
    paired_rates,
    signed_mean_interval,
    wilson,
    wilson_many,
)
from brittlestar.measures.kept import accuracy_kept, mean_accuracy, measurable, overconfidence
from brittlestar.measures.rankings import top5_between, zipf_between
from brittlestar.measures.ratios import Normalised, NormalisedSet
from brittlestar.measures.selection import Candidate, highest, lowest, of_many
from brittlestar.measures.sensitivity import (
    Sensitivity,
    band_sensitivity,
    corrected_together,
    row_sensitivity,
    sensitivity,
)
from brittlestar.measures.sequences import (
    anytime_p,
    bounded_sequence,
    confidence_sequence,
    confidence_sequence_many,
    paired_sequence,
)
from brittlestar.measures.severity import BreakingPoint, breaking_point, severity_area
from brittlestar.measures.stability import (
    RunSequences,
    flip_probability,
    flip_rates,
    mean_flip_probability,
    mean_rate_of,
    mean_top5_distance,
    top5_distance,
    top5_rates,
    zipf_distance,
    zipf_of,
)

__all__ = [
    "ALEXNET",
    "ALEXNET_FLIPS",
    "BANDS",
    "CORRUPTION_SETS",
    "MEASURES",
    "SEQUENCE_SETS",
    "BreakingPoint",
    "Candidate",
    "Comparison",
    "Estimate",
    "FourierMap",
    "Measure",
    "NoSamplesError",
    "Normalised",
    "NormalisedSet",
    "PublishedErrors",
    "PublishedFlips",
    "Ratio",
    "ReliabilityBin",
    "Ring",
    "RunErrors",
    "RunSequences",
    "Sensitivity",
    "accuracy",
    "accuracy_in_mix",
    "accuracy_kept",
    "anytime_p",
    "band_contrast",
    "band_difference",
    "band_error",
    "band_scores",
    "band_sensitivity",
    "benjamini_hochberg",
    "bounded_sequence",
    "breaking_point",
    "ce",
    "chance",
    "chance_limit",
    "clopper_pearson",
    "compare",
    "confidence_sequence",
    "confidence_sequence_many",
    "corrected",
    "corrected_together",
    "corruption_errors",
    "ece",
    "error_increase",
    "error_rate",
    "exact_limits",
    "flip_probability",
    "flip_rates",
    "fourier_map",
    "high_low_ratio",
    "highest",
    "holm",
    "lowest",
    "mce",
    "mcnemar",
    "mcnemar_counts",
    "mean_accuracy",
    "mean_ce_of",
    "mean_confidence",
    "mean_corruption_error",
    "mean_ece",
    "mean_ece_increase",
    "mean_error",
    "mean_error_difference",
    "mean_error_increase",
    "mean_flip_probability",
    "mean_interval",
    "mean_rate_of",
    "mean_top5_distance",
    "measurable",
    "near_chance",
    "of_many",
    "overconfidence",
    "paired",
    "paired_difference",
    "paired_rates",
    "paired_sequence",
    "radial_profile",
    "rate",
    "relative_corruption_errors",
    "relative_mce",
    "reliability",
    "rms_calibration",
    "row_sensitivity",
    "sensitivity",
    "severity_area",
    "signed_mean_interval",
    "top5_between",
    "top5_distance",
    "top5_rates",
    "top_k_error",
    "wilson",
    "wilson_many",
    "zipf_between",
    "zipf_distance",
    "zipf_of",
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
    "accuracy": Measure("higher", "share of images classified as labelled; Clopper-Pearson or confidence sequence"),
    "error": Measure("lower", "share of images not classified as labelled"),
    "top_k_error": Measure("lower", "share of images whose label is not among the k highest classes"),
    "error_increase": Measure("lower", "error under a shift minus clean error on the same images; paired interval"),
    "severity_area": Measure("higher", "mean accuracy along a ladder of strengths"),
    "breaking_point": Measure("higher", "the weakest strength at which accuracy falls under a level"),
    "ece": Measure("lower", "expected calibration error, 15 equal-width bins"),
    "mean_ece": Measure("lower", "mean over conditions of their expected calibration errors, not of pooled answers"),
    "mean_ece_increase": Measure("lower", "that mean minus the clean calibration error on the same images"),
    "rms_calibration": Measure("lower", "root mean squared calibration error, bins of 100 samples, none left out"),
    "fourier_band_error": Measure("lower", "mean error over a band of the Fourier-basis sensitivity map"),
    "fourier_contrast": Measure("neither", "error at high minus error at low frequencies"),
    "high_low_ratio": Measure("neither", "error that high frequencies add to clean error over what low ones add"),
    "mean_corruption_error": Measure("lower", "mean error over a published set's corruptions and severities"),
    "mce": Measure("lower", "mean CE: error per corruption over a named normaliser's (AlexNet or a run), 15 of them"),
    "relative_mce": Measure("lower", "the same for what corruption adds to the clean error"),
    "flip_probability": Measure("lower", "share of frame comparisons in which the prediction changes"),
    "flip_rates": Measure("lower", "flip probability over a named normaliser's, and mFR, the mean of ten"),
    "top5_distance": Measure("lower", "mean distance of the five likeliest classes between frames, 0 to 18"),
    "zipf_distance": Measure("lower", "distance of whole rankings between frames, early ranks weighing most"),
    "accuracy_kept": Measure(
        "higher",
        "share of the own clean accuracy above guessing that is kept; mean over curves of means over strengths",
    ),
    "overconfidence": Measure("neither", "mean confidence minus accuracy, with its sign; no bins"),
    "sensitivity": Measure(
        "neither", "what a shift does to one model against another, beyond clean: points added, and share kept"
    ),
    "paired_difference": Measure(
        "neither", "error of one model minus another's on the same images, exact McNemar, Holm"
    ),
}
