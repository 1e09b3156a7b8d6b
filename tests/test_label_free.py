"""Accuracy without labels: each method on numbers worked out by hand, the line over families, what lies outside."""

from __future__ import annotations

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures.label_free import ModelAnswers, clean_of, predictions, thresholded, transported
from brittlestar.measures.label_free_fit import CANDIDATES, NEED_MIX, KnownCell, label_free_fit
from brittlestar.measures.label_free_range import TOGETHER, MeasuredRange, Quantity, answered, described, image_values
from brittlestar.measures.random_effects import PRIOR, highest_level, mixed_fit


def rows_of(logits: np.ndarray, labels: list[int]) -> Rows:
    n = len(logits)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=np.array(labels, np.int32),
        prediction=logits.argmax(1).astype(np.int32),
        label_logit=logits[np.arange(n), labels].astype(np.float32),
        top_logit=logits.max(1).astype(np.float32),
        log_sum_exp=np.log(np.exp(logits).sum(1)).astype(np.float32),
        logits=logits.astype(np.float32),
    )


def test_a_threshold_leaves_as_many_below_as_are_wrong() -> None:
    scores, correct = np.array([0.9, 0.5, 0.6, 0.8]), np.array([True, False, True, True])
    # One of four is wrong, so the second lowest score is the threshold.
    assert thresholded(scores, correct, scores) == 0.75
    assert thresholded(scores, correct, np.array([0.59, 0.6, 0.61])) == pytest.approx(2 / 3)
    assert thresholded(scores, ~correct | True, scores) == 1.0
    assert thresholded(scores, correct & False, scores) == 0.0


def test_transport_sees_one_class_answered_too_often() -> None:
    sure = np.array([[0.9, 0.1]] * 4)
    # Two of the four must go to the label that has one tenth.
    assert transported(sure, np.array([0.5, 0.5])) == pytest.approx((2 * 0.9 + 2 * 0.1) / 4)
    assert transported(sure, np.array([1.0, 0.0])) == pytest.approx(0.9)
    # Three samples cannot be split in halves; one label more goes to the first.
    assert transported(np.array([[0.8, 0.2], [0.7, 0.3], [0.1, 0.9]]), np.array([0.5, 0.5])) == pytest.approx(0.8)


def test_methods_never_look_at_the_labels_of_other_images() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (40, 3))
    labels = [k % 3 for k in range(40)]
    known = rows_of(logits, labels)
    other = ModelAnswers.of(rows_of(logits + np.eye(3)[labels], labels), 3)
    clean = clean_of(known, [other], 3)
    assert clean.accuracy == np.mean(logits.argmax(1) == labels)
    said = [predictions(clean, ModelAnswers.of(rows_of(logits, own), 3), [other]) for own in (labels, [0] * 40)]
    assert said[0] == said[1] and set(said[0]) == {m for chosen in CANDIDATES for m in chosen}
    # On the very images that they were calibrated on, these give the clean accuracy.
    for method in ("atc_confidence", "atc_entropy", "confidence_difference"):
        assert said[0][method] == pytest.approx(clean.accuracy)
    assert said[0]["agreement"] == np.mean(logits.argmax(1) == (logits + np.eye(3)[labels]).argmax(1))


def test_entropy_of_the_highest_classes_is_near_that_of_all() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (50, 8))
    whole = rows_of(logits, [0] * 50)
    order = np.argsort(-logits, axis=1)[:, :5].astype(np.int32)
    top = np.take_along_axis(logits, order, 1).astype(np.float32)
    few = Rows(**{**whole.columns(), "logits": None, "top_classes": order, "top_logits": top})
    a, b = ModelAnswers.of(whole, 8).entropy, ModelAnswers.of(few, 8).entropy
    assert a is not None and b is not None and ModelAnswers.of(few, 8).probabilities is None
    assert (b >= a - 1e-6).all() and float((b - a).max()) < 0.2


def world(seed: int, families: int, between: float, within: float, size: int = 8) -> tuple[np.ndarray, ...]:
    """y, x, family and the sampling variance of cells of families with offsets of their own."""
    draws = np.random.default_rng(seed)
    family = np.repeat(np.arange(families), size)
    x = np.stack([np.ones(len(family)), draws.normal(0, 1.5, len(family))], 1)
    sampling = draws.uniform(0.01, 0.05, len(family))
    deviation = draws.normal(0, between, families)[family] + draws.normal(0, np.sqrt(within**2 + sampling))
    return x @ [0.3, 0.8] + deviation, x, family, sampling


