"""Lines over models, effective and relative robustness: golden numbers, independent libraries, coverage."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import statsmodels.api as sm
from scipy import special, stats

from brittlestar.core.errors import UsageError
from brittlestar.measures import clopper_pearson
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.lines import TESTBED_SEED, fit_line
from brittlestar.measures.robustness import (
    effective_robustness,
    mean_against,
    mean_beyond_dilution,
    mean_effective_robustness,
    mean_paired,
    relative_robustness,
)
from brittlestar.measures.scales import SCALES
from conftest import shared_path

Floats = npt.NDArray[np.float64]


@pytest.mark.parametrize(
    ("k", "n", "level", "low", "high"),
    [
        (1813, 2021, 0.95, 0.8830047, 0.9099922),
        (1879, 2021, 0.95, 0.9177113, 0.9404985),
        (6321, 10000, 0.95, 0.6225610, 0.6415620),
        (9593, 10000, 0.95, 0.9552412, 0.9630884),
        (1813, 2021, 0.995, 0.8767487, 0.9151810),
        (6321, 10000, 0.995, 0.61844, 0.64561),
    ],
)
def test_exact_intervals_at_any_level(k: int, n: int, level: float, low: float, high: float) -> None:
    found = clopper_pearson(k, n, level)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-6)


def columns_of(*columns: str) -> tuple[list[str], Floats]:
    with shared_path("data/published/testbed-top1.csv").open() as file:
        rows = list(csv.DictReader(file))
    values = [[float(row[c] or "nan") / 100 for c in columns] for row in rows]
    return [row["model"] for row in rows], np.asarray(values)


def worlds(models: int = 40, seed: int = 0) -> tuple[Floats, Floats]:
    g = np.random.default_rng(seed)
    x = special.expit(g.uniform(-0.3, 1.8, models))
    return x, special.expit(0.9 * special.logit(x) - 0.5 + g.normal(0, 0.05, models))


@pytest.mark.parametrize("scale", SCALES)
def test_lines_are_those_of_other_libraries(scale: str) -> None:
    x, y = worlds()
    forward = SCALES[scale].forward
    line, theirs = fit_line(x, y, scale), stats.linregress(forward(x), forward(y))
    assert (line.slope, line.intercept, line.r_squared) == pytest.approx(
        (theirs.slope, theirs.intercept, theirs.rvalue**2), abs=1e-10
    )
    other = sm.OLS(forward(y), sm.add_constant(forward(x))).fit()
    assert [line.intercept, line.slope] == pytest.approx(list(other.params), abs=1e-10)
    assert line.predict(x) == pytest.approx(SCALES[scale].inverse(other.fittedvalues), abs=1e-10)
    slope, _ = line.coefficients()
    assert slope.low < line.slope < slope.high and slope.n == 40
    # On 40 models of equal spread, the bootstrap's interval is about as wide as that of the normal theory.
    assert (slope.high - slope.low) / (3.92 * theirs.stderr) == pytest.approx(1, abs=0.35)


def test_the_testbeds_own_bootstrap_can_be_drawn_again() -> None:
    x, y = worlds()
    line = fit_line(x, y, "raw", resamples=50, seed=TESTBED_SEED, legacy=True)
    chance = np.random.RandomState(TESTBED_SEED)
    wanted = []
    for _ in range(50):
        drawn = chance.choice(40, 40)
        wanted.append(np.linalg.lstsq(np.stack([x[drawn], np.ones(40)], 1), y[drawn], rcond=None)[0])
    assert line.resampled == pytest.approx(np.asarray(wanted), abs=1e-9)
    low, high = line.band([0.6])
    at = np.asarray(wanted) @ [0.6, 1]
    assert low[0] == np.quantile(at, 0.025, method="lower") == pytest.approx(low[0])
    assert high[0] == pytest.approx(np.quantile(at, 0.975, method="higher"))


def test_a_line_says_what_it_cannot_be_fitted_to() -> None:
    x, y = worlds(6)
    with pytest.raises(NoSamplesError, match="at least 5 models of different accuracy, got 4"):
        fit_line(x[:4], y[:4])
    with pytest.raises(NoSamplesError, match="different accuracy"):
        fit_line([0.5] * 6, y)
    with pytest.raises(UsageError, match="divide percent by 100"):
        fit_line(100 * x, y)
    with pytest.raises(UsageError, match="no place on the logit scale"):
        fit_line([*x[:5], 1.0], y)
    assert fit_line([*x[:5], 1.0], y, "raw").models == 6
    with pytest.raises(UsageError, match="raw, probit, logit, got 'log'"):
        fit_line(x, y, "log")
    with pytest.raises(UsageError, match="divide percent"):
        fit_line([*x[:5], float("nan")], y)


def test_effective_robustness_is_the_testbeds() -> None:
    names, values = columns_of("val", "imagenetv2-matched-frequency-format-val")
    kinds = __import__("json").loads(shared_path("data/published/testbed-model-types.json").read_text())
    fitted = [kinds.get(n) == "STANDARD" and "aws" not in n and "batch64" not in n for n in names]
    line = fit_line(values[fitted, 0], values[fitted, 1])
    own = dict(zip(names, values, strict=True))
    x, y = own["resnet50"]
    found = effective_robustness(x, y, line, 50_000, 10_000)
    assert 100 * float(line.predict(x)) == pytest.approx(63.947576, abs=1e-4)
    assert 100 * found.value == pytest.approx(-0.737577, abs=1e-4)
    assert found.low < -0.016 and 0 < found.high < 0.004 and found.n == 10_000
    wanted = {
        "resnet152": 0.295,
        "alexnet": -0.218,
        "resnet50_cutmix": -1.074,
        "resnet50_trained_on_SIN": 1.463,
        "vit_b_32_clip_zeroshot": 5.629,
    }
    for name, value in wanted.items():
        x, y = own[name]
        assert 100 * effective_robustness(x, y, line, 50_000, 10_000).value == pytest.approx(value, abs=6e-4)
    for name, value in {"resnet50_augmix": 1.90, "resnet50_cutmix": 2.61, "resnet50_swsl": 8.25}.items():
        found = relative_robustness(own[name][1], own["resnet50"][1], 10_000, 10_000)
        assert 100 * found.value == pytest.approx(value, abs=1e-4)
        assert found.low < found.value < found.high


def test_the_interval_of_the_mean_is_students_where_the_line_is_known() -> None:
    x, y = worlds(2000, 1)
    line = fit_line(x, y, resamples=300)
    tx, ty = worlds(9, 2)
    ty = ty + 0.03
    found = mean_effective_robustness(tx, ty, line)
    theirs = stats.ttest_1samp(ty - line.predict(tx), 0)
    low, high = theirs.confidence_interval()
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high), abs=2e-4)
    assert found.p == pytest.approx(theirs.pvalue, rel=0.3)
    # Families count once each: three of three models, as alike as can be, are three and not nine.
    alike = mean_effective_robustness(np.repeat(tx[:3], 3), np.repeat(ty[:3], 3), line, groups=[*"aaabbbccc"])
    assert alike.estimate.n == 3
    assert alike.estimate.value == pytest.approx(float(np.mean(ty[:3] - line.predict(tx[:3]))))
    against = mean_against(ty, y)
    welch = stats.ttest_ind(ty, y, equal_var=False)
    assert against.p == pytest.approx(welch.pvalue, abs=1e-12)
    assert against.estimate.low == pytest.approx(welch.confidence_interval().low)
    assert mean_paired(ty - tx).p == pytest.approx(stats.ttest_rel(ty, tx).pvalue)


def test_dilution_is_no_robustness() -> None:
    """Guesses in place of some answers lift a model above the logit line, and leave it where it was here."""
    x, y = worlds(40, 3)
    line = fit_line(x, y)
    share, chance = np.linspace(0.2, 0.5, 40), 0.001
    dx, dy = x * (1 - share) + share * chance, y * (1 - share) + share * chance
    above = mean_effective_robustness(dx, dy, line)
    assert above.p < 1e-6 and above.estimate.low > 0.01
    kept = mean_beyond_dilution(dx, dy, x, y, chances=(chance, chance))
    assert kept.p > 0.05 and abs(kept.estimate.value) < 0.01
    worse = special.expit(special.logit(x) - 1.0)
    on_line = mean_beyond_dilution(worse, line.predict(worse), x, y, chances=(chance, chance))
    assert on_line.estimate.high < 0


# ------------------------------------------------------------------ coverage


def world_line(g: np.random.Generator, models: int, spread: float) -> tuple[Floats, Floats]:
    x = special.expit(g.uniform(0.2, 1.8, models))
    return x, special.expit(0.92 * special.logit(x) - 0.5 + g.normal(0, spread, models))


def of_one_model(g: np.random.Generator) -> tuple[Estimate, float]:
    """A model's own robustness: standard models with 50,000 and 10,000 images, the model with 2,000 and 1,000."""
    x, y = world_line(g, 30, 0.04)
    line = fit_line(g.binomial(50_000, x) / 50_000, g.binomial(10_000, y) / 10_000, resamples=200)
    tx, ty = 0.7, 0.62
    truth = ty - special.expit(0.92 * special.logit(tx) - 0.5)
    kx, ky = g.binomial(2000, tx) / 2000, g.binomial(1000, ty) / 1000
    return effective_robustness(kx, ky, line, 2000, 1000), truth


