"""MNIST-C's functions. Golden values: google-research/mnist-c's functions run on the demo's digits (scikit-image 0.26),
with the draws named; remade by calling ``zigzag`` and the others with ``numpy.random`` replaced by those draws."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from brittlestar.core.errors import DataError, ShiftError
from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.shifts import (
    Brightness,
    CannyEdges,
    DottedLine,
    MnistSaturation,
    PessimalNoise,
    Quantization,
    ReleasedShear,
    Rotation,
    Scale,
    Shear,
    StraightLine,
    Stripe,
    Translation,
    Zigzag,
)
from brittlestar.suites import get_suite


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return torch.from_numpy(open_source("digits").load(np.arange(0, 1000, 5))).float() / 255


class Fixed(SampleKeys):
    """Keys whose integers are named."""

    def __init__(self, **values: int) -> None:
        super().__init__(torch.zeros(1, dtype=torch.int64))
        self.values = values
        self.value = 0

    def stream(self, *identity: object) -> Fixed:
        found = Fixed(**self.values)
        found.value = self.values.get(str(identity[0]), 0)
        return found

    def integers(self, shape: object, low: int, high: int) -> torch.Tensor:
        assert low <= self.value < high
        return torch.full((1, 1, 1), self.value)


def test_canny_finds_the_edges_that_scikit_image_finds(digits: torch.Tensor) -> None:
    edges = CannyEdges()(digits)[:, 0].numpy() == 1
    assert edges.sum() == CANNY[1]
    assert hashlib.sha256(np.packbits(edges).tobytes()).hexdigest()[:16] == CANNY[0]


def test_strokes_are_the_published_ones(digits: torch.Tensor) -> None:
    x = digits[:1]
    draws = [(3, -5), (10, 4), (20, 0), (26, -1)]
    found = [float(Zigzag()._apply(x, Fixed(left=left, rise=rise)).sum()) * 255 for left, rise in draws]
    assert found == pytest.approx(ZIGZAG, abs=0.5)
    found = [float(DottedLine()._apply(x, Fixed(left=a, right=b)).sum()) * 255 for a, b in ((3, 20), (15, 2))]
    assert found == pytest.approx(DOTTED, abs=0.5)
    line = StraightLine()._apply(x, Fixed(start=2, end=25, left=5, right=20))
    assert float(line.sum()) * 255 == pytest.approx(LINE, abs=0.5)


def test_general_shifts_with_the_suites_settings_are_the_published_ones(digits: torch.Tensor) -> None:
    """Both directions of shear and rotation and the four of translation come up among forty samples."""
    x, k = digits[:1].repeat(40, 1, 1, 1), SampleKeys.of(0, [str(i) for i in range(40)])
    turn = math.degrees(0.4)
    for shift, sums in (
        (Shear(degrees=turn), SHEAR),
        (Rotation(degrees=turn), ROTATE),
        (Translation(fraction=3 / 28), TRANSLATE),
    ):
        got = {round(float(v) * 255) for v in shift(x, k).sum((1, 2, 3))}
        assert all(any(abs(g - s) <= 1 for s in sums) for g in got), (shift, got)
    for shift, total in ((Scale(factor=0.7), SCALE), (MnistSaturation(), SATURATE), (Brightness(offset=0.5), BRIGHT)):
        assert float(shift(x[:1]).sum()) * 255 == pytest.approx(total, rel=2e-6), shift


def test_simple_facts(digits: torch.Tensor) -> None:
    stripe = Stripe()(digits)
    assert torch.allclose(Stripe()(stripe), digits, atol=1e-7)
    assert torch.equal(stripe[..., 7:21], digits[..., 7:21])
    assert torch.allclose(stripe[..., :7], 1 - digits[..., :7])
    assert set(Quantization(bits=1)(digits).unique().tolist()) == {0.0, 1.0}
    assert len(Quantization(bits=3)(digits).unique()) == 8
    assert set(CannyEdges()(digits).unique().tolist()) == {0.0, 1.0}
    dot = torch.zeros(1, 1, 29, 29)
    dot[..., 14, 14] = 1
    assert float(Scale(factor=0.7)(dot)[..., 14, 14]) == 1
    keys = SampleKeys.of(0, list(map(str, range(200))))
    assert not torch.equal(ReleasedShear()(digits, keys), digits)
    moved = Translation(fraction=3 / 28)(digits, keys)
    assert all(
        any(
            torch.allclose(m[..., 5:-5, 5:-5], torch.roll(d, (r, c), (1, 2))[..., 5:-5, 5:-5], atol=1e-5)
            for r in (-3, 3)
            for c in (-3, 3)
        )
        for m, d in zip(moved, digits, strict=True)
    )


def test_pessimal_noise_takes_a_matrix_and_has_the_published_length(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(196, 196))
    np.save(tmp_path / "a.npy", matrix)
    np.save(tmp_path / "b.npy", matrix)
    shift = PessimalNoise(matrix=str(tmp_path / "a.npy"), length=1.0)
    grey = torch.full((5, 1, 28, 28), 0.5)
    noise = shift(grey, SampleKeys.of(0, list("abcde"))) - grey
    assert torch.allclose(noise.flatten(1).norm(dim=1), torch.ones(5), atol=1e-4)
    assert torch.allclose(noise[..., :14, :14], noise[..., 14:, 14:])
    assert shift.fingerprint() == PessimalNoise(matrix=str(tmp_path / "b.npy"), length=1.0).fingerprint()
    np.save(tmp_path / "small.npy", matrix[:5])
    (tmp_path / "pickle.npy").write_bytes(b"\x80\x04N.")
    for name, message in (("missing.npy", "no such file"), ("small.npy", r"196 x 196"), ("pickle.npy", "196 x 196")):
        with pytest.raises(ShiftError, match=message):
            PessimalNoise(matrix=str(tmp_path / name))


def test_the_suites_hold_the_fifteen_and_the_rest() -> None:
    fifteen, rest = (get_suite(n).conditions((1, 28, 28))[1:] for n in ("mnist-c", "mnist-c-extra"))
    assert [c.info.title for c in fifteen] == [
        *("Shot noise", "Impulse noise", "Glass blur", "Motion blur", "Shear", "Scale", "Rotate", "Brightness"),
        *("Translate", "Stripe", "Fog", "Spatter", "Dotted line", "Zigzag", "Canny edges"),
    ]
    assert len(rest) == 16
    assert {c.info.storage for c in fifteen} == {"rounded8"}
    with pytest.raises(DataError, match="mnist-c needs 1 channels"):
        get_suite("mnist-c").conditions((3, 28, 28))


CANNY = ("c3de4fda34977fd3", 17280)
ZIGZAG = [32437.62, 34564.03, 31870.87, 34860.92]
DOTTED = [29880.03, 29637.04]
LINE = 33534.59
SHEAR = [24712.0, 24712.0]
ROTATE = [24682.07, 24619.93]
TRANSLATE = [24712.0, 24712.0, 24712.0, 24712.0]
SCALE, SATURATE, BRIGHT = 11959.000, 66574.312, 115271.500
