"""Loading what a specification names: factories, exported programs, state dicts, plain functions."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from brittlestar.core.errors import ModelError, require, text_of, unknown
from brittlestar.core.options import option
from brittlestar.models.answering import own_code
from brittlestar.models.base import Model, Preprocess
from brittlestar.models.checks import in_training_mode
from brittlestar.models.devices import check_device
from brittlestar.models.files import Filled, exported, fill, notes_in, preprocess_in, state_dict
from brittlestar.models.neighbours import OWN, beside, current, register
from brittlestar.models.onnx import OnnxModel
from brittlestar.models.outputs import Outputs
from brittlestar.models.spec import ModelSpec
from brittlestar.models.wrap import FIELDS, FunctionModel, TorchModel, declared
from brittlestar.models.zoo import build


def load_model(spec: ModelSpec, device: str | None = None) -> Model:
    """Load what a specification names; onto ``device`` instead of the specification's where one is told.

    With ``normalise`` false, no mean and std are applied before it, whatever was declared.

    A factory's module that holds nothing whose answers depend on the mode is put into evaluation mode; one that does is
    left as it is, and the check of the contract refuses it. Modules filled from a file are put into evaluation mode.

    Raises:
        ModelError: It does not exist, does not load, or would need code to be unpickled.
    """
    model = _loaded(spec if device is None else dataclasses.replace(spec, device=device))
    if spec.normalise is False:
        model.preprocess = dataclasses.replace(model.preprocess, mean=None, std=None)
    return model


def _loaded(spec: ModelSpec) -> Model:
    flags = {field: value for field in FIELDS if (value := getattr(spec, field)) is not None}
    kind, _, rest = spec.spec.partition(":")
    check_device(spec.device)
    outputs = Outputs(name=spec.output, binary=spec.binary, probabilities=spec.probabilities)
    if kind == "python" and rest:
        function, identity = _imported(rest)
        how = dataclasses.replace(declared(function), **flags)
        return FunctionModel(
            function,
            name=spec.name,
            spec=spec.spec,
            preprocess=how,
            identity=identity,
            device=spec.device,
            outputs=outputs,
        )
    if spec.spec.lower().endswith(".onnx"):
        plain = Preprocess(**flags)
        return OnnxModel(
            Path(spec.spec), name=spec.name, spec=spec.spec, preprocess=plain, device=spec.device, outputs=outputs
        )
    filled = Filled({})
    if kind == "torch" and rest:
        module, how, identity = _built(rest)
        if spec.weights is not None:
            filled = fill(module, Path(spec.weights), spec.weights_key)
            module.eval()
        elif not in_training_mode(module):
            module.eval()
    elif spec.spec.lower().endswith(".pt2"):
        module, identity = exported(Path(spec.spec))
        how = Preprocess()
    elif spec.factory is None:
        module, identity = _named_in(Path(spec.spec))
        how = Preprocess()
        filled = fill(module, Path(spec.spec), spec.weights_key)
    else:
        module, how, identity = _built(spec.factory)
        filled = fill(module, Path(spec.spec), spec.weights_key)
        module.eval()
    try:
        # What the person says wins over the file, and the file over the factory.
        how = dataclasses.replace(how, **(preprocess_in(filled.metadata) | flags))
    except (TypeError, ModelError) as error:
        raise ModelError(f"{spec.spec}: {error}") from error
    return TorchModel(
        module.to(spec.device),
        name=spec.name,
        spec=spec.spec,
        preprocess=how,
        identity=identity,
        notes=(*notes_in(filled.metadata), *filled.notes),
        dtype=spec.dtype,
        backend=spec.backend,
        outputs=outputs,
    )


def _named_in(path: Path) -> tuple[nn.Module, str]:
    """The architecture that a file's own metadata name, without weights, and the text that identifies it."""
    metadata = state_dict(path)[1]
    named, factory = metadata.get("architecture"), metadata.get("factory")
    if not isinstance(named, dict) or not {"name", "classes", "channels", "size"} <= set(named):
        told = f"{option('factory', factory)} built it when it was trained" if isinstance(factory, str) else ""
        raise ModelError(
            f"{path} holds weights only: name the function that builds the module, "
            + (told or option("factory", "FILE.py:function"))
        )
    size = named["size"]
    size = (int(size[0]), int(size[1])) if isinstance(size, list) else int(size)
    module = build(named["name"], int(named["classes"]), int(named["channels"]), size)
    return module, json.dumps(named, sort_keys=True)


