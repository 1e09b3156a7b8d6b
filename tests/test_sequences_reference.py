"""Sequences and MNIST-C's functions against the code that made the published files.

What the references take from Pillow is compared with Pillow itself, what they take from scipy with scipy; OpenCV and
ImageMagick left golden values (``golden_reference.py``), and where OpenCV is installed it is asked directly.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, PngImagePlugin
from scipy import ndimage

from brittlestar.core.frost import FILES, texture_folder
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SEQUENCES, MnistElasticTransform, MnistMotionBlur
from brittlestar.shifts.elastic import smoothed
from brittlestar.shifts.frost import grey_levels, textures
from brittlestar.shifts.mnist import elastic_on_black
from brittlestar.shifts.ops.dispatch import motion_blur, truncated
from brittlestar.shifts.sequence_base import Sequence
from brittlestar.shifts.storage import stored
from brittlestar.suites import get_suite
from golden_reference import ELASTIC, MOTION, TILT, checks, draws, golden

Levels = npt.NDArray[np.uint8]
AFFINE = ("translate", "rotate", "scale", "shear")
FRAMES = (0, 3, 11, 20, 30)


def photograph(height: int, width: int) -> Levels:
    """(height, width, 3) picture with structure up to its edges."""
    generator = np.random.default_rng(5)
    coarse = generator.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int64)
    return np.clip(smooth + generator.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8)


def shown(sequence: Sequence, image: Levels) -> list[Levels]:
    """The frames of one (h, w, c) or (h, w) image as a run keeps them, shaped alike."""
    x = torch.from_numpy(np.atleast_3d(image).copy()).permute(2, 0, 1)[None]
    frames = sequence.frames(x, SampleKeys.of(0, ["one"]))
    kept = [(stored(f, "uint8")[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy() for f in frames]
    return kept if image.ndim == 3 else [k[..., 0] for k in kept]


def agree(ours: Levels, theirs: Levels, share: float = 0.995) -> bool:
    """Whether nearly all values are equal, and none is off by more than a level."""
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    return ours.shape == theirs.shape and apart.max() <= 1 and (apart == 0).mean() >= share


def crop(image: Image.Image, side: int) -> Levels:
    """torchvision's ``CenterCrop``."""
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def seen(image: Image.Image, linear: list[float], right: float, how: Image.Resampling) -> Image.Image:
    """What torchvision's ``affine`` (from 0.8 on) asks Pillow for: an inverse map about the centre of the picture."""
    a, b, c, d = linear
    x, y = image.width / 2, image.height / 2
    back = (a, b, x - a * (x + right) - b * y, c, d, y - c * (x + right) - d * y)
    return image.transform(image.size, Image.Transform.AFFINE, back, how)


def by_pillow(name: str, frame: int, image: Image.Image) -> Image.Image:
    """A frame of ImageNet-P before its crop."""
    near, bilinear = Image.Resampling.NEAREST, Image.Resampling.BILINEAR
    angle = math.radians(frame - 15)
    if name == "translate":
        return seen(image, [1, 0, 0, 1], frame - 20, near)
    if name == "rotate":
        return seen(image, [math.cos(angle), math.sin(angle), -math.sin(angle), math.cos(angle)], 0, bilinear)
    if name == "shear":
        return seen(image, [1, math.tan(angle), 0, 1], 0, bilinear)
    size = (40 + 2.5 * frame) / 100 if name == "scale" else 1 + 0.004 * frame
    return seen(image, [1 / size, 0, 0, 1 / size], 0, bilinear)


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("size", [(40, 61), (67, 40), (48, 48)])
def test_frames_show_the_uncropped_picture_moved_and_cropped_then(name: str, size: tuple[int, int]) -> None:
    picture = photograph(*size)
    frames = shown(SEQUENCES[name].of("imagenet-p", crop=28), picture)
    for frame in FRAMES:
        wanted = crop(by_pillow(name, frame, Image.fromarray(picture)), 28)
        assert agree(frames[frame], wanted, 0.98), (name, frame)
    square = shown(SEQUENCES[name].of("imagenet-p"), crop(Image.fromarray(picture), 28))
    assert name == "shear" or any((a != b).mean() > 0.1 for a, b in zip(frames, square, strict=True))


