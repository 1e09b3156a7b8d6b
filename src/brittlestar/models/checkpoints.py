"""Checkpoints as training scripts leave them: weights under some key, averaged ones beside them, names with prefixes.

Nothing is guessed: a set of weights is taken only where its names are exactly the module's, apart from what
``DataParallel``, ``torch.compile`` and Lightning put before every name. What was chosen is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.core.options import option
from brittlestar.models.foreign import AVERAGED, WRAPPERS, averages_unread, no_weights, other_weights

_WRAPPING = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name, in the order in which they were applied."""

_OPTIONAL = "num_batches_tracked"
"""A buffer that older versions of torch did not save, and on which no answer depends."""

_STEPS = "steps"
"""How MMEngine's averages count what they were taken of, among the weights and under no module's name."""

_COUNTERS = ("n_averaged", "total_ops", "total_params")

State: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True)
class Chosen:
    """One set of weights of a file.

    Fields:
        state: Names, as the file has them, to tensors.
        notes: What a person should know about the choice.
    """

    state: State
    notes: tuple[str, ...] = ()


def choose(path: Path, content: Any, key: str | None = None) -> Chosen:
    """The weights of a checkpoint.

    Where averaged weights stand beside raw ones, the averaged ones are taken, as timm evaluates them.

    Args:
        path: Of the file, for messages.
        content: What the file holds.
        key: The person's choice: a key of the file (``a.b`` for one within another), or what all names of the wanted
            weights begin with.

    Raises:
        ModelError: It holds no weights, several without a usual name, or none under that key.
    """
    require(
        isinstance(content, Mapping),
        f"{path} holds a {type(content).__name__}, no state dict (names to tensors); save model.state_dict()",
        ModelError,
    )
    if key is not None:
        return Chosen(_without_count(_under(path, content, key)), (f"the weights {key} of {path.name}",))
    if _is_state(content):
        return Chosen(_without_count(content))
    sets = {name: state for name, value in content.items() if (state := _unwrapped(value)) is not None}
    averaged = next((name for name in AVERAGED if name in sets), None)
    raw = next((name for name in WRAPPERS if name in sets), None)
    if averaged is not None:
        return Chosen(_averages(sets[averaged]), (_averaged_told(path, averaged, raw),))
    if raw is not None:
        return Chosen(_without_count(sets[raw]), averages_unread(path, content, raw))
    require(bool(sets), no_weights(path, [str(name) for name in content]), ModelError)
    require(
        len(sets) == 1,
        f"{path} holds several sets of weights: {', '.join(sets)}; choose one with "
        f"{option('weights_key', next(iter(sets)))}",
        ModelError,
    )
    ((name, state),) = sets.items()
    require("optim" not in str(name).lower(), no_weights(path, [str(n) for n in content]), ModelError)
    return Chosen(_without_count(state), (f"the weights {name} of {path.name}",))


def _is_state(value: Any) -> bool:
    """Names to tensors. A packed or extra state beside them is no tensor and hinders nothing."""
    return (
        isinstance(value, Mapping)
        and any(isinstance(v, torch.Tensor) for v in value.values())
        and all(
            isinstance(k, str) and (isinstance(v, torch.Tensor) or "_packed_params" in k or k.endswith("_extra_state"))
            for k, v in value.items()
        )
    )


def _unwrapped(value: Any, depth: int = 0) -> State | None:
    """The weights in a value: itself, or what stands in it under a usual name."""
    if _is_state(value):
        return dict(value)
    if isinstance(value, Mapping) and depth < 3:
        for name in (*AVERAGED, *WRAPPERS, "shadow"):
            if (inner := _unwrapped(value.get(name), depth + 1)) is not None:
                return inner
    return None


def _under(path: Path, content: Mapping[str, Any], key: str) -> State:
    value: Any = content.get(key)
    if value is None:
        value = content
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    state = _unwrapped(value)
    if state is not None:
        return state
    flat = _unwrapped(content) or {}
    begun = {name.removeprefix(f"{key}."): tensor for name, tensor in flat.items() if name.startswith(f"{key}.")}
    if begun:
        return begun
    names = [str(name) for name, inner in content.items() if _unwrapped(inner) is not None]
    names += [] if names else sorted({name.partition(".")[0] for name in flat})
    raise ModelError(f"{path}: {unknown('weights key', key, names, 'brittlestar list models')}")


