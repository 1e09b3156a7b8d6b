"""What a file of weights is instead: told from its first bytes and the names in its pickle, which is never run.

Each kind has its own remedy, so that a person knows what to do with the file that they have.
"""

from __future__ import annotations

import io
import pickletools
import re
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from brittlestar.core.options import option

NEVER = "files that hold pickled code are never opened"

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "model_state", "module")
"""Names under which training scripts keep the weights, the commonest first."""

_LONGEST_PICKLE = 16 << 20
"""Bytes of a pickle that are looked through; that of a network of a thousand layers has half a million."""

_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""What torch's files began with before they were zip archives, as a pickle writes it."""

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`"),
    (b"<!doctype html", "a web page, not a file of weights: download it again"),
    (b"<html", "a web page, not a file of weights: download it again"),
    (b"\x89hdf", "an HDF5 file (Keras?): load it in Python and give python:FILE.py:function, or export it to ONNX"),
    (b"gguf", "a GGUF file, which holds language models: give the model's own state dict"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first (gunzip)"),
    (b"BZh", "compressed with bzip2: unpack it first (bunzip2)"),
    (b"\x93numpy", "a NumPy array: save the state dict of the module with torch or safetensors"),
)


def what_it_is(path: Path) -> str:
    """What a file is, and what to do, where its first bytes tell that it holds no weights; empty otherwise."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "empty (0 bytes): it was not written or not downloaded to its end"
    for start, told in _BEGINNINGS:
        if head[: len(start)].lower() == start.lower():
            return told
    if head[257:262] == b"ustar" or (path.suffix.lower() == ".tar" and _lists_files(head)):
        return "an archive of files: unpack it (tar -xf) and give the file of weights inside"
    names = _zip_names(path)
    if any(name.endswith("constants.pkl") or "/code/" in f"/{name}" for name in names):
        return (
            "a TorchScript archive, which is a program: save the state dict of the module it was made from, or export "
            "that with torch.export.save to a .pt2 file"
        )
    if any(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz): save the state dict of the module with torch or safetensors"
    return ""


def why_refused(path: Path, error: Exception) -> str:
    """Why torch did not read a file as plain weights, and the command that saves them alone."""
    text = str(error)
    named = text.partition("GLOBAL ")[2].split(" ")[0] if "Unsupported global" in text else ""
    if not named and not any(sign in text for sign in ("Unsupported", "weights_only", "WeightsUnpickler")):
        first = (text.strip().splitlines() or [type(error).__name__])[0][:200].partition(" In PyTorch 2.6")[0]
        cut = "central directory" in first or "EOF" in first or "truncated" in first
        told = "it is cut off: copy or download it again" if cut else first
        return f"{told}; {NEVER}: save model.state_dict(), best with safetensors"
    reason = f"it names the Python object {named}" if named else "it holds more than tensors"
    return f"{reason}; {NEVER}. {how_to_resave(path)}"


def how_to_resave(path: Path) -> str:
    """One command that leaves only the weights of a file behind, chosen by the names that its pickle holds."""
    strings, whole = _pickled(path)
    wrapper = None if whole else next((name for name in WRAPPERS if name in strings), None)
    averaged = None if wrapper is None else next((name for name in AVERAGED if name in strings), None)
    modules = ".state_dict()" if strings >= _OF_MODULES else ""
    clean = path.name.removesuffix(".tar")
    target = path.with_name(f"{clean.rpartition('.')[0] or clean}-weights.pth")
    pick = f"['{wrapper}']{modules}" if wrapper else modules
    program = (
        f"import torch; torch.save(torch.load({str(path)!r}, map_location='cpu', weights_only=False){pick}, "
        f"{str(target)!r})"
    )
    # Quotes that every shell knows, unless the name has some of its own.
    quoted = shlex.quote(program) if set(program) & set('"$`\\!') else f'"{program}"'
    where = " in the project that defines its classes" if modules else ""
    other = f" (or ['{averaged}']{modules}, the averaged ones)" if averaged else ""
    return f"If you trust the file, save its weights alone{where}: python -c {quoted}{other}, and give {target}"


_OF_MODULES = {"_modules", "_parameters"}
"""Texts in the pickle of every whole module."""

AVERAGED = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "model_ema_state_dict",
    "params_ema",
    "ema_model",
    "model_averaged",
    "averaged_model",
    "swa_model",
    "model_swa",
    "swa_state_dict",
    "state_dict_swa",
    "swa_model_state_dict",
    "ema",
)
"""Names under which training scripts keep the average of the weights over the last steps."""