def test_every_copy_of_the_zoom_blur_is_cut_off_to_8_bits() -> None:
    picture = Image.fromarray(photograph(40, 61))
    total = crop(picture, 32).astype(np.float32) / np.float32(255)
    frames = shown(SEQUENCES["zoom_blur"].of("imagenet-p", crop=32), np.asarray(picture))
    assert (frames[0] == crop(picture, 32)).all()
    for frame in range(1, 31):
        total += crop(by_pillow("zoom_blur", frame, picture), 32).astype(np.float32) / np.float32(255)
        wanted = (total / np.float32(frame + 1) * np.float32(255)).astype(np.uint8)
        assert agree(frames[frame], wanted), frame


def test_tilt_is_opencvs_warp_with_its_blended_border_and_rounding() -> None:
    frames = shown(SEQUENCES["tilt"].of("cifar-p"), checks(18, 23))
    for frame, digits in TILT.items():
        assert agree(frames[frame], golden(digits, 18, 23)), frame


@pytest.mark.parametrize(("table", "step"), [("cifar-p", 0.75), ("imagenet-p", 1.0)])
def test_tilt_equals_opencv_where_it_is_installed(table: str, step: float) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed; the golden values are compared all the same")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip(f"OpenCV {cv2.__version__} rounds places to 1/32 of a pixel; from 5.0 on it does not")
    picture = photograph(45, 64)
    frames = shown(SEQUENCES["tilt"].of(table, crop=30), picture)
    for frame in range(31):
        sine, cosine = math.sin(math.radians(step * (frame - 15))), math.cos(math.radians(step * (frame - 15)))
        focal = math.hypot(64, 45)
        turned = np.array([[1, 0, 0, 0], [0, cosine, -sine, 0], [0, sine, cosine, 0], [0, 0, 0, 1]]) @ np.array(
            [[cosine, 0, -sine, 0], [0, 1, 0, 0], [sine, 0, cosine, 0], [0, 0, 0, 1]]
        )
        away = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, focal], [0, 0, 0, 1]])
        lens = np.array([[focal, 0, 32, 0], [0, focal, 22.5, 0], [0, 0, 1, 0]])
        there = lens @ away @ turned @ np.array([[1, 0, -32], [0, 1, -22.5], [0, 0, 1], [0, 0, 1]])
        wanted = crop(Image.fromarray(cv2.warpPerspective(picture, there, (64, 45))), 30)
        assert agree(frames[frame], wanted), frame


def test_the_square_that_is_shown_lies_where_torchvision_crops() -> None:
    sequence = SEQUENCES["scale"].of("imagenet-p", crop=224)
    assert sequence.window(256, 341)[:2] == (16, 58)
    assert sequence.window(343, 256)[:2] == (60, 16)
    assert sequence.window(224, 224)[:2] == (0, 0)


def dried() -> tuple[torch.Tensor, torch.Tensor]:
    """A picture and one drop near its bottom edge, which runs out of it."""
    rows, columns = np.mgrid[0:32, 0:32]
    image = np.stack([(40 + 5 * rows + 2 * columns + 20 * k) % 256 for k in range(3)])
    drop = 0.5 + 0.8 * np.exp(-((rows - 20) ** 2 + (columns - 12) ** 2) / 20)
    return torch.from_numpy(image)[None].float() / 255, torch.from_numpy(drop)[None, None].float()


