"""Procedural frost: its pixels stay, compiled or not."""

from __future__ import annotations

import hashlib

import pytest
import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import Frost

PIXELS = {
    (1, 28, 28): "1ecf196d2cd04c9d",
    (3, 32, 48): "afa259c354d7f4b2",
    (3, 224, 224): "63673247e44df898",
}
"""Of version 2, by the images' shape: the first 16 digits of the SHA-256 of frosted grey, severity 3."""


@pytest.mark.parametrize("shape", PIXELS, ids=str)
@pytest.mark.parametrize("fast", ["0", "1"], ids=["plain", "compiled"])
def test_pixels_of_procedural_frost(shape: tuple[int, int, int], fast: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fast == "1":
        pytest.importorskip("numba", reason="the compiled path needs the extra `fast`")
    monkeypatch.setenv("BRITTLESTAR_FAST", fast)
    shift = Frost.at(3, "cifar-c" if shape[1] < 200 else "imagenet-c")
    frosted = shift(torch.full((2, *shape), 0.25), SampleKeys.of(0, ["a", "b"]))
    assert hashlib.sha256(frosted.numpy().tobytes()).hexdigest()[:16] == PIXELS[shape]


def test_streams_are_the_numbered_ones() -> None:
    keys = SampleKeys.of(3, ["a", "b", "c"])
    assert torch.equal(keys.streams(4), torch.stack([keys.stream(number).words for number in range(4)], 1))
    assert keys.streams(0).shape == (3, 0)
