"""The pure function that fills cells: images, keys, labels, a model and conditions in; rows out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Sequence_

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.attacks.base import Attack
from brittlestar.core import whereabouts
from brittlestar.core.condition import TIME
from brittlestar.core.errors import ModelError
from brittlestar.core.keys import SampleKeys
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.rows import FULL_LOGITS_UP_TO, TOP, Rows
from brittlestar.models.base import Model
from brittlestar.models.label_scores import class_scores
from brittlestar.runs.around import Places, Surroundings, fill_around
from brittlestar.runs.truths import Truths, answers_folded, attacked_as, folded
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.conditions import Condition
from brittlestar.shifts.sequence_base import Sequence
from brittlestar.shifts.storage import stored
from brittlestar.shifts.transplant import Transplant

WINDOW = 21.0
"""Frames that a sample of a clip is usually shown with: ten on either side."""

Pictures = Callable[[slice], list[torch.Tensor]]
"""Gives the (channel, height, width) uint8 pictures, of sizes of their own, that some of the images were cut from."""


def passes(condition: Condition) -> float:
    """About how many forward passes a sample a condition costs (a backward pass counts as two)."""
    definition = condition.definition
    if condition.info.kind == TIME:
        return WINDOW
    if isinstance(definition, Sequence | Transplant):
        return float(definition.count)
    # A forward and a backward pass a step, and one more pass for the answer to the result.
    return 3.0 * getattr(definition, "steps", 1) + 1 if isinstance(definition, Attack) else 1.0


def perturbed(
    condition: Condition,
    images: Images,
    labels: torch.Tensor,
    keys: SampleKeys,
    model: Model | None,
    truths: torch.Tensor | None = None,
) -> Images:
    """Float32 images of one batch under a condition; attacks need the model, and what is right where that is several
    classes."""
    definition = condition.definition
    if definition is None:
        return images
    if isinstance(definition, Attack):
        assert model is not None
        model = model if truths is None else attacked_as(model, labels, truths)
        return definition.perturb(model, images, labels, keys)
    assert isinstance(definition, Shift)
    with torch.inference_mode():
        return stored(definition.compute(images, keys), condition.info.storage)


def fill(
    images: Images,
    labels: npt.NDArray[np.int32],
    positions: npt.NDArray[np.int32],
    keys: SampleKeys,
    condition: Condition,
    models: Sequence_[Model],
    batch: int,
    pictures: Pictures | None = None,
    truths: Truths | None = None,
    around: Surroundings | None = None,
) -> list[Rows]:
    """Rows of one condition for each model.

    Args:
        images: (n, channel, height, width) uint8 on the models' device.
        labels, positions: (n,).
        keys: The samples' keys, on the same device.
        condition: What is done to the images.
        models: All on one device.
        batch: Samples a forward pass.
        pictures: What the images were cut from, for sequences that show what lies around them.
        truths: (n, most) right classes, where there are several a sample.
        around: The frames around the images, for the condition that shows them.

    Raises:
        ModelError: A model gave a number that is not finite.
    """
    target = torch.from_numpy(labels).to(images.device, torch.int64)
    right = None if truths is None else torch.from_numpy(truths).to(images.device, torch.int64)
    if isinstance(condition.definition, Sequence):
        made = frames(condition.definition, images, keys, pictures, batch)
        return _fill_frames(condition.definition.count, made, target, labels, positions, condition, models, right)
    if around is not None:

        def frames_of(model: Model, outputs: torch.Tensor, owner: Places, place: Places) -> Rows:
            own = torch.from_numpy(owner).to(images.device)
            right_there = around.right(right, target, own, place)
            of = target[own], labels[owner], positions[owner]
            return rows_of(outputs, *of, condition, model.name, model.space, right_there)

        return fill_around(images, models, batch, around, frames_of)
    if isinstance(condition.definition, Transplant):
        made = _transplanted(condition.definition, images, labels, keys, batch)
        return _fill_frames(condition.definition.count, made, target, labels, positions, condition, models, right)
    parts: list[list[torch.Tensor]] = [[] for _ in models]
    for piece in _slices(len(images), batch):
        plain = images[piece].to(torch.float32).div_(255)
        shared = None
        for place, model in enumerate(models):
            x = shared
            if x is None:
                own = None if right is None else right[piece]
                x = perturbed(condition, plain, target[piece], keys[piece], model, own)
                # A shift knows no model and is made once for all; an attack is made for each.
                shared = None if isinstance(condition.definition, Attack) else x
            parts[place].append(_answers(model, x))
    return [
        rows_of(torch.cat(logits), target, labels, positions, condition, model.name, model.space, right)
        for model, logits in zip(models, parts, strict=True)
    ]


def _answers(model: Model, x: Images) -> torch.Tensor:
    """All outputs of the model, before any label space."""
    with torch.inference_mode():
        return model.all_outputs(x).detach().to(torch.float32)


def frames(
    sequence: Sequence, images: Images, keys: SampleKeys, pictures: Pictures | None, batch: int
) -> Iterator[tuple[int, Images]]:
    """(number, frame) of one batch after another, float32 in [0, 1]; pictures of one size are worked on together."""
    for piece in _slices(len(images), batch):
        if pictures is None:
            yield from enumerate(sequence.compute(images[piece].to(torch.float32).div_(255), keys[piece]))
            continue
        alike: dict[torch.Size, list[int]] = {}
        whole = pictures(piece)
        for place, picture in enumerate(whole):
            alike.setdefault(picture.shape, []).append(place)
        groups = [torch.tensor(places) for places in alike.values()]
        made = [
            sequence.compute(
                torch.stack([whole[i] for i in group.tolist()]).to(images.device, torch.float32).div_(255),
                keys[piece][group.to(images.device)],
            )
            for group in groups
        ]
        back = torch.cat(groups).argsort().to(images.device)
        yield from ((number, torch.cat(parts)[back]) for number, parts in enumerate(zip(*made, strict=True)))


def _transplanted(
    definition: Transplant, images: Images, labels: npt.NDArray[np.int32], keys: SampleKeys, batch: int
) -> Iterator[tuple[int, Images]]:
    for piece in _slices(len(images), batch):
        plain = images[piece].to(torch.float32).div_(255)
        yield from enumerate(definition.frames(plain, labels[piece], keys[piece]))


def _fill_frames(
    count: int,
    made: Iterator[tuple[int, Images]],
    target: torch.Tensor,
    labels: npt.NDArray[np.int32],
    positions: npt.NDArray[np.int32],
    condition: Condition,
    models: Sequence_[Model],
    right: torch.Tensor | None,
) -> list[Rows]:
    """Rows of every frame for each model, sorted by (position, frame); only one frame of a batch is held."""
    frames: list[list[list[torch.Tensor]]] = [[[] for _ in range(count)] for _ in models]
    for number, frame in made:
        with torch.inference_mode():
            kept = stored(frame, condition.info.storage)
        for place, model in enumerate(models):
            frames[place][number].append(_answers(model, kept))
    answers = []
    for model, by_frame in zip(models, frames, strict=True):
        parts = [
            dataclasses.replace(
                rows_of(torch.cat(logits), target, labels, positions, condition, model.name, model.space, right),
                frame=np.full(len(positions), number, np.int16),
            )
            for number, logits in enumerate(by_frame)
        ]
        answers.append(Rows.concatenate(parts).sorted())
    return answers


def _slices(count: int, batch: int) -> Iterator[slice]:
    return (slice(start, min(start + batch, count)) for start in range(0, count, batch))


def rows_of(
    outputs: torch.Tensor,
    target: torch.Tensor,
    labels: npt.NDArray[np.int32],
    positions: npt.NDArray[np.int32],
    condition: Condition,
    model: str,
    space: LabelSpace | None,
    right: torch.Tensor | None,
) -> Rows:
    """Rows of one condition.

    Args:
        outputs: (n, outputs) logits.
        target, labels: (n,) the same, on the device and here.
        positions: (n,).
        condition: What the images were.
        model: Name, for messages.
        space: What makes the outputs scores of the data's classes.
        right: (n, most) right classes, where there are several a sample.

    Raises:
        ModelError: A number that is not finite.
    """
    logits = outputs if space is None else class_scores(outputs, space, model)
    full = condition.info.detail == "full"
    others = space.answers(outputs.cpu().numpy()) if space is not None and full else None
    if right is not None:
        logits = folded(logits, target, right)
        others = None if others is None else answers_folded(others, labels, right.to(torch.int32).cpu().numpy())
    classes = logits.shape[1]
    top_logit, prediction = logits.max(1)
    log_sum_exp = logits.logsumexp(1)
    # One number a sample tells: a NaN or +inf of any class ends up in it.
    every_sum = log_sum_exp if space is None else outputs.logsumexp(1) + log_sum_exp
    if not bool(torch.isfinite(every_sum).all()):
        raise ModelError(
            f"model {model} gave outputs that are not finite {whereabouts.told(model=False)}; "
            "everything computed so far is kept"
        )
    top_classes = top_logits = every = None
    if full and classes <= FULL_LOGITS_UP_TO:
        every = logits.cpu().numpy()
    elif full:
        values, index = logits.topk(min(TOP, classes), dim=1)
        top_logits, top_classes = values.cpu().numpy(), index.to(torch.int32).cpu().numpy()
    return Rows(
        position=positions,
        frame=np.zeros(len(positions), np.int16),
        label=labels,
        prediction=prediction.to(torch.int32).cpu().numpy(),
        label_logit=logits.gather(1, target[:, None])[:, 0].cpu().numpy(),
        top_logit=top_logit.cpu().numpy(),
        log_sum_exp=log_sum_exp.cpu().numpy(),
        top_classes=top_classes,
        top_logits=top_logits,
        logits=every,
        others=others,
    )
