"""Compiled counterparts of box resampling: 32-bit integers throughout, so that loops become vector instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.box.plain import BITS, weights
from brittlestar.shifts.ops.jit import compiled, planes


def pixelated(levels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """See ``plain.pixelated``."""
    return box_resize(box_resize(levels, height, width), *levels.shape[2:])


def box_resize(levels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """See ``plain.box_resize``."""
    out = torch.empty((*levels.shape[:2], height, width), dtype=torch.uint8)
    tables = []
    for size, wanted in ((levels.shape[3], width), (levels.shape[2], height)):
        sources, shares = weights(size, wanted)
        # The taps of an output pixel lie side by side and weigh the same.
        tables += [t.to(torch.int32).numpy() for t in (sources[:, 0], (shares > 0).sum(1), shares[:, 0])]
    _box(planes(levels), planes(out), *tables)
    return out


@compiled
def _box(x: Any, out: Any, left: Any, wide: Any, share: Any, top: Any, tall: Any, weight: Any) -> None:
    lines = np.empty((x.shape[1], out.shape[2]), np.uint8)
    total, sums = np.empty(out.shape[2], np.int32), np.empty(x.shape[2] + 1, np.int32)
    half = np.int32(1 << (BITS - 1))
    # Running sums: a box costs one subtraction, however wide it is.
    sums[0] = 0
    # Where images are enlarged, every pixel has one source, and its weight is exactly 1.
    single_across, single_down = wide.max() == 1, tall.max() == 1
    for p in range(x.shape[0]):
        for y in range(x.shape[1]):
            source, line = x[p, y], lines[y]
            if single_across:
                for i in range(len(line)):
                    line[i] = source[left[i]]
                continue
            for i in range(len(source)):
                sums[i + 1] = np.int32(sums[i] + np.int32(source[i]))
            for i in range(len(line)):
                sum_ = np.int32(sums[left[i] + wide[i]] - sums[left[i]])
                # No overflow: a mean of at most 255 with 22 fraction bits stays below 2**31.
                line[i] = np.int32(np.int32(np.int32(sum_ * share[i]) + half) >> np.int32(BITS))
        for y in range(out.shape[1]):
            target, line = out[p, y], lines[top[y]]
            if single_down:
                for i in range(len(target)):
                    target[i] = line[i]
                continue
            for i in range(len(target)):
                total[i] = line[i]
            for tap in range(1, tall[y]):
                line = lines[top[y] + tap]
                for i in range(len(target)):
                    total[i] = np.int32(total[i] + np.int32(line[i]))
            for i in range(len(target)):
                target[i] = np.int32(np.int32(np.int32(total[i] * weight[y]) + half) >> np.int32(BITS))