def of_a_type(g: np.random.Generator) -> tuple[Estimate, float]:
    """Seven models drawn from a type whose models lie 2 points above the line on average, 1.5 apart."""
    x, y = world_line(g, 30, 0.04)
    tx = special.expit(g.uniform(0.0, 0.8, 7))
    ty = special.expit(0.92 * special.logit(tx) - 0.5) + 0.02 + g.normal(0, 0.015, 7)
    return mean_effective_robustness(tx, ty, fit_line(x, y, resamples=200)).estimate, 0.02


def of_families(g: np.random.Generator) -> tuple[Estimate, float]:
    """Five families of one to six models that are alike within a family; families of standard models, too."""
    shift = np.repeat(g.normal(0, 0.04, 12), 4)
    x = special.expit(g.uniform(0.2, 1.8, 48))
    y = special.expit(0.92 * special.logit(x) - 0.5 + shift + g.normal(0, 0.01, 48))
    line = fit_line(x, y, groups=[f"f{i // 4}" for i in range(48)], resamples=200)
    sizes = [1, 2, 3, 4, 6]
    own = np.repeat(g.normal(0.03, 0.02, 5), sizes)
    tx = special.expit(g.uniform(0.3, 1.2, 16))
    ty = special.expit(0.92 * special.logit(tx) - 0.5) + own + g.normal(0, 0.003, 16)
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    return mean_effective_robustness(tx, ty, line, groups=groups).estimate, 0.03


