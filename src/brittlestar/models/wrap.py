"""Python objects as models: modules and plain functions."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import numbers
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from brittlestar.core.definition import canonical_json
from brittlestar.core.errors import ModelError, require
from brittlestar.models.base import Model, Preprocess, apply_preprocess
from brittlestar.models.outputs import PLAIN, Outputs, main
from brittlestar.models.units import in_units_of_255, in_units_of_one

_WANTED = {"mean": "numbers", "std": "numbers", "resize_filter": "a name"}

FIELDS = tuple(field.name for field in dataclasses.fields(Preprocess))


class TorchModel(Model):
    """An ``nn.Module`` with its preprocessing.

    Attributes:
        module: As it was given; gradients are taken through it.
        dtype: ``bf16`` computes in bfloat16 where no gradients are taken, and is another model.
        backend: What computes where no gradients are taken.
        fast: The same answers sooner, where no gradients are taken (``models.tune``); ``None`` for the module itself.
    """

    differentiable = True
    fast: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        spec: str,
        preprocess: Preprocess,
        identity: str,
        notes: tuple[str, ...] = (),
        dtype: str = "float32",
        backend: str = "torch",
        outputs: Outputs = PLAIN,
    ) -> None:
        self.name, self.spec, self.preprocess, self.notes = name, spec, preprocess, notes
        self.module, self.dtype, self.backend, self.outputs = module, dtype, backend, outputs
        self._identity = identity
        # Where such a model is sure, the gradient of its probabilities is 0, and attacks along it find nothing.
        self.differentiable = not outputs.probabilities
        self._computes_in = _one_type(module)
        if self._computes_in is not None:
            self.notes = (*notes, f"computes in {str(self._computes_in)[6:]}, as its weights are given")
        tensors = [*module.parameters(), *module.buffers()]
        self.device = tensors[0].device if tensors else torch.device("cpu")

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See ``Model.logits``."""
        x = self.entering(images)
        if torch.is_grad_enabled():
            answer = self.module(x)
        else:
            with lowered(self.dtype, x.device):
                answer = self.module(x) if self.fast is None else self.fast(x)
        return self.outputs.logits(self.main(answer), self.name, x.device)

    def entering(self, images: torch.Tensor) -> torch.Tensor:
        """Images in [0, 1] as the first layer gets them: preprocessed, and in the type that the weights have."""
        x = apply_preprocess(images, self.preprocess)
        return x if self._computes_in is None else x.to(self._computes_in)

    def main(self, answer: Any) -> torch.Tensor:
        """The output of the module that holds the logits, as the module gave it."""
        value, self.taken = main(answer, self.outputs.name, self.name)
        require(
            isinstance(value, torch.Tensor),
            f"model {self.name} gives {type(answer).__name__}, not a tensor: "
            "wrap it in a module whose forward returns the logits alone",
            ModelError,
        )
        assert isinstance(value, torch.Tensor)
        return value

    def fingerprint(self) -> str:
        """Over all weights and buffers (names, types, shapes, bytes), the code identity and the preprocessing."""
        # float32 adds nothing, as before there was a choice: run folders hold these fingerprints.
        identity = self._identity if self.dtype == "float32" else f"{self._identity}\n{self.dtype}"
        digest = hashlib.sha256(_head(identity, self.preprocess, self.outputs))
        # The state dict lacks buffers that are not persistent, and answers may depend on those too.
        tensors = dict(self.module.named_buffers()) | self.module.state_dict()
        for key, value in sorted(tensors.items()):
            if isinstance(value, torch.Tensor):
                plain = value.detach().cpu().contiguous()
                digest.update(f"{key}{plain.dtype}{tuple(plain.shape)}".encode())
                if plain.numel():
                    # As bytes, since numpy has no bfloat16.
                    digest.update(plain.flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.module.parameters())


def lowered(dtype: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Inside, torch computes in this type where that is safe."""
    if dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class FunctionModel(Model):
    """A function from float32 numpy images (n, c, h, w) to logits (n, classes). No gradients."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        name: str,
        spec: str,
        preprocess: Preprocess,
        identity: str,
        device: torch.device | str = "cpu",
        outputs: Outputs = PLAIN,
    ) -> None:
        self.name, self.spec, self.preprocess, self.outputs = name, spec, preprocess, outputs
        self.device = torch.device(device)
        self._function, self._identity = function, identity

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See ``Model.logits``. The function gets arrays of its own, which it may write to."""
        given = np.array(apply_preprocess(images, self.preprocess).detach().cpu().numpy(), order="C")
        answer = self._function(given)
        value, self.taken = main(answer, self.outputs.name, self.name)
        return self.outputs.logits(
            value.detach() if isinstance(value, torch.Tensor) else value, self.name, images.device
        )

    def fingerprint(self) -> str:
        """Over the function's source and the preprocessing; what the function reads from elsewhere is not seen."""
        return hashlib.sha256(_head(self._identity, self.preprocess, self.outputs)).hexdigest()[:16]


