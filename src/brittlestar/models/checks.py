"""The contract, checked at the start: each breach has its own clear text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import DataError, ModelError, require
from brittlestar.models.base import Model
from brittlestar.models.load import TorchModel

_MODAL = (
    torch.nn.modules.batchnorm._BatchNorm,
    torch.nn.modules.dropout._DropoutNd,
    torch.nn.modules.instancenorm._InstanceNorm,
)


def check_model(
    model: Model, images: torch.Tensor, labels: torch.Tensor, class_count: int, batch: int
) -> tuple[str, ...]:
    """Hold a model against the contract on its first images.

    Args:
        model: The model.
        images: (n, channel, height, width) float32 in [0, 1] on the model's device.
        labels: (n,) as the model numbers them.
        class_count: How many classes the labels may name.
        batch: Samples a forward pass in the run.

    Returns:
        Notes that do not stop the run.

    Raises:
        ModelError: The breach and what to do about it.
    """
    _check_mode(model)
    logits = _answers(model, images[:batch])
    _check_shape(model, logits, min(len(images), batch), class_count)
    require(
        bool(torch.isfinite(logits).all()),
        f"model {model.name} gives outputs that are not finite on clean images; check its weights and normalisation",
        ModelError,
    )
    _check_logits(model, logits)
    scale = float(logits.abs().max()) + 1e-12
    again = _answers(model, images[:batch])
    difference = float((again - logits).abs().max()) / scale
    require(
        difference <= 1e-5,
        f"model {model.name} gives different answers to the same images (by {difference:.1e} of the largest logit): "
        "switch off whatever is random in it, such as dropout or test-time augmentation",
        ModelError,
    )
    notes = []
    alone = torch.cat([_answers(model, images[i : i + 1]) for i in range(min(len(images), 8))])
    apart = float((alone - logits[: len(alone)]).abs().max()) / scale
    require(
        apart <= 1e-2,
        f"model {model.name} answers differently when images come alone (by {apart:.1e} of the largest logit): "
        "an image's answer must not depend on the rest of its batch",
        ModelError,
    )
    if bool((alone.argmax(1) != logits[: len(alone)].argmax(1)).any()):
        notes.append("some predictions depend on how images are batched")
    known = labels.to(logits.device)[: len(logits)]
    right = int((logits.argmax(1) == known).sum())
    if right <= 2 * len(logits) / class_count and class_count <= len(logits):
        notes.append(
            f"only {right} of the first {len(logits)} clean images are right, near chance: "
            "check the normalisation and the order of the classes"
        )
    if float(logits.std(0).max()) <= 1e-9 * scale:
        notes.append("the outputs are the same for every image")
    return tuple(notes)


def _check_mode(model: Model) -> None:
    if not isinstance(model, TorchModel):
        return
    modal = [name for name, part in model.module.named_modules() if part.training and isinstance(part, _MODAL)]
    require(
        not modal,
        f"model {model.name} is in training mode ({modal[:2]} would behave otherwise): "
        "call .eval() before handing it over",
        ModelError,
    )


def _answers(model: Model, images: torch.Tensor) -> torch.Tensor:
    try:
        with torch.inference_mode():
            logits = model.logits(images)
    except ModelError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise ModelError(
            f"model {model.name} does not take images of shape {tuple(images.shape)} (float32 in [0, 1], preprocessing "
            f"{model.preprocess}): {type(error).__name__}: {first}; set --resize/--crop for the images, or "
            "--channels/--model-resize/--model-crop for the model"
        ) from error
    require(
        isinstance(logits, torch.Tensor), f"model {model.name} gives {type(logits).__name__}, not a tensor", ModelError
    )
    return logits.to(torch.float32)


def _check_shape(model: Model, logits: torch.Tensor, count: int, class_count: int) -> None:
    require(
        logits.ndim == 2 and len(logits) == count,
        f"model {model.name} gives outputs of shape {tuple(logits.shape)} for {count} images; "
        f"it must be ({count}, classes)",
        ModelError,
    )
    require(
        logits.shape[1] == class_count,
        f"model {model.name} has {logits.shape[1]} outputs and the labels name {class_count} classes; if the data hold "
        "some of the model's classes, list all class names in the order of the outputs with --classes FILE",
        ModelError,
    )


def _check_logits(model: Model, logits: torch.Tensor) -> None:
    inside = bool(((logits >= 0) & (logits <= 1)).all())
    sums = logits.sum(1)
    require(
        not (inside and bool(((sums - 1).abs() < 1e-3).all())),
        f"model {model.name} gives probabilities (between 0 and 1, summing to 1) "
        "instead of logits: leave its softmax out",
        ModelError,
    )


def map_labels(source_classes: Sequence[str], model_classes: Sequence[str]) -> npt.NDArray[np.int32]:
    """For each class of the data, its place among the model's outputs, by name.

    Raises:
        DataError: A class of the data is none of the model's.
    """
    place = {name: i for i, name in enumerate(model_classes)}
    missing = [name for name in source_classes if name not in place]
    require(
        not missing,
        f"{len(missing)} of the data's {len(source_classes)} classes are none of the model's {len(model_classes)}: "
        f"{', '.join(missing[:5])}",
        DataError,
    )
    return np.array([place[name] for name in source_classes], dtype=np.int32)
