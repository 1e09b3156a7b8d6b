"""The operations of augmentation policies, held against Pillow's pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from brittlestar.training import levels

SHAPES = [(3, 32, 32), (1, 28, 28), (3, 17, 40)]


def pictures(shape: tuple[int, int, int], count: int = 24) -> torch.Tensor:
    """Smooth, noisy, dark, constant and two-valued images of all contrasts."""
    generator = np.random.default_rng(0)
    channels, height, width = shape
    out = []
    for number in range(count):
        coarse = generator.random((channels, 4, 4))
        smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse)[None], size=(height, width), mode="bilinear")
        image = smooth[0].numpy() + 0.1 * (number % 3) * generator.standard_normal(shape)
        image = image * generator.choice([0.2, 0.6, 1.0]) + generator.choice([0.0, 0.3])
        out.append(np.clip(image * 255, 0, 255).astype(np.uint8))
    out[0][:] = 51
    out[1] = (out[1] > 120).astype(np.uint8) * 255
    out[2][0, 0, 0], out[2][:, 1:] = 9, 200
    return torch.from_numpy(np.stack(out))


def by_pillow(x: torch.Tensor, change: Callable[[Image.Image, Any], Image.Image], values: list[Any]) -> torch.Tensor:
    out = []
    for image, value in zip(x.numpy(), values, strict=True):
        picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
        found = np.asarray(change(picture, value))
        out.append(found[None] if found.ndim == 2 else found.transpose(2, 0, 1))
    return torch.from_numpy(np.stack(out))


TONES: dict[str, tuple[Any, Any, Any]] = {
    "autocontrast": (lambda x, v: levels.autocontrast(x), lambda p, v: ImageOps.autocontrast(p), lambda g: 0),
    "equalize": (lambda x, v: levels.equalize(x), lambda p, v: ImageOps.equalize(p), lambda g: 0),
    "invert": (lambda x, v: levels.invert(x), lambda p, v: ImageOps.invert(p), lambda g: 0),
    "posterize": (levels.posterize, lambda p, v: ImageOps.posterize(p, int(v)), lambda g: g.integers(1, 9)),
    "solarize": (levels.solarize, lambda p, v: ImageOps.solarize(p, int(v)), lambda g: g.integers(0, 257)),
    "colour": (levels.colour, lambda p, v: ImageEnhance.Color(p).enhance(v), lambda g: g.uniform(0, 2)),
    "contrast": (levels.contrast, lambda p, v: ImageEnhance.Contrast(p).enhance(v), lambda g: g.uniform(0, 2)),
    "brightness": (levels.brightness, lambda p, v: ImageEnhance.Brightness(p).enhance(v), lambda g: g.uniform(0, 2)),
    "sharpness": (levels.sharpness, lambda p, v: ImageEnhance.Sharpness(p).enhance(v), lambda g: g.uniform(0, 2)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", TONES)
def test_tones_are_pillows(name: str, shape: tuple[int, int, int]) -> None:
    ours, theirs, draw = TONES[name]
    x, generator = pictures(shape), np.random.default_rng(1)
    values = [draw(generator) for _ in x]
    found = ours(x, torch.tensor(values))
    assert torch.equal(found, by_pillow(x, theirs, values))
    assert torch.equal(ours(x[5:6], torch.tensor(values[5:6])), found[5:6]), "alone as in a batch"


GEOMETRY: dict[str, tuple[Any, Any, float]] = {
    "rotate": (None, None, 45.0),
    "shear_x": ({1: 1.0}, (1, "v", 0, 0, 1, 0), 0.3),
    "shear_y": ({3: 1.0}, (1, 0, 0, "v", 1, 0), 0.3),
    "translate_x": ({2: 1.0}, (1, 0, "v", 0, 1, 0), 12.0),
    "translate_y": ({5: 1.0}, (1, 0, 0, 0, 1, "v"), 12.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", ["bilinear", "nearest, grey outside"])
@pytest.mark.parametrize("whole", [False, True], ids=["fractions", "whole numbers"])
@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_is_pillows(name: str, whole: bool, way: str, shape: tuple[int, int, int]) -> None:
    """Equal but for a level in a few of a hundred thousand pixels, where a compiler may fuse two operations."""
    places, matrix, most = GEOMETRY[name]
    x, generator = pictures(shape), np.random.default_rng(2)
    values = [float(v) for v in generator.uniform(-most, most, len(x))]
    values = [round(v) if most > 1 else round(v, 1) for v in values] if whole else values
    nearest = way != "bilinear"
    resample, grey = (Image.Resampling.NEAREST, 128) if nearest else (Image.Resampling.BILINEAR, 0)

    def theirs(picture: Image.Image, value: float) -> Image.Image:
        fill = grey if picture.mode == "L" else (grey,) * 3
        if matrix is None:
            return picture.rotate(value, resample=resample, fillcolor=fill)
        entries = tuple(value if entry == "v" else entry for entry in matrix)
        return picture.transform(picture.size, Image.Transform.AFFINE, entries, resample=resample, fillcolor=fill)

    given = torch.tensor(values, dtype=torch.float64)
    maps = levels.rotation(given, *shape[1:]) if places is None else levels.affine(dict.fromkeys(places, given))
    found, expected = levels.moved(x, maps, nearest, grey), by_pillow(x, theirs, values)
    apart = (found.int() - expected.int()).abs()
    assert float((apart > 0).double().mean()) < (0 if nearest else 5e-5) + 1e-12
    assert nearest or int(apart.max()) <= 1
    assert not torch.equal(found, x)


def test_no_bits_are_black() -> None:
    assert not levels.posterize(pictures((3, 8, 8)), torch.zeros(24, dtype=torch.int64)).any()


def test_solarize_add_raises_the_dark_half() -> None:
    x = torch.tensor([0, 100, 127, 128, 255], dtype=torch.uint8).view(1, 1, 1, 5)
    assert levels.solarize_add(x, torch.tensor([55])).flatten().tolist() == [55, 155, 182, 128, 255]
    assert levels.solarize_add(x, torch.tensor([-110])).flatten().tolist() == [0, 0, 17, 128, 255]
