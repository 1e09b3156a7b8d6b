"""The one contract: images float in [0, 1], (batch, channel, height, width), in; logits (batch, classes) out.

A model owns its resizing and normalisation (``Preprocess``), which always happen after the shift.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any

import torch

from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.core.preparation import FILTERS, ROUNDINGS, crop_start, resized_size
from brittlestar.models.answering import answering
from brittlestar.models.label_scores import in_classes
from brittlestar.models.outputs import PLAIN, Outputs
from brittlestar.models.resample import resample
from brittlestar.models.units import in_units_of_255, what_to_give


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What a model does to images in [0, 1] before its first layer, in this order.

    Fields:
        channels: 1 or 3; grey images are repeated, colour images reduced by Rec. 601 luma; ``None`` leaves them.
        resize: Shorter side in pixels; ``None`` leaves the size. Sizes are torchvision's, see ``models.resample``.
        resize_filter: One of ``core.preparation.FILTERS``; ``None`` is bilinear, as in torchvision.
        crop: Central square in pixels, where torchvision cuts it; ``None`` keeps all.
        mean, std: Per channel (or one for all), in units of [0, 1]: ``(x - mean) / std``.

    Raises:
        ModelError: A number that is impossible.
    """

    channels: int | None = None
    resize: int | None = None
    resize_filter: str | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        require(self.channels in (None, 1, 3), f"a model's channels must be 1 or 3, got {self.channels}", ModelError)
        for what in ("resize", "crop"):
            size = getattr(self, what)
            require(size is None or size >= 1, f"a model's {what} must be at least 1 pixel, got {size}", ModelError)
        if self.resize_filter is not None and self.resize_filter not in FILTERS:
            raise ModelError(str(unknown("resize filter", str(self.resize_filter), FILTERS)))
        for what in ("mean", "std"):
            values = getattr(self, what)
            require(
                values is None or all(math.isfinite(value) for value in values),
                f"a model's {what} must be finite numbers, got {values}",
                ModelError,
            )
            require(
                values is None or len(values) in (1, 3),
                f"a model's {what} must be one number or one a channel (1 or 3), got {values}",
                ModelError,
            )
        require(
            self.std is None or all(v > 0 for v in self.std),
            f"a model's std must be positive, got {self.std}",
            ModelError,
        )
        if in_units_of_255(self.mean, self.std):
            raise ModelError(what_to_give(self.mean, self.std))

    def as_json(self) -> dict[str, Any]:
        """Plain values for the manifest and the fingerprint; what changes no pixel is left out of the filter's."""
        found = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}
        del found["resize_filter"]
        if self.resize is not None:
            found["resize_filter"] = self.resize_filter or FILTERS[0]
        if self.resize is not None or self.crop is not None:
            # Sizes and offsets were rounded otherwise once; a model that resizes or crops is another one since then.
            found["rounding"] = ROUNDINGS[0]
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a run records about a model.

    Fields:
        name: Display name, unique in a run.
        spec: What the person typed, or how the object was given.
        fingerprint: 16 hexadecimal digits, what its rows are stored under: over weights, code identity and
            preprocessing, and over its behaviour where another one was seen with the same files before.
        classes: Number of outputs.
        input_shape: (channel, height, width) it was checked with.
        preprocess: See ``Preprocess.as_json``.
        parameters: Number of weights; ``None`` where unknown.
        differentiable: Whether attacks may take gradients.
        notes: Warnings of the check that did not stop the run, and facts such as the training recipe.
        guards: What a person must know before believing a number, told first.
        how: The fields of the ``ModelSpec`` that loads it again; empty for objects given from Python.
        files: 16 hexadecimal digits over weights, code identity and preprocessing alone; lacking in old run folders,
            where it is ``fingerprint``.
        random: Whether two passes over the same images differ.
    """

    name: str
    spec: str
    fingerprint: str
    classes: int
    input_shape: tuple[int, int, int]
    preprocess: dict[str, Any]
    parameters: int | None = None
    differentiable: bool = False
    notes: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    how: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: str = ""
    random: bool = False


class Model(ABC):
    """A loaded model. ``logits`` keeps the contract.

    Attributes:
        name: For people, unique in a run.
        spec: What the person typed, or how the object was given.
        device: Where it takes images.
        preprocess: Its own resizing and normalisation, part of ``logits``.
        differentiable: Whether gradients reach the images; the check of the contract finds out.
        notes: Facts worth a line in the report, such as the training recipe.
        guards: What a person must know before believing a number.
        outputs: How what it gives becomes logits.
        taken: What the logits were chosen from when it last answered; empty where it gave nothing else.
        space: What makes its outputs scores of the data's classes (``Source.space``); ``None`` where they are the same.
    """

    name: str
    spec: str
    device: torch.device
    preprocess: Preprocess
    outputs: Outputs = PLAIN
    taken: str = ""
    differentiable: bool = False
    notes: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    space: LabelSpace | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        # Here and not in each kind of model, so that none can forget it, those that are made elsewhere included.
        if "logits" in vars(cls):
            cls.all_outputs = answering(cls.logits)  # type: ignore[method-assign, assignment]
            cls.logits = in_classes(cls.all_outputs)  # type: ignore[method-assign, assignment]

    @abstractmethod
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, classes) float32 logits of (batch, channel, height, width) float32 images on ``device``.

        Runs under whatever gradient mode the caller set; preprocessing is part of it. What the model's own code raises
        is a ``ModelError`` (``models.answering``). With a ``space`` the classes are the data's, those of the space.
        """

    def all_outputs(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, outputs): the same without the label space."""
        raise NotImplementedError  # made of ``logits`` when the class is

    @abstractmethod
    def fingerprint(self) -> str:
        """16 hexadecimal digits over weights, code identity and preprocessing."""

    @property
    def parameters(self) -> int | None:
        """Number of weights, where known."""
        return None


def apply_preprocess(images: torch.Tensor, how: Preprocess) -> torch.Tensor:
    """The images as the first layer wants them (see ``Preprocess``); differentiable.

    Raises:
        ModelError: Images smaller than the crop, or of another number of channels than the normalisation.
    """
    x = images
    if how.channels == 3 and x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    elif how.channels == 1 and x.shape[1] == 3:
        # Rec. 601, as Pillow has it when it converts RGB to grey.
        weights = torch.tensor([0.299, 0.587, 0.114], dtype=x.dtype, device=x.device)
        x = (x * weights[:, None, None]).sum(1, keepdim=True)
    if how.resize is not None:
        width, height = resized_size(x.shape[3], x.shape[2], how.resize)
        x = resample(x, height, width, how.resize_filter or FILTERS[0])
    if how.crop is not None:
        require(
            min(x.shape[2:]) >= how.crop,
            f"the model's crop of {how.crop} pixels is larger than its images of {x.shape[2]} x {x.shape[3]}: "
            f"resize them first ({option('model_resize', how.crop)})",
            ModelError,
        )
        top, left = crop_start(x.shape[2], how.crop), crop_start(x.shape[3], how.crop)
        x = x[:, :, top : top + how.crop, left : left + how.crop]
    if how.mean is not None:
        x = x - _per_channel("mean", how.mean, x)
    if how.std is not None:
        x = x / _per_channel("std", how.std, x)
    return x


def _per_channel(what: str, values: tuple[float, ...], x: torch.Tensor) -> torch.Tensor:
    require(
        len(values) in (1, x.shape[1]),
        f"the model's {what} has {len(values)} values and its images have {x.shape[1]} channels; "
        f"declare the channels it wants ({option('channels', len(values))})",
        ModelError,
    )
    return torch.tensor(values, dtype=x.dtype, device=x.device)[:, None, None]


BATCH = 250
"""Images in a forward pass where nothing else was asked for."""


def infer(model: Model, images: torch.Tensor, batch: int = BATCH) -> torch.Tensor:
    """(n, classes) float32 logits of (n, channel, height, width) images, uint8 or floats in [0, 1], without gradients.

    Args:
        model: A loaded model.
        images: On any device; each batch is moved to the model's.
        batch: Images a forward pass.
    """
    pieces = []
    with torch.inference_mode():
        for piece in torch.split(images, batch):
            x = piece.to(model.device)
            x = x.to(torch.float32) / 255 if x.dtype == torch.uint8 else x.to(torch.float32)
            pieces.append(model.logits(x).to(torch.float32))
        return torch.cat(pieces)
