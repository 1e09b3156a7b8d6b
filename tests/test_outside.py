"""Measures of ImageNet-A and -O, and images from outside of the classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

import brittlestar as bs
from brittlestar import measures
from brittlestar.core.errors import DataError, UsageError
from brittlestar.core.rows import Rows
from brittlestar.data import open_source
from brittlestar.measures.outside import aupr, auroc, base_rate, false_positives
from brittlestar.measures.retrieval import aurra, soft_f1
from brittlestar.store import RunStore
from conftest import shared_path
from tiny import called

Floats = npt.NDArray[np.float64]


def rows_of(confidence: Any, right: Any = None, **more: Any) -> Rows:
    """Rows with these confidences and outcomes; label 0."""
    n = len(confidence)
    zeros = np.zeros(n, np.int32)
    answers = zeros if right is None else np.where(right, 0, 1).astype(np.int32)
    logit = np.log(np.maximum(confidence, 1e-30)).astype(np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=zeros.astype(np.int16),
        label=zeros,
        prediction=answers,
        label_logit=logit,
        top_logit=logit,
        log_sum_exp=np.zeros(n, np.float32),
        **more,
    )


INSIDE, OUTSIDE = rows_of([0.9, 0.8, 0.7, 0.95]), rows_of([0.3, 0.75, 0.6])


def test_golden_numbers_of_the_protocol() -> None:
    assert aurra(rows_of([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1])).value == pytest.approx(0.7291667, abs=1e-7)
    assert auroc(INSIDE, OUTSIDE).value == pytest.approx(0.9166667, abs=1e-7)
    assert aupr(INSIDE, OUTSIDE).value == pytest.approx(0.9166667, abs=1e-7)
    right = np.concatenate([np.arange(100) < 50, np.arange(100) < 95])
    rows = rows_of(np.repeat([0.6, 0.9], 100), right)
    assert measures.rms_calibration(rows, reference=True).value == pytest.approx(0.0707107, abs=2e-7)
    assert measures.rms_calibration(rows).value == pytest.approx(0.0790569, abs=2e-7)
    with pytest.raises(UsageError, match="needs 100 samples"):
        measures.rms_calibration(rows.take(slice(99)), reference=True)


def test_soft_f1_is_its_formula_and_undefined_without_doubt() -> None:
    confidence, right = np.array([0.9, 0.5, 0.6]), np.array([True, False, True])
    doubt, wrong = 1 - confidence, ~right
    expected = 2 * (doubt * wrong).sum() / (doubt + wrong).sum()
    assert soft_f1(rows_of(confidence, right)).value == pytest.approx(expected, abs=1e-6)
    with pytest.raises(UsageError, match="every answer is right and wholly sure"):
        soft_f1(rows_of([1.0, 1.0]))


def test_numbers_are_those_of_scikit_learn_with_ties_too() -> None:
    g = np.random.default_rng(0)
    inside, outside = rows_of(np.round(g.beta(5, 2, 300), 2) + 0.005), rows_of(np.round(g.beta(3, 3, 120), 2) + 0.005)
    positive = np.r_[np.zeros(300), np.ones(120)]
    score = 1 - np.r_[inside.confidence, outside.confidence]
    assert auroc(inside, outside).value == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert aupr(inside, outside).value == pytest.approx(average_precision_score(positive, score), abs=1e-12)
    assert base_rate(inside, outside) == 120 / 420
    # By hand: the threshold whose recall is nearest to 95 %.
    thresholds = np.unique(score[positive == 1])
    recall = np.array([(score[positive == 1] >= t).mean() for t in thresholds])
    at = thresholds[np.abs(recall - 0.95).argmin()]
    found = false_positives(inside, outside)
    assert found.value == (score[positive == 0] >= at).mean() and found.low < found.value < found.high


@pytest.mark.parametrize(
    ("name", "accuracy", "rms", "area", "separation", "precision"),
    [
        ("cifar10", 0.9294, 0.059663, 0.991508, 0.924350, 0.450620),
        ("mnist", 0.9913, 0.011142, 0.999768, 0.978380, 0.345333),
    ],
)
def test_published_predictions_give_their_numbers(
    name: str, accuracy: float, rms: float, area: float, separation: float, precision: float
) -> None:
    folder = shared_path("data/published/label-errors")
    p, label = np.load(folder / f"{name}_pyx.npy"), np.load(folder / f"{name}_lab.npy")
    rows = rows_of(p.max(1).astype(np.float64), p.argmax(1) == label)
    assert rows.correct.mean() == pytest.approx(accuracy)
    assert measures.rms_calibration(rows).value == pytest.approx(rms, abs=1e-5)
    assert aurra(rows).value == pytest.approx(area, abs=2e-6)
    wrong, right = rows.take(~rows.correct), rows.take(rows.correct)
    # Errors are found as images from outside are: by low confidence.
    assert auroc(right, wrong).value == pytest.approx(separation, abs=1e-5)
    assert aupr(right, wrong).value == pytest.approx(precision, abs=1e-4)


# ------------------------------------------------------------------ intervals

Draw = Callable[[np.random.Generator], measures.Estimate]
BIG = 200_000


def confident(kind: str) -> tuple[Callable[[np.random.Generator, int], Floats], Callable[[Floats], Floats]]:
    """(confidences, chance of being right) of a kind of model."""
    return {
        "calibrated": (lambda g, n: g.beta(8, 1, n), lambda c: c),
        "overconfident": (lambda g, n: 0.1 + 0.9 * g.beta(2, 3, n), lambda c: 0.2 * c),
        "nearly always right": (lambda g, n: g.beta(60, 1, n), lambda c: np.full(len(c), 0.99)),
    }[kind]


def held(draw: Draw, truth: float, repeats: int = 250) -> tuple[int, int]:
    g = np.random.default_rng(7)
    found = [draw(g) for _ in range(repeats)]
    assert all(e.low <= e.value <= e.high for e in found) and np.mean([e.high - e.low for e in found]) > 0
    return sum(e.low <= truth <= e.high for e in found), repeats


@pytest.mark.parametrize("kind", ["calibrated", "overconfident", "nearly always right"])
@pytest.mark.parametrize("measure", [aurra, soft_f1])
def test_areas_and_soft_f1_are_covered(kind: str, measure: Any) -> None:
    draw, chance = confident(kind)

    def rows(g: np.random.Generator, n: int) -> Rows:
        c = np.clip(draw(g, n), 1e-6, 1)
        return rows_of(c, g.random(n) < chance(c))

    truth = measure(rows(np.random.default_rng(1), BIG)).value
    k, n = held(lambda g: measure(rows(g, 300)), truth)
    assert k >= stats.binom.ppf(1e-4, n, 0.93), f"{k} of {n}"


@pytest.mark.parametrize("shapes", [((8, 1), (2, 2)), ((5, 2), (4, 2))])
def test_separation_is_covered(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    (a, b), (c, d) = shapes
    sizes = (300, 100)

    def sides(g: np.random.Generator, m: int, n: int) -> tuple[Rows, Rows]:
        return tuple(rows_of(np.clip(g.beta(*s, k), 1e-6, 1)) for s, k in (((a, b), m), ((c, d), n)))  # type: ignore[return-value]

    big = sides(np.random.default_rng(1), 3 * BIG // 4, BIG // 4)
    threshold = np.quantile(big[1].confidence, 0.95)
    for measure, truth in (
        (lambda *s: auroc(*s).estimate(), auroc(*big).value),
        (lambda *s: aupr(*s).estimate(), aupr(*big).value),
        (false_positives, float((big[0].confidence <= threshold).mean())),
    ):
        k, n = held(lambda g, measure=measure: measure(*sides(g, *sizes)), truth, 150)  # type: ignore[misc]
        assert k >= stats.binom.ppf(1e-4, n, 0.93), f"{k} of {n}"


def test_models_are_compared_on_the_same_images() -> None:
    g = np.random.default_rng(2)
    base_in, base_out = g.normal(1.5, 1, 400), g.normal(0, 1, 200)
    shape = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    one = auroc(rows_of(shape(base_in)), rows_of(shape(base_out)))
    # Nearly the same model: nearly the same order of the same images.
    other = auroc(rows_of(shape(base_in + g.normal(0, 0.05, 400))), rows_of(shape(base_out + g.normal(0, 0.05, 200))))
    apart, alone = other.less(one), one.estimate()
    assert apart.low < 0 < apart.high and apart.high - apart.low < (alone.high - alone.low) / 2
    with pytest.raises(UsageError, match="the same images"):
        one.less(auroc(rows_of(shape(base_in[:300])), rows_of(shape(base_out))))


def test_groups_and_weights_are_heeded() -> None:
    g = np.random.default_rng(3)
    c, right = g.beta(5, 2, 60), g.random(60) < 0.7
    copies = {"group": np.repeat(np.arange(60), 4).astype(np.int64)}
    many, plain = rows_of(np.repeat(c, 4), np.repeat(right, 4), **copies), rows_of(c, right)
    inside = rows_of(g.beta(8, 1, 100))
    for measure in (aurra, soft_f1, lambda r: auroc(inside, r).estimate(), lambda r: auroc(r, inside).estimate()):
        grouped, single = measure(many), measure(plain)
        assert grouped.high - grouped.low > 0.8 * (single.high - single.low) and "clustered" in grouped.method
    # A weight of two is worth two samples.
    doubled = rows_of(c, right, weight=np.where(np.arange(60) < 30, 4 / 3, 2 / 3))
    twice = np.r_[np.arange(30), np.arange(60)]
    for measure in (aurra, soft_f1, lambda r: auroc(inside, r).estimate(), lambda r: auroc(r, inside).estimate()):
        assert measure(doubled).value == pytest.approx(measure(rows_of(c[twice], right[twice])).value, abs=1e-9)
    unseen = rows_of(c, right, weight=np.ones(60), unseen=0.1)
    assert aurra(unseen).high - aurra(unseen).low > aurra(plain).high - aurra(plain).low + 0.2


# ------------------------------------------------------------------ runs

MODEL = """
import torch
class Bright(torch.nn.Module):
    def forward(self, x):
        m = x.mean((1, 2, 3))
        return torch.stack([-40 * (m - 0.5), 40 * (m - 0.5)], 1)
