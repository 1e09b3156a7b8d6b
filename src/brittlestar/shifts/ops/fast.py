"""The compiled path: numba kernels for CPU tensors where the ``fast`` extra is installed, with the same bits."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor


class Kernels(Protocol):
    """What the compiled module has; each function's torch counterpart describes it."""

    def separable(self, x: Tensor, weights: Sequence[float], rows: Tensor, columns: Tensor, /) -> Tensor:
        """``convolve.gaussian``."""

    def correlate(self, x: Tensor, quarter: Sequence[Sequence[float]], rows: Tensor, columns: Tensor, /) -> Tensor:
        """``convolve.symmetric_correlate``."""

    def three(self, x: Tensor, middle: float, side: float, /) -> Tensor:
        """``blur.even`` for three weights."""

    def small_disk(self, x: Tensor, quarter: Sequence[Sequence[float]], rows: Tensor, columns: Tensor, /) -> Tensor:
        """``lens.DefocusBlur`` for small disks."""

    def motion(self, x: Tensor, steps: Tensor, weights: Sequence[float], /) -> Tensor:
        """``motion.motion_blur``."""

    def zoom_sum(self, x: Tensor, taps: Sequence[tuple[Any, Any]], /) -> Tensor:
        """``zoom.zoom_sum``."""

    def sample(self, x: Tensor, rows: Tensor, columns: Tensor, border: str, /) -> Tensor:
        """``warp.sample``."""

    def shuffle(self, x: Tensor, down: Tensor, right: Tensor, reach: int, exchange: bool, /) -> Tensor:
        """``glass.shuffle``."""

    def warp_twice(self, x: Tensor, back: Tensor, fields: Tensor | None, alpha: float, /) -> Tensor:
        """``elastic.elastic`` with smoothed fields."""

    def normal_noise(self, x: Tensor, words: Tensor, sigma: float, speckle: bool, /) -> Tensor:
        """``noise.GaussianNoise`` and ``noise.SpeckleNoise``."""

    def impulse_noise(self, x: Tensor, words: Tensor, reach: int, /) -> Tensor:
        """``noise.ImpulseNoise``."""

    def shot_noise(self, x: Tensor, words: Tensor, photons: float, /) -> Tensor | None:
        """``noise.ShotNoise``; ``None`` where a value lies between the 8-bit levels."""

    def uniform(self, words: Tensor, count: int, low: float, high: float, /) -> Tensor:
        """``SampleKeys.uniform``, flat."""

    def glass(self, x: Tensor, words: Tensor, reach: int, iterations: int, exchange: bool, /) -> Tensor:
        """``glass.GlassBlur`` between its two blurs."""

    def plasma(self, words: Tensor, size: int, decay: float, /) -> Tensor:
        """``weather.plasma`` with one key a block of draws."""

    def brightened(self, x: Tensor, offset: float, short: Tensor, /) -> Tensor:
        """``colour.Brightness``."""

    def snowed(self, x: Tensor, layer: Tensor, mix: float, /) -> Tensor:
        """``snow.snowed``."""

    def truncate(self, y: Tensor, slack: float, /) -> Tensor:
        """``storage.truncated``."""

    def truncate_levels(self, y: Tensor, slack: float, /) -> Tensor:
        """``storage.truncated_levels``."""

    def jpeg(self, levels: Tensor, quality: int, /) -> Tensor:
        """``jpeg.round_trip``."""

    def box(self, levels: Tensor, height: int, width: int, /) -> Tensor:
        """``box.box_resize``."""

    def blend(self, x: Tensor, other: Tensor, own: float, its: float, /) -> Tensor:
        """``whole.blend``."""

    def fallen(self, y: Tensor, short: Tensor, /) -> Tensor:
        """``whole.fallen``."""

    def saturated(self, x: Tensor, factor: float, offset: float, /) -> Tensor:
        """``hsv.saturated``."""

    def relief(self, liquid: Tensor, /) -> Tensor:
        """``liquid.relief``."""


def kernels(x: Tensor) -> Kernels | None:
    """The compiled kernels if they can take ``x``, else ``None``. ``BRITTLESTAR_FAST=0`` switches them off."""
    return _loaded() if x.device.type == "cpu" and os.environ.get("BRITTLESTAR_FAST", "1") != "0" else None


@functools.cache
def _loaded() -> Kernels | None:
    if importlib.util.find_spec("numba") is None:
        return None
    return cast(Kernels, importlib.import_module("brittlestar.shifts.ops.compiled"))