def test_a_frame_without_drops_is_black_as_published_or_on_request_the_image() -> None:
    """Sums and black frames: the spatter block of make_cifar_p.py, given ``dried`` in place of its normal draws."""
    from brittlestar.shifts.spatter import drops

    x, field = dried()
    for black in (True, False):
        sequence = SEQUENCES["spatter"].from_config(
            {**SEQUENCES["spatter"].of("cifar-p").config(), "dry_is_black": black}
        )
        frames = list(sequence.running(x, drops(field, sequence.sigma, sequence.threshold)))
        sums = [int((stored(f.clamp(0, 1), "uint8") * 255).round().sum()) for f in frames]
        assert sums[:28] == pytest.approx(DRYING, rel=2e-5)
        assert sums[28:] == ([0, 0, 0] if black else [483584] * 3)
    assert SEQUENCES["spatter"].of("cifar-p").dry_is_black


DRYING = [
    *(486816, 487657, 489549, 488492, 489592, 485317, 486790, 488876, 490469, 490399, 491217, 488100, 487323, 486889),
    *(487287, 486376, 485750, 485012, 484382, 484294, 484240, 484418, 484385, 485530, 485250, 485223, 484847, 484412),
]


def test_dry_frames_are_black_sample_by_sample_and_not_without_intensity() -> None:
    keys = SampleKeys.of(3, [str(i) for i in range(40)])
    x = torch.full((40, 3, 32, 32), 0.5)
    frames = torch.stack(list(SEQUENCES["spatter"].of("cifar-p").frames(x, keys)))
    black = ~frames.any(dim=(2, 3, 4))
    assert 0 < int(black[-1].sum()) < 40, "some sequences run dry, and not all"
    faint = SEQUENCES["spatter"].from_config({**SEQUENCES["spatter"].of("cifar-p").config(), "intensity": 0.0})
    assert torch.equal(~torch.stack(list(faint.frames(x, keys))).any(dim=(2, 3, 4)), black)


def test_mnist_motion_blur_is_cut_off_as_it_comes_back_from_imagemagick() -> None:
    digit = torch.from_numpy(checks(28, 28).copy())[None, None].float() / 255
    angle = float(draws("motion_blur").uniform(-45, 45))
    found = truncated(motion_blur(digit, 10, 3.0, torch.tensor([angle])))
    assert agree((found[0, 0] * 255).round().to(torch.uint8).numpy(), golden(MOTION, 28, 28), 0.99)
    condition = next(c for c in get_suite("mnist-c").conditions((1, 28, 28)) if c.info.title == "Motion blur")
    shift, keys = condition.definition, SampleKeys.of(0, ["a", "b", "c"])
    assert isinstance(shift, MnistMotionBlur)
    made = shift.compute(digit.repeat(3, 1, 1, 1), keys)
    assert torch.equal(stored(made, condition.info.storage), truncated(made)), "rounding adds nothing afterwards"
    same = truncated(
        motion_blur(
            digit.repeat(3, 1, 1, 1), 10, 3.0, keys.stream("mnist_motion_blur").uniform((1,), -45.0, 45.0)[:, 0]
        )
    )
    assert torch.equal(made, same)


def test_mnist_elastic_transform_has_opencvs_and_scipys_edges() -> None:
    digit = torch.from_numpy(checks(28, 28).copy())[None, None].float() / 255
    drawn, how = draws("elastic_transform"), MnistElasticTransform()
    jitter = torch.from_numpy(drawn.uniform(-2.8, 2.8, (3, 2)))[None]
    fields = torch.from_numpy(np.stack([drawn.uniform(-1, 1, (28, 28)) for _ in range(2)])[None]).float()
    found = elastic_on_black(digit, jitter, smoothed(fields, how.sigma * 28) * (how.alpha * 28))
    assert agree((found[0, 0] * 255).round().to(torch.uint8).numpy(), golden(ELASTIC, 28, 28), 0.99)


