"""Loading models: factories, exported programs, state dicts, plain functions."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from brittlestar.core.definition import canonical_json
from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.models.base import Model, Preprocess, apply_preprocess
from brittlestar.models.spec import ModelSpec

_FIELDS = tuple(field.name for field in dataclasses.fields(Preprocess))
_METADATA = "brittlestar"


class TorchModel(Model):
    """An ``nn.Module`` with its preprocessing."""

    differentiable = True

    def __init__(self, module: nn.Module, *, name: str, spec: str, preprocess: Preprocess, identity: str) -> None:
        self.name, self.spec, self.preprocess = name, spec, preprocess
        self.module = module
        self._identity = identity
        tensors = [*module.parameters(), *module.buffers()]
        self.device = tensors[0].device if tensors else torch.device("cpu")

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See ``Model.logits``."""
        answer: torch.Tensor = self.module(apply_preprocess(images, self.preprocess))
        return answer

    def fingerprint(self) -> str:
        """Over the state dict, the code identity and the preprocessing."""
        digest = hashlib.sha256((self._identity + canonical_json(self.preprocess.as_json())).encode())
        for key, value in sorted(self.module.state_dict().items()):
            if isinstance(value, torch.Tensor):
                plain = value.detach().cpu().contiguous()
                digest.update(f"{key}{plain.dtype}{tuple(plain.shape)}".encode())
                digest.update(plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
        return digest.hexdigest()[:16]

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.module.parameters())


class FunctionModel(Model):
    """A function from float32 numpy images (n, c, h, w) to logits (n, classes). No gradients."""

    def __init__(
        self, function: Callable[[Any], Any], *, name: str, spec: str, preprocess: Preprocess, identity: str
    ) -> None:
        self.name, self.spec, self.preprocess = name, spec, preprocess
        self.device = torch.device("cpu")
        self._function, self._identity = function, identity

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See ``Model.logits``."""
        given = apply_preprocess(images, self.preprocess).detach().cpu().numpy()
        return torch.from_numpy(np.array(self._function(given), dtype=np.float32))

    def fingerprint(self) -> str:
        """Over the function's source and the preprocessing; what the function reads from elsewhere is not seen."""
        return hashlib.sha256((self._identity + canonical_json(self.preprocess.as_json())).encode()).hexdigest()[:16]


def as_model(given: Any, name: str = "model") -> Model:
    """A model from a Python object: a ``Model``, an ``nn.Module`` in evaluation mode, or a function on numpy arrays.

    ``mean``, ``std``, ``resize``, ``crop`` and ``channels`` may be attributes of the object.
    """
    if isinstance(given, Model):
        return given
    if isinstance(given, nn.Module):
        identity = f"{type(given).__module__}.{type(given).__qualname__}\n{given}"
        return TorchModel(given, name=name, spec="a Python object", preprocess=_declared(given), identity=identity)
    require(callable(given), f"a model is an nn.Module or a function, got {type(given).__name__}", ModelError)
    return FunctionModel(
        given, name=name, spec="a Python function", preprocess=_declared(given), identity=_source(given)
    )


def load_model(spec: ModelSpec) -> Model:
    """Load what a specification names.

    Raises:
        ModelError: It does not exist, does not load, or would need code to be unpickled.
    """
    flags = {field: value for field in _FIELDS if (value := getattr(spec, field)) is not None}
    kind, _, rest = spec.spec.partition(":")
    if kind == "python" and rest:
        function, identity = _imported(rest)
        how = dataclasses.replace(_declared(function), **flags)
        return FunctionModel(function, name=spec.name, spec=spec.spec, preprocess=how, identity=identity)
    metadata: dict[str, Any] = {}
    if kind == "torch" and rest:
        module, declared, identity = _built(rest)
        if spec.weights is not None:
            metadata = _fill(module, Path(spec.weights))
            module.eval()
    elif spec.spec.lower().endswith(".pt2"):
        module, identity = _exported(Path(spec.spec))
        declared = Preprocess()
    else:
        assert spec.factory is not None
        module, declared, identity = _built(spec.factory)
        metadata = _fill(module, Path(spec.spec))
        module.eval()
    how = dataclasses.replace(declared, **(_stored(metadata) | flags))
    _check_device(spec.device)
    return TorchModel(module.to(spec.device), name=spec.name, spec=spec.spec, preprocess=how, identity=identity)


def _check_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise ModelError(f"unknown device {device!r}: use cpu, cuda or cuda:0") from None
    require(kind != "cuda" or torch.cuda.is_available(), "no CUDA device here: use --device cpu", ModelError)


