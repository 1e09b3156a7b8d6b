"""Training recipes and the one loop that runs them."""

from brittlestar.core.definition import Catalogue
from brittlestar.training.adversarial import Adversarial, FastAdversarial, L2Adversarial, Trades
from brittlestar.training.augment import AugMix, AutoAugment, RandAugment
from brittlestar.training.balanced import BatchBalancing
from brittlestar.training.degraded import DEGRADATIONS, Degraded
from brittlestar.training.loop import Epoch, Plan, train
from brittlestar.training.mixing import CutMix, Mixup, PatchGaussian
from brittlestar.training.recipes import GaussianAugmentation, Natural, Recipe, UniformNoiseAugmentation
from brittlestar.training.spectral import (
    CorruptionAugmentation,
    Filtered,
    FourierAugmentation,
    FullyAugmented,
    NoiseLike,
)

__all__ = [
    "DEGRADATIONS",
    "RECIPES",
    "Adversarial",
    "AugMix",
    "AutoAugment",
    "BatchBalancing",
    "CorruptionAugmentation",
    "CutMix",
    "Degraded",
    "Epoch",
    "FastAdversarial",
    "Filtered",
    "FourierAugmentation",
    "FullyAugmented",
    "GaussianAugmentation",
    "L2Adversarial",
    "Mixup",
    "Natural",
    "NoiseLike",
    "PatchGaussian",
    "Plan",
    "RandAugment",
    "Recipe",
    "Trades",
    "UniformNoiseAugmentation",
    "train",
]

RECIPES: Catalogue[Recipe] = Catalogue(
    "recipe",
    [
        Natural,
        GaussianAugmentation,
        UniformNoiseAugmentation,
        Adversarial,
        L2Adversarial,
        FastAdversarial,
        Trades,
        AugMix,
        AutoAugment,
        RandAugment,
        Mixup,
        CutMix,
        PatchGaussian,
        Filtered,
        FourierAugmentation,
        NoiseLike,
        CorruptionAugmentation,
        Degraded,
        FullyAugmented,
        BatchBalancing,
    ],
)