def _without_count(state: Mapping[str, Any]) -> State:
    """Without the counters that ``AveragedModel`` and tools that count operations keep among the weights.

    Extra states that are no tensors go too: they are settings of layers, not weights.
    """
    kept = {
        name: value
        for name, value in state.items()
        if name.rpartition(".")[2] not in _COUNTERS
        and (isinstance(value, torch.Tensor) or not name.endswith("_extra_state"))
    }
    return kept or dict(state)


def _averages(state: Mapping[str, Any]) -> State:
    kept = _without_count(state)
    return {name: value for name, value in kept.items() if name != _STEPS or value.ndim > 0}


def fitted(path: Path, state: State, own: Mapping[str, torch.Tensor]) -> Chosen:
    """The weights under the module's own names.

    Args:
        path: Of the file, for messages.
        state: As the file has them.
        own: The module's state dict.

    Raises:
        ModelError: They do not fit, with what they are instead where that can be told.
    """
    renamed, notes = _renamed(path, state, own)
    _check_shapes(path, renamed, own)
    return Chosen(renamed, (*notes, *_types(path, renamed, own)))


def _renamed(path: Path, state: State, own: Mapping[str, torch.Tensor]) -> tuple[State, list[str]]:
    """The weights under the module's names, where what stands before the names is all that differs."""
    if _fits(state, own):
        return state, []
    if told := other_weights(list(state)):
        raise ModelError(f"{path} does not fit the module: {told}")
    plain = {_unwrapped_name(name): value for name, value in state.items()}
    # Without what wraps a name, so that a factory that gives DataParallel itself fits too.
    bare = {_unwrapped_name(name): name for name in own}
    if len(plain) == len(state) and len(bare) == len(own):
        for names in (bare, _within(bare)):
            prefixes = [prefix for prefix in _prefixes(plain, names) if _fits(_begun(plain, prefix), names)]
            if prefixes:
                prefix, notes = _one_of(path, prefixes)
                inner = _begun(plain, prefix)
                left = len(plain) - len(inner)
                if left and not notes:
                    notes = [f"{left} tensors of {path.name} outside {prefix.rstrip('.')} are none of the module's"]
                return {names[name]: value for name, value in inner.items()}, notes
    raise ModelError(_misfit(path, state, own))


def _one_of(path: Path, prefixes: list[str]) -> tuple[str, list[str]]:
    """Of the sets of weights that fit, told apart by what their names begin with, the averaged one."""
    if len(prefixes) == 1:
        return prefixes[0], []
    averaged = [prefix for prefix in prefixes if "ema" in re.split(r"[._]", prefix) or "averaged" in prefix]
    if len(prefixes) == 2 and len(averaged) == 1:
        (other,) = set(prefixes) - set(averaged)
        return averaged[0], [_averaged_told(path, averaged[0].rstrip("."), other.rstrip("."))]
    names = ", ".join(prefix.rstrip(".") or "(nothing)" for prefix in prefixes)
    raise ModelError(
        f"{path} holds several sets of weights, whose names begin with {names}; choose one with "
        f"{option('weights_key', prefixes[-1].rstrip('.'))}"
    )


def _averaged_told(path: Path, averaged: str, raw: str | None) -> str:
    beside = f" (not {raw})" if raw else ""
    other = f"; {option('weights_key', raw)} takes those that are not averaged" if raw else ""
    return f"the averaged weights {averaged}{beside} of {path.name} are taken, as timm evaluates them{other}"


def _unwrapped_name(name: str) -> str:
    """Without DataParallel's and torch.compile's parts, at the beginning or within."""
    return ".".join(part for part in name.split(".") if f"{part}." not in _WRAPPING)


def _needed(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.endswith(_OPTIONAL)}


