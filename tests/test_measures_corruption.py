"""Corruption errors: golden values, published models, names, pairing, refusals, and how often intervals hold the truth.

``python tests/test_measures_corruption.py 1000`` prints the coverage table of docs/measures.md.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures.alexnet import ALEXNET, CORRUPTION_SETS, TEST
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.ratios import over_constants, over_scores
from conftest import shared_path
from test_measures_coverage import Floats, outcomes, rows_of

Conditions = dict[tuple[str, int | None], Rows]

MEANS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


def errs(share: float, n: int = 100) -> Rows:
    """Rows of which exactly this share is wrong."""
    return rows_of(np.arange(n) >= round(share * n))


def published(name: str) -> dict[str, dict[tuple[str, int], float]]:
    """Errors of published models by corruption and severity."""
    with shared_path(f"data/published/{name}").open() as file:
        head, severities, *lines = csv.reader(file)
    keys = [(c, int(s)) for c, s in zip(head[1:], severities[1:], strict=True)]
    return {line[0]: {k: 1 - float(v) for k, v in zip(keys, line[1:], strict=True)} for line in lines}


def drawn(g: np.random.Generator, errors: Floats, n: int, table: str = "imagenet-c") -> Conditions:
    """A condition each (corruption, severity), with samples of shared difficulty."""
    names = CORRUPTION_SETS[table]
    wrong = outcomes(g, n, errors, 1.5)
    return {(names[i // 5], i % 5 + 1): rows_of(~wrong[:, i]) for i in range(len(errors))}


def test_alexnets_means_are_the_published_denominators() -> None:
    assert list(ALEXNET.errors) == list(MEANS) == list(TEST)
    for name, errors in ALEXNET.errors.items():
        assert np.mean(errors) == pytest.approx(MEANS[name], abs=5e-7)
    assert np.mean(list(MEANS.values())) == pytest.approx(0.788993, abs=5e-7)


def test_golden_ce() -> None:
    conditions: Conditions = {("gaussian_noise", s): errs(e) for s, e in enumerate((0.5, 0.6, 0.7, 0.8, 0.9), 1)}
    found = measures.ce(conditions, "gaussian_noise")
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.7896862, abs=1e-7)
    relative = measures.relative_corruption_errors(conditions, errs(0.25)).parts["gaussian_noise"]
    assert relative.estimate is not None
    assert relative.estimate.value == pytest.approx(0.9963953, abs=1e-7)
    assert found.normaliser == "AlexNet (published errors)" and found.samples == 100
    assert found.severities == (1, 2, 3, 4, 5) and found.table == "imagenet-c" and found.name == "CE"
    assert "n = 100" in found.basis() and "AlexNet" in found.basis()


@pytest.mark.parametrize(
    ("model", "mce"),
    [
        ("AlexNet", 99.97),
        ("Standard_R50", 76.37),
        ("Hendrycks2020AugMix", 64.17),
        ("Geirhos2018_SIN", 76.65),
        ("Geirhos2018_SIN_IN", 68.67),
        ("Geirhos2018_SIN_IN_IN", 73.18),
        ("Salman2020Do_50_2_Linf", 79.99),
        ("Hendrycks2020Many", 60.05),
        ("Erichson2022NoisyMix", 60.46),
        ("Tian2022Deeper_DeiT-S", 47.62),
        ("Tian2022Deeper_DeiT-B", 41.70),
    ],
)
def test_mce_of_published_models(model: str, mce: float) -> None:
    errors = published("robustbench-imagenetc.csv")
    assert measures.mean_ce_of(errors[model]) * 100 == pytest.approx(mce, abs=0.006)


def test_published_models_as_rows_of_5000() -> None:
    """The whole way over rows, AlexNet's table and AlexNet's own row as normaliser."""
    errors = published("robustbench-imagenetc.csv")
    rows = {name: {key: errs(e, 5000) for key, e in errors[name].items()} for name in ("AlexNet", "Standard_R50")}
    table = measures.mce(rows["Standard_R50"])
    assert table.name == "mCE" and table.estimate is not None and table.conditions == 75
    assert table.estimate.value * 100 == pytest.approx(76.37, abs=0.006)
    run = measures.mce(rows["Standard_R50"], measures.RunErrors(name="AlexNet", conditions=rows["AlexNet"]))
    assert run.estimate is not None and run.normaliser == "AlexNet"
    assert run.estimate.value * 100 == pytest.approx(76.38, abs=0.006)
    assert measures.mean_corruption_error(rows["Standard_R50"], "imagenet-c").estimate.value == pytest.approx(
        1 - 0.3948, abs=6e-5
    )


CIFAR = {
    # mean, fog, fog 5, contrast, contrast 5, gaussian noise, impulse noise: accuracy in percent
    "Standard": (73.46, 88.79, 73.99, 82.61, 53.31, 47.03, 55.30),
    "Gowal2020Uncovering_70_16_Linf": (76.37, 62.87, 32.83, 46.48, 18.95, 81.13, 75.05),
    "Addepalli2021Towards_WRN34": (76.78, 64.03, 35.17, 51.19, 19.53, 77.49, 71.59),
    "Addepalli2022Efficient_WRN_34_10": (80.12, 65.86, 34.83, 51.04, 19.41, 83.50, 78.99),
    "Rebuffi2021Fixing_70_16_cutmix_extra_Linf": (82.82, 68.91, 36.37, 50.94, 18.86, 83.66, 76.65),
    "Rebuffi2021Fixing_70_16_cutmix_extra_L2": (88.23, 79.52, 51.36, 66.04, 21.50, 85.96, 82.56),
    "Kireev2021Effectiveness_Gauss50percent": (85.04, 78.74, 52.31, 66.35, 22.79, 90.83, 87.29),
    "Hendrycks2020AugMixWRN": (88.82, 91.54, 82.51, 90.32, 79.06, 80.91, 86.71),
    "Diffenderfer2021Winning_LRR": (90.94, 94.09, 88.15, 93.28, 84.74, 80.77, 89.10),
}


@pytest.mark.parametrize("model", CIFAR)
def test_published_cifar_models(model: str) -> None:
    """What adversarial training costs under fog and contrast and gains under noise (the article's observation)."""
    errors = published("robustbench-cifar10c.csv")[model]
    rows: Conditions = {key: errs(e, 10_000) for key, e in errors.items()}

    def accuracy(part: Conditions) -> float:
        return 100 - 100 * measures.mean_corruption_error(part, "cifar-c").estimate.value

    def of(name: str) -> Conditions:
        return {key: r for key, r in rows.items() if key[0] == name}

    found = (
        accuracy(rows),
        accuracy(of("fog")),
        accuracy({("fog", 5): rows["fog", 5]}),
        accuracy(of("contrast")),
        accuracy({("contrast", 5): rows["contrast", 5]}),
        accuracy(of("gaussian_noise")),
        accuracy(of("impulse_noise")),
    )
    assert found == pytest.approx(CIFAR[model], abs=0.0051)


def test_only_the_fifteen_over_a_normaliser_are_called_mce() -> None:
    g = np.random.default_rng(1)
    full = drawn(g, np.full(75, 0.4), 60)
    assert measures.mce(full).name == "mCE"
    assert measures.mean_corruption_error(full, "cifar-c").name == "mean corruption error"
    few = {key: rows for key, rows in full.items() if key[0] in TEST[:7]}
    found = measures.mce(few)
    assert found.name == "mean CE over 7 of 15" and found.parts == TEST[:7] and found.conditions == 35
    assert measures.mean_corruption_error(few, "cifar-c").name == "mean corruption error over 7 of 15"
    some = {key: rows for key, rows in full.items() if key[1] in (3, 5)}
    assert measures.mce(some).name == "mCE (severities 3, 5)"
    uneven = {key: rows for key, rows in full.items() if key != ("fog", 2)}
    assert measures.mce(uneven).name == "mCE (unequal severities)"
    extra = {**full, ("speckle_noise", 1): errs(0.9, 60)}
    assert measures.mce(extra) == measures.mce(full)
    assert measures.relative_mce(full, errs(0.1, 60)).name == "relative mCE"
    assert measures.relative_mce(few, errs(0.1, 60)).name == "mean relative CE over 7 of 15"


def test_some_severities_have_their_own_denominators() -> None:
    conditions: Conditions = {("fog", 2): errs(0.4), ("fog", 4): errs(0.6)}
    found = measures.ce(conditions, "fog").estimate
    assert found is not None and found.value == pytest.approx(1.0 / (0.76050 + 0.87260))


def test_mnist_c_has_no_severities() -> None:
    g = np.random.default_rng(2)
    names = CORRUPTION_SETS["mnist-c"]
    wrong = outcomes(g, 80, np.full(30, 0.3), 1.0)
    own: Conditions = {(c, None): rows_of(~wrong[:, i]) for i, c in enumerate(names)}
    base: Conditions = {(c, None): rows_of(~wrong[:, 15 + i]) for i, c in enumerate(names)}
    found = measures.mce(own, measures.RunErrors(name="Conv1", conditions=base), table="mnist-c")
    assert found.name == "mCE" and found.severities == () and found.estimate is not None
    expected = np.mean(
        [own[k].correct.mean() * -1 + 1 for k in own] / np.array([1 - base[k].correct.mean() for k in own])
    )
    assert found.estimate.value == pytest.approx(expected)
    with pytest.raises(UsageError, match="measured on imagenet-c, not on mnist-c"):
        measures.mce(own, table="mnist-c")


def test_a_run_as_normaliser_is_paired_on_the_same_samples() -> None:
    g = np.random.default_rng(3)
    own, base = drawn(g, np.full(10, 0.4), 90), drawn(g, np.full(10, 0.5), 90)
    fewer = {key: rows.take(np.arange(30, 90)) for key, rows in base.items() if key != ("shot_noise", 5)}
    found = measures.corruption_errors(own, measures.RunErrors(name="other", conditions=fewer)).parts
    kept = np.arange(30, 90)
    for corruption, severities in (("gaussian_noise", range(1, 6)), ("shot_noise", range(1, 5))):
        above = sum(1 - own[corruption, s].take(kept).correct.mean() for s in severities)
        below = sum(1 - fewer[corruption, s].correct.mean() for s in severities)
        part = found[corruption]
        assert part.estimate is not None and part.samples == 60 and part.severities == tuple(severities)
        assert part.estimate.value == pytest.approx(above / below)
    itself = measures.mce(own, measures.RunErrors(name="itself", conditions=own)).estimate
    assert itself is not None and itself.value == 1 and 0.9 < itself.low <= 1 <= itself.high < 1.1


def test_pairing_narrows_the_interval() -> None:
    g = np.random.default_rng(4)
    wrong = outcomes(g, 400, np.array([0.5, 0.45]), 3.0)
    together = over_scores(wrong[:, :1] * 1.0, wrong[:, 1:] * 1.0).mean
    apart = over_scores(wrong[:, :1] * 1.0, g.permutation(wrong[:, 1:]) * 1.0).mean
    assert together is not None and apart is not None
    assert together.high - together.low < 0.7 * (apart.high - apart.low)


def test_the_same_rows_give_the_same_interval() -> None:
    g = np.random.default_rng(5)
    own, base = drawn(g, np.full(75, 0.3), 50), drawn(g, np.full(75, 0.5), 50)
    normaliser = measures.RunErrors(name="other", conditions=base, clean=errs(0.1, 50))
    first = measures.mce(own, normaliser)
    shuffled = {key: rows.take(g.permutation(50)) for key, rows in reversed(own.items())}
    assert measures.mce(shuffled, normaliser) == first
    assert measures.relative_mce(own, errs(0.1, 50), normaliser) == measures.relative_mce(
        shuffled, errs(0.1, 50), normaliser
    )


def test_undefined_is_said_and_never_a_number() -> None:
    own: Conditions = {("fog", 1): errs(0.3), ("snow", 1): errs(0.3)}
    base: Conditions = {("fog", 1): errs(0.0), ("snow", 1): errs(0.2)}
    found = measures.corruption_errors(own, measures.RunErrors(name="flawless", conditions=base, clean=errs(0.2)))
    assert found.parts["fog"].estimate is None and "flawless" in found.parts["fog"].undefined
    assert found.parts["snow"].estimate is not None
    assert found.mean.estimate is None and "fog" in found.mean.undefined and found.mean.samples == 0
    run = measures.RunErrors(name="b", conditions=base, clean=errs(0.2))
    flat = measures.relative_corruption_errors(own, errs(0.1), run).parts["snow"]
    assert flat.estimate is None and "b is not shown to rise: 0 points" in flat.undefined
    with pytest.raises(UsageError, match="clean rows"):
        measures.relative_mce(own, errs(0.1), measures.RunErrors(name="b", conditions=base))


def test_a_weak_denominator_is_no_denominator() -> None:
    """One error of forty may be none in another draw: the ratio would have no upper limit."""
    own: Conditions = {("fog", 1): errs(0.5, 40)}
    base: Conditions = {("fog", 1): errs(0.025, 40)}
    found = measures.mce(own, measures.RunErrors(name="b", conditions=base))
    assert found.estimate is None and found.undefined.startswith("fog: b shows ")


def test_never_a_width_of_zero() -> None:
    perfect: Conditions = {(c, s): errs(0.0, 50) for c in TEST for s in range(1, 6)}
    base: Conditions = {(c, s): errs(0.4, 50) for c in TEST for s in range(1, 6)}
    for found in (measures.mce(perfect), measures.mce(perfect, measures.RunErrors(name="b", conditions=base))):
        assert found.estimate is not None
        assert found.estimate.value == found.estimate.low == 0 and found.estimate.high > 0.04


def test_refusals() -> None:
    conditions: Conditions = {("fog", 1): errs(0.3)}
    with pytest.raises(UsageError, match="cifar-c"):
        measures.mce(conditions, table="cifar-c")
    with pytest.raises(UsageError, match="unknown published set 'imagenetc'; did you mean imagenet-c"):
        measures.mean_corruption_error(conditions, "imagenetc")
    with pytest.raises(NoSamplesError, match="corruptions of imagenet-c"):
        measures.mce({("speckle_noise", 1): errs(0.3)})
    with pytest.raises(UsageError, match="1 to 5"):
        measures.mce({("fog", None): errs(0.3)})
    with pytest.raises(UsageError, match="'fixed' or 'anytime'"):
        measures.mce(conditions, rule="never")
    frames = Rows.concatenate([errs(0.3), errs(0.3)])
    frames = Rows(**{**frames.__dict__, "frame": np.repeat([0, 1], 100).astype(np.int16)})
    with pytest.raises(UsageError, match="one frame"):
        measures.mce({("fog", 1): frames})


def test_anytime_is_wider_and_allowed_for_both_normalisers() -> None:
    g = np.random.default_rng(6)
    own, base = drawn(g, np.full(75, 0.4), 400), drawn(g, np.full(75, 0.5), 400)
    run = measures.RunErrors(name="b", conditions=base, clean=errs(0.05, 400))
    for normaliser in (ALEXNET, run):
        for made in (
            lambda rule, by=normaliser: measures.mce(own, by, rule=rule),
            lambda rule, by=normaliser: measures.relative_mce(own, errs(0.05, 400), by, rule=rule),
        ):
            fixed, wide = made("fixed").estimate, made("anytime").estimate
            assert fixed is not None and wide is not None and fixed.value == pytest.approx(wide.value)
            assert wide.low < fixed.low < fixed.high < wide.high and wide.method == "confidence sequence"


# ------------------------------------------------------------------ coverage


@dataclass(frozen=True)
class Case:
    """A world and the truth in it."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator], measures.Estimate | None]
    required: float = 0.93


def table_case(n: int, k: int, level: float, spread: float) -> Case:
    errors = np.clip(np.linspace(0.5, 1.5, 5 * k) * level, 0, 0.95)
    constants = np.linspace(0.55, 0.9, k)

    def draw(g: np.random.Generator) -> measures.Estimate | None:
        wrong = outcomes(g, n, errors, spread).reshape(n, k, 5).mean(axis=2)
        return over_constants(wrong, constants.tolist(), [5.0] * k).mean

    truth = float(np.mean(errors.reshape(k, 5).mean(axis=1) / constants))
    return Case(f"mCE over a table, n = {n}, {k} corruptions, error {level:g}, spread {spread:g}", truth, draw)


def run_case(n: int, k: int, level: float, below: float, spread: float, clean: float | None = None) -> Case:
    own, other = np.full(5 * k, level), np.full(5 * k, below)
    base = [] if clean is None else [clean, clean]

    def draw(g: np.random.Generator) -> measures.Estimate | None:
        wrong = outcomes(g, n, np.concatenate([own, other, base]), spread) * 1.0
        a, b = (wrong[:, i * 5 * k : (i + 1) * 5 * k].reshape(n, k, 5).mean(axis=2) for i in (0, 1))
        if clean is None:
            return over_scores(a, b).mean
        return over_scores(a - wrong[:, [-2]], b - wrong[:, [-1]], -1.0).mean

    away = clean or 0.0
    what = "mCE" if clean is None else "relative mCE"
    name = f"{what} over a run, n = {n}, {k} corruptions, errors {level:g} and {below:g}, spread {spread:g}"
    return Case(name, (level - away) / (below - away), draw)


CASES = [
    *(table_case(n, k, level, spread) for n, k in ((50, 15), (400, 15), (400, 1)) for level in (0.05, 0.5)
      for spread in (0.0, 2.0)),
    *(run_case(n, k, a, b, 2.0) for n, k in ((50, 15), (400, 15), (400, 1)) for a, b in ((0.05, 0.2), (0.4, 0.5))),
    run_case(400, 15, 0.4, 0.5, 0.0),
    run_case(100, 3, 0.4, 0.5, 2.0, 0.1),
    run_case(400, 15, 0.4, 0.5, 2.0, 0.1),
]  # fmt: skip


def simulate(case: Case, repeats: int) -> tuple[int, int, float]:
    generator = np.random.default_rng([7, *case.name.encode()[-20:]])
    held, tried, widths = 0, 0, []
    for _ in range(repeats):
        found = case.draw(generator)
        if found is not None:
            held += found.low <= case.truth <= found.high
            tried += 1
            widths.append(found.high - found.low)
    return held, tried, float(np.median(widths))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_coverage(case: Case) -> None:
    held, tried, width = simulate(case, 120)
    assert width > 0
    assert held >= stats.binom.ppf(1e-5, tried, case.required), f"held {held} of {tried}"


def test_a_sequence_over_a_run_holds_at_every_look() -> None:
    """Ratios of two models looked at after every 20 samples."""
    g, missed = np.random.default_rng(8), 0
    for _ in range(25):
        wrong = outcomes(g, 300, np.array([0.3, 0.4, 0.5, 0.5]), 1.0) * 1.0
        for n in range(20, 301, 40):
            found = over_scores(wrong[:n, :2], wrong[:n, 2:], rule="anytime").mean
            if found is None or not found.low <= 0.7 <= found.high:
                missed += 1
                break
    assert missed <= stats.binom.ppf(1 - 1e-5, 25, 0.05)


if __name__ == "__main__":
    print("| measure and world | coverage | median width |\n|---|---|---|")
    for one in CASES:
        hits, total, span = simulate(one, int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
        print(f"| {one.name} | {hits / total:.3f} | {span:.4f} |", flush=True)
