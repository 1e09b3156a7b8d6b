"""Object detectors behind a plain contract: images in, boxes with scores and labels out, checked at every call.

A detector is whatever a factory gives that can be called with a list of images and gives one dictionary an image, as
torchvision's detectors do:

* images: (3, height, width) float32 tensors in [0, 1], of sizes of their own;
* ``boxes``: (n, 4), left, top, right, bottom in pixels; ``scores``: (n,) in [0, 1]; ``labels``: (n,) numbers or names.

A detector whose labels are numbers may name them by an attribute ``classes``, a list of names by number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from brittlestar.core.errors import ModelError, require, text_of
from brittlestar.core.text import readable
from brittlestar.models.answering import own_code
from brittlestar.models.load import function_named

Floats = npt.NDArray[np.float32]

KEYS = ("boxes", "scores", "labels")


@dataclass(frozen=True)
class Detections:
    """What a detector sees in one image.

    Fields:
        boxes: (n, 4) float32: left, top, right, bottom in pixels.
        scores: (n,) float32 in [0, 1].
        labels: (n,) names.
    """

    boxes: Floats
    scores: Floats
    labels: npt.NDArray[np.str_]


class Detector:
    """A checked detector.

    Attributes:
        name: For people.
        spec: What it was built from.
        identity: 16 hexadecimal digits that change with the factory's file and with weights that torch knows of.
        classes: Names of its labels, where it says them.
    """

    def __init__(self, function: Callable[..., Any], *, name: str, spec: str, code: str) -> None:
        self.name, self.spec = name, spec
        self._function = function
        named = getattr(function, "classes", None)
        self._classes = None if named is None else [str(one) for one in named]
        self.classes = None if named is None else frozenset(map(readable, self._classes or ()))
        if isinstance(function, nn.Module):
            function.eval()
        digest = hashlib.sha256(code.encode())
        for key, value in function.state_dict().items() if isinstance(function, nn.Module) else ():
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        self.identity = digest.hexdigest()[:16]

    def detect(self, image: torch.Tensor) -> Detections:
        """What it sees in one (3, height, width) float32 image in [0, 1].

        Images are given one at a time: detectors pad the images of a batch to one size, and answers would depend on
        which images happen to come together.

        Raises:
            ModelError: What it raised, or how its answer breaks the contract.
        """
        with own_code(self.name, 1), torch.inference_mode():
            answer = self._function([image])
        one = isinstance(answer, list | tuple) and len(answer) == 1
        self._must(one, f"gave {_told(answer)} for a list of one image, not a list of one dictionary")
        return self._checked(answer[0], tuple(image.shape[1:]))

    def _checked(self, answer: Any, size: Sequence[int]) -> Detections:
        held = isinstance(answer, Mapping) and all(key in answer for key in KEYS)
        got = f"with the keys {', '.join(map(str, answer))}" if isinstance(answer, Mapping) else _told(answer)
        self._must(held, f"must give a dictionary with {', '.join(KEYS)} an image, gave one {got}")
        boxes, scores = (self._numbers(key, answer[key]) for key in ("boxes", "scores"))
        count = len(scores)
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        self._must(scores.ndim == 1, f"gave scores of shape {scores.shape}, not one a box")
        self._must(boxes.shape == (count, 4), f"gave boxes of shape {boxes.shape} for {count} scores, not ({count}, 4)")
        self._must(bool(np.isfinite(boxes).all() and np.isfinite(scores).all()), "gave numbers that are not finite")
        within = bool(((scores >= 0) & (scores <= 1)).all())
        reach = f"{scores.min():.3g} to {scores.max():.3g}" if count else ""
        self._must(within, f"gave scores from {reach}: they must be in [0, 1], as thresholds are")
        upright = bool((boxes[:, 2:] >= boxes[:, :2]).all())
        self._must(upright, "gave boxes that end before they begin: they are left, top, right, bottom")
        fractions = count > 0 and float(boxes.max()) <= 1 and min(size) > 8
        self._must(not fractions, "gave boxes inside of one pixel: they are in pixels, not in shares of the image")
        return Detections(boxes, scores, self._labels(answer["labels"], count))

    def _numbers(self, key: str, value: Any) -> Floats:
        value = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        try:
            return np.asarray(value, np.float32)
        except (TypeError, ValueError):
            raise ModelError(f"detector {self.name} gave {key} that are no numbers: {_told(value)}") from None

    def _labels(self, value: Any, count: int) -> npt.NDArray[np.str_]:
        listed = value.detach().cpu().tolist() if isinstance(value, torch.Tensor) else list(value)
        self._must(len(listed) == count, f"gave {len(listed)} labels for {count} boxes")
        names = []
        for label in listed:
            whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
            self._must(whole or isinstance(label, str), f"gave a label that is no whole number and no name: {label!r}")
            if isinstance(label, str) or self._classes is None:
                names.append(str(label))
                continue
            known = 0 <= int(label) < len(self._classes)
            self._must(known, f"gave the label {label}, and names {len(self._classes)} classes")
            names.append(self._classes[int(label)])
        return np.array([readable(name) for name in names], np.str_)

    def _must(self, holds: bool, broken: str) -> None:
        require(holds, f"detector {self.name} {broken}", ModelError)


def _told(value: Any) -> str:
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"a {kind}" + (f" of shape {tuple(shape)}" if shape is not None else "")


def load_detector(text: str) -> Detector:
    """The detector of ``[NAME=]FILE.py:factory`` or ``[NAME=]package.module:factory``; the factory takes nothing.

    Raises:
        ModelError: It cannot be built, or gives nothing that can be called.
    """
    name, given, where = text.rpartition("=")
    require(":" in where, f"a detector is FILE.py:factory or package.module:factory, not {text!r}", ModelError)
    factory, code = function_named(where)
    try:
        with own_code(where), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            function = factory()
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"{where}() failed: {type(error).__name__}: {text_of(error)}") from error
    require(callable(function), f"{where}() gave a {type(function).__name__}, which cannot be called", ModelError)
    return Detector(function, name=name if given else where.rpartition(":")[2], spec=where, code=code)
