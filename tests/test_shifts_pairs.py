"""Operations in pairs: compiled loops give the bits of the tensor operations, and only who takes them loads numba."""

from __future__ import annotations

import inspect
import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from brittlestar.shifts import SEQUENCES, Frost, Shift, frost, ops
from brittlestar.shifts.ops import dispatch
from brittlestar.shifts.ops.dispatch import PAIRS, Pair
from brittlestar.shifts.storage import STORAGES, stored
from brittlestar.suites.corruptions import corrupt
from shift_tools import CASES, ODD_CASES, ODD_SHAPES, SHAPES, examples, keys, picture

needs_numba = pytest.mark.skipif(not dispatch.numba_is_here(), reason="compiled loops need the extra `fast`")


@needs_numba
@pytest.mark.parametrize(("shape", "shift"), CASES + ODD_CASES)
def test_compiled_and_plain_loops_give_the_same_bits(
    shape: tuple[int, int, int], shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, k = picture(shape, 3), keys(3)
    fast = shift(x, k)
    monkeypatch.setenv("BRITTLESTAR_FAST", "0")
    assert torch.equal(shift(x, k), fast)


@needs_numba
def test_both_sides_of_every_listed_pair_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """On whatever any shift, sequence or storage hands to a pair: who adds a pair has to write no test for it."""
    compared: Counter[str] = Counter()

    def both(pair: Pair[Any], *args: Any) -> torch.Tensor:
        before = [arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
        plain, fast = pair.plain(*args), pair.compiled(*args)
        assert (plain.shape, plain.dtype) == (fast.shape, fast.dtype), pair.name
        assert torch.equal(plain, fast), pair.name
        for arg, kept in zip(args, before, strict=True):
            assert not isinstance(arg, torch.Tensor) or torch.equal(arg, kept), f"{pair.name} writes to its arguments"
        compared[pair.name] += 1
        return fast

    monkeypatch.setattr(Pair, "__call__", both)
    for shape in SHAPES + ODD_SHAPES:
        x = picture(shape, 3)
        x[1] = (x[1] + 0.0011).clamp(0, 1)  # Off the 8-bit grid.
        for shift in examples(shape):
            shift(x, keys(3))
        for storage in STORAGES:
            stored(x, storage)
    for kind in SEQUENCES.values():
        sequence = kind.of(next(iter(kind.tables)))
        list(itertools.islice(sequence.frames(picture((3, 32, 32), 2), keys(2)), 3))
    corrupt((picture((3, 32, 32), 2) * 255).to(torch.uint8), "contrast", 1)
    # Only frost with the published textures blends, and these need not be here.
    monkeypatch.setattr(frost, "textures", lambda *_: (picture((3, 64, 64), 1)[0],) * 5)
    Frost(image=0.7, texture=0.4, textures="reference")(picture((3, 32, 32), 2), keys(2))
    assert set(compared) == set(PAIRS), "a pair that no shift, sequence or storage uses"


def test_pairs_are_listed_under_their_names_and_their_sides_take_the_same() -> None:
    for name, pair in PAIRS.items():
        assert pair.name == name
        assert pair.plain.__module__.endswith(".plain")
        assert pair.plain.__doc__
    if dispatch.numba_is_here():
        for pair in PAIRS.values():
            assert inspect.signature(pair.compiled) == inspect.signature(pair.plain), pair.name


def test_no_compiled_file_is_left_out() -> None:
    folders = {path.parent.name for path in Path(ops.__path__[0]).glob("*/compiled.py")}
    assert folders == {pair.plain.__module__.split(".")[-2] for pair in PAIRS.values()}


def test_when_the_compiled_side_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def side(x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1)

    pair = Pair(side)
    vars(pair)["compiled"] = lambda x: torch.ones(1)
    monkeypatch.setattr(dispatch, "numba_is_here", lambda: True)
    monkeypatch.delenv("BRITTLESTAR_FAST", raising=False)
    taken = {dtype: bool(pair(torch.zeros(2, dtype=dtype))) for dtype in (torch.float32, torch.uint8, torch.int64)}
    assert all(taken.values())
    assert not pair(torch.zeros(2, dtype=torch.float64)), "its bits would be float32's"
    assert not pair(torch.zeros(2, device="meta")), "another device"
    monkeypatch.setenv("BRITTLESTAR_FAST", "0")
    assert not pair(torch.zeros(2))
    monkeypatch.delenv("BRITTLESTAR_FAST")
    monkeypatch.setattr(dispatch, "numba_is_here", lambda: False)
    assert not pair(torch.zeros(2))


def test_numba_is_loaded_when_a_compiled_loop_is_first_taken() -> None:
    """Importing costs nothing, and neither does a process that takes none."""
    code = """
import os, sys
import torch
from brittlestar import keys, suites
from brittlestar.shifts import GaussianBlur, Inversion
x = torch.rand(2, 3, 16, 16)
Inversion()(x)
os.environ["BRITTLESTAR_FAST"] = "0"
plain = GaussianBlur(sigma=2.0)(x)
assert "numba" not in sys.modules
os.environ["BRITTLESTAR_FAST"] = "1"
assert torch.equal(GaussianBlur(sigma=2.0)(x), plain)
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(dispatch.numba_is_here())
