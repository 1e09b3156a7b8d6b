"""The training loop: plain torch, the same result for the same seed, stopped and gone on with or not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from brittlestar.core.errors import ModelError, UsageError, require
from brittlestar.core.files import replacing
from brittlestar.core.keys import SampleKeys, word_of
from brittlestar.core.options import option
from brittlestar.core.version import VERSION
from brittlestar.models.answering import ModelFault
from brittlestar.models.base import Model, Preprocess
from brittlestar.models.files import METADATA
from brittlestar.models.wrap import TorchModel
from brittlestar.shifts.base import Images
from brittlestar.training.checkpoint import Checkpoint
from brittlestar.training.recipes import Recipe

Labelled: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the weights are moved; what the images are is the recipe's.

    Fields:
        epochs: Passes over the data; at least 1.
        batch: Samples a step; at least 1.
        rate: Highest learning rate.
        optimiser: ``adam``, or ``sgd`` with Nesterov momentum 0.9.
        schedule: ``one-cycle``, or ``cosine`` down to 0.
        weight_decay: At least 0.
        jitter: Each image is moved by up to this many pixels in each direction, black beyond its edge.
        flip: Mirror every other image left to right.
        ema: Keep an exponential moving average of the weights and of batch norm's statistics, and give that; 0 keeps
            none. The decay is this, at step t at most (1 + t) / (10 + t), so that few steps do not leave the first
            weights in it.
        amp: Automatic mixed precision (bfloat16).
        channels_last: Memory format of the network.
    """

    epochs: int
    batch: int = 64
    rate: float = 4e-3
    optimiser: str = "adam"
    schedule: str = "one-cycle"
    weight_decay: float = 0.0
    jitter: int = 0
    flip: bool = False
    ema: float = 0.0
    amp: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        require(
            min(self.epochs, self.batch) >= 1 and self.rate > 0 and self.jitter >= 0 and self.weight_decay >= 0,
            "epochs and batch must be at least 1, rate above 0, jitter and weight decay at least 0, got "
            f"{(self.epochs, self.batch, self.rate, self.jitter, self.weight_decay)}",
            UsageError,
        )
        require(0 <= self.ema < 1, f"ema must be in [0, 1), got {self.ema}", UsageError)
        for what, allowed in (("optimiser", ("adam", "sgd")), ("schedule", ("one-cycle", "cosine"))):
            value = getattr(self, what)
            require(value in allowed, f"{what} is {' or '.join(allowed)}, got {value!r}", UsageError)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What is told after an epoch.

    Fields:
        number, of: Which one, of how many.
        loss: Mean over the training images.
        accuracy: On the held-out images, filtered where the recipe filters, of the weights that are saved (their
            average where one is kept); ``None`` without any.
        warning: The recipe's; empty when all is well.
    """

    number: int
    of: int
    loss: float
    accuracy: float | None = None
    warning: str = ""


def train(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    plan: Plan,
    *,
    seed: int,
    preprocess: Preprocess | None = None,
    validation: Labelled | None = None,
    checkpoint: Path | None = None,
    identity: str = "",
    progress: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train a module in place.

    With the same initial weights, arguments and number of torch threads, the result is the same to the last bit, also
    if it was killed on the way and called again with the same ``checkpoint``.

    Args:
        module: On the images' device; its weights must have been made from a seed by the caller.
        images: (n, channel, height, width) uint8.
        labels: (n,) int64.
        recipe: What happens to each batch, after jitter and mirror, and what loss it gives.
        plan: How the weights are moved.
        seed: Of the order and of every draw.
        preprocess: The module's own normalisation.
        validation: Held-out images and labels for the accuracy after every epoch.
        checkpoint: A file that holds the state after the last finished epoch.
        identity: Of data and network: a checkpoint with another one is refused.
        progress: Called after every epoch.

    Returns:
        All epochs, those before a resumption included. The module is left in evaluation mode.

    Raises:
        UsageError: Impossible arguments, or a checkpoint of another training.
    """
    require(len(images) == len(labels) > 0, f"{len(images)} images and {len(labels)} labels", UsageError)
    require(images.dtype == torch.uint8, f"training takes uint8 images, got {images.dtype}", UsageError)
    if plan.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = TorchModel(module, name="training", spec="", preprocess=preprocess or Preprocess(), identity="")
    optimiser = _optimiser(module, plan)
    sizes = batches(len(images), plan.batch)
    steps = len(sizes) * plan.epochs
    schedule = _schedule(optimiser, plan, steps)
    average = {k: v.detach().clone() for k, v in module.state_dict().items()} if plan.ema else {}
    # On the CPU, so that every device sees the same order.
    generator = torch.Generator().manual_seed(seed)
    samples = SampleKeys.of(seed, [str(i) for i in range(len(images))], images.device)
    history: list[Epoch] = []
    kept = (
        Checkpoint(checkpoint, [recipe.fingerprint(), asdict(plan), seed, len(images), identity])
        if checkpoint
        else None
    )
    if kept is not None:
        history = [Epoch(**row) for row in kept.load(module, optimiser, schedule, average)]
    # As many draws as the finished epochs took, so that the order goes on where it stopped.
    for _ in history:
        torch.randperm(len(images), generator=generator)
    recipe = recipe.measured(images, samples)
    for epoch in range(len(history), plan.epochs):
        keys = samples.stream("train", epoch)
        order = torch.randperm(len(images), generator=generator).to(images.device)
        # Summed on the device: asking it for a number at every step would wait for it.
        total = torch.zeros((), dtype=torch.float64, device=images.device)
        with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
            torch.manual_seed(word_of(seed, "layers", epoch) & 0x7FFFFFFF)  # For dropout and the like.
            for step, piece in enumerate(torch.split(order, sizes), start=epoch * len(sizes)):
                x, y = _drawn(images[piece], keys[piece], plan), labels[piece]
                # bfloat16 has float32's range, so that losses need no scaling.
                with torch.autocast(x.device.type, torch.bfloat16, enabled=plan.amp):
                    # So that recipes that ask the model, such as attacks, move no statistics of batch norm.
                    module.eval()
                    prepared = recipe.prepare(model, x, y, keys[piece])
                    module.train()
                    loss = recipe.loss(model, prepared, x, y, keys[piece])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                _follow(average, module, min(plan.ema, (1 + step) / (10 + step)))
                total += loss.detach() * len(piece)
        module.eval()
        with _averaged(module, average):
            history.append(_told(model, recipe, epoch, plan, float(total) / len(images), validation, samples))
        if kept is not None:
            # After _averaged: the module has its own weights again, and the average lies beside them.
            kept.save(module, optimiser, schedule, average, [asdict(row) for row in history])
        # Told once it is saved: who stops it here loses nothing.
        progress(history[-1])
    if average:
        module.load_state_dict(average)
    module.eval()
    return history


