"""Data sets made with the help of a model: to learn from, or to test with."""

from __future__ import annotations

from brittlestar.build.features import KINDS, FeatureSet, build_features, write_set
from brittlestar.build.turned import parse_shift, turned
from brittlestar.build.usefulness import Usefulness, robust_usefulness, usefulness

__all__ = [
    "KINDS",
    "FeatureSet",
    "Usefulness",
    "build_features",
    "parse_shift",
    "robust_usefulness",
    "turned",
    "usefulness",
    "write_set",
]
