"""Data sets that hold only some of a model's features: robust or not, and adversarial images under their new labels.

* ``d_rand``, ``d_det``: each image is moved towards another class by a targeted attack and gets that class as its
  label: at random, or the next one. To a person every label (but those drawn equal) is wrong.
* ``d_r``, ``d_nr``: an unrelated image is changed until its features under a model equal those of the image that gives
  the label. With a robust model the result holds robust features (``d_r``), with an ordinary one features of both kinds
  (``d_nr``); the recipe is the same, so the name says which model was given.

Reference:
    Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from brittlestar.core.errors import ModelError, UsageError, require, unknown
from brittlestar.core.files import replacing
from brittlestar.core.keys import SampleKeys
from brittlestar.core.version import VERSION
from brittlestar.models.base import Model, infer
from brittlestar.models.layers import Layer
from brittlestar.shifts.base import Images

KINDS = ("d_rand", "d_det", "d_r", "d_nr")
_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """What was asked for.

    Fields:
        kind: Of ``KINDS``.
        epsilon: L2 radius of the targeted attack, in units of the value range; unused by the inversions.
        steps: Gradient steps of either.
        step_size: Their length (L2), in the same units.
        layer: What the inversions hold equal; the input of the last linear layer by default.
        seed: Of targets and starting images.
    """

    kind: str
    # The paper's for d_rand and d_det on CIFAR-10; its inversions took 1,000 steps of the same length.
    epsilon: float = 0.5
    steps: int = 100
    step_size: float = 0.1
    layer: str = "penultimate"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("feature set", self.kind, KINDS)
        require(
            self.epsilon > 0 and self.steps >= 1 and self.step_size > 0,
            f"epsilon and step size must be positive and steps at least 1, got {self.epsilon}, {self.step_size} and "
            f"{self.steps}",
            UsageError,
        )


@dataclass(frozen=True)
class Built:
    """Images as they are stored (uint8), their labels, and what is known of them."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    facts: dict[str, Any]


def build_features(
    what: FeatureSet,
    model: Model,
    images: torch.Tensor,
    labels: torch.Tensor,
    ids: npt.NDArray[np.str_],
    classes: int,
    say: Callable[[str], None] = lambda _: None,
) -> Built:
    """Make the set.

    Everything known of it is measured on the images as stored, rounded to 8 bits.

    Args:
        what: Kind and strength.
        model: Whose features; in evaluation mode.
        images: (n, channel, height, width) uint8.
        labels: (n,) int64.
        ids: (n,) sample ids; targets and starting images depend on them and the seed.
        classes: How many.
        say: Told how far it is.

    Raises:
        ModelError: No gradients, or no such layer.
    """
    require(model.differentiable, f"model {model.name} gives no gradients, which {what.kind} needs", ModelError)
    keys = SampleKeys.of(what.seed, [str(i) for i in ids])
    targeted = what.kind in ("d_rand", "d_det")
    new = _targets(what, labels, keys, classes) if targeted else labels
    other = _others(labels, keys)
    layer = None if targeted else Layer(model, what.layer)
    made = torch.empty_like(images)
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        x = images[part].to(torch.float32) / 255
        if layer is None:
            y = towards(model, x, new[part].to(x.device), what.epsilon, what.steps, what.step_size)
        else:
            y = inverted(layer, x, images[other[part]].to(torch.float32) / 255, what.steps, what.step_size)
        # 8 bits undo a part of so small a change: what is told of the set is measured after this.
        made[part] = (y * 255).round().to(torch.uint8)
        say(f"{min(start + _BATCH, len(images)):,} of {len(images):,} images")
    facts: dict[str, Any] = {
        "set": asdict(what),
        "model": {"name": model.name, "fingerprint": model.fingerprint()},
        "version": VERSION,
    }
    moved = ((made.to(torch.float32) - images.to(torch.float32)) / 255).flatten(1).norm(dim=1)
    if targeted:
        facts["reached_target"] = float((infer(model, made).argmax(1) == new.to(model.device)).float().mean())
        facts["mean_l2"] = float(moved.mean())
        facts["kept_label"] = float((new == labels).float().mean())
    else:
        assert layer is not None
        facts["feature_distance"] = _distance_left(layer, made, images, other)
    return Built(made.cpu().numpy(), new.cpu().numpy().astype(np.int32), facts)


