"""Model files: state dicts and exported programs. Nothing is unpickled.

A ``.pt2`` file is a program: like a Python file it can do anything, so open it only from where you trust. What it may
not do here is hide pickled objects or compiled libraries: such files are refused before torch reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from brittlestar.core.errors import ModelError, require
from brittlestar.models.wrap import FIELDS

METADATA = "brittlestar"
"""The key of our JSON in the metadata of ``.safetensors`` files."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
# What DataParallel and torch.compile put before every name.
_PREFIXES = ("module.", "_orig_mod.")
_NEVER = "files that hold pickled code are never opened"


def exported(path: Path) -> tuple[nn.Module, str]:
    """The module of a program saved by ``torch.export.save``, and the digest of the file.

    Raises:
        ModelError: No such file, no such program, or one that carries pickled objects or compiled code.
    """
    require(path.is_file(), f"no such file: {path}", ModelError)
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_pickles(path, archive)
        with _weights_only():
            module = torch.export.load(path).module()
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{path} is no program that torch {torch.__version__} can read ({_first_line(error)}); "
            "save it with torch.export.save in the same version of torch"
        ) from error
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return module, digest.hexdigest()


def _refuse_pickles(path: Path, archive: zipfile.ZipFile) -> None:
    # All entries lie in one folder, named after the archive as it was saved.
    names = [name.partition("/")[2] for name in archive.namelist()]
    compiled = [name for name in names if name.startswith("data/aotinductor/")]
    require(
        not compiled,
        f"{path} carries compiled code ({compiled[:1]}); export the program itself, without AOTInductor",
        ModelError,
    )
    # torch's names for constants that are no tensors, and would be unpickled.
    objects = [
        name
        for name in names
        if name.startswith("data/constants/") and name.rpartition("/")[2].startswith(("custom_obj_", "opaque_obj_"))
    ]
    for full in archive.namelist():
        if full.endswith("_config.json") and "/data/" in full:
            entries = json.loads(archive.read(full)).get("config", {})
            objects += [f"{full}: {key}" for key, entry in entries.items() if entry.get("use_pickle")]
    require(not objects, f"{path} carries pickled objects ({objects[0] if objects else ''}); {_NEVER}", ModelError)


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """Everything that torch loads meanwhile is loaded with ``weights_only``, even where its own code asks otherwise."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    # Both are taken away first: torch refuses to load where both are set.
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def fill(module: nn.Module, path: Path) -> dict[str, Any]:
    """Load a state dict file into the module; give the file's metadata.

    Raises:
        ModelError: The file cannot be read as plain weights, or does not fit the module.
    """
    state, metadata = state_dict(path)
    have, want = set(state), set(module.state_dict())
    # Older versions of torch did not save it, and no answer depends on it.
    optional = {key for key in want if key.endswith("num_batches_tracked")}
    missing, unexpected = sorted(want - have - optional), sorted(have - want)
    require(
        not missing and not unexpected,
        f"{path} does not fit the module: it lacks {_some(missing)} and has {_some(unexpected)} which the module lacks",
        ModelError,
    )
    try:
        # Names were compared above; shapes are compared here, strict or not.
        module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit the module: {str(error).splitlines()[-1].strip()}") from error
    return metadata


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "") if keys else "nothing"


def state_dict(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Names to tensors, and our metadata (``.safetensors`` only): a ``state_dict`` key is unwrapped, a prefix
    ``module.`` that all names share is taken off.
    """
    require(path.is_file(), f"no such file: {path}", ModelError)
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read as plain weights ({_reason(error)}); {_NEVER}: "
            "save model.state_dict(), best with safetensors"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    require(
        isinstance(content, Mapping) and bool(content) and all(isinstance(v, torch.Tensor) for v in content.values()),
        f"{path} holds no state dict (names to tensors); save model.state_dict()",
        ModelError,
    )
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in content):
            content = {key[len(prefix) :]: value for key, value in content.items()}
    return dict(content), {}


def _safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA, "{}")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = json.loads(text)
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelError(f"{path} is no safetensors file: {_first_line(error)}") from error
    require(isinstance(metadata, dict), f"{path}: the metadata {METADATA!r} are not a JSON object", ModelError)
    return state, metadata


def preprocess_in(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The preprocessing that a file's metadata declare."""
    stored = metadata.get("preprocess") or {}
    # What is stored also tells the rounding of sizes, which is no field.
    return {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k in FIELDS and v is not None}


def notes_in(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """How the weights were trained, as a file's metadata tell it."""
    recipe = metadata.get("recipe")
    if not isinstance(recipe, str):
        return ()
    fields = metadata.get("fields") or {}
    told = ", ".join(f"{key} {value}" for key, value in fields.items()) if isinstance(fields, dict) else ""
    more = [f"{metadata[key]} {key}" for key in ("epochs",) if key in metadata]
    more += [f"seed {metadata['seed']}"] if "seed" in metadata else []
    start = metadata.get("start")
    more += [f"from {start['name']}"] if isinstance(start, dict) and "name" in start else []
    return (", ".join([f"trained with the recipe {recipe}{f' ({told})' if told else ''}", *more]),)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _reason(error: Exception) -> str:
    """Why torch refused, without its advice to trust the file."""
    text = str(error)
    for sign, reason in (
        ("Unsupported global", "it names the Python object " + text.partition("GLOBAL ")[2].split(" ")[0]),
        ("TorchScript", "it is a TorchScript archive"),
    ):
        if sign in text:
            return reason
    return _first_line(error).partition(" In PyTorch 2.6")[0]
