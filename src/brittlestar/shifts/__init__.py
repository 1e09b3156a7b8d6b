"""Shifts: changes of the test distribution that know no model. To add one, write it in a family's file and list it."""

from brittlestar.core.definition import Catalogue
from brittlestar.shifts.base import Shift
from brittlestar.shifts.blur import GaussianBlur
from brittlestar.shifts.colour import Brightness, Contrast, Greyscale, Inversion, Saturation
from brittlestar.shifts.digital import Jpeg, Pixelation
from brittlestar.shifts.geometric import Rotation, Scale, Shear, Translation
from brittlestar.shifts.noise import (
    GaussianNoise,
    ImpulseNoise,
    SaltAndPepper,
    ShotNoise,
    SpeckleNoise,
    UniformNoise,
)
from brittlestar.shifts.spectral import BandNoise, FourierBasis, HighPass, LowPass
from brittlestar.shifts.weather import Fog

SHIFTS: Catalogue[Shift] = Catalogue(
    "shift",
    [
        GaussianNoise,
        ShotNoise,
        ImpulseNoise,
        SpeckleNoise,
        UniformNoise,
        SaltAndPepper,
        GaussianBlur,
        Fog,
        Brightness,
        Contrast,
        Saturation,
        Greyscale,
        Inversion,
        Pixelation,
        Jpeg,
        Rotation,
        Translation,
        Scale,
        Shear,
        LowPass,
        HighPass,
        BandNoise,
        FourierBasis,
    ],
)

__all__ = [
    "SHIFTS",
    "BandNoise",
    "Brightness",
    "Contrast",
    "Fog",
    "FourierBasis",
    "GaussianBlur",
    "GaussianNoise",
    "Greyscale",
    "HighPass",
    "ImpulseNoise",
    "Inversion",
    "Jpeg",
    "LowPass",
    "Pixelation",
    "Rotation",
    "SaltAndPepper",
    "Saturation",
    "Scale",
    "Shear",
    "Shift",
    "ShotNoise",
    "SpeckleNoise",
    "Translation",
    "UniformNoise",
]