def test_a_displacement_that_leaves_the_digit_finds_black_at_once() -> None:
    digit = checks(28, 28).astype(np.float32) / 255
    moves = np.random.default_rng(2).uniform(-3, 3, (2, 28, 28)).astype(np.float32)
    rows, columns = np.mgrid[0:28, 0:28].astype(np.float32)
    wanted = ndimage.map_coordinates(digit, [rows + moves[1], columns + moves[0]], order=1, mode="constant")
    still = torch.zeros(1, 3, 2, dtype=torch.float64)
    found = elastic_on_black(torch.from_numpy(digit)[None, None], still, torch.from_numpy(moves)[None])
    np.testing.assert_allclose(found[0, 0].numpy(), wanted, atol=2e-5)
    assert (wanted[0] == 0).any()


def coloured() -> Levels:
    rows, columns = np.mgrid[0:16, 0:24]
    made = [(10 * rows + 3 * columns) % 256, (5 * rows + 11 * columns + 40) % 256, (200 - 7 * rows - 4 * columns) % 256]
    return np.stack(made, -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("gamma", "digest", "start"),
    [
        (None, "4e874776ddcde5a4", [61, 68, 75, 82, 89, 96, 103, 109]),
        (45455, "0841b833d3434ef8", [78, 82, 87, 92, 98, 105, 110, 118]),
    ],
)
def test_grey_of_a_png_is_opencvs(gamma: int | None, digest: str, start: list[int]) -> None:
    """Golden: ``cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)`` (4.5 and 5.0 agree), its SHA-256 and part of row 3."""
    info = PngImagePlugin.PngInfo()
    if gamma is not None:
        info.add(b"gAMA", struct.pack(">I", gamma))
    file = io.BytesIO()
    Image.fromarray(coloured()).save(file, "PNG", pnginfo=info)
    found = grey_levels(Image.open(file))
    assert found[3, :8].tolist() == start
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == digest


def test_grey_of_a_jpeg_is_the_luma_that_it_stores() -> None:
    file = io.BytesIO()
    Image.fromarray(photograph(40, 56)).save(file, "JPEG", quality=60)
    luma = Image.open(file)
    luma.draft("YCbCr", luma.size)
    found = grey_levels(Image.open(file))
    np.testing.assert_array_equal(found, np.asarray(luma)[..., 0])
    assert (found != np.asarray(Image.open(file).convert("L"))).any()


def test_frosts_grey_textures_are_opencvs() -> None:
    """Golden: SHA-256 of ``cv2.imread(texture, cv2.IMREAD_GRAYSCALE)``, OpenCV 4.5 and 5.0 alike."""
    if texture_folder() is None:
        pytest.skip("the textures of the ImageNet-C code are not installed (`brittlestar textures`)")
    found = [(t[0] * 255).round().to(torch.uint8).numpy() for t in textures(1.0, 28, 28, 1)]
    digests = [hashlib.sha256(np.ascontiguousarray(t).tobytes()).hexdigest()[:16] for t in found]
    assert dict(zip(FILES, digests, strict=True)) == GREY_TEXTURES


GREY_TEXTURES = {
    "frost1.png": "1d6ea8232d9c1baf",
    "frost2.png": "c6113f94b45be99f",
    "frost3.png": "c6113f94b45be99f",
    "frost4.jpg": "3710a5ae2e8646cc",
    "frost5.jpg": "7725fb44dabeb0a1",
    "frost6.jpg": "3fe0923e5a27e18e",
}


def sequences() -> Iterator[Sequence]:
    return (kind.of(table) for kind in SEQUENCES.values() for table in ("cifar-p", "imagenet-p"))


def test_compiled_and_plain_frames_are_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.from_numpy(photograph(37, 45)).permute(2, 0, 1)[None].float() / 255
    keys = SampleKeys.of(1, ["one"])
    made = [torch.stack(list(s.frames(x, keys))) for s in sequences()]
    monkeypatch.setenv("BRITTLESTAR_FAST", "0")
    for fast, sequence in zip(made, sequences(), strict=True):
        assert torch.equal(fast, torch.stack(list(sequence.frames(x, keys)))), sequence.name
