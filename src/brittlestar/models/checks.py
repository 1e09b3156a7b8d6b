"""The contract, checked at the start: each breach has its own clear text."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from brittlestar.core.errors import DataError, ModelError, require, text_of
from brittlestar.core.options import option
from brittlestar.models.answering import ModelFault
from brittlestar.models.base import Model
from brittlestar.models.trying import answers_of
from brittlestar.models.wrap import TorchModel

PROBE = 16
"""How many images the model sees more than once."""

REPEATS = 1e-5
"""Answers to the same images may lie so far apart, as a share of the largest logit, and still be called the same."""


@dataclass(frozen=True)
class Checked:
    """What the check of the contract has seen.

    Fields:
        notes: The model's own, and what was found that does not stop a run.
        logits: (n, classes) float32, the untuned model's answers to the first images, asked in one batch.
        random: How far a second pass was from the first, as a share of the largest logit, if that is more than
            ``REPEATS``: such a model differs from itself. Otherwise 0.
        spread: How far answers to single images were from those of the batch, as a share of the largest logit.
    """

    notes: tuple[str, ...]
    logits: torch.Tensor
    random: float
    spread: float


def check_model(
    model: Model, images: torch.Tensor, labels: torch.Tensor, class_count: int, batch: int
) -> tuple[str, ...]:
    """The notes of ``held_to_contract``, for uses that a random model is no good for.

    Raises:
        ModelError: The breach and what to do about it; a model that differs from itself is one.
    """
    checked = held_to_contract(model, images, labels, class_count, batch)
    require(not checked.random, _differs(model, checked.random), ModelError)
    return checked.notes


def held_to_contract(
    model: Model,
    images: torch.Tensor,
    labels: torch.Tensor,
    class_count: int,
    batch: int,
    spaces: Callable[[int, int], str] = lambda outputs, classes: "",
) -> Checked:
    """Hold a model against the contract on its first images.

    Where gradients turn out not to reach the images, ``model.differentiable`` is set to false. A faster form that the
    model may have from an earlier tuning is taken off: the model itself is checked.

    Args:
        model: The model.
        images: (n, channel, height, width) float32 in [0, 1] on the model's device, n at least 1.
        labels: (n,) as the model numbers them.
        class_count: How many classes the labels may name.
        batch: Samples a forward pass in the run.
        spaces: Says which label spaces would fit a model of so many outputs to so many classes, for the message.

    Raises:
        ModelError: The breach and what to do about it.
    """
    _check_mode(model)
    if isinstance(model, TorchModel):
        # Made of the weights that it had then.
        model.fast = None
    probe = images[: min(batch, PROBE)]
    kept = probe.clone()
    logits = answers_of(model, probe)
    require(
        torch.equal(probe, kept),
        f"model {model.name} writes to the images that it is given: "
        "make its first operation one that leaves them alone (x = x - mean, not x -= mean)",
        ModelError,
    )
    _check_shape(model, logits, len(probe), class_count, labels, spaces)
    # Before all comparisons: NaN would be told as answers that change.
    _check_finite(model, logits)
    _check_logits(model, logits)
    # The small number is for logits that are all 0.
    scale = float(logits.abs().max()) + 1e-12
    # At once, as every pass says anew what its logits were chosen from.
    chosen = [model.taken] if model.taken else []
    random = _random(model, probe, logits, scale)
    # Nothing can be said of what a random model does to single images.
    alone, spread = ([], random) if random else _alone(model, probe, logits, scale)
    notes = [*model.notes, *chosen, *alone, *_gradients(model, probe, labels[: len(probe)])]
    rest = (
        [answers_of(model, piece) for piece in torch.split(images[len(probe) :], batch)]
        if len(images) > len(probe)
        else []
    )
    every = torch.cat([logits, *rest])
    _check_finite(model, every)
    _check_sigmoid(model, every, labels)
    return Checked((*notes, *_looks(every, scale, model.outputs.probabilities)), logits, random, spread)


def answer_time(model: Model, image: torch.Tensor) -> float:
    """Seconds that a model takes to answer to a batch of one image, float32 in [0, 1] on its device.

    Raises:
        ModelError: It is in training mode, or does not take the image.
    """
    _check_mode(model)
    began = time.monotonic()
    # A copy, as the model may write to what it is given; brought here, as a GPU answers before it has computed.
    answers_of(model, image.clone()).cpu()
    return time.monotonic() - began


def in_training_mode(module: nn.Module) -> list[str]:
    """Parts of a module in training mode whose answers depend on the mode: batch norm, dropout and the like."""
    return [f"{name or 'itself'}: {type(part).__name__}" for name, part in module.named_modules() if _minds(part)]


def _minds(part: nn.Module) -> bool:
    if not part.training:
        return False
    # Without running statistics a norm uses the batch in either mode, which _alone finds.
    if isinstance(part, nn.modules.batchnorm._NormBase):
        return part.track_running_stats
    if isinstance(part, nn.modules.dropout._DropoutNd):
        return part.p > 0
    # These keep their dropout as a number, not as a part.
    if isinstance(part, nn.MultiheadAttention | nn.RNNBase):
        return float(part.dropout) > 0
    return isinstance(part, nn.RReLU)


def _check_mode(model: Model) -> None:
    modal = in_training_mode(model.module) if isinstance(model, TorchModel) else []
    require(
        not modal,
        f"model {model.name} is in training mode ({', '.join(modal[:2])}): "
        "call .eval() on it in the factory, or before handing it over",
        ModelError,
    )


def _check_shape(
    model: Model,
    logits: torch.Tensor,
    count: int,
    class_count: int,
    labels: torch.Tensor,
    spaces: Callable[[int, int], str],
) -> None:
    _check_one_number(model, logits, count, class_count)
    require(
        logits.ndim == 2 and len(logits) == count,
        f"model {model.name} gives outputs of shape {tuple(logits.shape)} for {count} images; "
        f"it must be ({count}, classes)",
        ModelError,
    )
    outputs = logits.shape[1]
    require(
        not model.outputs.binary or class_count == 2,
        f"{option('binary', True)} is for two classes, and the labels name {class_count}: leave it out, or give data "
        "of two classes",
        ModelError,
    )
    require(
        outputs >= class_count,
        f"model {model.name} has {outputs} outputs and the labels name {class_count} classes: "
        "it is no model of these data, or the wrong layer was taken as its last"
        + (
            "; or the labels begin at 1, as none of the first is 0: number the classes from 0 (labels - 1)"
            if outputs == class_count - 1 and int(labels.min()) > 0
            else ""
        ),
        ModelError,
    )
    background = "; one output more is often a background class, which the list must name too"
    require(
        outputs == class_count,
        f"model {model.name} has {outputs} outputs and the labels name {class_count} classes; if the data hold some of "
        f"the model's classes, list all class names in the order of the outputs with {option('classes')}"
        + (background if outputs == class_count + 1 else "")
        + spaces(outputs, class_count),
        ModelError,
    )


def _check_one_number(model: Model, logits: torch.Tensor, count: int, class_count: int) -> None:
    single = len(logits) == count and (logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1))
    require(
        not single or class_count != 2,
        f"model {model.name} gives one number an image for two classes: give {option('binary', True)} if it is the "
        f"logit of the second class, with {option('probabilities', True)} too if it is that class's probability (it "
        "ends in a sigmoid)",
        ModelError,
    )
    require(
        not single or class_count == 1,
        f"model {model.name} gives one number an image (outputs of shape {tuple(logits.shape)}), and the labels name "
        f"{class_count} classes: it must give ({count}, {class_count}) logits, not the number of the class",
        ModelError,
    )


def _check_finite(model: Model, logits: torch.Tensor) -> None:
    finite = torch.isfinite(logits).all(1)
    require(
        bool(finite.all()),
        f"model {model.name} gives outputs that are not finite on {int((~finite).sum())} of {len(logits)} clean "
        "images; check its weights and normalisation",
        ModelError,
    )


def _check_logits(model: Model, logits: torch.Tensor) -> None:
    require(
        not (_in_unit(logits) and bool(((logits.sum(1) - 1).abs() < 1e-3).all())),
        f"model {model.name} gives probabilities (between 0 and 1, summing to 1) "
        f"instead of logits: leave its softmax out, or give {option('probabilities', True)}, which takes their "
        "logarithm and leaves gradient attacks out",
        ModelError,
    )


def _check_sigmoid(model: Model, logits: torch.Tensor, labels: torch.Tensor) -> None:
    """One number for two classes that is right as a probability and not as a logit."""
    if not model.outputs.binary or model.outputs.probabilities:
        return
    z = logits[:, 1] - logits[:, 0]
    truth = labels[: len(z)].to(z.device) == 1
    right = [int(((z > at) == truth).sum()) for at in (0.0, 0.5)]
    require(
        not (bool(((z >= 0) & (z <= 1)).all()) and right[1] > right[0]),
        f"model {model.name} gives numbers between 0 and 1 only, right in {right[1]} of {len(z)} images as "
        f"probabilities and in {right[0]} as logits: give {option('probabilities', True)} too, or leave the sigmoid "
        "out",
        ModelError,
    )


def _in_unit(logits: torch.Tensor) -> bool:
    return bool(((logits >= 0) & (logits <= 1)).all())


def _random(model: Model, probe: torch.Tensor, logits: torch.Tensor, scale: float) -> float:
    """How far a second pass is from the first (``Checked.random``); refused where training mode may be why."""
    difference = float((answers_of(model, probe) - logits).abs().max()) / scale
    mode = isinstance(model, TorchModel) and any(part.training for part in model.module.modules())
    require(difference <= REPEATS or not mode, _differs(model, difference, "call .eval() on it, and "), ModelError)
    return difference if difference > REPEATS else 0.0


def _differs(model: Model, difference: float, first: str = "") -> str:
    return (
        f"model {model.name} gives different answers to the same images (by {difference:.1e} of the largest logit): "
        f"{first}switch off whatever is random in it, such as dropout or test-time augmentation"
    )


def _alone(model: Model, probe: torch.Tensor, logits: torch.Tensor, scale: float) -> tuple[list[str], float]:
    """Compare answers to single images with those of the batch: a note where it matters, and how far they lie apart."""
    if len(probe) == 1:
        return [], 0.0
    alone = torch.cat([answers_of(model, probe[i : i + 1]) for i in range(min(len(probe), 4))])
    apart = float((alone - logits[: len(alone)]).abs().max()) / scale
    require(
        # Another batch size may be computed in another order, which moves logits far less than this.
        apart <= 1e-2,
        f"model {model.name} answers differently when images come alone (by {apart:.1e} of the largest logit): "
        "an image's answer must not depend on the rest of its batch (a batch norm without statistics?)",
        ModelError,
    )
    if bool((alone.argmax(1) != logits[: len(alone)].argmax(1)).any()):
        return [
            f"some predictions depend on how images are batched (logits differ by {apart:.1e} of the largest)"
        ], apart
    return [], apart


def _gradients(model: Model, probe: torch.Tensor, labels: torch.Tensor) -> list[str]:
    """Find out whether gradients reach the images; white-box attacks are left out where they do not."""
    if not model.differentiable:
        return []
    # Inside inference mode, where a caller may be, no gradient can be taken.
    with torch.inference_mode(False), torch.enable_grad():
        x = probe[:4].clone().requires_grad_()
        try:
            logits = model.logits(x)
            # The label's logit, not the cross-entropy: the gradient of that is exactly 0 where a model is very sure.
            picked = logits.gather(1, labels[:4, None].to(logits.device, torch.int64)).sum()
            gradient = torch.autograd.grad(picked, x, allow_unused=True)[0] if picked.requires_grad else None
        except (RuntimeError, ModelFault) as error:
            model.differentiable = False
            return [f"taking gradients fails ({text_of(error)})"]
    if gradient is None:
        model.differentiable = False
        return ["its gradients do not reach the images"]
    if not bool(gradient.isfinite().all()):
        model.differentiable = False
        return ["its gradients are not finite"]
    # An attack along gradients of 0 moves nothing, and would show a robustness that is not there.
    if not bool(gradient.any()):
        model.differentiable = False
        return ["its gradients are exactly zero (quantised or saturated?), which says nothing about its robustness"]
    return []


def _looks(logits: torch.Tensor, scale: float, probabilities: bool = False) -> list[str]:
    """What is odd about the answers as a whole."""
    notes = []
    if _in_unit(logits):
        notes.append(
            "all outputs lie in [0, 1]: if they are probabilities, leave the last layer (sigmoid) out, or give "
            + option("probabilities", True)
        )
    elif not probabilities and _in_shares(logits, scale):
        total = f"{float(logits[0].sum()):.4g}"
        notes.append(
            f"the outputs are never negative and sum to {total} for every image: if they are percentages or votes, "
            f"divide them by {total} and give {option('probabilities', True)}"
        )
    elif not probabilities and float(logits.logsumexp(1).abs().max()) < 1e-3:
        # Log-softmax takes the same number off all logits of an image: no answer, margin or loss changes.
        notes.append("the outputs are log-probabilities, which serve as logits")
    if len(logits) > 1 and float((logits - logits[:1]).abs().max()) <= 1e-6 * scale:
        notes.append("the outputs are the same for every image")
    return notes


def _in_shares(logits: torch.Tensor, scale: float) -> bool:
    """Whether the outputs share one number among the classes, differently from image to image."""
    sums = logits.sum(1)
    differ = float((logits - logits[:1]).abs().max()) > 1e-6 * scale
    return differ and bool((logits >= 0).all()) and float((sums - sums[0]).abs().max()) < 1e-4 * float(sums[0])


def map_labels(source_classes: Sequence[str], model_classes: Sequence[str]) -> npt.NDArray[np.int32]:
    """For each class of the data, its place among the model's outputs: by name, or by number.

    Arrays and Parquet files often know their classes only as 0, 1, 2, ...; where no name of the model's is such a
    number, the number is the place of the output.

    Raises:
        DataError: A class of the data is none of the model's.
    """
    place = {name: i for i, name in enumerate(model_classes)}
    # Accents may be written as one character or two (file systems and keyboards differ), and mean the same name.
    forms = {unicodedata.normalize("NFC", name): i for i, name in enumerate(model_classes)}
    place |= {
        name: forms[form]
        for name in source_classes
        if name not in place and (form := unicodedata.normalize("NFC", name)) in forms
    }
    if not any(name in place for name in source_classes):
        place = {str(i): i for i in range(len(model_classes))}
    missing = [name for name in source_classes if name not in place]
    require(
        not missing,
        f"{len(missing)} of the data's {len(source_classes)} classes are none of the model's {len(model_classes)}: "
        f"{', '.join(missing[:5])}; the model's are {', '.join(model_classes[:3])}"
        + (", ..." if len(model_classes) > 3 else "")
        + ": write them as the data's are written, one name a line",
        DataError,
    )
    return np.array([place[name] for name in source_classes], dtype=np.int32)
