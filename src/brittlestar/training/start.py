"""Fine-tuning: a training that starts from another model's weights and keeps its normalisation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from brittlestar.core.errors import ModelError, require
from brittlestar.core.options import option
from brittlestar.models import ModelSpec, check_model, load_model, parse_spec
from brittlestar.models.files import state_dict
from brittlestar.models.wrap import TorchModel


def opened(start: ModelSpec, device: str) -> TorchModel:
    """The model to go on from, in evaluation mode, all its weights free to move.

    Raises:
        ModelError: It does not load, is no module that training could move, or has no weights.
    """
    _, program = _kind(start)
    require(
        not program,
        f"training goes on from a network whose architecture is known; {start.spec} is {program}: give a .safetensors "
        f"of `brittlestar train`, torch:FILE.py:factory, or weights with {option('factory', 'FILE.py:factory')}",
        ModelError,
    )
    require(
        not (start.binary or start.probabilities),
        f"training needs one logit a class: leave {option('binary')} and {option('probabilities')} out",
        ModelError,
    )
    model = load_model(dataclasses.replace(start, device=device))
    assert isinstance(model, TorchModel)
    require(any(True for _ in model.module.parameters()), f"{start.spec} has no weights to go on from", ModelError)
    model.module.eval()
    for weight in model.module.parameters():
        # Factories may have frozen some; whole numbers cannot have gradients.
        weight.requires_grad_(weight.is_floating_point())
    return model


def checked(model: TorchModel, images: torch.Tensor, labels: torch.Tensor, classes: int) -> tuple[str, ...]:
    """Hold the model against the contract on the first images to train on; give what was found.

    Args:
        model: What ``opened`` gave.
        images: (n, channel, height, width) uint8.
        labels: (n,) int64.
        classes: Of the data.

    Raises:
        ModelError: It does not take these images, or has another number of outputs.
    """
    first = images[:200].to(torch.float32) / 255
    found = check_model(model, first, labels[:200], classes, 100)
    return tuple(note for note in found if note not in model.notes)


def built_by(start: ModelSpec) -> dict[str, Any]:
    """What the file of new weights says about its network: a named architecture, or the factory that builds it."""
    factory, _ = _kind(start)
    return {"factory": factory} if factory else {"architecture": state_dict(Path(start.spec))[1]["architecture"]}


def origin(start: ModelSpec) -> str:
    """The model's name in a sentence: its file of weights, or its factory."""
    return Path(start.weights or (start.spec if start.factory else "") or start.spec).name


def reopened(path: Path, start: ModelSpec | None) -> ModelSpec:
    """How to load what a training wrote: by the architecture in the file, else by the factory of ``start``."""
    if start is None or "architecture" in state_dict(path)[1]:
        return parse_spec(str(path))
    return parse_spec(str(path), factory=_kind(start)[0])


def _kind(start: ModelSpec) -> tuple[str | None, str]:
    """The factory that builds the module, if any, and what it is instead of a module; empty for one."""
    kind, _, rest = start.spec.partition(":")
    if kind == "torch" and rest:
        return rest, ""
    if kind == "python" and rest:
        return None, "a plain function"
    if start.spec.lower().endswith((".pt2", ".onnx")):
        return None, "an exported program"
    return start.factory, ""
