"""Model files: state dicts and exported programs. Nothing is unpickled.

A ``.pt2`` file is a program: like a Python file it can do anything, so open it only from where you trust. What it may
not do here is hide pickled objects or compiled libraries: such files are refused before torch reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from brittlestar.core.errors import ModelError, require
from brittlestar.models.checkpoints import choose, fitted
from brittlestar.models.foreign import NEVER, what_it_is, why_refused
from brittlestar.models.wrap import FIELDS

METADATA = "brittlestar"
"""The key of our JSON in the metadata of ``.safetensors`` files."""


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
    require(not objects, f"{path} carries pickled objects ({objects[0] if objects else ''}); {NEVER}", ModelError)


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


@dataclass(frozen=True)
class Filled:
    """What a file told when its weights were loaded.

    Fields:
        metadata: Ours (``.safetensors`` only).
        notes: Which weights were taken, and in which type they are kept.
    """

    metadata: dict[str, Any]
    notes: tuple[str, ...] = ()


def fill(module: nn.Module, path: Path, key: str | None = None) -> Filled:
    """Load a file of weights into the module.

    Args:
        module: Gets them.
        path: See ``read_weights``.
        key: Which weights of a file that holds several (see ``checkpoints.choose``).

    Raises:
        ModelError: The file cannot be read as plain weights, or does not fit the module.
    """
    content, metadata = read_weights(path)
    chosen = choose(path, content, key)
    own = module.state_dict()
    fits = fitted(path, chosen.state, {name: value for name, value in own.items() if isinstance(value, torch.Tensor)})
    try:
        # Names and shapes were compared above.
        module.load_state_dict(fits.state, strict=False)
    except Exception as error:
        raise ModelError(f"{path} does not fit the module: {_first_line(error)}") from error
    return Filled(metadata, (*chosen.notes, *fits.notes))


def state_dict(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Names to tensors as a file has them, and our metadata (``.safetensors`` only)."""
    content, metadata = read_weights(path)
    return choose(path, content).state, metadata


def read_weights(path: Path) -> tuple[Any, dict[str, Any]]:
    """What a file of weights holds, whatever its name ends in, and our metadata (``.safetensors`` only).

    Raises:
        ModelError: No such file, no weights (with what it is instead), or one that would have to be unpickled.
    """
    require(not path.is_dir(), f"{path} is a folder: give the file of weights in it", ModelError)
    require(path.is_file(), f"no such file: {path}", ModelError)
    other = what_it_is(path)
    require(not other, f"{path} is {other}", ModelError)
    with path.open("rb") as file:
        head = file.read(9)
    pickled = head[:4] == b"PK\x03\x04" or head[:1] == b"\x80"
    if (path.suffix.lower() == ".safetensors" and not pickled) or head[8:] == b"{":
        return _safetensors(path)
    try:
        with warnings.catch_warnings():
            # Of formats that torch no longer likes; none is a question to the person.
            warnings.simplefilter("ignore")
            # Opened here: by its name torch would take a wrong suffix at its word.
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True), {}
    except Exception as error:
        raise ModelError(f"{path} cannot be read as plain weights: {why_refused(path, error)}") from error


def _safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    # Before anything is read by this length, which a damaged file may hold anything for.
    require(
        8 + length <= size,
        f"{path} is no safetensors file, or is cut off: its header should have {length:,} bytes, and the file has "
        f"{size:,}",
        ModelError,
    )
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA, "{}")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = json.loads(text)
    except Exception as error:  # the reader raises a dozen kinds, and each means the same
        raise ModelError(f"{path} is no safetensors file, or is damaged: {_first_line(error)}") from error
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
