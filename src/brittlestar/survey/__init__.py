"""Looking at a few cells of a large grid, and saying how sure the rates of all its columns then are."""

from __future__ import annotations

from brittlestar.survey.estimate import Rates, Stage, rates, stand_ins
from brittlestar.survey.frequencies import image_features, known_of_map, margins
from brittlestar.survey.known import Known
from brittlestar.survey.looking import Field, Survey, fixed_passes, fixed_samples, survey

__all__ = [
    "Field",
    "Known",
    "Rates",
    "Stage",
    "Survey",
    "fixed_passes",
    "fixed_samples",
    "image_features",
    "known_of_map",
    "margins",
    "rates",
    "stand_ins",
    "survey",
]
