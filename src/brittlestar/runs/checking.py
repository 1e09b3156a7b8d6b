"""What is refused before any work: impossible numbers, models that break the contract or know nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.models import check_model
from brittlestar.models.base import ModelInfo
from brittlestar.runs.first import First, first_answers, near_chance_text, refuse_near_chance
from brittlestar.runs.plan import FIRST_BLOCK
from brittlestar.runs.request import Request, Watch


def default_batch(shape: tuple[int, int, int]) -> int:
    """Samples a forward pass: a whole block for small images, fewer for large ones."""
    return 250 if max(shape[1:]) <= 64 else 64 if max(shape[1:]) <= 128 else 25


def sample_count(request: Request) -> int:
    """How many samples are asked for; a UsageError for numbers that are impossible."""
    total = request.source.info.count
    count = total if request.samples is None else request.samples
    for name, number in (("samples", count), ("workers", request.workers), ("batch", request.batch)):
        require(number is None or number >= 1, f"{option(name)} must be at least 1, got {number}", UsageError)
    too_many = f"{option('samples', count)} is more than the {total} images of {request.source.info.spec}"
    require(count <= total, too_many, UsageError)
    for name, value in (("budget", request.budget), ("precision", request.precision)):
        require(value is None or value > 0, f"{option(name)} must be positive, got {value}", UsageError)
    half_width = f"{option('precision')} is a half-width such as 0.02, got {request.precision}"
    require(request.precision is None or request.precision < 0.5, half_width, UsageError)
    names = [model.name for model in request.models]
    require(
        len(set(names)) == len(names),
        f"two models have one name: {names}; name them apart ({option('model', 'NAME=MODEL')})",
        UsageError,
    )
    return count


def checked(
    request: Request, order: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], batch: int, watch: Watch
) -> list[ModelInfo]:
    """What is recorded of every model, once each has been held against the contract on the first images."""
    first = order[: min(FIRST_BLOCK, len(order))]
    pixels = torch.from_numpy(request.source.load(first))
    infos = []
    for model, how in zip(request.models, request.models_how, strict=True):
        watch.note(f"checking {model.name}")
        images = pixels.to(model.device, torch.float32) / 255
        notes = check_model(model, images, torch.from_numpy(labels[: len(first)]), len(request.classes), batch)
        for note in (told := model.outputs.notes(request.classes)):
            watch.note(f"{model.name}: {note}")
        notes = (*notes, *told)
        with torch.inference_mode():
            outputs = int(model.logits(images[:2]).shape[1])
        if not model.differentiable:
            notes = (*notes, "gives no gradients: white-box attacks are left out")
        infos.append(
            ModelInfo(
                name=model.name,
                spec=model.spec,
                fingerprint=model.fingerprint(),
                classes=outputs,
                input_shape=request.source.info.shape,
                preprocess=model.preprocess.as_json(),
                parameters=model.parameters,
                differentiable=model.differentiable,
                notes=notes,
                guards=model.guards,
                how=how,
            )
        )
    twins = {info.fingerprint for info in infos}
    require(len(twins) == len(infos), f"two of the models are the same: {[i.name for i in infos]}", UsageError)
    return infos


@dataclasses.dataclass(frozen=True)
class Near:
    """Models near chance by name with [right, asked], and notes on those that could not be told from it."""

    by_name: dict[str, list[int]]
    notes: dict[str, tuple[str, ...]]


def near_chance(
    request: Request,
    order: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    batch: int,
    watch: Watch,
    count: int,
) -> Near:
    """Ask every model about clean images first; stop, or say what is wrong, where one does no more than guess."""
    if request.judge is None:
        return Near({}, {})
    first: dict[str, First] = {}
    for model in request.models:
        first[model.name] = first_answers(
            model, request.source, order, labels, request.judge, most=count, batch=batch, budget=request.budget
        )
    near = {name: one for name, one in first.items() if one.judgement.near}
    if near:
        others = [name for name in first if name not in near]
        if not request.anyway:
            refuse_near_chance(near, others)
        watch.warn(near_chance_text(near, others))
    open_ = {name: one for name, one in first.items() if one.judgement.near is None and not one.judgement.apart}
    return Near(
        {name: [one.right, one.asked] for name, one in near.items()},
        {
            name: (f"not told apart from chance on clean images: right in {one.judgement.text}",)
            for name, one in open_.items()
        },
    )