_AVERAGE = re.compile(r"(^|[._-])(ema|swa|averaged?)([._-]|$)", re.I)


def averages_unread(path: Path, content: Mapping[str, Any], taken: str) -> tuple[str, ...]:
    """A note where a checkpoint seems to hold averaged weights that nobody reads, as they stand under no usual name.

    Args:
        path: Of the file.
        content: What it holds.
        taken: The key of the weights that are taken, which are not averaged.
    """
    for key, value in _inner(content, 3):
        if key != taken and _AVERAGE.search(key) and "optim" not in key.lower() and _tensors(value):
            how = (
                f"{option('weights_key', key)} takes those"
                if isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
                else "those have no names: copy them into the model and save its state dict"
            )
            return (f"the weights {taken} of {path.name} are taken; averaged ones seem to stand under {key}: {how}",)
    return ()


def _inner(content: Mapping[Any, Any], depth: int, lead: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in mappings within mappings, by the keys that lead to it; those that hold tensors are not entered."""
    for name, value in content.items():
        yield f"{lead}{name}", value
        if isinstance(value, Mapping) and depth > 1 and not any(isinstance(v, torch.Tensor) for v in value.values()):
            yield from _inner(value, depth - 1, f"{lead}{name}.")


def _tensors(value: Any) -> bool:
    values = list(value.values()) if isinstance(value, Mapping) else value
    return isinstance(values, list | tuple) and len(values) > 0 and all(isinstance(v, torch.Tensor) for v in values)


def _lists_files(head: bytes) -> bool:
    """Whether a file begins as tar archives from before 1988 do: a name, zeros, octal numbers."""
    return len(head) == 512 and head[100:107].strip(b"\0 ").isdigit() and head[124:135].strip(b"\0 ").isdigit()


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def _pickled(path: Path) -> tuple[set[str], bool]:
    """The texts that a file's pickle holds, and whether it is a whole module. Read as opcodes; nothing is run."""
    strings: set[str] = set()
    first = ""
    try:
        for code, value in _opcodes(path):
            if code not in ("PROTO", "FRAME"):
                first = first or f"{code} {value}"
            if isinstance(value, str) and "UNICODE" in code:
                strings.add(value)
    except Exception:
        # A damaged pickle ends where it does; what was seen so far still helps.
        pass
    # A dictionary is made before what it holds.
    dictionary = first.startswith(("EMPTY_DICT", "GLOBAL collections "))
    return strings, strings >= _OF_MODULES and not dictionary


def _opcodes(path: Path) -> Iterator[tuple[str, object]]:
    """Name and argument of each opcode; of a file of several pickles (torch before 1.6), of the last that is none of
    torch's own few numbers."""
    names = [name for name in _zip_names(path) if name.endswith("data.pkl")]
    if names:
        with zipfile.ZipFile(path) as archive, archive.open(names[0]) as file:
            content = io.BytesIO(file.read(_LONGEST_PICKLE))
        yield from ((code.name, value) for code, value, _ in pickletools.genops(content))
        return
    with path.open("rb") as plain:
        content = io.BytesIO(plain.read(_LONGEST_PICKLE))
    # Before the object itself stand a magic number, a version and facts about the system.
    for _ in range(3 if content.getvalue()[:20].find(_MAGIC) >= 0 else 0):
        for _ in pickletools.genops(content):
            pass
    yield from ((code.name, value) for code, value, _ in pickletools.genops(content))


def no_weights(path: Path, keys: list[str]) -> str:
    """What a file with these keys holds instead of a state dict."""
    lowered = [key.lower() for key in keys]
    if {"state", "param_groups"} <= set(lowered) or any("optim" in key for key in lowered):
        return (
            f"{path} holds the state of an optimiser and no weights ({', '.join(keys[:5])}): give the file that holds "
            "model.state_dict()"
        )
    held = f" but {', '.join(keys[:5])}" if keys else ""
    return f"{path} holds no state dict (names to tensors){held}; save model.state_dict()"


def other_weights(keys: list[str]) -> str:
    """What weights of these names are, where they are no network's own; empty otherwise."""
    if any(part in key for key in keys for part in ("lora_", ".hada_", ".lokr_", "adapter_")):
        return (
            "it holds an adapter (LoRA), which changes the weights of another model: merge it into that model "
            "(merge_and_unload() in PEFT) and save the state dict of the result"
        )
    if any(key.endswith(("_packed_params", ".zero_point", "_packed_params._packed_params")) for key in keys):
        return (
            "its weights are quantised: quantise the module in the factory and load them there "
            f"({option('model', 'torch:FILE.py:factory')}), or save those of the float model"
        )
    return ""
