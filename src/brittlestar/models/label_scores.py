"""A model's outputs as scores of the data's classes: what ``LabelSpace.scores`` computes, for tensors and gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from brittlestar.core.errors import ModelError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.models.answering import inside


def in_classes(outputs: Callable[[Any, torch.Tensor], torch.Tensor]) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """A model's ``logits`` in its label space, if it has one; what its own code asks stays as it is."""

    @functools.wraps(outputs)
    def scored(self: Any, images: torch.Tensor) -> torch.Tensor:
        within = inside()
        answer = outputs(self, images)
        return answer if self.space is None or within else class_scores(answer, self.space, self.name)

    return scored


def class_scores(outputs: torch.Tensor, space: LabelSpace, model: str) -> torch.Tensor:
    """(n, classes) float32 scores for (n, outputs) logits; gradients pass.

    Args:
        outputs: Of the model.
        space: What makes them scores.
        model: Its name, for messages.

    Raises:
        ModelError: It has another number of outputs than the space is for.
    """
    found = tuple(outputs.shape)
    own = len(found) == 2 and found[1] == len(space.classes)
    require(
        len(found) == 2 and found[1] == space.outputs,
        f"model {model} gives outputs of shape {found}, and label space {space.name} is for models of "
        f"{space.outputs:,} outputs"
        + (
            f": a model of exactly these {found[1]} classes has learnt to tell fewer apart, so its accuracy is not "
            f"comparable; give {option('label_space', 'none')} if that is meant"
            if own
            else f": give the label space that fits, or {option('label_space', 'none')}"
        ),
        ModelError,
    )
    if space.merge == "subset":
        return outputs[:, _places(space.members, outputs.device)[0].flatten()]
    # Sums of a hundred probabilities in double precision, as the reference computes them.
    places, there = _places(space.members, outputs.device)
    parts = outputs.double()[:, places].masked_fill(~there, -torch.inf)
    if space.merge == "logit_max":
        # Classes without outputs score 0 (``LabelSpace``).
        return torch.where(there.any(1), parts.amax(2), 0.0).to(outputs.dtype)
    scores = parts.amax(2) if space.merge == "max" else parts.logsumexp(2)
    if space.merge == "mean":
        scores = scores - there.sum(1).double().log()
    return (scores - outputs.double().logsumexp(1, keepdim=True)).to(outputs.dtype)


@functools.lru_cache(maxsize=8)
def _places(members: tuple[tuple[int, ...], ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(classes, most) places of the outputs, padded, and which of them are meant."""
    most = max(map(len, members))
    # Kept for later calls, which may take gradients; made inside of inference mode they could not.
    with torch.inference_mode(False):
        places = torch.tensor([[*own, *[own[0] if own else 0] * (most - len(own))] for own in members], device=device)
        return places, torch.tensor([[k < len(own) for k in range(most)] for own in members], device=device)
