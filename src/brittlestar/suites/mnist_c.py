"""MNIST-C (Mu and Gilmer 2019): fifteen corruptions of grey images, and sixteen more functions that were candidates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from brittlestar.shifts import (
    Brightness,
    CannyEdges,
    Contrast,
    DefocusBlur,
    DottedLine,
    Fog,
    Frost,
    GaussianNoise,
    ImpulseNoise,
    Inversion,
    Jpeg,
    MnistElasticTransform,
    MnistGlassBlur,
    MnistMotionBlur,
    MnistSaturation,
    Pixelation,
    Quantization,
    ReleasedShear,
    Rotation,
    Scale,
    Shear,
    ShotNoise,
    Snow,
    Spatter,
    SpeckleNoise,
    StraightLine,
    Stripe,
    Translation,
    VerticalBlur,
    Zigzag,
    ZoomBlur,
)
from brittlestar.shifts.base import Shift
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.frost import available_textures
from brittlestar.suites.base import Shape, Suite

TABLE = "mnist-c"
# The published code turns and slants by 0.4 radians.
_TURN = math.degrees(0.4)
# MNIST-C's arrays are rounded, where those of CIFAR-10-C are cut off.
_STORAGES = ("rounded8", "float")


# Severities are the defaults of the published functions, different from one to the next.
def _fifteen() -> dict[str, Shift]:
    return {
        "Shot noise": ShotNoise(photons=3.0),
        "Impulse noise": ImpulseNoise(amount=0.17),
        "Glass blur": MnistGlassBlur(),
        "Motion blur": MnistMotionBlur(),
        "Shear": Shear(degrees=_TURN),
        "Scale": Scale(factor=0.7),
        "Rotate": Rotation(degrees=_TURN),
        "Brightness": Brightness(offset=0.5),
        "Translate": Translation(fraction=3 / 28),
        "Stripe": Stripe(),
        # The published cloud is made for 256 pixels; digits get its corner.
        "Fog": Fog(amount=3.0, decay=1.4, map_size=256),
        "Spatter": Spatter(loc=0.65, scale=0.3, sigma=1.0, threshold=0.65, intensity=1.5, is_mud=True),
        "Dotted line": DottedLine(),
        "Zigzag": Zigzag(),
        "Canny edges": CannyEdges(),
    }


def _others() -> dict[str, Shift]:
    frost = Frost.at(5, "imagenet-c")
    return {
        "Gaussian noise": GaussianNoise(sigma=0.38),
        "Speckle noise": SpeckleNoise(sigma=0.6),
        "Vertical blur": VerticalBlur(sigma=2.0),
        "Defocus blur": DefocusBlur(radius=3.0, alias=0.1),
        "Zoom blur": ZoomBlur(end=1.31, step=0.03),
        "Frost": Frost(image=frost.image, texture=frost.texture, textures=available_textures()),
        "Snow": Snow.at(5, "imagenet-c"),
        "Contrast": Contrast(factor=0.1),
        "Saturation": MnistSaturation(),
        "JPEG compression": Jpeg(quality=7),
        "Pixelation": Pixelation(factor=0.4),
        "Elastic transform": MnistElasticTransform(),
        "Quantization": Quantization(bits=1),
        "Line": StraightLine(),
        "Inverse": Inversion(),
        "Shear, as in 2019": ReleasedShear(),
    }


def _conditions(chosen: Mapping[str, Shift], storage: str) -> tuple[Condition, ...]:
    listed = []
    for title, definition in chosen.items():
        made = condition(
            definition, shown=(), label="as published", table=TABLE, title=title, storage=storage, series=TABLE
        )
        parts = [TABLE, definition.name, *([storage] if storage != _STORAGES[0] else [])]
        listed.append(Condition(dataclasses.replace(made.info, id="/".join(parts)), definition))
    return (clean(), *listed)


def _test(shape: Shape, storage: str) -> tuple[Condition, ...]:
    return _conditions(_fifteen(), storage)


def _extra(shape: Shape, storage: str) -> tuple[Condition, ...]:
    return _conditions(_others(), storage)


MNIST_C = Suite(
    "mnist-c", "MNIST-C: its 15 corruptions of grey images, at the published setting", _test, _STORAGES, (1,)
)
MNIST_C_EXTRA = Suite(
    "mnist-c-extra",
    "MNIST-C's other candidates, pessimal noise left out (its matrix is not here)",
    _extra,
    _STORAGES,
    (1,),
)
