"""Every measure with a rule: ``anytime`` is a confidence sequence, wider than ``fixed``, around the same value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from test_measures_coverage import outcomes, rows_of

ERRORS = np.array([0.1, 0.2, 0.35, 0.6])
WRONG = outcomes(np.random.default_rng(21), 400, ERRORS, 1.0)
CLEAN, WEAK, MIDDLE, STRONG = (rows_of(~w) for w in WRONG.T)
FRAMES = np.repeat(np.arange(100), 4)
FRAMED_CLEAN, FRAMED_STRONG = (rows_of(~w, position=FRAMES) for w in (WRONG[:, 0], WRONG[:, 3]))
for framed in (FRAMED_CLEAN, FRAMED_STRONG):
    framed.frame[:] = np.tile(np.arange(4), 100)
MAPS = [
    measures.fourier_map({(0, c): rows_of(~(WRONG[:, c] ^ flip)) for c in range(1, 4)}, 6, 6)
    for flip in (np.zeros(400, bool), np.arange(400) % 9 == 0)
]

Measured = Callable[[str], measures.Estimate]
WITH_RULE: dict[str, Measured] = {
    "accuracy": lambda rule: measures.accuracy(STRONG, rule),
    "error_rate": lambda rule: measures.error_rate(STRONG, rule),
    "error_rate of frames": lambda rule: measures.error_rate(FRAMED_STRONG, rule),
    "error_increase": lambda rule: measures.error_increase(STRONG, CLEAN, rule),
    "error_increase of frames": lambda rule: measures.error_increase(FRAMED_STRONG, FRAMED_CLEAN, rule),
    "paired_difference": lambda rule: measures.paired_difference(MIDDLE, STRONG, rule),
    "compare": lambda rule: measures.compare(MIDDLE, STRONG, rule).estimate,
    "mean_error": lambda rule: measures.mean_error([WEAK, STRONG], rule),
    "mean_error_increase": lambda rule: measures.mean_error_increase([WEAK, STRONG], CLEAN, rule),
    "mean_error_difference": lambda rule: measures.mean_error_difference([WEAK, STRONG], [CLEAN, MIDDLE], rule),
    "severity_area": lambda rule: measures.severity_area([(0, CLEAN), (1, WEAK), (3, STRONG)], rule),
    "band_error": lambda rule: measures.band_error(MAPS[0], 0.25, 1, rule=rule),
    "band_difference": lambda rule: measures.band_difference(MAPS[0], MAPS[1], 0.25, 1, rule=rule),
    "radial_profile": lambda rule: measures.radial_profile(MAPS[0], rule=rule)[-1].estimate,
}


@pytest.mark.parametrize("name", WITH_RULE)
def test_anytime_is_a_confidence_sequence(name: str) -> None:
    fixed, anytime = WITH_RULE[name]("fixed"), WITH_RULE[name]("anytime")
    assert anytime.method == "confidence sequence" != fixed.method
    assert (anytime.value, anytime.n, anytime.level) == (pytest.approx(fixed.value), fixed.n, fixed.level)
    assert anytime.low < fixed.low <= fixed.value <= fixed.high < anytime.high
    assert anytime.high - anytime.low < 3 * (fixed.high - fixed.low)


@pytest.mark.parametrize("name", WITH_RULE)
def test_other_rules_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="'fixed' or 'anytime'"):
        WITH_RULE[name]("sometimes")


@pytest.mark.parametrize(
    ("found", "direct"),
    [
        (measures.accuracy(STRONG, "anytime"), measures.confidence_sequence(int((~WRONG[:, 3]).sum()), 400)),
        (
            measures.error_increase(STRONG, CLEAN, "anytime"),
            measures.paired_sequence(
                int((WRONG[:, 3] & ~WRONG[:, 0]).sum()), int((WRONG[:, 0] & ~WRONG[:, 3]).sum()), 400
            ),
        ),
        (
            measures.mean_error([WEAK, STRONG], "anytime"),
            measures.bounded_sequence(WRONG[:, [1, 3]].mean(1)),
        ),
        (
            measures.error_increase(FRAMED_STRONG, FRAMED_CLEAN, "anytime"),
            measures.bounded_sequence((WRONG[:, 3].astype(float) - WRONG[:, 0]).reshape(100, 4).mean(1), -1.0, 1.0),
        ),
    ],
    ids=["share", "pairs", "means", "frames"],
)
def test_which_sequence(found: measures.Estimate, direct: measures.Estimate) -> None:
    assert (found.low, found.value, found.high, found.n) == pytest.approx(
        (direct.low, direct.value, direct.high, direct.n), abs=1e-9
    )


def test_breaking_point_and_map_limits_by_rule() -> None:
    curve = [(float(s), r) for s, r in enumerate((CLEAN, WEAK, MIDDLE, STRONG))]
    fixed, anytime = (measures.breaking_point(curve, 0.5, rule) for rule in ("fixed", "anytime"))
    assert fixed.value == anytime.value and anytime.low < fixed.low and fixed.high <= anytime.high
    assert "confidence sequence" in anytime.method and "Clopper-Pearson" in fixed.method
    assert MAPS[0].half_width(rule="anytime") > MAPS[0].half_width() > 0
    with pytest.raises(UsageError, match="'fixed' or 'anytime'"):
        measures.breaking_point(curve, 0.5, "sometimes")


def test_every_level_is_nested() -> None:
    def widths(measured: Callable[[Rows, float], measures.Estimate]) -> list[float]:
        return [e.high - e.low for e in (measured(STRONG, level) for level in (0.5, 0.8, 0.95, 0.999))]

    for measured in (
        lambda r, level: measures.accuracy(r, level=level),
        lambda r, level: measures.accuracy(r, "anytime", level),
        lambda r, level: measures.error_increase(r, CLEAN, level=level),
        lambda r, level: measures.error_increase(r, CLEAN, "anytime", level),
        lambda r, level: measures.mean_error([WEAK, r], level=level),
    ):
        found = widths(measured)
        assert found == sorted(found) and found[0] < found[-1]


def test_what_is_made_of_several_conditions_is_listed_by_its_function() -> None:
    for name, kind in measures.SUMMARIES.items():
        assert callable(getattr(measures, name)) and name not in measures.MEASURES
        assert kind.better in ("higher", "lower", "neither") and kind.unit and kind.needs
        assert kind.text and "\n" not in kind.text
    assert all(hasattr(measures, name) for name in measures.__all__)
