"""A model's first answers: what is said of one that does not take the images."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from brittlestar.core.errors import ModelError, require, text_of
from brittlestar.core.options import option
from brittlestar.models.answering import ModelFault
from brittlestar.models.base import Model
from brittlestar.models.wrap import FunctionModel

_CALLED_WRONGLY = re.compile("positional argument|takes no arguments")


def answers_of(model: Model, images: torch.Tensor) -> torch.Tensor:
    """A model's answers to its first images, (n, classes) float32.

    Raises:
        ModelError: It raises something, with what is likely to help.
    """
    try:
        with torch.inference_mode():
            logits = model.logits(images)
    except ModelFault as fault:
        error = fault.__cause__
        if error is None or not fault.usual:
            raise
        first = text_of(error)
        _require_fit(model, images, error)
        declared = {key: value for key, value in model.preprocess.as_json().items() if value is not None}
        told = f"after its preprocessing {declared}" if declared else "without preprocessing"
        hint = _hint(model)
        raise ModelError(
            f"model {model.name} does not take {len(images)} images of shape {tuple(images.shape[1:])} "
            f"(float32 in [0, 1], {told}): {type(error).__name__}: {first}; set "
            f"{option('resize')} or {option('crop')} for the images, or "
            f"{option('channels')}, {option('model_resize')} or {option('model_crop')} for the model{hint}"
        ) from error
    require(
        isinstance(logits, torch.Tensor), f"model {model.name} gives {type(logits).__name__}, not a tensor", ModelError
    )
    return logits.to(torch.float32)


def _require_fit(model: Model, images: torch.Tensor, error: BaseException) -> None:
    """Name two reasons for an error that are no matter of the images' shape."""
    told = f"{type(error).__name__}: {text_of(error)}"
    require(
        not (isinstance(error, TypeError) and _CALLED_WRONGLY.search(told) and not _within(error)),
        f"model {model.name} cannot be called with the images alone ({told}): it must take one argument, the images, "
        "and give the logits",
        ModelError,
    )
    if len(images) == 1:
        return
    try:
        with torch.inference_mode():
            alone = len(model.logits(images[:1].clone())) == 1
    except (ModelFault, ModelError, TypeError):
        alone = False
    require(
        not alone,
        f"model {model.name} takes images one at a time, and not {len(images)} together ({told}): give "
        f"{option('batch', 1)}",
        ModelError,
    )


def _within(error: BaseException) -> bool:
    """Whether the error arose in what the model calls, not where it was called itself."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and Path(last.tb_frame.f_code.co_filename).name not in ("wrap.py", "module.py")


def _hint(model: Model) -> str:
    if model.spec.lower().endswith((".pt2", ".onnx")):
        return "; export it with a dynamic batch size, dynamic_shapes=({0: torch.export.Dim('batch')},)"
    if isinstance(model, FunctionModel):
        return (
            "; the function gets (n, channel, height, width): for (n, height, width, channel) begin it with "
            "x = x.transpose(0, 2, 3, 1), for bytes with x = (255 * x).round().astype('uint8')"
        )
    return ""
