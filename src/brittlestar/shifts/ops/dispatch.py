"""Where an operation has compiled loops, and when they are taken.

An operation is a folder: ``plain.py`` works with tensors, on every device; ``compiled.py`` has a function of the same
name, arguments and bits in loops that numba compiles for the CPU. A line below makes the two a pair: shifts call the
pair, and the tests compare its two sides on everything that any shift hands to it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

import torch

from brittlestar.shifts.ops.box import plain as box
from brittlestar.shifts.ops.colour import plain as colour
from brittlestar.shifts.ops.convolution import plain as convolution
from brittlestar.shifts.ops.crystals import plain as crystals
from brittlestar.shifts.ops.draws import plain as draws
from brittlestar.shifts.ops.glass import plain as glass
from brittlestar.shifts.ops.jpeg import plain as jpeg
from brittlestar.shifts.ops.motion import plain as motion
from brittlestar.shifts.ops.noise import plain as noise
from brittlestar.shifts.ops.plasma import plain as plasma_clouds
from brittlestar.shifts.ops.rounding import plain as rounding
from brittlestar.shifts.ops.snow import plain as snow
from brittlestar.shifts.ops.warp import plain as warp
from brittlestar.shifts.ops.water import plain as water
from brittlestar.shifts.ops.zoom import plain as zoom

P = ParamSpec("P")


class Pair(Generic[P]):
    """A plain function and its compiled counterpart; calling the pair calls the one that fits.

    The compiled one is taken where numba is installed (the extra ``fast``), the first argument lies on the CPU and
    holds float32 or integers, and ``BRITTLESTAR_FAST`` is not ``0``.

    Args:
        plain: A function in ``ops/<operation>/plain.py`` whose first argument is a tensor; ``compiled.py`` beside it
            has one of the same name.
    """

    def __init__(self, plain: Callable[P, torch.Tensor]) -> None:
        functools.update_wrapper(self, plain)
        self.plain, self.name = plain, plain.__name__

    @functools.cached_property
    def compiled(self) -> Callable[P, torch.Tensor]:
        """The counterpart; its module, and with the first one numba, is imported here."""
        package = self.plain.__module__.rpartition(".")[0]
        counterpart: Callable[P, torch.Tensor] = getattr(importlib.import_module(f"{package}.compiled"), self.name)
        return counterpart

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> torch.Tensor:
        """What both give."""
        return (self.compiled if _compiles(args[0]) else self.plain)(*args, **kwargs)


def _compiles(x: Any) -> bool:
    # The loops count in float32 and integers: float64 images take the plain side.
    fits = x.is_cpu and (x.dtype == torch.float32 or not x.is_floating_point())
    # Looked up at every call, so that one process can compare both sides.
    return fits and os.environ.get("BRITTLESTAR_FAST", "1") != "0" and numba_is_here()


@functools.cache
def numba_is_here() -> bool:
    """Whether loops can be compiled in this process; looked up once."""
    return importlib.util.find_spec("numba") is not None


blend = Pair(rounding.blend)
brightened = Pair(colour.brightened)
fallen = Pair(rounding.fallen)
frosted = Pair(crystals.frosted)
gaussian = Pair(convolution.gaussian)
impulse_noise = Pair(noise.impulse_noise)
jpeg_round_trip = Pair(jpeg.jpeg_round_trip)
motion_blur = Pair(motion.motion_blur)
normal_noise = Pair(noise.normal_noise)
pixelated = Pair(box.pixelated)
plasma = Pair(plasma_clouds.plasma)
relief = Pair(water.relief)
sample = Pair(warp.sample)
saturated = Pair(colour.saturated)
shot_noise = Pair(noise.shot_noise)
shuffled = Pair(glass.shuffled)
shuffled_by_keys = Pair(glass.shuffled_by_keys)
small_disk = Pair(convolution.small_disk)
snowed = Pair(snow.snowed)
symmetric_correlate = Pair(convolution.symmetric_correlate)
three_weights = Pair(convolution.three_weights)
truncated = Pair(rounding.truncated)
truncated_levels = Pair(rounding.truncated_levels)
uniform = Pair(draws.uniform)
warp_twice = Pair(warp.warp_twice)
zoom_sum = Pair(zoom.zoom_sum)

PAIRS: dict[str, Pair[Any]] = {name: value for name, value in vars().items() if isinstance(value, Pair)}
"""Every pair by its name; collected, so that a pair is one line."""
