"""What is refused before any work: impossible numbers, models that break the contract or know nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import COMMAND, option, spoken
from brittlestar.core.sizes import at_once
from brittlestar.data.label_spaces import fitting
from brittlestar.models.base import ModelInfo
from brittlestar.models.checks import PROBE, held_to_contract
from brittlestar.runs.budget import Patience
from brittlestar.runs.first import First, first_answers, near_chance_text, refuse_near_chance
from brittlestar.runs.identity import Behaviour, random_text
from brittlestar.runs.request import Request, Watch

FIRST = 50
"""Images that a model is held against the contract with."""


MEMORY = 5 << 28
"""Bytes that working on one image may take: with decoded images, libraries and all it stays below 2 GiB a process."""

FLOATS = {"clean": 4, "shift": 10, "frost": 17}
"""How many float images the most wasteful shifts hold at once, as measured on photographs of 1 and 2 million pixels."""


def default_batch(shape: tuple[int, int, int]) -> int:
    """Samples a forward pass by the number of pixels: a whole block of small images, 1 of the largest."""
    pixels = shape[1] * shape[2]
    if pixels <= 64 * 64:
        return 256
    # All of these divide a block, so that no batch is a remainder.
    return 64 if pixels <= 128 * 128 else max(32 * 256 * 256 // max(pixels, 256 * 256), 1)


def sample_count(request: Request) -> int:
    """How many samples are asked for; a UsageError for numbers that are impossible."""
    total = request.source.info.count
    count = total if request.samples is None else request.samples
    for name, number in (("samples", count), ("workers", request.workers), ("batch", request.batch)):
        require(number is None or number >= 1, f"{option(name)} must be at least 1, got {number}", UsageError)
    too_many = f"{option('samples', count)} is more than the {total} images of {request.source.info.spec}"
    require(count <= total, too_many, UsageError)
    budget = None if request.budget is None else request.budget.seconds
    for name, value in (("budget", budget), ("precision", request.precision)):
        require(value is None or value > 0, f"{option(name)} must be positive, got {value}", UsageError)
    half_width = f"{option('precision')} is a half-width such as 0.02, got {request.precision}"
    require(request.precision is None or request.precision < 0.5, half_width, UsageError)
    names = [model.name for model in request.models]
    require(
        len(set(names)) == len(names),
        f"two models have one name: {names}; {_apart()}",
        UsageError,
    )
    return count


def _apart() -> str:
    if spoken() == COMMAND:
        return f"name them apart ({option('model', 'NAME=MODEL')})"
    return 'name them apart: {"one": MODEL, "other": MODEL}'


def refuse_too_large(request: Request) -> None:
    """Refuse images of which one alone would take too much memory, before anything is made of them.

    Raises:
        UsageError: What to do instead.
    """
    shape = request.source.info.shape
    names = {condition.info.shift for condition in request.conditions}
    shifted = any(condition.definition is not None for condition in request.conditions)
    floats = FLOATS["frost"] if "frost" in names else FLOATS["shift" if shifted else "clean"]
    needed = 4 * floats * math.prod(shape)
    # A GPU has its own memory, and says itself when that is short.
    on_cpu = any(model.device.type == "cpu" for model in request.models)
    require(
        not on_cpu or needed <= MEMORY,
        f"the images are {shape[2]} x {shape[1]} pixels with {shape[0]} channels, and shifting a single one would take "
        f"about {needed / 2**30:.1f} GiB, allowed are {MEMORY / 2**30:.2f}: make them smaller with "
        f"{option('resize')} or {option('crop')}, to what the model is made for",
        UsageError,
    )


def checked(
    request: Request,
    order: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    batch: int,
    watch: Watch,
    patience: Patience,
) -> tuple[list[ModelInfo], list[Behaviour]]:
    """What is recorded of every model, once each has been held against the contract on the first images."""
    first = order[: min(at_once(request.source.info.shape, FIRST), len(order))]
    pixels = torch.from_numpy(request.source.load(first))
    ids = request.source.ids[first]
    infos, seen = [], []
    for model, how in zip(request.models, request.models_how, strict=True):
        watch.note(f"checking {model.name}")
        images = pixels.to(model.device, torch.float32) / 255
        some = patience.contract(model, images, PROBE)
        truth = torch.from_numpy(labels[:some])
        found = held_to_contract(model, images[:some], truth, len(request.classes), batch, fitting)
        seen.append(Behaviour.of(model, ids, found))
        told = model.outputs.notes(request.classes)
        for note in told:
            watch.note(f"{model.name}: {note}")
        notes, guards = (*found.notes, *told), model.guards
        if some < len(images):
            notes = (*notes, _few(model.name, some, len(images), watch))
        if not model.differentiable:
            notes = (*notes, "gives no gradients: white-box attacks are left out")
        if found.random:
            guards = (*guards, random_text(model.name, found.random))
            watch.warn(guards[-1])
        infos.append(
            ModelInfo(
                name=model.name,
                spec=model.spec,
                fingerprint=seen[-1].fingerprint,
                classes=found.logits.shape[1],
                input_shape=request.source.info.shape,
                preprocess=model.preprocess.as_json(),
                parameters=model.parameters,
                differentiable=model.differentiable,
                notes=notes,
                guards=guards,
                how=how,
                random=bool(found.random),
            )
        )
    return infos, seen


def _few(name: str, some: int, usual: int, watch: Watch) -> str:
    """What is said of a model that was not checked as thoroughly as usual."""
    text = f"the contract was checked on {some} instead of {usual} images, as the budget leaves no time for more"
    if some == 1:
        text += "; whether an image's answer depends on its batch was not"
    watch.note(f"{name}: {text}")
    return text


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
    patience: Patience,
    seen: Sequence[Behaviour],
) -> Near:
    """Ask every model about clean images first; stop, or say what is wrong, where one does no more than guess."""
    if request.judge is None:
        return Near({}, {})
    first: dict[str, First] = {}
    for model, behaviour in zip(request.models, seen, strict=True):
        # A slow model is not asked twice what it has just answered.
        known = None if patience.seconds is None else behaviour.logits.argmax(1)
        first[model.name] = first_answers(
            model,
            request.source,
            order,
            labels,
            request.judge,
            most=count,
            batch=batch,
            seconds=patience.seconds,
            known=known,
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
