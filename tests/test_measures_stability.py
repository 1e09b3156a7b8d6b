"""Flip probability, top-5 and Zipf distance: golden values, published models, rows with frames, intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures.alexnet import ALEXNET_FLIPS, SEQUENCE_SETS
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.rankings import largest_distance
from brittlestar.measures.stability import compare_of
from conftest import shared_path

TEN = SEQUENCE_SETS["imagenet-p"]


def sequence(predictions: np.ndarray, top: np.ndarray | None = None, logits: np.ndarray | None = None) -> Rows:
    """Rows of (samples, frames) predictions."""
    samples, frames = predictions.shape
    zeros = np.zeros(samples * frames, np.float32)
    return Rows(
        position=np.repeat(np.arange(samples, dtype=np.int32), frames),
        frame=np.tile(np.arange(frames, dtype=np.int16), samples),
        label=zeros.astype(np.int32),
        prediction=predictions.ravel().astype(np.int32),
        label_logit=zeros,
        top_logit=zeros,
        log_sum_exp=zeros,
        top_classes=None if top is None else top.reshape(samples * frames, -1).astype(np.int32),
        logits=None if logits is None else logits.reshape(samples * frames, -1).astype(np.float32),
    )


def one(*predictions: int) -> Rows:
    return sequence(np.array([predictions]))


def swapped(*places: int, classes: int = 1000) -> np.ndarray:
    """The identity with two ranks (from 1) swapped."""
    ranking = np.arange(classes)
    a, b = (p - 1 for p in places)
    ranking[[a, b]] = ranking[[b, a]]
    return ranking


IDENTITY = np.arange(1000)
CASES = [
    (IDENTITY, 0, 0.0),
    (swapped(1, 2), 2, 0.75),
    (swapped(5, 6), 1, 0.012222),
    (swapped(1, 6), 5, 0.972222),
    (swapped(1, 1000), 5, 0.999999),
    (np.array([1, 2, 3, 4, 0, *range(5, 1000)]), 8, 1.136389),
    (IDENTITY[::-1], 15, 1.641938),
]


@pytest.mark.parametrize(("second", "top5", "zipf"), CASES)
def test_golden_rankings(second: np.ndarray, top5: float, zipf: float) -> None:
    assert measures.top5_between(IDENTITY, second) == top5
    assert measures.top5_between(IDENTITY[:5], second[:5]) == top5
    assert measures.zipf_between(IDENTITY, second) == pytest.approx(zipf, abs=1e-6)
    assert measures.zipf_of(np.stack([IDENTITY, second])) == pytest.approx(zipf, abs=1e-6)


def test_top5_is_the_papers_double_sum() -> None:
    """``sum_i sum_{j between} 1[j <= 5]`` over random rankings, as the paper writes it."""
    g = np.random.default_rng(0)
    for _ in range(100):
        second = g.permutation(30)
        rank = np.argsort(second)[np.arange(5)]
        double = sum(sum(1 for j in range(min(i, r), max(i, r)) if j < 5) for i, r in enumerate(rank))
        assert measures.top5_between(np.arange(30), second) == double


def test_the_largest_distance() -> None:
    g = np.random.default_rng(7)
    assert [largest_distance(c) for c in (1, 2, 3, 4, 10, 1000)] == [1, 2, 4, 8, 18, 18]
    for classes in (3, 5, 6, 8, 12):
        rankings = np.argsort(g.random((20_000, classes)), axis=1)
        most = measures.top5_between(np.arange(classes), rankings).max()
        assert most <= largest_distance(classes) and (classes == 12 or most == largest_distance(classes))
    assert measures.top5_between(np.arange(10), np.array([4, 3, 5, 6, 7, 8, 9, 0, 1, 2])) == 18


def test_golden_flips() -> None:
    rows = one(1, 1, 2, 2, 1)
    assert measures.flip_probability(rows, "previous").value == 0.5
    assert measures.flip_probability(rows, "first").value == 0.5
    assert measures.flip_probability(rows, "previous", 2).value == 1.0
    assert measures.flip_probability(one(1, 2, 2, 2), "previous").value == pytest.approx(1 / 3)
    assert measures.flip_probability(one(1, 2, 2, 2), "first").value == 1.0
    assert measures.flip_probability(one(3, 3, 3), "previous").value == 0
    assert [compare_of(name) for name in ("gaussian_noise", "shot_noise", "tilt")] == ["first", "first", "previous"]


MODELS = {
    "resnext101_32x8d": (46.15, 6.19, 2.005),
    "resnext101_32x8d_wsl": (38.76, None, None),
    "resnext101_32x16d_wsl": (32.73, None, None),
    "resnext101_32x32d_wsl": (29.72, None, None),
    "resnext101_32x48d_wsl": (27.83, None, 1.466),
}
FLIPS = (10.63, 13.10, 4.46, 3.52, 5.78, 2.61, 4.02, 5.59, 3.31, 8.87)


@pytest.mark.parametrize("model", MODELS)
def test_published_models(model: str) -> None:
    """mFR over the remembered denominators, mean FP and mean T5D of stored results."""
    arrays = {name: np.load(shared_path(f"data/published/imagenet-p/imagenetp_{model}_{name}.npz")) for name in TEN}
    flips = {name: float(a["fr"]) for name, a in arrays.items()}
    rate, mean, distance = MODELS[model]
    assert measures.mean_rate_of(flips, ALEXNET_FLIPS.flips) * 100 == pytest.approx(rate, abs=0.006)
    if mean is not None:
        assert np.mean(list(flips.values())) * 100 == pytest.approx(mean, abs=0.006)
        assert [100 * flips[name] for name in TEN] == pytest.approx(FLIPS, abs=0.006)
    if distance is not None:
        assert np.mean([float(a["t5d"]) for a in arrays.values()]) == pytest.approx(distance, abs=6e-4)


def made(g: np.random.Generator, samples: int = 60, frames: int = 31, flip: float = 0.2, names: int = 10) -> dict:
    found = {}
    for name in TEN[:names]:
        flips = g.random((samples, frames)) < flip * np.exp(g.standard_normal((samples, 1)))
        found[name] = sequence(np.cumsum(flips, axis=1) % 3 if compare_of(name) == "previous" else flips * 1)
    return found


def test_flips_of_rows_in_any_order() -> None:
    g = np.random.default_rng(1)
    predictions = g.integers(0, 3, (40, 31))
    rows = sequence(predictions)
    expected = (predictions[:, 1:] != predictions[:, :-1]).mean(axis=1)
    found = measures.flip_probability(rows)
    assert found.value == pytest.approx(expected.mean()) and found.n == 40
    assert measures.flip_probability(rows, "first").value == pytest.approx(
        (predictions[:, 1:] != predictions[:, :1]).mean()
    )
    assert measures.flip_probability(rows.take(g.permutation(len(rows)))) == found
    for d in (2, 3):
        pooled = np.concatenate(
            [(predictions[:, i::d][:, 1:] != predictions[:, i::d][:, :-1]) for i in range(d)], axis=1
        )
        assert measures.flip_probability(rows, "previous", d).value == pytest.approx(pooled.mean())
    wide = measures.flip_probability(rows, rule="anytime")
    assert wide.value == pytest.approx(found.value) and wide.method == "confidence sequence"


def test_distances_of_rows() -> None:
    g = np.random.default_rng(2)
    logits = g.standard_normal((20, 7, 30))
    ranking = np.argsort(-logits, axis=2)
    by_logits = sequence(ranking[..., 0], logits=logits)
    by_top = sequence(ranking[..., 0], top=ranking[..., :5])
    expected = np.mean([measures.top5_between(ranking[:, f - 1], ranking[:, f]) for f in range(1, 7)])
    found = measures.top5_distance(by_logits)
    assert found.value == pytest.approx(expected) and measures.top5_distance(by_top) == found
    assert 0 < found.low < found.value < found.high < 18
    first = np.mean([measures.top5_between(ranking[:, 0], ranking[:, f]) for f in range(1, 7)])
    assert measures.top5_distance(by_top, "first").value == pytest.approx(first)
    zipf = np.mean([measures.zipf_of(r) for r in ranking])
    assert measures.zipf_distance(by_logits).value == pytest.approx(zipf)
    few = sequence(ranking[..., 0] % 3, logits=logits[..., :3])
    assert 0 < measures.top5_distance(few).value <= 4
    assert measures.zipf_distance(few).n == 20


def test_ties_rank_the_lower_class_first() -> None:
    rows = sequence(np.zeros((1, 2)), logits=np.array([[[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]]))
    assert measures.top5_distance(rows).value == 0 and measures.zipf_distance(rows).value == 0


def test_means_and_rates() -> None:
    g = np.random.default_rng(3)
    own, other = made(g, flip=0.1), made(g, flip=0.3)
    mean = measures.mean_flip_probability(own, "imagenet-p")
    each = [measures.flip_probability(own[name], compare_of(name)).value for name in TEN]
    assert mean.name == "mean FP" and mean.estimate is not None and mean.normaliser == ""
    assert mean.estimate.value == pytest.approx(np.mean(each)) and mean.samples == 60
    rates = measures.flip_rates(own, ALEXNET_FLIPS)
    assert rates.mean.name == "mFR" and "remembered" in rates.mean.normaliser and rates.mean.estimate is not None
    assert rates.mean.estimate.value == pytest.approx(
        measures.mean_rate_of(dict(zip(TEN, each, strict=True)), ALEXNET_FLIPS.flips)
    )
    run = measures.RunSequences(name="other", sequences=other)
    paired = measures.flip_rates(own, run)
    below = [measures.flip_probability(other[name], compare_of(name)).value for name in TEN]
    assert paired.mean.estimate is not None and paired.mean.normaliser == "other"
    assert paired.mean.estimate.value == pytest.approx(np.mean(np.array(each) / below))
    assert paired.parts["tilt"].estimate is not None
    assert paired.parts["tilt"].estimate.value == pytest.approx(each[TEN.index("tilt")] / below[TEN.index("tilt")])
    assert paired.mean.estimate.method == "paired bootstrap"
    few = {name: own[name] for name in TEN[:4]}
    assert measures.flip_rates(few, run).mean.name == "mean FR over 4 of 10"
    assert measures.mean_flip_probability(few, "cifar-p").name == "mean FP over 4 of 10"
    chosen = measures.mean_flip_probability(few, "imagenet-p", compare=dict.fromkeys(few, "first")).estimate
    assert chosen is not None and chosen.value > mean.estimate.value


def test_top5_over_a_run() -> None:
    g = np.random.default_rng(4)

    def run(noise: float) -> dict[str, Rows]:
        base = g.standard_normal((30, 1, 12)) * 3
        logits = {name: base + noise * g.standard_normal((30, 5, 12)) for name in TEN}
        return {name: sequence(v.argmax(axis=2), logits=v) for name, v in logits.items()}

    own, other = run(0.5), run(1.0)
    found = measures.top5_rates(own, measures.RunSequences(name="other", sequences=other)).mean
    assert found.name == "mT5D" and found.estimate is not None and 0.3 < found.estimate.value < 0.9
    mean = measures.mean_top5_distance(own, "imagenet-p")
    assert mean.name == "mean T5D" and mean.estimate is not None and 0 < mean.estimate.low < mean.estimate.high < 15


def test_samples_are_those_that_all_sequences_share() -> None:
    g = np.random.default_rng(5)
    own = made(g, names=2)
    own["shot_noise"] = own["shot_noise"].take(own["shot_noise"].position >= 20)
    found = measures.mean_flip_probability(own, "imagenet-p")
    kept = {name: rows.take(rows.position >= 20) for name, rows in own.items()}
    assert found.samples == 40 and found.estimate is not None
    assert found.estimate.value == pytest.approx(
        np.mean([measures.flip_probability(rows, "first").value for rows in kept.values()])
    )


def test_a_model_that_never_flips_normalises_nothing() -> None:
    g = np.random.default_rng(6)
    own = made(g, names=2)
    still = {name: sequence(np.zeros((60, 31))) for name in own}
    found = measures.flip_rates(own, measures.RunSequences(name="still", sequences=still))
    assert found.mean.estimate is None and "still shows nothing to divide by" in found.mean.undefined
    none = measures.flip_rates(still, ALEXNET_FLIPS).mean.estimate
    assert none is not None and none.low == none.value == 0 < none.high


def test_refusals() -> None:
    rows = one(1, 2, 3)
    with pytest.raises(UsageError, match="same frames"):
        measures.flip_probability(
            Rows.concatenate([rows, dataclasses.replace(rows, position=rows.position + 1)]).take(np.arange(5))
        )
    with pytest.raises(UsageError, match="same frames"):
        measures.flip_probability(Rows.concatenate([rows, rows]))
    with pytest.raises(NoSamplesError, match="1 frames"):
        measures.flip_probability(one(1))
    with pytest.raises(NoSamplesError):
        measures.flip_probability(rows.take(np.arange(0)))
    with pytest.raises(UsageError, match="sequences of their own"):
        measures.flip_probability(rows, "first", 2)
    with pytest.raises(UsageError, match="got 'next'"):
        measures.flip_probability(rows, "next")
    with pytest.raises(UsageError, match="five likeliest"):
        measures.top5_distance(rows)
    with pytest.raises(UsageError, match="zipf_of"):
        measures.zipf_distance(rows)
    with pytest.raises(UsageError, match="every class once"):
        measures.zipf_of(np.array([[0, 1], [1, 1]]))
    with pytest.raises(UsageError, match="not for cifar-p"):
        measures.flip_rates({"tilt": rows}, ALEXNET_FLIPS, table="cifar-p")
    with pytest.raises(NoSamplesError, match="imagenet-p"):
        measures.mean_flip_probability({"shear": rows}, "imagenet-p")


@pytest.mark.parametrize("measure", ["FP", "mFR over a table", "mFR over a run"])
def test_coverage(measure: str) -> None:
    """Frames of a sample flip together: the interval is by sample."""
    g, held, repeats = np.random.default_rng(len(measure)), 0, 150
    for _ in range(repeats):
        share = g.beta(0.5, 4.5, (80, 1))
        own = {name: sequence(np.cumsum(g.random((80, 31)) < share, axis=1) % 5) for name in TEN[2:5]}
        share = np.clip(share * 1.5, 0, 1)
        other = {name: sequence(np.cumsum(g.random((80, 31)) < share, axis=1) % 5) for name in TEN[2:5]}
        if measure == "FP":
            found, truth = measures.flip_probability(own["motion_blur"]), 0.1
        elif measure == "mFR over a table":
            mean = measures.flip_rates(own, ALEXNET_FLIPS).mean
            found, truth = mean.estimate, 0.1 * np.mean([1 / ALEXNET_FLIPS.flips[name] for name in own])
        else:
            found = measures.flip_rates(own, measures.RunSequences(name="other", sequences=other)).mean.estimate
            truth = 0.1 / float(np.minimum(stats.beta(0.5, 4.5).rvs(200_000, random_state=1) * 1.5, 1).mean())
        held += found is not None and found.low <= truth <= found.high
    assert held >= stats.binom.ppf(1e-5, repeats, 0.93), f"held {held} of {repeats}"