def model():
    return Bright().eval()
"""


def pictures(seed: int, low: int, high: int, n: int = 40) -> Any:
    return np.random.default_rng(seed).integers(low, high, (n, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Dark and bright pictures, a model that tells them, and pictures between them, which it cannot be sure of."""
    (tmp_path / "model.py").write_text(MODEL)
    x = np.concatenate([pictures(0, 0, 160), pictures(1, 90, 256)])
    np.savez(tmp_path / "data.npz", x=x, y=np.repeat([0, 1], 40))
    np.savez(tmp_path / "grey.npz", x=pictures(2, 40, 215), y=np.zeros(40, int))
    return tmp_path


def test_a_run_with_images_from_outside_tells_how_well_they_are_known(world: Path) -> None:
    asked = ["run", "--model", f"torch:{world / 'model.py'}:model", "--data", world / "data.npz", "--suite", "clean",
             "--outside", world / "grey.npz", "--out", world / "run", "--workers", 1]  # fmt: skip
    done = called(*asked)
    assert done.returncode == 0, done.stderr
    text = (world / "run" / "report" / "results.csv").read_text()
    line = next(line for line in text.splitlines() if ",outside/grey,auroc," in line)
    value, low, high = map(float, line.split(",")[4:7])
    inside, outside = (
        store.read(model["fingerprint"], None)[store.manifest.conditions["clean"].fingerprint]
        for store in (RunStore.open(world / "run"), RunStore.open(world / "run" / "outside" / "grey"))
        for model in store.manifest.models.values()
    )
    assert value == pytest.approx(auroc(inside, outside).value, abs=1e-5) and low < value <= high and value > 0.9
    assert {f",outside/grey,{m}," in text for m in ("aupr", "false_positives")} == {True}
    page = (world / "run" / "report" / "report.html").read_text()
    assert "Is it less sure of what it cannot know?" in page
    before = sorted((world / "run" / "outside").rglob("*.parquet"))
    assert called(*asked).returncode == 0
    assert sorted((world / "run" / "outside").rglob("*.parquet")) == before


def test_images_that_are_inside_too_are_refused(world: Path) -> None:
    x = np.load(world / "data.npz")["x"]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)).eval()
    inside = open_source((x, np.repeat([0, 1], 40)))
    with pytest.raises(DataError, match="3 of the 3 images"):
        bs.evaluate(model, inside, suite="clean", outside=[(x[:3], [0, 0, 1])], out=world / "run", anyway=True)
    assert not (world / "run").exists() and math.isfinite(base_rate(INSIDE, OUTSIDE))
