"""Settings of every shift, and images for them: what the tests over the whole catalogue run on."""

from __future__ import annotations

import pytest
import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SHIFTS, Shift
from brittlestar.shifts.conditions import Condition
from brittlestar.suites import SUITES

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 40, 56)]
COUNT = 7


def picture(shape: tuple[int, int, int], count: int = COUNT) -> torch.Tensor:
    """Images with structure, on the 8-bit grid."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, shape[0], 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=shape[1:], mode="bilinear", align_corners=False)
    fine = torch.rand(count, *shape, generator=generator)
    return ((0.8 * smooth + 0.2 * fine) * 255).round() / 255


def keys(count: int = COUNT) -> SampleKeys:
    return SampleKeys.of(5, [f"sample {i}" for i in range(count)])


def examples(shape: tuple[int, int, int]) -> list[Shift]:
    """Settings of every shift: those ``listed`` (two of many Fourier ones) and the ends of every table."""
    found: dict[str, Shift] = {}
    fourier = 0
    for condition in listed(shape):
        if isinstance(condition.definition, Shift):
            if condition.info.kind == "fourier":
                fourier += 1
                if fourier not in (2, 20):
                    continue
            found[condition.fingerprint] = condition.definition
    for kind in SHIFTS.values():
        for rows in kind.severities.values():
            if shape[0] in kind.channels:
                for fields in (rows[0], rows[-1]):
                    shift = kind(**fields)
                    found[shift.fingerprint()] = shift
    return list(found.values())


def listed(shape: tuple[int, int, int]) -> list[Condition]:
    """Conditions of every shift: three suites whole, and a third of what only others have."""
    fitting = {name: suite.conditions(shape) for name, suite in SUITES.items() if shape[0] in suite.channels}
    whole = [c for name in ("broad", "mnist-c", "mnist-c-extra") for c in fitting.get(name, ())]
    known = {c.info.shift for c in whole}
    others = [c for conditions in fitting.values() for c in conditions if c.info.shift not in known]
    return whole + others[::3]


CASES = [pytest.param(shape, shift, id=f"{shape}-{shift}") for shape in SHAPES for shift in examples(shape)]

ODD_SHAPES = [(1, 9, 13), (3, 37, 21)]
"""Sides that fill no vector register: loops have remainders there, and batches shift where they fall."""


def one_each(shape: tuple[int, int, int]) -> dict[str, Shift]:
    """The last setting of every shift."""
    return {c.info.shift: c.definition for c in listed(shape) if isinstance(c.definition, Shift)}


ODD_CASES = [pytest.param(s, shift, id=f"{s}-{name}") for s in ODD_SHAPES for name, shift in one_each(s).items()]
