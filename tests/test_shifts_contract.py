"""What every shift must keep, held over the whole catalogue; nothing here is written for one shift."""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from typing import Any

import pytest
import torch

import brittlestar.shifts
from brittlestar.core.errors import ShiftError
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SHIFTS, PessimalNoise, Shift
from brittlestar.suites import SUITES, get_suite
from shift_tools import CASES, COUNT, ODD_CASES, SHAPES, keys, one_each, picture


@pytest.mark.parametrize(("shape", "shift"), ODD_CASES)
def test_batches_of_odd_sizes_and_values_off_the_8_bit_grid(shape: tuple[int, int, int], shift: Shift) -> None:
    """Bit-equal pixels however the batch is cut, also where some images are on the 8-bit grid and others are not."""
    count = 23
    k = keys(count)
    x = picture(shape, count)
    x[1::3] = (x[1::3] + 0.0011).clamp(0, 1)
    y = shift(x, k)
    for size in (1, 2, 5, 11):
        pieces = zip(x.split(size), k.words.split(size), strict=True)
        cut = torch.cat([shift(a.clone(), SampleKeys(words.clone())) for a, words in pieces])
        assert torch.equal(cut, y), f"batches of {size} change pixels"


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_no_images_give_no_images(shape: tuple[int, int, int]) -> None:
    for name, shift in one_each(shape).items():
        for dtype in (torch.uint8, torch.float32):
            nothing = torch.zeros(0, *shape, dtype=dtype)
            result = shift(nothing, SampleKeys.of(0, []))
            assert result.shape == nothing.shape, name
            assert result.dtype == dtype, name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    """Every number field of every shift."""
    tried = 0
    for name, shift in one_each((3, 32, 32)).items():
        for field, good in shift.config().items():
            if isinstance(good, (int, float)) and not isinstance(good, bool):
                tried += 1
                with pytest.raises(ShiftError):
                    type(shift)(**{**shift.config(), field: value})
                    pytest.fail(f"{name}.{field} took {value}")
    assert tried > 20


def test_every_concrete_shift_is_listed_and_in_a_suite() -> None:
    defined = set()
    for module in pkgutil.walk_packages(brittlestar.shifts.__path__, "brittlestar.shifts."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Shift) and not inspect.isabstract(kind):
                defined.add(kind)
    assert defined == set(SHIFTS.values())
    used = {type(c.definition) for s in SUITES.values() for c in s.conditions((max(s.channels), 32, 32))}
    assert defined - used == {PessimalNoise}, "which needs a file"


@pytest.mark.parametrize(("shape", "shift"), CASES)
def test_contract(shape: tuple[int, int, int], shift: Shift) -> None:
    """Shape, dtype, range, input untouched, identity round trip, bit-equal pixels however the batch is cut."""
    x, k = picture(shape), keys()
    before = x.clone()
    y = shift(x, k)
    assert torch.equal(x, before), "the input was written to"
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert bool(torch.isfinite(y).all())
    if shift.clamps:
        assert 0 <= float(y.min()) <= float(y.max()) <= 1
    assert y.data_ptr() != x.data_ptr()

    order = torch.tensor([4, 0, 6, 2, 1, 5, 3])
    assert torch.equal(shift(x[order], k[order]), y[order]), "the order of the batch changes pixels"
    for start, stop in ((0, 1), (1, 3), (3, 7)):
        assert torch.equal(shift(x[start:stop], k[start:stop]), y[start:stop]), "the batch's size changes pixels"
    assert torch.equal(shift(x.contiguous(memory_format=torch.channels_last), k), y), "memory layout changes pixels"

    again = type(shift).from_config(shift.config())
    assert again == shift
    assert again.fingerprint() == shift.fingerprint()
    assert copy.deepcopy(shift) == shift