def test_a_fit_is_generalised_least_squares_at_the_likeliest_variances() -> None:
    y, x, family, sampling = world(3, 6, 0.6, 0.3)
    fit = mixed_fit(y, x, family, sampling)

    def dense(between: float, within: float) -> tuple[float, np.ndarray, np.ndarray]:
        v = np.diag(within + sampling) + between * (family[:, None] == family[None])
        inverse = np.linalg.inv(v)
        covariance = np.linalg.inv(x.T @ inverse @ x + np.diag([0.0, PRIOR]))
        b = covariance @ x.T @ inverse @ y
        rest = y @ inverse @ y - b @ x.T @ inverse @ y
        cost = np.linalg.slogdet(v)[1] - np.linalg.slogdet(covariance)[1] + rest
        return float(cost), b, covariance

    cost, b, covariance = dense(fit.between, fit.within)
    assert fit.coefficients == pytest.approx(b, abs=1e-6) and fit.covariance == pytest.approx(covariance, abs=1e-6)
    others = [dense(fit.between * k, fit.within * m)[0] for k in (0.6, 1, 1.6) for m in (0.6, 1, 1.6)]
    assert cost <= min(others) + 0.05
    point = np.array([1.0, 2.0])
    assert fit.at(point) == pytest.approx(b @ point)
    assert fit.spread(point, 0.02) ** 2 == pytest.approx(fit.between + fit.within + 0.02 + point @ covariance @ point)


@pytest.mark.parametrize("between", [0.0, 0.3, 0.8])
def test_intervals_hold_for_a_family_that_was_not_seen(between: float) -> None:
    """7 families at 87.5 %; of 150 worlds no fewer are held than three standard errors below."""
    held = 0
    for seed in range(150):
        y, x, family, sampling = world(seed, 8, between, 0.2)
        old, new = family < 7, np.flatnonzero(family == 7)[0]
        fit = mixed_fit(y[old], x[old], family[old], sampling[old])
        reach = fit.reach(highest_level(7)) * fit.spread(x[new], sampling[new])
        held += abs(fit.at(x[new]) - y[new]) <= reach
    assert held / 150 >= 7 / 8 - 3 * (7 / 8 * 1 / 8 / 150) ** 0.5


def cells_of(seed: int = 0, families: int = 6, size: int = 5) -> list[KnownCell]:
    """Conditions on which agreement tells the accuracy but for an offset, and confidences tell nothing."""
    draws = np.random.default_rng(seed)
    cells = []
    for family in range(families):
        for strength in range(size):
            accuracy = float(draws.uniform(0.2, 0.95))
            said = {m: float(draws.uniform(0.2, 0.95)) for m in ("atc_confidence", "atc_entropy", "transport")}
            said |= {"agreement": accuracy * 0.7 + 0.25, "confidence_difference": float(draws.uniform(0.2, 0.95))}
            right = int(draws.binomial(400, accuracy))
            cells.append(
                KnownCell(condition=f"{family}/{strength}", family=f"f{family}", said=said, right=right, samples=400)
            )
    return cells


def test_the_method_that_tells_most_on_left_out_families_is_taken() -> None:
    fit = label_free_fit(cells_of(), 0.97)
    assert "agreement" in fit.chosen and fit.level == pytest.approx(6 / 7)
    assert fit.miss < 0.05 < 0.15 < min(fit.plain["clean"], fit.plain["atc_confidence"])
    assert fit.covered >= 0.8 * len(fit.left_out) and len(fit.left_out) == 30 and len(fit.families) == 6
    told = fit.estimate({**cells_of()[0].said, "agreement": 0.6 * 0.7 + 0.25}, 300)
    assert told.value == pytest.approx(0.6, abs=0.05) and told.low < 0.6 < told.high and told.n == 300
    few = fit.estimate({**cells_of()[0].said, "agreement": 0.6 * 0.7 + 0.25}, 20)
    assert few.high - few.low > told.high - told.low + 0.1
    assert not NEED_MIX & set(label_free_fit(cells_of(), 0.97, any_mix=True).chosen)


def test_what_is_shown_of_a_left_out_family_never_saw_it() -> None:
    cells = cells_of()
    before = {one.cell.condition: one.estimate.value for one in label_free_fit(cells, 0.97).left_out}
    changed = [
        KnownCell(condition=c.condition, family=c.family, said=c.said, right=400 - c.right, samples=400)
        if c.family == "f2"
        else c
        for c in cells
    ]
    after = {one.cell.condition: one.estimate.value for one in label_free_fit(changed, 0.97).left_out}
    assert all(before[c] == after[c] for c in before if c.startswith("2/"))
    assert any(before[c] != after[c] for c in before if c.startswith("3/"))


