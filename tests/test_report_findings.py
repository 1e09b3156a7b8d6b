"""Which findings come first, what claims say, and what advice promises."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

import synthetic
from brittlestar.measures import Estimate
from brittlestar.report.advice import MEASURED, helped, over_seeds, recipe_of
from brittlestar.report.claims import (
    MOST_WORDS,
    attack_claims,
    confidence_claims,
    filter_claims,
    shift_claims,
    step_of,
)
from brittlestar.report.findings import SLOTS, leading, ranked
from brittlestar.report.gather import Gathered, gather
from brittlestar.report.section import Finding, Slot, Spark

REPRODUCTIONS = Path(__file__).parents[1] / "docs" / "reproductions"


def estimate(value: float, half: float = 0.05) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=100, method="made up")


def finding(name: str, slot: Slot, lost: float | None, half: float = 0.05, curve: bool = True) -> Finding:
    return Finding(
        lead=name,
        text="",
        claim=name,
        slot=slot,
        lost=None if lost is None else estimate(lost, half),
        spark=Spark(axis="", lines=()) if curve else None,
    )


def leads(findings: tuple[Finding, ...]) -> list[str]:
    return [f.lead for f in findings]


def test_findings_rank_by_the_lower_limit_of_what_is_lost() -> None:
    wide, narrow = finding("wide", "where", 0.5, half=0.3), finding("narrow", "where", 0.4)
    without, guard = finding("without", "", None), finding("guard", "guard", None)
    assert leads(ranked([without, wide, narrow, guard])) == ["guard", "narrow", "wide", "without"]


def test_one_finding_a_question_and_the_next_best_for_an_empty_one() -> None:
    where, also = finding("fog", "where", 0.5), finding("noise", "where", 0.45)
    why, trust = finding("filter", "why", 0.1), finding("attack", "trust", 0.3)
    assert leads(leading([trust, also, why, where])) == ["fog", "filter", "attack"]
    assert leads(leading([trust, also, where])) == ["fog", "attack", "noise"], "no why: the next best of any"
    assert leads(leading([where])) == ["fog"] and leading([]) == ()
    quiet = dataclasses.replace(where, claim="")
    assert leads(leading([quiet, also])) == ["noise"], "without a claim it stays in the list"


def test_a_guard_beats_all_and_a_curve_beats_a_single_level() -> None:
    listed = [finding("fog", "where", 0.5), finding("filter", "why", 0.4), finding("attack", "trust", 0.3)]
    assert leads(leading([*listed, finding("guard", "guard", None)])) == ["guard", "fog", "filter"]
    single = finding("stripe", "where", 0.9, curve=False)
    assert leads(leading([*listed, single])) == ["fog", "filter", "attack"]
    assert leads(ranked([*listed, single]))[0] == "stripe", "in the full list it comes first"
    assert leads(leading([single])) == ["stripe"]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    return gather([synthetic.make_run(tmp_path_factory.mktemp("claims") / "three", samples=400, fourier=False)])


def every(gathered: Gathered) -> list[Finding]:
    made = (shift_claims, filter_claims, attack_claims, confidence_claims)
    return [f for claims in made for f in claims(gathered)]


def test_claims_are_short_and_rest_on_one_condition(three: Gathered) -> None:
    found = every(three)
    assert {f.slot for f in found} >= {"where", "why", "trust"}
    for f in found:
        assert f.claim and len(f.claim.split()) <= MOST_WORDS, f.claim
        assert f.number is not None and f.lost is not None and f.model is not None
        assert f.condition in three.infos
        if f.spark is not None:
            assert f.spark.condition == f.condition and f.spark.model == f.model.key
        own = f.number.estimate
        assert own.low < own.value < own.high and f"{100 * own.value:.1f}".lstrip("-") in f.text


def test_the_worst_carries_the_interval_for_the_worst_of_many(three: Gathered) -> None:
    for f in shift_claims(three):
        assert f.number is not None and f.model is not None
        subject = next(s for s in three.subjects if s.entry.key == f.model.key)
        alone = three.numbers.accuracy(subject, f.condition)
        assert f.number.estimate.high - f.number.estimate.low > 1.3 * (alone.high - alone.low), "one of many"


def test_halves_is_said_only_where_the_whole_interval_lies_below(three: Gathered) -> None:
    said = [f for f in every(three) if " halve" in f.claim or " fail" in f.claim]
    assert said and all(f.number is not None and f.number.estimate.high < 0.5 for f in said)
    for f in (f for f in every(three) if "holds" in f.claim):
        assert f.sensitivities and any(s.state == "more sensitive" for s in f.sensitivities)


def test_alike_models_are_not_told_apart(tmp_path: Path) -> None:
    alike = synthetic.make_run(tmp_path / "alike", models=["a-net", "b-net"], samples=300, fourier=False, attacks=False)
    found = every(gather([alike]))
    assert found
    worst = [f for f in found if "both models" in f.claim or f.claim.startswith("Both")]
    assert worst or all("holds" not in f.claim or f.sensitivities for f in found)


def test_one_model_is_it(tmp_path: Path) -> None:
    found = every(gather([synthetic.make_run(tmp_path / "one", models=1, samples=300, fourier=False)]))
    assert found and all("natural" not in f.claim and "all" not in f.claim.split() for f in found)


def test_steps_are_named_by_their_own_labels() -> None:
    assert step_of("severity 3 (procedural textures)", 1, 3) == " by severity 3"
    assert step_of("σ = 0.2", 2, 6) == " at σ = 0.2"
    assert step_of("inside the lowest 5 x 5", 1, 6) == " by step 2 of 6"
    assert step_of("as published", 0, 1) == ""


def test_a_recipe_is_recommended_from_five_trainings_on() -> None:
    good, bad = [estimate(0.9 + 0.01 * i) for i in range(5)], [estimate(0.4 + 0.02 * i) for i in range(5)]
    assert over_seeds(good[:4]) is None
    told = over_seeds(good)
    assert (
        told is not None and told.value == pytest.approx(0.92) and told.low == pytest.approx(0.92 - 0.01963, abs=1e-4)
    )
    assert helped(good, bad) and not helped(good, bad[:4]) and not helped(bad, good) and not helped(good, good)


def test_what_is_called_measured_is_confirmed_on_its_pages() -> None:
    pages = {"gaussian": ("transfer", "gaussian noise makes"), "uniform": ("transfer", "uniform noise makes")}
    for (recipe, places), data in itertools.product(MEASURED.values(), ("digits", "fashion-mnist", "cifar10-jpeg")):
        if data not in places:
            continue
        name, words = pages.get(recipe, ("fog", "less sensitive to high-pass noise"))
        lines = (REPRODUCTIONS / data / f"{name}.md").read_text().splitlines()
        assert any(words in line and line.endswith("| confirmed |") for line in lines), (recipe, data)


def test_recipes_are_read_from_what_a_file_says(three: Gathered) -> None:
    subject = three.subjects[0]
    assert recipe_of(subject) == ""
    about = {**subject.entry.about, "notes": ["trained with the recipe gaussian (sigma 0.3), 14 epochs, seed 0"]}
    entry = dataclasses.replace(subject.entry, about=about)
    assert recipe_of(dataclasses.replace(subject, entry=entry)) == "gaussian"
    assert SLOTS == ("where", "why", "trust")
