"""Suites: what they hold, in which order, for which sizes, and how fast they are built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from brittlestar.attacks import LInfPGD
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import DataError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SHIFTS, BandNoise, FourierBasis, GaussianNoise
from brittlestar.shifts.base import Perturbation
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.ops.spectrum import basis_vector, canonical, half_plane
from brittlestar.shifts.spectral import _kept_wave
from brittlestar.suites import SUITES, Suite, get_suite
from brittlestar.suites.broad import bandwidths
from brittlestar.suites.fourier import coarse_lattice, map_norm
from counting import lines_run

BROAD = [
    "band_noise",
    "brightness",
    "contrast",
    "defocus_blur",
    "elastic_transform",
    "fog",
    "fourier_basis",
    "frost",
    "gaussian_blur",
    "gaussian_noise",
    "glass_blur",
    "greyscale",
    "high_pass",
    "impulse_noise",
    "inversion",
    "jpeg_compression",
    "low_pass",
    "motion_blur",
    "pixelate",
    "rotation",
    "salt_and_pepper",
    "saturate",
    "scale",
    "shear",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
    "translation",
    "uniform_noise",
    "zoom_blur",
]
"""What the broad suite asks; every shift that is not here is in a suite of its own or of its family."""

SINGLE = (
    "inversion",
    "greyscale",
    "fourier_basis",
    "grey",
    "opponent_colour",
    "power_equalisation",
    "quarter_turn",
)
"""Shifts without a strength."""

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 40, 56), (3, 96, 96), (3, 224, 224)]


def infos(shape: tuple[int, int, int], suite: str = "broad") -> list[ConditionInfo]:
    return [c.info for c in get_suite(suite).conditions(shape)]


@pytest.mark.parametrize("shape", SHAPES)
def test_broad_holds_every_part_in_order(shape: tuple[int, int, int]) -> None:
    listed = infos(shape)
    kinds = [i.kind for i in listed]
    assert kinds == sorted(kinds, key=["clean", "shift", "fourier", "attack"].index)
    count = Counter(kinds)
    assert count["clean"] == 1
    assert 110 <= count["shift"] + count["attack"] <= 155
    families = {i.family for i in listed}
    expected = "clean noise colour blur digital weather geometric spectral fourier attack"
    assert families == set(expected.split())
    shifts = {i.shift for i in listed if i.kind in ("shift", "fourier")}
    assert shifts == {name for name in BROAD if shape[0] in SHIFTS[name].channels}
    assert {i.shift for i in listed if i.kind == "attack"} == {"linf_pgd", "l2_pgd"}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_condition_is_described(shape: tuple[int, int, int]) -> None:
    for name in (n for n, suite in SUITES.items() if shape[0] in suite.channels):
        for info in infos(shape, name)[1:]:
            assert info.title and info.label and info.paper and info.table, info.id
            assert info.detail == ("outcome" if info.kind == "fourier" else "full"), info.id
            assert bool(info.threat) == (info.kind == "attack"), info.id
            single = info.shift in SINGLE or info.table == "mnist-c"
            assert (info.strength is None) <= (single or info.kind in ("sequence", "time")), info.id
            assert info.strength is None or info.strength_name, info.id


@pytest.mark.parametrize("shape", SHAPES)
def test_strengths_rise_along_every_series(shape: tuple[int, int, int]) -> None:
    series: dict[tuple[str, str], list[float]] = {}
    for info in infos(shape):
        if info.strength is not None:
            series.setdefault((info.shift, info.series), []).append(info.strength)
    assert len(series) > 20
    for name, strengths in series.items():
        assert strengths == sorted(set(strengths)), name
        assert len(strengths) >= (2 if shape[1] == 8 else 3), name


@pytest.mark.parametrize("size", [8, 16, 28, 32])
def test_small_images_have_the_whole_map(size: int) -> None:
    found = [(i.config["row"], i.config["column"]) for i in infos((1, size, size)) if i.kind == "fourier"]
    assert found == half_plane(size, size)
    assert len(found) == (size * size - 4) // 2 + 4, "every conjugate pair once, and the four that are their own"
    assert found[0] == (0, 0)


@pytest.mark.parametrize("shape", [(3, 33, 33), (3, 64, 64), (3, 40, 56), (3, 224, 224)])
def test_large_images_have_a_lattice_of_the_map(shape: tuple[int, int, int]) -> None:
    _, height, width = shape
    listed = [i for i in infos(shape) if i.kind == "fourier"]
    found = [(i.config["row"], i.config["column"]) for i in listed]
    assert 30 <= len(found) <= 150
    assert len(set(found)) == len(found)
    assert all(canonical(height, width, *f) == f and max(map(abs, f)) <= 31 for f in found)
    assert (0, 0) in found
    assert all("every 4th" in i.table for i in listed)


def test_a_lattice_names_no_pair_twice_even_where_it_wraps() -> None:
    for height, width in ((33, 40), (36, 36), (48, 200)):
        listed = coarse_lattice(height, width, 4)
        waves = {min((r % height, c % width), (-r % height, -c % width)) for r, c in listed}
        assert len(waves) == len(listed)


def test_fourier_suite_maps_the_central_square_of_large_images() -> None:
    whole = [i for i in infos((3, 63, 63), "fourier") if i.kind == "fourier"]
    centre = [i for i in infos((3, 224, 224), "fourier") if i.kind == "fourier"]
    assert len(whole) == len(centre) == (63 * 63 + 1) // 2
    assert {(i.config["row"], i.config["column"]) for i in whole} == {
        (i.config["row"], i.config["column"]) for i in centre
    }


def test_lengths_scale_with_the_image_and_shares_do_not() -> None:
    def values(shape: tuple[int, int, int], shift: str, field: str) -> list[float]:
        return [i.config[field] for i in infos(shape) if i.shift == shift]

    small, large = (3, 32, 32), (3, 64, 64)
    for weak, strong in zip(
        values(small, "gaussian_blur", "sigma"), values(large, "gaussian_blur", "sigma"), strict=True
    ):
        assert strong == pytest.approx(2 * weak, abs=2e-3)
    for shift, field in (("rotation", "degrees"), ("impulse_noise", "amount"), ("translation", "fraction")):
        assert values(small, shift, field) == values(large, shift, field)
    assert values(small, "l2_pgd", "epsilon") == pytest.approx(
        [v / 2 for v in values(large, "l2_pgd", "epsilon")], rel=0.05
    )
    assert {i.table for i in infos(large) if i.shift == "gaussian_blur"} == {"broad-64x64"}


def test_map_norm_rises_smoothly() -> None:
    assert map_norm(32, 32) == 4
    assert map_norm(224, 224) == pytest.approx(15.7, abs=0.01)
    norms = [map_norm(n, n) for n in (8, 16, 28, 32, 33, 64, 128, 224, 320)]
    assert norms == sorted(set(norms))
    rms = [n / s for n, s in zip(norms, (8, 16, 28, 32, 33, 64, 128, 224, 320), strict=True)]
    assert rms == sorted(rms, reverse=True), "the change per pixel never rises with the size"
    assert map_norm(16, 64) == map_norm(32, 32)


def test_low_and_high_noise_are_paired_by_norm_and_bandwidth() -> None:
    listed = [c.definition for c in get_suite("broad").conditions((3, 32, 32)) if isinstance(c.definition, BandNoise)]
    assert len({d.norm for d in listed}) == 1
    low = [d.bandwidth for d in listed if d.band == "low"]
    assert low == [d.bandwidth for d in listed if d.band == "high"] == bandwidths(32)


@pytest.mark.parametrize("size", [8, 9, 28, 32, 63, 224])
def test_bandwidths_are_odd_and_inside_the_plane(size: int) -> None:
    """Odd squares are symmetric: no unpaired row or column of frequencies is cut in half."""
    found = bandwidths(size)
    assert len(found) >= 3
    assert all(b % 2 == 1 and 1 < b < size for b in found)


def test_images_that_no_suite_is_for_are_refused() -> None:
    for shape in ((2, 32, 32), (3, 7, 32), (4, 32, 32)):
        with pytest.raises(DataError, match="needs 1 or 3 channels"):
            get_suite("broad").conditions(shape)


def test_a_wrong_suite_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean broad"):
        get_suite("brod")
    assert list(SUITES) == [suite.name for suite in SUITES.values()]
    assert all(suite.summary for suite in SUITES.values())


def test_two_conditions_of_one_id_are_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        Suite("twice", "", lambda shape, storage: (clean(), clean())).conditions((1, 8, 8))


def test_building_is_little_work() -> None:
    conditions = get_suite("broad").conditions((3, 32, 32))
    assert lines_run(lambda: get_suite("broad").conditions((3, 32, 32))) < 500 * len(conditions)


def test_the_second_block_through_the_map_computes_no_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    """One multiplication and addition a value: neither a transform nor a basis vector is made again."""
    x = torch.full((2, 3, 32, 32), 0.5)
    keys = SampleKeys.of(0, ["a", "b"])
    waves = [
        c.definition for c in get_suite("fourier").conditions((3, 32, 32)) if isinstance(c.definition, FourierBasis)
    ]
    made: list[object] = []

    def counted(*place: int) -> torch.Tensor:
        made.append(place)
        return basis_vector(*place)

    monkeypatch.setattr("brittlestar.shifts.spectral.basis_vector", counted)
    _kept_wave.cache_clear()
    for block in (1, 2):
        for shift in waves:
            shift.compute(x, keys)
        assert len(made) == len(waves) == 514, f"after block {block}"


def conditions_of(*definitions: Perturbation, **how: Any) -> tuple[Condition, ...]:
    given = {"shown": ("sigma",), "label": "a label", "table": "a table", **how}
    return tuple(condition(d, **given) for d in definitions)


WEAK, STRONG = GaussianNoise(sigma=0.1), GaussianNoise(sigma=0.2)
ASKED: dict[str, Callable[[], tuple[Condition, ...]]] = {
    "needs a label and a table": lambda: conditions_of(WEAK, label="", table=""),
    "one curve: give each a `strength_name`": lambda: conditions_of(WEAK, STRONG),
    r"rises from one to the next; got \[1.0, 1.0\]": lambda: conditions_of(
        WEAK, STRONG, strength=1.0, strength_name="s"
    ),
    "needs a threat": lambda: conditions_of(LInfPGD(epsilon=0.1), shown=("epsilon",)),
}


@pytest.mark.parametrize("message", ASKED)
def test_conditions_that_a_report_cannot_place_are_refused(message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Suite("mine", "", lambda shape, storage: ASKED[message]()).conditions((1, 8, 8))
    strengths = zip((WEAK, STRONG), (1.0, 2.0), strict=True)
    right = [c for d, s in strengths for c in conditions_of(d, strength=s, strength_name="s")]
    assert Suite("mine", "", lambda shape, storage: tuple(right)).conditions((1, 8, 8)) == tuple(right)
