"""Data sets made with the help of a model: to learn from, or to test with."""

from __future__ import annotations

from brittlestar.build.features import KINDS, FeatureSet, build_features, write_set
from brittlestar.build.usefulness import Usefulness, robust_usefulness, usefulness

__all__ = ["KINDS", "FeatureSet", "Usefulness", "build_features", "robust_usefulness", "usefulness", "write_set"]
