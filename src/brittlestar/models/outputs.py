"""What models give, as people have them, and how it becomes logits.

A tensor mostly; but also a dictionary, a tuple with auxiliary heads, one number for two classes, or probabilities.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from brittlestar.core.definition import canonical_json
from brittlestar.core.errors import ModelError, require
from brittlestar.core.options import option

_NAMES = ("logits", "out", "output", "outputs", "pred", "preds", "predictions", "scores")
"""What outputs with names call their logits, the commonest first: Transformers, torchvision, and others."""

_TINY = float(np.finfo(np.float32).tiny)
_SLACK = 1e-3
"""How far outside [0, 1] rounding in half precision may put a probability."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outputs:
    """How what a model gives becomes logits.

    Fields:
        name: Which output is meant: a name, or a place from 0; ``None`` for the main one (see ``main``).
        binary: One number an image, the logit of the second class of two: z becomes (-z / 2, z / 2).
        probabilities: Probabilities, whose logarithm is taken, not below that of the smallest normal float32.
    """

    name: str | None = None
    binary: bool = False
    probabilities: bool = False

    def identity(self) -> str:
        """What a fingerprint sees; nothing for logits as they are, which was all there was once."""
        changed = {key: value for key, value in dataclasses.asdict(self).items() if value}
        return canonical_json(changed) if changed else ""

    def logits(self, value: Any, model: str, device: torch.device) -> torch.Tensor:
        """(n, classes) float32 logits of one output, what ``main`` gave.

        Args:
            value: A tensor or an array; sizes of 1 after the classes are dropped.
            model: Its name, for messages.
            device: Where the logits are to lie.

        Raises:
            ModelError: It is none, or not of the declared kind.
        """
        found = self._numbers(value, model).to(device)
        while found.ndim > 2 and found.shape[-1] == 1:
            found = found.squeeze(-1)
        if self.binary:
            require(
                found.ndim == 1 or (found.ndim == 2 and found.shape[1] == 1),
                f"model {model} gives outputs of shape {tuple(found.shape)}, and {option('binary', True)} is for "
                f"models of one number an image: leave {option('binary')} out",
                ModelError,
            )
            found = found.reshape(-1)
        if not self.probabilities:
            return torch.stack([-found / 2, found / 2], 1) if self.binary else found
        # NaN passes: that it is no number is told by the check of the contract.
        if bool(((found < -_SLACK) | (found > 1 + _SLACK)).any()):
            low, high = float(found.detach().min()), float(found.detach().max())
            raise ModelError(
                f"model {model} gives outputs from {low:.3g} to {high:.3g}, which are no probabilities: leave "
                f"{option('probabilities')} out"
            )
        if self.binary:
            found = torch.stack([1 - found, found], 1)
        return found.clamp(_TINY, 1).log()

    def _numbers(self, value: Any, model: str) -> torch.Tensor:
        if not isinstance(value, torch.Tensor):
            try:
                value = torch.from_numpy(np.array(value, dtype=np.result_type(np.asarray(value), np.float32)))
            except (TypeError, ValueError) as error:
                raise ModelError(
                    f"model {model} gives {type(value).__name__}, not an array of numbers (n, classes): {error}"
                ) from error
        require(
            not value.is_complex(),
            f"model {model} gives complex numbers, not logits: return their real part or their size",
            ModelError,
        )
        numbers: torch.Tensor = value.to(torch.float32)
        return numbers

    def notes(self, classes: Sequence[str]) -> tuple[str, ...]:
        """What the report says about it; ``classes`` in the order of the outputs."""
        told = []
        if self.binary and len(classes) == 2:
            where = "a probability above 0.5" if self.probabilities else "above 0"
            told.append(
                f"one number an image: {classes[1]} where it is {where}, otherwise {classes[0]} (if it is the other "
                f"way round, list both names in the other order with {option('classes')})"
            )
        if self.probabilities:
            told.append(
                "its outputs are probabilities: their logarithm serves as logits, and gradient attacks are left out, "
                "as gradients vanish where such a model is sure"
            )
        return tuple(told)


PLAIN = Outputs()
"""Logits, as most models give them."""


def main(answer: Any, name: str | None, model: str) -> tuple[Any, str]:
    """The output that holds the logits, and what was chosen from, if anything.

    A tensor or an array is itself; of named outputs ``logits`` (or one with another usual name) is taken, of several
    without names the first, as torchvision's Inception and GoogLeNet give theirs before the auxiliary ones.

    Args:
        answer: What the model gave.
        name: The person's choice: a name, or a place from 0.
        model: Its name, for messages.

    Raises:
        ModelError: Several outputs of which none has a usual name, or none of the chosen name.
    """
    if isinstance(answer, torch.Tensor | np.ndarray):
        return answer, ""
    named = _named(answer)
    if name is not None:
        held = named if name in named else {str(i): value for i, value in enumerate(_unnamed(answer))}
        require(
            held.get(name) is not None,
            f"model {model} has no output {name!r}: it gives {', '.join(map(str, named or held)) or 'one alone'}",
            ModelError,
        )
        return main(held[name], None, model)[0], f"of its outputs the one called {name}"
    if named:
        usual = [key for key in _NAMES if named.get(key) is not None]
        arrays = [key for key, value in named.items() if isinstance(value, torch.Tensor | np.ndarray)]
        key = usual[0] if usual else arrays[0] if len(arrays) == 1 else None
        require(
            key is not None,
            f"model {model} gives {type(answer).__name__} with {', '.join(named) or 'nothing'}; choose the logits "
            f"with {option('output', arrays[0] if arrays else 'NAME')}",
            ModelError,
        )
        assert key is not None
        return main(named[key], None, model)[0], f"it gives {type(answer).__name__}, of which {key} is taken"
    arrays_in = [value for value in _unnamed(answer) if _is_batch(value)]
    if arrays_in:
        more = f", of which the first is taken ({option('output', '1')} takes the next)" if len(arrays_in) > 1 else ""
        return main(arrays_in[0], None, model)[0], f"it gives {len(arrays_in)} outputs{more}" if more else ""
    return answer, ""


def _named(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Mapping):
        return {str(key): value for key, value in answer.items()}
    if hasattr(answer, "_asdict"):
        return dict(answer._asdict())
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return {field.name: getattr(answer, field.name) for field in dataclasses.fields(answer)}
    return {"logits": answer.logits} if getattr(answer, "logits", None) is not None else {}


def _unnamed(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, tuple | list) else []


def _is_batch(value: Any) -> bool:
    """Whether an item of a list is an output for all images; a list of rows, one an image, is one output."""
    if isinstance(value, tuple | list):
        return any(isinstance(inner, torch.Tensor | np.ndarray) and inner.ndim >= 2 for inner in value)
    return isinstance(value, torch.Tensor | np.ndarray) and value.ndim >= 2
