"""Accuracy without labels: what a model's answers alone say of how many of them are right.

None of these methods is valid in general (Garg et al. show that none can be). Each is therefore only a number that goes
up and down with accuracy; what it is worth for one model is learned, and tested, on conditions whose labels are known
(``label_free_fit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows

Floats = npt.NDArray[np.float64]

METHODS: dict[str, str] = {
    "atc_confidence": "average thresholded confidence, highest probability",
    "atc_entropy": "average thresholded confidence, negative entropy",
    "confidence_difference": "difference of confidences",
    "agreement": "agreement with the run's other models",
    "transport": "confidence optimal transport",
}
"""Methods by name, in words."""

TRANSPORTED = 256
"""Most samples that transport is solved for: its time grows with their third power."""


@dataclass(frozen=True, kw_only=True)
class ModelAnswers:
    """What a model answered, without any label.

    Fields:
        position: (n,) places of the samples, ascending.
        prediction: (n,) classes.
        confidence: (n,) softmax probability of the prediction.
        entropy: (n,) of the softmax, in nats; ``None`` where a condition keeps outcomes only.
        probabilities: (n, classes) softmax; ``None`` where not all logits are stored.
    """

    position: npt.NDArray[np.int32]
    prediction: npt.NDArray[np.int32]
    confidence: Floats
    entropy: Floats | None
    probabilities: Floats | None

    @classmethod
    def of(cls, rows: Rows, classes: int) -> ModelAnswers:
        """The answers in rows of still images; their labels are not looked at.

        Args:
            rows: Of one model.
            classes: How many the model knows.
        """
        rows = rows.sorted()
        log_sum_exp = rows.log_sum_exp.astype(np.float64)[:, None]
        probabilities = entropy = None
        if rows.logits is not None:
            probabilities = np.exp(np.minimum(rows.logits - log_sum_exp, 0.0))
            entropy = _entropy(probabilities)
        elif rows.top_logits is not None:
            top = np.exp(np.minimum(rows.top_logits - log_sum_exp, 0.0))
            # What is left is spread evenly over the classes that are not stored: an upper bound, the same everywhere.
            rest, others = np.maximum(1 - top.sum(1), 0.0), max(classes - top.shape[1], 1)
            entropy = _entropy(top) - rest * np.log(np.maximum(rest / others, 1e-300))
        return cls(
            position=rows.position,
            prediction=rows.prediction,
            confidence=rows.confidence,
            entropy=entropy,
            probabilities=probabilities,
        )

    def __len__(self) -> int:
        return len(self.position)


def _entropy(p: Floats) -> Floats:
    return np.asarray(-(p * np.log(np.maximum(p, 1e-300))).sum(1))


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Clean, labelled images: what methods are calibrated on.

    Fields:
        answers: Of the model.
        correct: (n,) whether each is right.
        marginal: (classes,) share of each label.
        agreed: Share on which the model and the run's others answer alike; ``None`` without others.
    """

    answers: ModelAnswers
    correct: npt.NDArray[np.bool_]
    marginal: Floats
    agreed: float | None

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.correct.mean())


def clean_of(rows: Rows, others: Sequence[ModelAnswers], classes: int) -> Clean:
    """What one model, beside the others of its run, answered on clean images."""
    rows = rows.sorted()
    answers = ModelAnswers.of(rows, classes)
    marginal = np.bincount(rows.label, minlength=classes) / len(rows)
    return Clean(answers=answers, correct=rows.correct, marginal=marginal, agreed=agreement(answers, others))


def predictions(clean: Clean, answers: ModelAnswers, others: Sequence[ModelAnswers]) -> dict[str, float]:
    """What each method that can be applied says, as a share of right answers in [0, 1].

    Args:
        clean: The model's clean images.
        answers: To other images.
        others: Of the run's other models to the same images.

    Reference:
        Guillory et al. 2021, https://arxiv.org/abs/2107.03315 (difference of confidences); Garg et al. 2022,
        https://arxiv.org/abs/2201.04234 (ATC); Jiang et al. 2022, https://arxiv.org/abs/2106.13799 and Baek et al.
        2022, https://arxiv.org/abs/2206.13089 (agreement); Lu et al. 2023, https://arxiv.org/abs/2305.15640 (COT).
    """
    known = clean.answers
    said = {"atc_confidence": thresholded(known.confidence, clean.correct, answers.confidence)}
    if known.entropy is not None and answers.entropy is not None:
        said["atc_entropy"] = thresholded(-known.entropy, clean.correct, -answers.entropy)
    apart = float(answers.confidence.mean() - known.confidence.mean())
    said["confidence_difference"] = float(np.clip(clean.accuracy + apart, 0.0, 1.0))
    agreed = agreement(answers, others)
    if agreed is not None and clean.agreed is not None:
        said["agreement"] = agreed
    if answers.probabilities is not None:
        said["transport"] = transported(answers.probabilities, clean.marginal)
    return said


def thresholded(scores: Floats, correct: npt.NDArray[np.bool_], others: Floats) -> float:
    """Average thresholded confidence: the share of ``others`` at or above the threshold that as many of ``scores`` lie
    below as are wrong.

    Args:
        scores: (n,) of labelled samples, larger where the model is surer.
        correct: (n,) whether these are right.
        others: (m,) of unlabelled samples.
    """
    wrong = int((~correct).sum())
    if wrong == len(scores):
        return 0.0
    return float((others >= np.sort(scores)[wrong]).mean())


def agreement(answers: ModelAnswers, others: Sequence[ModelAnswers]) -> float | None:
    """Mean share of samples that another model answers alike; ``None`` where there is none that answered them."""
    shares = []
    for other in others:
        _, own, its = np.intersect1d(answers.position, other.position, return_indices=True)
        if len(own):
            shares.append(float((answers.prediction[own] == other.prediction[its]).mean()))
    return float(np.mean(shares)) if shares else None


def transported(probabilities: Floats, marginal: Floats) -> float:
    """1 less the cost of moving the softmax outputs onto labels distributed as the clean ones; in [0, 1].

    Args:
        probabilities: (n, classes); of more than ``TRANSPORTED`` samples, evenly spread ones are taken.
        marginal: (classes,) shares of the labels.
    """
    from scipy.optimize import linear_sum_assignment

    count = min(len(probabilities), TRANSPORTED)
    p = probabilities[np.linspace(0, len(probabilities) - 1, count).round().astype(np.int64)]
    # Whole numbers of each label that add up: the largest remainders are rounded up.
    exact = marginal / marginal.sum() * count
    labels = np.floor(exact).astype(np.int64)
    labels[np.argsort(labels - exact, kind="stable")[: count - int(labels.sum())]] += 1
    # The distance of a softmax output to a label, half the L1 norm, is 1 less the label's probability.
    gain = p[:, np.repeat(np.arange(len(labels)), labels)]
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return float(np.clip(gain[rows, columns].mean(), 0.0, 1.0))
