"""Worlds with a known truth for `coverage_shapes.py`: errors of shared difficulty, confidences, correlated shifts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.rows import Rows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def rows_of(correct: Bools, confidence: Floats | None = None) -> Rows:
    """Rows with given outcomes; label 0."""
    n = len(correct)
    zeros = np.zeros(n, dtype=np.int32)
    sure = np.ones(n) if confidence is None else np.maximum(confidence, 1e-30)
    logit = np.log(sure).astype(np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=zeros.astype(np.int16),
        label=zeros,
        prediction=np.where(correct, 0, 1).astype(np.int32),
        label_logit=logit,
        top_logit=logit,
        log_sum_exp=np.zeros(n, np.float32),
    )


def errors(g: np.random.Generator, n: int, means: Floats, spread: float) -> Bools:
    """(n, conditions) errors with the given rates; ``spread`` is the weight of each sample's own difficulty."""
    level = special.ndtri(means) * np.sqrt(1 + spread**2)
    noise = g.standard_normal((n, len(means)), dtype=np.float32)
    return np.asarray(noise + spread * g.standard_normal((n, 1), dtype=np.float32) < level)


# ------------------------------------------------------------------ confidence and accuracy


def both_signs(size: float, confidence: Floats) -> Floats:
    """Accuracy that lies above the confidence in every other of 15 bins and below it in the rest."""
    return np.clip(confidence + np.where(np.ceil(confidence * 15) % 2 == 0, size, -size), 0, 1)


def binned(gap: Floats, confidence: Floats) -> float:
    place = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    return float(np.abs(np.bincount(place, gap, 15)).sum() / len(gap))


SHIFTED = ("calibrated", "opposed", "both signs", "one bad shift")


def shifted_accuracy(kind: str, shift: int, confidence: Floats) -> Floats:
    """How often a shift's answers of a confidence are right."""
    if kind == "opposed":
        return np.clip(confidence + (0.12 if shift % 2 else -0.12), 0, 1)
    if kind == "both signs":
        return both_signs(0.06, confidence)
    return np.clip(confidence - (0.3 if kind == "one bad shift" and shift == 0 else 0), 0, 1)


def shifted(g: np.random.Generator, kind: str, n: int, shifts: int) -> list[Rows]:
    """Conditions on the same samples, with correlated confidences and answers."""
    luck = special.ndtr(0.8 * g.standard_normal((n, 1)) + 0.6 * g.standard_normal((n, shifts)))
    confidence = g.beta(4, 1, (n, 1)) * g.uniform(0.8, 1, (n, shifts))
    return [rows_of(luck[:, c] < shifted_accuracy(kind, c, confidence[:, c]), confidence[:, c]) for c in range(shifts)]


def shifted_truth(kind: str, shifts: int) -> float:
    g = np.random.default_rng(0)
    confidence = g.beta(4, 1, 400_000) * g.uniform(0.8, 1, 400_000)
    gaps = [confidence - shifted_accuracy(kind, c, confidence) for c in range(min(shifts, 2))]
    each = [binned(gap, confidence) for gap in gaps]
    if kind == "opposed":
        return float(np.mean(each))  # as many of one sign as of the other
    return (each[0] + (shifts - 1) * each[-1]) / shifts


# ------------------------------------------------------------------ shifts and their errors


def pairs(g: np.random.Generator, kind: str, shifts: int, cases: int) -> tuple[Floats, Floats]:
    """(shifts, cases) of two variables with a common part; strengths of a shift go together; both carry noise."""
    normal = g.standard_normal((3, shifts, 1))
    parts = {
        "normal": lambda: normal,
        "t with 3 degrees": lambda: g.standard_t(3, (3, shifts, 1)),
        "lognormal": lambda: np.exp(0.8 * normal),
    }[kind]()
    strength = np.linspace(0.5, 1.5, cases) if cases > 1 else np.ones(1)
    noise = 0.3 * parts.std() * g.standard_normal((2, shifts, cases))
    common, first, second = parts * np.array([1.2, 1, 1])[:, None, None]
    return (common + first) * strength + noise[0], (common + second) * strength + noise[1]