@pytest.mark.parametrize(("shape", "shift"), CASES)
def test_dtypes(shape: tuple[int, int, int], shift: Shift) -> None:
    """uint8 in, uint8 out; float64 in, float64 out, with the values of float32."""
    x, k = picture(shape, 2), keys(2)
    y = shift(x, k)
    levels = shift((x * 255).round().to(torch.uint8), k)
    assert levels.dtype == torch.uint8
    assert float((levels.float() / 255 - y.clamp(0, 1)).abs().max()) <= 0.5 / 255 + 1e-5
    double = shift(x.double(), k)
    assert double.dtype == torch.float64
    assert float((double - y).abs().max()) < 1e-6


@pytest.mark.parametrize(("shape", "shift"), CASES)
def test_declared_randomness_is_true(shape: tuple[int, int, int], shift: Shift) -> None:
    x, k = picture(shape), keys()
    other = SampleKeys.of(6, [f"sample {i}" for i in range(COUNT)])
    reach = getattr(shift, "reach", 0) if "glass" in shift.name else 0
    drawn = shift.random and min(shape[1:]) > 2 * reach  # Glass blur has no inner pixels on a very small image.
    assert (not torch.equal(shift(x, k), shift(x, other))) == drawn, f"`random` says {shift.random}"
    if not shift.random:
        assert torch.equal(shift(x), shift(x, k))


def ladders() -> list[Any]:
    found = []
    for shape in SHAPES[1:3]:
        series: dict[tuple[str, str], list[tuple[float, Shift]]] = {}
        for condition in get_suite("broad").conditions(shape):
            info = condition.info
            measured = info.shift != "band_noise" and info.shift in SHIFTS and not SHIFTS[info.shift].uneven
            if isinstance(condition.definition, Shift) and info.strength is not None and measured:
                series.setdefault((info.shift, info.series), []).append((info.strength, condition.definition))
        found += [pytest.param(shape, rows, id=f"{shape}-{name}") for name, rows in series.items()]
    return found


@pytest.mark.parametrize(("shape", "rows"), ladders())
def test_strength_raises_distortion(shape: tuple[int, int, int], rows: list[tuple[float, Shift]]) -> None:
    x, k = picture(shape, 40), keys(40)
    assert [s for s, _ in rows] == sorted({s for s, _ in rows}), "strengths rise along the ladder"
    distances = [float((shift(x, k) - x).pow(2).mean()) for _, shift in rows]
    assert distances == sorted(distances)
    assert distances[0] > 0


def tables() -> list[Any]:
    return [
        pytest.param(kind, rows, id=f"{kind.name}-{table}")
        for kind in SHIFTS.values()
        for table, rows in kind.severities.items()
    ]


@pytest.mark.parametrize(("kind", "rows"), tables())
def test_published_severities_raise_distortion(kind: type[Shift], rows: Any) -> None:
    x, k = picture((3, 32, 32), 40), keys(40)
    distances = [float((kind(**fields)(x, k) - x).pow(2).mean()) for fields in rows]
    assert min(distances) > 0, "a severity that changes nothing"
    assert kind.uneven or distances == sorted(distances), "order them, or write `uneven: ClassVar[bool] = True`"


def test_wrong_images_are_refused_with_what_was_got() -> None:
    shift = SHIFTS["gaussian_noise"](sigma=0.1)
    good = picture((3, 16, 16), 2)
    cases = {
        "needs a tensor": good[0],
        "channels, got 2": good[:, :2],
        r"values in \[0, 1\]": good * 255,
        "needs uint8 or floats": good.to(torch.int64),
        "2 keys for 1": good[:1],
    }
    for message, images in cases.items():
        with pytest.raises(ShiftError, match=message):
            shift(images, keys(2))
    with pytest.raises(ShiftError, match="values in"):
        shift(torch.full((2, 3, 16, 16), float("nan")), keys(2))
    with pytest.raises(ShiftError, match="give keys"):
        shift(good)


def test_conditions_are_unique_and_stable_for_every_suite_and_shape() -> None:
    for suite in SUITES.values():
        for shape in [s for s in [*SHAPES, (3, 224, 224)] if s[0] in suite.channels]:
            listed = suite.conditions(shape)
            assert listed[0].info.id == "clean"
            assert [c.fingerprint for c in listed] == [c.fingerprint for c in suite.conditions(shape)]
            assert all(c.info.title and (c.info.table or c.info.id == "clean") for c in listed)
