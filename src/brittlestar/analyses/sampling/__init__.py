"""Asking a few cells of a large grid, and saying how sure the rates of all its columns then are."""

from __future__ import annotations

from brittlestar.analyses.sampling.auxiliary import Auxiliary
from brittlestar.analyses.sampling.estimate import Rates, Stage, rates, stand_ins
from brittlestar.analyses.sampling.frequencies import auxiliary_of_map, image_features, margins
from brittlestar.analyses.sampling.sampling_design import (
    ActiveEstimate,
    Field,
    active_estimate,
    fixed_passes,
    fixed_samples,
)

__all__ = [
    "ActiveEstimate",
    "Auxiliary",
    "Field",
    "Rates",
    "Stage",
    "active_estimate",
    "auxiliary_of_map",
    "fixed_passes",
    "fixed_samples",
    "image_features",
    "margins",
    "rates",
    "stand_ins",
]