def _targets(what: FeatureSet, labels: torch.Tensor, keys: SampleKeys, classes: int) -> torch.Tensor:
    if what.kind == "d_det":
        return (labels + 1) % classes
    # Among all classes, the image's own too, as in the paper.
    return (keys.stream("target").uniform((1,))[:, 0].double() * classes).long().clamp_max(classes - 1)


def _others(labels: torch.Tensor, keys: SampleKeys) -> torch.Tensor:
    """(n,) another place for each image, never its own: the next one in a keyed order."""
    order = keys.stream("start").bits64(1)[:, 0].argsort()
    other = torch.empty_like(order)
    # A ring through all places: a permutation would leave some where they are.
    other[order] = order.roll(1)
    return other


def towards(
    model: Model, images: Images, targets: torch.Tensor, epsilon: float, steps: int, step_size: float
) -> Images:
    """Targeted PGD in the L2 ball and the pixel box: descends the cross-entropy of the targets, from the images."""
    x = images.clone()
    for _ in range(steps):
        x.requires_grad_(True)
        with torch.enable_grad():
            loss = functional.cross_entropy(model.logits(x), targets, reduction="sum")
        step = torch.autograd.grad(loss, x)[0]
        with torch.no_grad():
            offset = x - step_size * step / _norm(step) - images
            offset *= (epsilon / _norm(offset)).clamp_max(1)
            x = (images + offset).clamp_(0, 1)
    return x.detach()


def inverted(layer: Layer, images: Images, starts: Images, steps: int, step_size: float) -> Images:
    """Images near ``starts`` whose features are those of ``images``: normalised descent of the distance, in [0, 1]."""
    with torch.no_grad():
        wanted = layer(images)
    x = starts.clone()
    best, least = x, torch.full((len(x),), torch.inf, device=x.device)
    # One pass more than steps: the last iterate is judged too.
    for step in range(steps + 1):
        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            distance = (layer(x) - wanted).norm(dim=1)
            total = distance.sum()
        closer = distance.detach() < least
        best = torch.where(closer[:, None, None, None], x.detach(), best)
        least = torch.where(closer, distance.detach(), least)
        if step < steps:
            slope = torch.autograd.grad(total, x)[0]
            x = (x.detach() - step_size * slope / _norm(slope)).clamp_(0, 1)
    return best


def _norm(x: Images) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True)
    # A gradient of 0 gives no step instead of NaN.
    return lengths.clamp_min(1e-12)


@torch.no_grad()
def _distance_left(layer: Layer, made: torch.Tensor, images: torch.Tensor, other: torch.Tensor) -> float:
    """Mean feature distance to the wanted image, relative to that of the starting image."""
    before = after = 0.0
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        wanted, began, ended = (
            layer(x.to(torch.float32) / 255) for x in (images[part], images[other[part]], made[part])
        )
        before += float((began - wanted).norm(dim=1).sum())
        after += float((ended - wanted).norm(dim=1).sum())
    return after / max(before, 1e-12)


def write_set(built: Built, classes: tuple[str, ...], path: Path, facts: dict[str, Any]) -> None:
    """``path`` (``.npz`` with x, y and classes, as every command reads it) and beside it its manifest, ``.json``.

    Raises:
        UsageError: Another ending.
    """
    require(path.suffix == ".npz", f"{path}: a set is written as .npz", UsageError)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, x=built.images, y=built.labels, classes=np.array(classes))
    with replacing(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps({**facts, **built.facts}, indent=2) + "\n", encoding="utf-8")