def of_dilution(g: np.random.Generator) -> tuple[Estimate, float]:
    """Eight models that keep 5 points more of their accuracy than the 12 standard ones do on average."""
    x = g.uniform(0.6, 0.8, 12)
    tx = g.uniform(0.4, 0.6, 8)
    ty = tx * 0.5 + 0.05 + g.normal(0, 0.02, 8)
    return mean_beyond_dilution(tx, ty, x, x * (0.5 + g.normal(0, 0.05, 12))).estimate, 0.05


CASES: list[Callable[[np.random.Generator], tuple[Estimate, float]]] = [
    of_one_model,
    of_a_type,
    of_families,
    of_dilution,
]


def coverage(case: Callable[[np.random.Generator], tuple[Estimate, float]], times: int) -> tuple[float, float]:
    g = np.random.default_rng(7)
    drawn = [case(g) for _ in range(times)]
    return (
        float(np.mean([e.low <= truth <= e.high for e, truth in drawn])),
        float(np.mean([e.high - e.low for e, _ in drawn])),
    )


@pytest.mark.parametrize("case", CASES)
def test_intervals_hold(case: Callable[[np.random.Generator], tuple[Estimate, float]]) -> None:
    times = 200
    held, _ = coverage(case, times)
    assert held >= 0.94 - 3 * math.sqrt(0.94 * 0.06 / times), held


if __name__ == "__main__":
    for each in CASES:
        share, width = coverage(each, int(sys.argv[1]))
        print(f"{each.__name__}: {share:.3f}, mean width {100 * width:.1f} points")