def trial(
    module: nn.Module, preprocess: Preprocess, images: torch.Tensor, labels: torch.Tensor, classes: int, name: str
) -> None:
    """Take one step's gradient and put everything back, so that what cannot be trained is refused in one line.

    Args:
        module, preprocess: The network.
        images, labels: As few as the smallest batch may have.
        classes: Of the data.
        name: Of the network, for people.

    Raises:
        ModelError: What went wrong, and what to do.
    """
    before = {key: value.detach().clone() for key, value in module.state_dict().items()}
    module.train()
    model = TorchModel(module, name=name, spec="", preprocess=preprocess, identity="")
    try:
        with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
            logits = model.logits(images.to(torch.float32) / 255)
        require(
            logits.shape == (len(images), classes),
            f"it gives outputs of shape {tuple(logits.shape)} for {len(images)} images of {classes} classes",
            ModelError,
        )
        functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError, ModelError) as error:
        # What the module itself raised; that it did so while a model was asked is no news here.
        raised = error.__cause__ if isinstance(error, ModelFault) and error.__cause__ is not None else error
        shape = " x ".join(str(side) for side in images.shape[1:])
        alone = f", or {option('batch')} of at least 2" if len(images) == 1 else ""
        raise ModelError(
            f"{name} cannot be trained on images of {shape}, {len(images)} at a time "
            f"({(str(raised).strip().splitlines() or [type(raised).__name__])[0][:200]}): "
            f"take another architecture, or other sizes ({option('resize')}, {option('crop')}){alone}"
        ) from error
    module.zero_grad(set_to_none=True)
    module.load_state_dict(before)
    module.eval()


def batches(count: int, size: int) -> list[int]:
    """The sizes of an epoch's batches; a last image that would stand alone joins the batch before it.

    Batch norm cannot be trained on one value a channel, and recipes that mix images need two.
    """
    sizes = [min(size, count - start) for start in range(0, count, size)]
    if len(sizes) > 1 and sizes[-1] == 1 < size:
        sizes[-2:] = [size + 1]
    return sizes


