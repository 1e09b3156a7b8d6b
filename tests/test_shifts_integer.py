"""JPEG and box resampling as tensor operations against Pillow itself, bit for bit, at sides of every kind."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from brittlestar.data.sample import sample_image
from brittlestar.shifts.ops.box.plain import box_resize
from brittlestar.shifts.ops.dispatch import PAIRS, numba_is_here
from brittlestar.shifts.ops.jpeg.plain import by_tensors, quantisers
from brittlestar.shifts.storage import stored

SIZES = [(8, 8), (9, 13), (16, 16), (17, 33), (28, 28), (32, 32), (37, 21), (40, 56), (61, 64)]


def pictures(height: int, width: int, channels: int) -> torch.Tensor:
    generator = np.random.default_rng(height * 100 + width)
    smooth = np.asarray(Image.fromarray(sample_image().transpose(1, 2, 0)).resize((width, height)))
    noise = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    both = np.stack([smooth, noise, np.full_like(noise, 255)])[..., :channels]
    return torch.from_numpy(both).permute(0, 3, 1, 2).contiguous()


def through_pillow(x: torch.Tensor, change: object) -> torch.Tensor:
    found = []
    for image in x.permute(0, 2, 3, 1).numpy():
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        found.append(np.asarray(change(picture)).reshape(image.shape))  # type: ignore[operator]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_jpeg_is_pillows(size: tuple[int, int], channels: int) -> None:
    x = pictures(*size, channels)
    for quality in (1, 7, 10, 15, 18, 25, 40, 50, 58, 65, 80, 85, 95):

        def stored_and_read(picture: Image.Image, quality: int = quality) -> Image.Image:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            return Image.open(buffer)

        expected = through_pillow(x, stored_and_read)
        ways = [by_tensors, *([PAIRS["jpeg_round_trip"].compiled] if numba_is_here() else [])]
        for way in ways:
            assert torch.equal(way(x, quality), expected), quality


def test_divisors_are_those_in_pillows_files() -> None:
    for quality in (1, 10, 25, 50, 85, 95):
        buffer = io.BytesIO()
        Image.new("RGB", (16, 16)).save(buffer, "JPEG", quality=quality)
        tables = Image.open(buffer).quantization  # type: ignore[attr-defined]
        assert [tuple(tables[i]) for i in (0, 1)] == [*quantisers(quality)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_box_resampling_is_pillows(size: tuple[int, int], channels: int) -> None:
    x = pictures(*size, channels)
    for factor in (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.65, 0.75, 0.9, 0.95):
        height, width = (max(1, int(side * factor)) for side in size)

        def small(picture: Image.Image, shape: tuple[int, int] = (width, height)) -> Image.Image:
            across = picture.resize((shape[0], picture.height), Image.Resampling.BOX)
            return across.resize(shape, Image.Resampling.BOX)

        shrunk = through_pillow_to(x, small)
        back = through_pillow_to(shrunk, lambda p: p.resize((size[1], size[0]), Image.Resampling.BOX))
        assert torch.equal(box_resize(x, height, width), shrunk), factor
        assert torch.equal(box_resize(shrunk, *size), back), factor
        if numba_is_here():
            assert torch.equal(PAIRS["pixelated"].compiled(x, height, width), back), factor


def through_pillow_to(x: torch.Tensor, change: object) -> torch.Tensor:
    found = []
    for image in x.permute(0, 2, 3, 1).numpy():
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        changed = np.asarray(change(picture))  # type: ignore[operator]
        found.append(changed.reshape(*changed.shape[:2], x.shape[1]))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


def test_storage() -> None:
    """Truncation, rounding and the published files' JPEG, from floats between the levels."""
    y = torch.tensor([0.0, 0.99 / 255, 1 / 255, 100.7 / 255, 254.99999 / 255, 1.0, 1.2, -0.1]).view(1, 1, 2, 4)
    assert (stored(y, "uint8") * 255).round().flatten().tolist() == [0, 0, 1, 100, 255, 255, 255, 0]
    assert (stored(y, "rounded8") * 255).round().flatten().tolist() == [0, 1, 1, 101, 255, 255, 255, 0]
    assert torch.equal(stored(y, "float"), y)
    x = pictures(32, 32, 3).float() / 255
    kept = stored(x + 0.5 / 255, "jpeg85")
    assert torch.equal((kept * 255).round().to(torch.uint8), by_tensors(pictures(32, 32, 3), 85))
