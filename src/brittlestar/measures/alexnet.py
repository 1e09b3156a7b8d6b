"""Published denominators: AlexNet's errors on ImageNet-C, its flip probabilities on ImageNet-P, and the sets' members.

References:
    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261; errors by severity as timm lists them
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from brittlestar.core.errors import unknown

TEST = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The 15 corruptions that mCE is made of, in the published order."""

MNIST = (
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "shear",
    "scale",
    "rotate",
    "brightness",
    "translate",
    "stripe",
    "fog",
    "spatter",
    "dotted_line",
    "zigzag",
    "canny_edges",
)
"""The 15 corruptions of MNIST-C, one strength each."""

CORRUPTION_SETS: Mapping[str, tuple[str, ...]] = {
    "imagenet-c": TEST,
    "imagenet-c-299": TEST,
    "cifar-c": TEST,
    "tiny-c": TEST,
    "mnist-c": MNIST,
}
"""The corruptions of each published table whose mean is its summary. Validation corruptions are in none."""

_TEMPORAL = ("brightness", "translate", "rotate", "tilt", "scale")
SEQUENCE_SETS: Mapping[str, tuple[str, ...]] = {
    "imagenet-p": ("gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "snow", *_TEMPORAL),
    "tiny-p": ("gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "snow", *_TEMPORAL),
    # CIFAR-P's reference evaluation takes spatter where the others have snow.
    "cifar-p": ("gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "spatter", *_TEMPORAL),
}
"""The ten sequences of each published set whose mean is its summary."""


def members(table: str, sets: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The corruptions or sequences of a published set.

    Raises:
        UsageError: Not a published set.
    """
    if table not in sets:
        raise unknown("published set", table, sets)
    return sets[table]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedErrors:
    """A model's published errors, usable as denominators.

    Fields:
        name: Of the model, as it is named beside every number it normalises.
        table: The set the errors were measured on; no other set may be divided by them.
        clean: Its clean error.
        errors: Corruption to errors at severities 1 to 5.
    """

    name: str
    table: str
    clean: float
    errors: Mapping[str, tuple[float, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedFlips:
    """A model's published flip probabilities, usable as denominators; ``name`` says what they are worth."""

    name: str
    table: str
    flips: Mapping[str, float]


ALEXNET = PublishedErrors(
    name="AlexNet (published errors)",
    table="imagenet-c",
    clean=0.4348,  # as in google-research/robustness_metrics
    errors={
        "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
        "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
        "impulse_noise": (0.78374, 0.89808, 0.94870, 0.98720, 0.99548),
        "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
        "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
        "motion_blur": (0.58430, 0.70048, 0.82108, 0.89750, 0.92638),
        "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
        # From severity 2 to 3 AlexNet's errors fall for snow and elastic_transform; these are the published numbers.
        "snow": (0.71726, 0.88392, 0.86468, 0.91870, 0.94952),
        "frost": (0.61390, 0.79734, 0.88790, 0.89942, 0.93430),
        "fog": (0.67474, 0.76050, 0.84378, 0.87260, 0.94500),
        "brightness": (0.45140, 0.48502, 0.54048, 0.62166, 0.72440),
        "contrast": (0.64548, 0.76150, 0.88874, 0.97760, 0.99270),
        "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
        "pixelate": (0.52218, 0.54620, 0.73728, 0.87092, 0.91262),
        "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
    },
)
"""AlexNet's top-1 errors on ImageNet-C by severity; their means are the published denominators of CE."""

ALEXNET_FLIPS = PublishedFlips(
    name="AlexNet flip rates as remembered by two sources",
    table="imagenet-p",
    flips={
        "gaussian_noise": 0.2365,
        "shot_noise": 0.3006,
        "motion_blur": 0.0930,
        "zoom_blur": 0.0594,
        "snow": 0.1193,
        "brightness": 0.0489,
        "translate": 0.1101,
        "rotate": 0.1310,
        "tilt": 0.0705,
        "scale": 0.2353,
    },
)
"""AlexNet's flip probabilities on ImageNet-P. Not verified against the paper: two recollections agree, and published
arrays divided by them give the published mFR of another model. Its top-5 distances are not known at all."""