def _optimiser(module: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    if plan.optimiser == "adam":
        # Without weight decay this is Adam.
        return torch.optim.AdamW(module.parameters(), lr=plan.rate, weight_decay=plan.weight_decay)
    return torch.optim.SGD(
        module.parameters(), lr=plan.rate, momentum=0.9, nesterov=True, weight_decay=plan.weight_decay
    )


def _schedule(optimiser: torch.optim.Optimizer, plan: Plan, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    if plan.schedule == "one-cycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)


def _drawn(images: torch.Tensor, keys: SampleKeys, plan: Plan) -> Images:
    x = images.to(torch.float32) / 255
    if plan.jitter:
        x = jittered(x, keys, plan.jitter)
    if plan.flip:
        mirrored = keys.stream("flip").uniform((1,))[:, :, None, None] < 0.5
        x = torch.where(mirrored, x.flip(3), x)
    return x


def _follow(average: dict[str, torch.Tensor], module: nn.Module, decay: float) -> None:
    if not average:
        return
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                average[key].lerp_(value, 1 - decay)
            else:
                # Counters, such as batch norm's number of batches.
                average[key].copy_(value)


@contextlib.contextmanager
def _averaged(module: nn.Module, average: dict[str, torch.Tensor]) -> Iterator[None]:
    """Inside, the module has the averaged weights, if any are kept."""
    if not average:
        yield
        return
    own = {key: value.detach().clone() for key, value in module.state_dict().items()}
    module.load_state_dict(average)
    try:
        yield
    finally:
        module.load_state_dict(own)


def _told(
    model: TorchModel,
    recipe: Recipe,
    epoch: int,
    plan: Plan,
    loss: float,
    validation: Labelled | None,
    samples: SampleKeys,
) -> Epoch:
    if validation is None:
        return Epoch(number=epoch + 1, of=plan.epochs, loss=loss)
    images, labels = validation
    right = accuracy(model, recipe, validation)
    few = slice(0, 200)
    # The same draws after every epoch, so that epochs can be compared.
    keys = SampleKeys.of(0, [f"held out {i}" for i in range(len(images[few]))], images.device)
    warning = recipe.warning(model, images[few].to(torch.float32) / 255, labels[few], keys)
    constant = float(torch.bincount(labels).max()) / len(labels)
    # Not above always giving the largest class by more than a standard error (rounded up: 1 - constant is left out).
    if not warning and 2 * (epoch + 1) >= plan.epochs > 1 and right <= constant + (constant / len(labels)) ** 0.5:
        warning = "no better than always answering one class: a lower rate or a milder recipe may help"
    return Epoch(number=epoch + 1, of=plan.epochs, loss=loss, accuracy=right, warning=warning)


def accuracy(model: Model, recipe: Recipe, held: Labelled) -> float:
    """Share of held-out images answered rightly, filtered where the recipe filters; in [0, 1]."""
    images, labels = held
    pieces = torch.split(images, 250)
    with torch.no_grad():
        found = [model.logits(recipe.typical(piece.to(torch.float32) / 255)).argmax(1) for piece in pieces]
    return float((torch.cat(found) == labels).double().mean())


def jittered(x: Images, keys: SampleKeys, reach: int) -> Images:
    """Each image moved by whole pixels, up to ``reach`` in each direction; black comes in at the edges."""
    n, channels, height, width = x.shape
    padded = functional.pad(x, (reach, reach, reach, reach))
    offset = keys.stream("jitter").integers((2,), 0, 2 * reach + 1)
    rows = offset[:, :1] + torch.arange(height, device=x.device)
    columns = offset[:, 1:] + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def save_weights(module: nn.Module, path: Path, facts: dict[str, Any]) -> None:
    """Write a ``.safetensors`` state dict, whole or not at all, with ``facts`` (JSON) in its metadata.

    Loading reads ``preprocess`` (fields of ``Preprocess``) and ``architecture``, and tells ``recipe``, ``fields``,
    ``epochs``, ``seed`` and the name of the ``start``.
    """
    from safetensors.torch import save

    facts = facts | {"versions": {"brittlestar": VERSION, "torch": torch.__version__}}
    # Clones: safetensors refuses tensors that share memory.
    state = {key: value.detach().cpu().contiguous().clone() for key, value in module.state_dict().items()}
    with replacing(path) as beside:
        # Sorted: the order in which facts were gathered must not show in the bytes.
        # Not save_file, whose errors of a full disk are none of the system's.
        beside.write_bytes(save(state, {METADATA: json.dumps(facts, sort_keys=True)}))