def _fits(state: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    return _needed(own) <= set(state) <= set(own)


def _begun(state: State, prefix: str) -> State:
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


def _prefixes(state: State, own: Mapping[str, Any]) -> list[str]:
    """What may stand before every name: seen at the longest name of the module's, which is the rarest."""
    needed = _needed(own)
    if not needed:
        return []
    longest = max(needed, key=len)
    return sorted({name[: -len(longest)] for name in state if name == longest or name.endswith(f".{longest}")})


def _within(own: Mapping[str, str]) -> dict[str, str]:
    """The names within the only part with weights of a module that wraps a network; empty where there are several.

    A single layer is no network: its ``weight`` would fit every layer of its size.
    """
    parts = {name.partition(".")[0] for name in own}
    inner = {name.partition(".")[2]: full for name, full in own.items()}
    return inner if len(parts) == 1 and any("." in name for name in inner) else {}


def _misfit(path: Path, state: State, own: Mapping[str, Any]) -> str:
    missing, unexpected = sorted(_needed(own) - set(state)), sorted(set(state) - set(own))
    text = (
        f"{path} does not fit the module: it lacks {_some(missing)} and has {_some(unexpected)} which the module lacks"
    )
    if "-of-" in path.stem:
        return f"{text}; it is one of several shards: {how_to_merge(path)}"
    if missing and all(name.endswith(("running_mean", "running_var")) for name in missing):
        return (
            f"{text}: the running statistics of its batch norms were not saved (parameters() and not state_dict()?); "
            "without them it is another model: save model.state_dict()"
        )
    if not missing:
        return (
            f"{text}: these stood beside the network (a loss, another head): save it without them, "
            "{name: value for name, value in state.items() if name in model.state_dict()}"
        )
    common = set(state) & set(own)
    if not unexpected and len(missing) <= 2 and common:
        return f"{text}: a network without its last layer? Give weights that were trained for these classes"
    return text if common else f"{text}: it is another architecture, or the factory builds another part of it"


def how_to_merge(path: Path) -> str:
    """How shards of safetensors become one file."""
    pattern = f"{re.split('[-.]', path.name)[0] or 'model'}-*.safetensors"
    return (
        'merge them into one: python -c "import glob; from safetensors.torch import load_file, save_file; s = {}; '
        f"[s.update(load_file(f)) for f in sorted(glob.glob('{path.parent / pattern}'))]; "
        f"save_file(s, '{path.parent / 'merged.safetensors'}')\""
    )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "") if keys else "nothing"


def _check_shapes(path: Path, state: State, own: Mapping[str, torch.Tensor]) -> None:
    off = [name for name, value in state.items() if tuple(value.shape) != tuple(own[name].shape)]
    if not off:
        return
    name = off[0]
    has, wants = tuple(state[name].shape), tuple(own[name].shape)
    shapes = f"{name} is {_shape(has)} in the file and {_shape(wants)} in the module"
    stem = name.rpartition(".")[0]
    head = all(other.rpartition(".")[0] == stem for other in off) and has[1:] == wants[1:]
    if head and has and wants:
        raise ModelError(
            f"{path} does not fit the module: {shapes}: it was trained for {has[0]} classes and the factory builds "
            f"{wants[0]}; build the module with {has[0]} outputs, and where the data hold some of those classes list "
            f"all names with {option('classes')}"
        )
    more = f", and {len(off) - 1} more differ" if len(off) > 1 else ""
    raise ModelError(f"{path} does not fit the module: {shapes}{more}: the factory builds it in another size")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _types(path: Path, state: State, own: Mapping[str, torch.Tensor]) -> Iterator[str]:
    quantised = [name for name, value in state.items() if value.is_quantized != own[name].is_quantized]
    require(
        not quantised,
        f"{path} does not fit the module: {_some(quantised)} are quantised in one of them and floats in the other: "
        f"quantise the module in the factory and load the weights there ({option('model', 'torch:FILE.py:factory')})",
        ModelError,
    )
    kinds = {
        (value.dtype, own[name].dtype)
        for name, value in state.items()
        if value.dtype != own[name].dtype and own[name].is_floating_point()
    }
    for held, wanted in sorted(kinds, key=str):
        require(
            held.is_floating_point,
            f"{path} does not fit the module: it holds whole numbers ({_plain(held)}) where the module has floats: "
            "quantised weights need the code that quantised them; save those of the float model",
            ModelError,
        )
        yield f"{path.name} keeps its weights in {_plain(held)}, and they are computed with in {_plain(wanted)}"


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