def _built(where: str) -> tuple[nn.Module, Preprocess, str]:
    factory, identity = _imported(where)
    try:
        module = factory()
    except Exception as error:
        raise ModelError(f"{where}() failed: {type(error).__name__}: {error}") from error
    require(
        isinstance(module, nn.Module),
        f"{where}() gave a {type(module).__name__}, it must give an nn.Module",
        ModelError,
    )
    own, outer = _declared(module), _declared(factory)
    merged = {f: getattr(own, f) if getattr(own, f) is not None else getattr(outer, f) for f in _FIELDS}
    return module, Preprocess(**merged), identity


def _imported(where: str) -> tuple[Callable[..., Any], str]:
    """The function named ``FILE.py:name`` or ``package.module:name``, and the text that identifies its code."""
    place, _, name = where.rpartition(":")
    if place.endswith(".py"):
        path = Path(place)
        require(path.is_file(), f"no such file: {place}", ModelError)
        unique = f"_brittlestar_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
        module = sys.modules.get(unique)
        if module is None:
            found = importlib.util.spec_from_file_location(unique, path)
            assert found is not None and found.loader is not None
            module = importlib.util.module_from_spec(found)
            sys.modules[unique] = module
            sys.path.insert(0, str(path.resolve().parent))
            try:
                found.loader.exec_module(module)
            except Exception as error:
                del sys.modules[unique]
                raise ModelError(f"{place} cannot be run: {type(error).__name__}: {error}") from error
            finally:
                sys.path.remove(str(path.resolve().parent))
        text = path.read_text()
    else:
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise ModelError(f"cannot import {place}: {error}") from error
        file = getattr(module, "__file__", None)
        text = Path(file).read_text() if file and file.endswith(".py") else place
    if not hasattr(module, name):
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise ModelError(f"{place}: {unknown('function', name, public)}")
    return getattr(module, name), f"{name}\n{text}"


def _exported(path: Path) -> tuple[nn.Module, str]:
    require(path.is_file(), f"no such file: {path}", ModelError)
    try:
        module = torch.export.load(path).module()
    except Exception as error:
        raise ModelError(f"{path} is no program saved by torch.export: {error}") from error
    return module, hashlib.sha256(path.read_bytes()).hexdigest()


def _fill(module: nn.Module, path: Path) -> dict[str, Any]:
    """Load a state dict file into the module; give the file's metadata."""
    state, metadata = _state_dict(path)
    have, want = set(state), set(module.state_dict())
    optional = {key for key in want if key.endswith("num_batches_tracked")}
    missing, unexpected = sorted(want - have - optional), sorted(have - want)
    require(
        not missing and not unexpected,
        f"{path} does not fit the module: it lacks {_some(missing)} and has {_some(unexpected)} which the module lacks",
        ModelError,
    )
    try:
        module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit the module: {str(error).splitlines()[-1].strip()}") from error
    return metadata


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "") if keys else "nothing"


def _state_dict(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    require(path.is_file(), f"no such file: {path}", ModelError)
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
                return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
        except (SafetensorError, ValueError) as error:
            raise ModelError(f"{path} is no safetensors file: {error}") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read as plain weights ({str(error).splitlines()[0]}); files that hold pickled code are "
            "never opened: save model.state_dict(), best with safetensors"
        ) from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    require(
        isinstance(content, Mapping) and all(isinstance(v, torch.Tensor) for v in content.values()),
        f"{path} holds no state dict (names to tensors)",
        ModelError,
    )
    prefix = "module."
    stripped = all(key.startswith(prefix) for key in content)
    return {key[len(prefix) :] if stripped else key: value for key, value in content.items()}, {}


def _stored(metadata: Mapping[str, Any]) -> dict[str, Any]:
    stored = metadata.get("preprocess", {})
    return {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k in _FIELDS and v is not None}


def _declared(thing: Any) -> Preprocess:
    """Preprocessing from attributes; anything of another type (a submodule called ``crop``) is not a declaration."""
    found: dict[str, Any] = {}
    for field in _FIELDS:
        value = getattr(thing, field, None)
        if field in ("mean", "std"):
            if isinstance(value, int | float):
                found[field] = (float(value),)
            elif isinstance(value, list | tuple):
                found[field] = tuple(float(v) for v in value)
        elif isinstance(value, int):
            found[field] = value
    return Preprocess(**found)


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(getattr(function, "__qualname__", type(function)))
