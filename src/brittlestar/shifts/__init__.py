"""Shifts: changes of the test distribution that know no model. To add one, write it in a family's file and list it."""

from brittlestar.core.definition import Catalogue
from brittlestar.shifts.bands import BandPass, BandStop, PhaseScrambling, RandomMask, RingNoise
from brittlestar.shifts.base import Shift
from brittlestar.shifts.blur import GaussianBlur
from brittlestar.shifts.colour import Brightness, Contrast, Greyscale, Inversion, Saturation
from brittlestar.shifts.digital import Jpeg, Pixelation
from brittlestar.shifts.elastic import ElasticTransform
from brittlestar.shifts.frost import Frost
from brittlestar.shifts.geometric import Rotation, Scale, Shear, Translation
from brittlestar.shifts.glass import GlassBlur
from brittlestar.shifts.lens import DefocusBlur, MotionBlur, ZoomBlur
from brittlestar.shifts.mnist import (
    CannyEdges,
    MnistElasticTransform,
    MnistGlassBlur,
    MnistMotionBlur,
    MnistSaturation,
    PessimalNoise,
    Quantization,
    ReleasedShear,
    Stripe,
    VerticalBlur,
)
from brittlestar.shifts.mnist_lines import DottedLine, StraightLine, Zigzag
from brittlestar.shifts.noise import (
    GaussianNoise,
    ImpulseNoise,
    SaltAndPepper,
    ShotNoise,
    SpeckleNoise,
    UniformNoise,
)
from brittlestar.shifts.sequence_base import Sequence
from brittlestar.shifts.sequences import (
    BrightnessSequence,
    GaussianBlurSequence,
    GaussianNoiseSequence,
    MotionBlurSequence,
    ShotNoiseSequence,
    SnowSequence,
    SpatterSequence,
    SpeckleNoiseSequence,
)
from brittlestar.shifts.sequences_geometric import (
    RotateSequence,
    ScaleSequence,
    ShearSequence,
    TiltSequence,
    TranslateSequence,
    ZoomBlurSequence,
)
from brittlestar.shifts.snow import Snow
from brittlestar.shifts.spatter import Spatter
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
        DefocusBlur,
        GlassBlur,
        MotionBlur,
        ZoomBlur,
        Snow,
        Frost,
        Fog,
        Spatter,
        Brightness,
        Contrast,
        Saturation,
        Greyscale,
        Inversion,
        ElasticTransform,
        Pixelation,
        Jpeg,
        Rotation,
        Translation,
        Scale,
        Shear,
        LowPass,
        HighPass,
        BandNoise,
        BandPass,
        BandStop,
        RingNoise,
        PhaseScrambling,
        RandomMask,
        FourierBasis,
        Stripe,
        StraightLine,
        DottedLine,
        Zigzag,
        CannyEdges,
        Quantization,
        VerticalBlur,
        MnistGlassBlur,
        MnistMotionBlur,
        MnistSaturation,
        MnistElasticTransform,
        ReleasedShear,
        PessimalNoise,
    ],
)

SEQUENCES: Catalogue[Sequence] = Catalogue(
    "sequence",
    [
        GaussianNoiseSequence,
        ShotNoiseSequence,
        MotionBlurSequence,
        ZoomBlurSequence,
        SnowSequence,
        BrightnessSequence,
        TranslateSequence,
        RotateSequence,
        TiltSequence,
        ScaleSequence,
        SpeckleNoiseSequence,
        GaussianBlurSequence,
        SpatterSequence,
        ShearSequence,
    ],
)

__all__ = [
    "SEQUENCES",
    "SHIFTS",
    "BandNoise",
    "BandPass",
    "BandStop",
    "Brightness",
    "CannyEdges",
    "Contrast",
    "DefocusBlur",
    "DottedLine",
    "ElasticTransform",
    "Fog",
    "FourierBasis",
    "Frost",
    "GaussianBlur",
    "GaussianNoise",
    "GlassBlur",
    "Greyscale",
    "HighPass",
    "ImpulseNoise",
    "Inversion",
    "Jpeg",
    "LowPass",
    "MnistElasticTransform",
    "MnistGlassBlur",
    "MnistMotionBlur",
    "MnistSaturation",
    "MotionBlur",
    "PessimalNoise",
    "PhaseScrambling",
    "Pixelation",
    "Quantization",
    "RandomMask",
    "ReleasedShear",
    "RingNoise",
    "Rotation",
    "SaltAndPepper",
    "Saturation",
    "Scale",
    "Sequence",
    "Shear",
    "Shift",
    "ShotNoise",
    "Snow",
    "Spatter",
    "SpeckleNoise",
    "StraightLine",
    "Stripe",
    "Translation",
    "UniformNoise",
    "VerticalBlur",
    "Zigzag",
    "ZoomBlur",
]