def test_levels_and_runs_that_bear_out_too_little_are_refused() -> None:
    with pytest.raises(UsageError, match=r"6 families .* at most 85\.7 %.* got level=0\.9: take a lower one"):
        label_free_fit(cells_of(), 0.97, 0.9)
    assert label_free_fit(cells_of(families=9, size=2), 0.97).level == 0.9
    with pytest.raises(UsageError, match=r'takes 4 families and 12 conditions, this run has 3 .*suite="broad"'):
        label_free_fit(cells_of(families=3), 0.97)


def test_image_values_of_patterns_known_on_paper() -> None:
    flat = np.full((1, 3, 16, 16), 0.5, np.float32)
    stripes = flat.copy()
    stripes[..., ::2] = 0.7
    red = flat.copy()
    red[:, 0] = 0.8
    values = image_values(np.concatenate([flat, stripes, red]))
    assert values["brightness"] == pytest.approx([0.5, 0.6, 0.6], abs=1e-6)
    assert values["contrast"] == pytest.approx([0.0, 0.1, 0.0], abs=1e-6)
    assert values["colour"] == pytest.approx([0.0, 0.0, (0.2 + 0.1 + 0.1) / 3], abs=1e-6)
    # All energy of stripes one pixel wide is at the highest frequency: their variance.
    assert values["fine"][1] == pytest.approx(-2, abs=1e-4) and values["coarse"][1] < -7 and values["fine"][0] < -7
    assert "colour" not in image_values(flat[:, :1])


def quantities(**values: float) -> dict[str, Quantity]:
    return {name: Quantity(value=value, error=0.001) for name, value in values.items()}


def test_what_lies_outside_is_named() -> None:
    draws = np.random.default_rng(0)
    every = [
        (f"c{k}", f"f{k % 4}", quantities(brightness=draws.uniform(0.2, 0.6), contrast=draws.uniform(0.1, 0.3)))
        for k in range(40)
    ]
    seen = MeasuredRange.of(every)
    assert seen.outside(quantities(brightness=0.4, contrast=0.2)) == ()
    (beyond, together) = seen.outside(quantities(brightness=0.95, contrast=0.2))
    assert beyond.name == "brightness" and beyond.value == 0.95 and 0.2 <= beyond.low < beyond.high <= 0.6
    assert together.name == TOGETHER and together.nearest.startswith("c") and together.value > together.high


def test_a_corner_between_the_ranges_is_outside_as_well() -> None:
    """Bright images of low contrast and dark ones of high contrast were seen; bright ones of high contrast were not."""
    every = [(f"c{k}", f"f{k % 4}", quantities(brightness=0.2 + 0.01 * k, contrast=0.5 - 0.01 * k)) for k in range(40)]
    seen = MeasuredRange.of(every)
    assert seen.outside(quantities(brightness=0.4, contrast=0.3)) == ()
    (only,) = seen.outside(quantities(brightness=0.55, contrast=0.48))
    assert only.name == TOGETHER


def test_classes_are_compared_beyond_what_chance_sets_apart() -> None:
    draws = np.random.default_rng(0)

    def answers(classes: np.ndarray) -> ModelAnswers:
        return ModelAnswers.of(
            rows_of(4 * np.eye(10)[classes] + draws.normal(0, 0.1, (len(classes), 10)), classes.tolist()), 10
        )

    clean = answers(np.arange(500) % 10)
    same, one = answers(draws.integers(0, 10, 100)), answers(np.zeros(100, np.int64))
    apart = [answered(clean, a, 10)["classes"] for a in (same, one)]
    assert apart[0].value < 0.1 and 0.7 < apart[1].value < 0.9
    assert described({"confidence": np.array([0.2, 0.4])})["confidence"] == Quantity(
        value=pytest.approx(0.3), error=pytest.approx(0.1)
    )


def test_regressors_that_say_nothing_do_no_harm() -> None:
    """A method that says 1 of everything has no slope, and is not extrapolated."""
    y, x, family, sampling = world(5, 6, 0.3, 0.2)
    dead = np.concatenate([x, np.full((len(y), 1), 6.0)], 1)
    fit, plain = mixed_fit(y, dead, family, sampling), mixed_fit(y, x, family, sampling)
    assert fit.at(np.array([1.0, 1.0, 6.0])) == pytest.approx(plain.at(np.array([1.0, 1.0])), abs=0.02)
    assert abs(fit.at(np.array([1.0, 1.0, -6.0])) - plain.at(np.array([1.0, 1.0]))) < 12