def _built(where: str) -> tuple[nn.Module, Preprocess, str]:
    """A factory's module, its declared preprocessing, and the text that identifies its code.

    torch's random numbers start from one seed, so that a factory that draws its weights gives the same ones in every
    process.
    """
    factory, identity = _imported(where)
    try:
        with own_code(where), _beside(where), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = factory()
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"{where}() failed: {type(error).__name__}: {text_of(error)}") from error
    require(
        isinstance(module, nn.Module),
        f"{where}() gave a {type(module).__name__}, it must give an nn.Module",
        ModelError,
    )
    own, outer = declared(module), declared(factory)
    # What the module says of itself wins over what its factory says.
    merged = {f: getattr(own, f) if getattr(own, f) is not None else getattr(outer, f) for f in FIELDS}
    return module, Preprocess(**merged), identity


def _imported(where: str) -> tuple[Callable[..., Any], str]:
    """The function named ``FILE.py:name`` or ``package.module:name``, and the text that identifies its code."""
    place, _, name = where.rpartition(":")
    if place.endswith(".py"):
        require(Path(place).is_file(), f"no such file: {place}", ModelError)
        module, text = _from_file(Path(place))
    else:
        try:
            with own_code(where), _beside(where):
                module = importlib.import_module(place)
        except (Exception, SystemExit) as error:
            hint = f" (is it a file? write {place}.py)" if Path(f"{place}.py").is_file() else ""
            raise ModelError(f"cannot import {place}: {type(error).__name__}: {text_of(error)}{hint}") from error
        file = getattr(module, "__file__", None)
        text = Path(file).read_text(encoding="utf-8") if file and file.endswith(".py") else place
    found = getattr(module, name, None)
    if found is None:
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise ModelError(f"{place}: {unknown('function', name, public)}")
    predict = ", such as one that calls its predict" if hasattr(found, "predict") else ""
    require(callable(found), f"{where} is a {type(found).__name__}, it must be a function{predict}", ModelError)
    # The whole file identifies it: what the function calls mostly stands there too.
    return found, f"{name}\n{text}"


def _from_file(path: Path) -> tuple[ModuleType, str]:
    """Run a Python file as a module, once for each content that it has had (until ``neighbours.forget``)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    digest = hashlib.sha256(f"{path.resolve()}\n{text}".encode()).hexdigest()[:12]
    unique = f"{OWN}{path.stem}_{digest}"
    if (known := current(unique)) is not None:
        return known, text
    found = importlib.util.spec_from_file_location(unique, path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    register(unique, module)
    try:
        with own_code(str(path)), _beside(str(path)):
            # The very text that the fingerprint is made of, whatever the file holds by now.
            exec(compile(text, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[unique]
        raise ModelError(f"{path} cannot be run: {type(error).__name__}: {text_of(error)}") from error
    return module, text


@contextlib.contextmanager
def _beside(where: str) -> Iterator[None]:
    """What a Python file's neighbours are to a script, they are meanwhile; modules are also found in this folder."""
    place = where if where.endswith(".py") else where.rpartition(":")[0]
    if place.endswith(".py"):
        with beside(Path(place).resolve().parent):
            yield
        return
    # Last, so that nothing in this folder hides an installed package.
    with beside(Path.cwd(), first=False):
        yield


def function_named(where: str) -> tuple[Callable[..., Any], str]:
    """The function named ``FILE.py:name`` or ``package.module:name``, and the text that identifies its code.

    Raises:
        ModelError: It is not there, or its file cannot be run.
    """
    return _imported(where)
