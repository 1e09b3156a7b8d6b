"""Samples with several right classes (``Source.truths``): any of them is right, in rows and for attacks.

The best-ranked of a sample's right classes and its label change places among the logits. Then the prediction is the
label where any right class was answered, the label's logit is that of the best of them, and every measure that compares
answers with labels is one of all right classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.models.base import Model

Truths = npt.NDArray[np.int32]
"""(n, most) right classes; rows that have fewer repeat one of theirs."""


def table_of(truths: Sequence[tuple[int, ...]]) -> Truths:
    """All samples' right classes as one array; each has at least one."""
    most = max(map(len, truths))
    return np.array([[*own, *[own[0]] * (most - len(own))] for own in truths], np.int32)


def folded(logits: torch.Tensor, target: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    """(n, classes) logits where the best-ranked right class and the label have changed places; gradients pass.

    Args:
        logits: (n, classes).
        target: (n,) labels.
        truths: (n, most) right classes.
    """
    at = truths.gather(1, logits.gather(1, truths).argmax(1, keepdim=True))
    own, best = logits.gather(1, target[:, None]), logits.gather(1, at)
    return logits.scatter(1, at, own).scatter(1, target[:, None], best)


def answers_folded(
    answers: npt.NDArray[np.int32], labels: npt.NDArray[np.int32], truths: Truths
) -> npt.NDArray[np.int32]:
    """(n, k) answered classes, with the label for every right class."""
    right = (answers[:, :, None] == truths[:, None, :]).any(2)
    return np.where(right, labels[:, None], answers)


class _Folded:
    """A model whose logits are folded for one batch of samples."""

    def __init__(self, model: Model, target: torch.Tensor, truths: torch.Tensor) -> None:
        self._model, self._target, self._truths = model, target, truths

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Of the whole batch, in its order."""
        return folded(self._model.logits(images), self._target, self._truths)


def attacked_as(model: Model, target: torch.Tensor, truths: torch.Tensor) -> Model:
    """What an attack on one batch is to see, so that no right class will do for it."""
    return cast("Model", _Folded(model, target, truths))