def _head(identity: str, preprocess: Preprocess, outputs: Outputs) -> bytes:
    return (identity + canonical_json(preprocess.as_json()) + outputs.identity()).encode()


def _one_type(module: nn.Module) -> torch.dtype | None:
    """The type that all of a module's weights have, where it is another than float32."""
    kinds = {weight.dtype for weight in module.parameters() if weight.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 and torch.float32 not in kinds else None


def as_model(given: Any, name: str = "model", outputs: Outputs = PLAIN) -> Model:
    """A model from a Python object: a ``Model``, an ``nn.Module`` in evaluation mode, or a function on numpy arrays.

    ``mean``, ``std``, ``resize``, ``resize_filter``, ``crop`` and ``channels`` may be attributes of the object.
    The object is used as it is: never moved, and never put into another mode.

    Args:
        given: The object.
        name: For people.
        outputs: How what it gives becomes logits.

    Raises:
        ModelError: It is none of these.
    """
    if isinstance(given, Model):
        return given
    if isinstance(given, nn.Module):
        # The printed form tells the parts and their settings, which the class's source does not.
        identity = f"{source_of(type(given))}\n{given}"
        return TorchModel(
            given, name=name, spec="a Python object", preprocess=declared(given), identity=identity, outputs=outputs
        )
    name_of = getattr(given, "__name__", "")
    require(not isinstance(given, type), f"{name_of} is a class, not a model: give what {name_of}() makes", ModelError)
    require(
        callable(given),
        f"a model is an nn.Module or a function from images to logits, got {type(given).__name__}"
        + (": give a function that calls its predict" if hasattr(given, "predict") else ""),
        ModelError,
    )
    identity = "\n".join([source_of(given), *_captured(given)])
    return FunctionModel(
        given, name=name, spec="a Python function", preprocess=declared(given), identity=identity, outputs=outputs
    )


def declared(thing: Any) -> Preprocess:
    """Preprocessing from the attributes ``mean``, ``std``, ``resize``, ``resize_filter``, ``crop`` and ``channels``.

    On modules and other objects, an attribute that is not made of plain numbers (a buffer that ``forward`` uses itself,
    a submodule called ``crop``) is no declaration; on a function it is a mistake. There, numbers in units of 255 are
    taken as what they are: a module may scale its images itself, and ``normalisation`` finds out.

    Raises:
        ModelError: An attribute of a function is not a number or a list of numbers.
    """
    found: dict[str, Any] = {}
    function = inspect.isfunction(thing)
    for field in FIELDS:
        value: Any = getattr(thing, field, None)
        if function and isinstance(value, torch.Tensor | np.ndarray):
            value = value.flatten().tolist()
        if field in ("mean", "std"):
            values = value if isinstance(value, list | tuple) else [value]
            fits = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values)
            plain: Any = tuple(float(v) for v in values) if fits else None
        elif field == "resize_filter":
            fits, plain = isinstance(value, str), value
        else:
            fits = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            plain = int(value) if fits else None
        require(
            fits or value is None or not function,
            f"{getattr(thing, '__name__', thing)}.{field} must be "
            f"{_WANTED.get(field, 'a whole number')}, got {value!r:.80}",
            ModelError,
        )
        if fits:
            found[field] = plain
    if not function and in_units_of_255(found.get("mean"), found.get("std")):
        found["mean"], found["std"] = in_units_of_one(found.get("mean"), found.get("std"))
    return Preprocess(**found)


def source_of(thing: Any) -> str:
    """Name and source text of a function, a class or an object's class, as far as Python can tell."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    name = f"{named.__module__}.{named.__qualname__}"
    try:
        return f"{name}\n{inspect.getsource(named)}"
    except (OSError, TypeError):
        return name


def _captured(thing: Any, depth: int = 0) -> list[str]:
    """Digests of what a function or an object carries with it: captured variables, defaults, its object, attributes."""
    # Objects may hold each other in a circle.
    if depth > 4 or isinstance(thing, ModuleType | type):
        return []
    carried = [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    carried += [value for name in ("__defaults__", "__self__") if (value := getattr(thing, name, None)) is not None]
    attributes = getattr(thing, "__dict__", None)
    if isinstance(attributes, dict):
        carried += [value for _, value in sorted(attributes.items())]
    return [_content(value, depth + 1) for value in carried]


def _content(value: Any, depth: int) -> str:
    if isinstance(value, nn.Module):
        return TorchModel(value, name="", spec="", preprocess=Preprocess(), identity=f"{value}").fingerprint()
    try:
        # A fixed protocol: the default changes with Python's version, and the digest with it.
        return hashlib.sha256(pickle.dumps(value, protocol=4)).hexdigest()
    except Exception:
        return " ".join([source_of(value), *_captured(value, depth)])
