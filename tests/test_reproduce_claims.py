"""Claims about recipes: paired by seed, on two scales, corrected for their number; none from few trainings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from brittlestar.measures.effects import Effect, mean_effect
from brittlestar.reproduce.claims import SEEDS, Direction, between, judge, over_seeds
from brittlestar.reproduce.experiments import transfer_directions
from brittlestar.reproduce.study import ClaimVerdict, Study

N = 1500


def study(seeds: int, recipe: tuple[float, float], base: tuple[float, float], spread: float = 0.01) -> Study:
    """A study whose answers were made up: (clean, shifted) accuracies, each seed's a little apart."""
    rng = np.random.default_rng(seeds)
    right = {}
    for name, (clean, shifted) in (("recipe", recipe), ("base", base)):
        for version, share in (("clean", clean), ("fog", shifted)):
            rows = [rng.random(N) < share + spread * rng.standard_normal() for _ in range(seeds)]
            right[name, version] = np.stack(rows)
    made = SimpleNamespace(
        right=right, chance=0.1, labels=np.zeros(N), setting=SimpleNamespace(seeds=seeds, seed=0), files=()
    )
    return cast(Any, made)


def judged(made: Study, sign: int = -1, times: int = 1) -> ClaimVerdict:
    one = Direction(claim="c", claimed="", sign=sign, changes=between(made, "recipe", "base", "fog"))
    return judge(made, [one] * times)[0]


def test_few_trainings_claim_nothing_of_the_recipe() -> None:
    for seeds in range(1, SEEDS):
        found = judged(study(seeds, (0.8, 0.3), (0.8, 0.6)))
        assert found.state == "no claim" and found.shown
        assert "more sensitive on both scales, on each half of the images" in found.measured


def test_enough_trainings_confirm_what_both_scales_show() -> None:
    found = judged(study(SEEDS, (0.8, 0.3), (0.8, 0.6)))
    assert found.state == "confirmed" and found.shown
    turned = judged(study(SEEDS, (0.8, 0.3), (0.8, 0.6)), sign=1)
    assert turned.state == "not confirmed" and turned.measured.count("on the other side: more sensitive") == 1


def test_scales_that_disagree_are_told() -> None:
    found = judged(study(SEEDS, (0.45, 0.25), (0.8, 0.4)), sign=1)  # kept: 0.43 and 0.43, lost: 20 and 40 points
    assert found.state == "depends on the scale" and "depends on the scale" in found.measured


def test_a_merely_worse_recipe_is_called_worse() -> None:
    found = judged(study(SEEDS, (0.80, 0.76), (0.90, 0.86)))
    assert found.state == "not confirmed" and "worse everywhere, not shown to be more sensitive" in found.measured


def test_the_spread_over_seeds_decides() -> None:
    steady, loose = (judged(study(SEEDS, (0.8, 0.55), (0.8, 0.6), spread)) for spread in (0.001, 0.1))
    assert steady.state == "confirmed" and loose.state == "not confirmed"


def test_directions_are_corrected_for_their_number() -> None:
    made = study(SEEDS, (0.8, 0.565), (0.8, 0.6), 0.004)
    one, many = judged(made), judged(made, times=200)
    assert one.state == "confirmed" and many.state == "not confirmed" and "Holm over 200 directions" in many.measured
    assert "lie on the side of more sensitive, but not over seeds and over images after correction" in many.measured


def test_equal_models_are_shown_on_neither_scale() -> None:
    found = judged(study(SEEDS, (0.8, 0.6), (0.8, 0.6)))
    assert found.state == "not confirmed" and "shown on neither scale" in found.measured


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.1, 0.14, 0.09, 0.16, 0.12]
    found = over_seeds([Effect(v, np.zeros(10)) for v in values])
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found.low == pytest.approx(low) and found.high == pytest.approx(high) and found.n == 5
    assert over_seeds([mean_effect(np.array([0.0, 1.0, 1.0]))]).n == 3, "of one seed, over images"


def test_models_at_chance_are_not_judged() -> None:
    made = study(SEEDS, (0.1, 0.1), (0.8, 0.6))
    assert judged(made).state == "not tested"


def test_multipliers_are_those_of_the_literature() -> None:
    """Holm over six directions: three seeds can confirm nothing."""
    for seeds, multiplier in ((3, 10.9), (5, 4.85), (8, 3.64)):
        assert stats.t.ppf(1 - 0.05 / 12, seeds - 1) == pytest.approx(multiplier, abs=0.05)


@pytest.mark.parametrize("seeds", [1, SEEDS])
def test_less_than_half_of_no_gain_is_not_claimed(seeds: int) -> None:
    """A recipe that does not help against its own noise, and harms against another, transfers nothing."""
    rng = np.random.default_rng(5)
    rates = {"gaussian": {"clean": 0.8, "gaussian": 0.6, "salt and pepper": 0.3}}
    rates["clean"] = rates["gaussian"] | {"salt and pepper": 0.6}
    helped = rates["gaussian"] | {"gaussian": 0.78, "salt and pepper": 0.61}
    for own, states in ((rates["gaussian"], ("not confirmed", "not tested")), (helped, ("confirmed", "confirmed"))):
        right = {
            (name, version): rng.random((seeds, N)) < share
            for name, all_of in (("gaussian", own), ("clean", rates["clean"]))
            for version, share in all_of.items()
        }
        made = study(seeds, (0.8, 0.6), (0.8, 0.6))
        made.right = right
        first, second = judge(made, transfer_directions(made, ("gaussian",)))
        expected = states if seeds == SEEDS else ("no claim", "no claim" if own is helped else "not tested")
        assert (first.state, second.state) == expected and first.shown == second.shown == (own is helped)
