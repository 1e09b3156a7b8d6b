"""How a person names a model."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from brittlestar.core.errors import ModelError, require

WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".th")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What it takes to load a model again, here or in another process.

    Fields:
        name: Display name.
        spec: ``torch:...``, ``python:...`` or a file.
        factory: ``FILE.py:function`` or ``package.module:function``, for state dicts.
        weights: A state dict to load into the module that ``spec`` builds.
        device: Where it runs.
        channels, resize, crop, mean, std: The person's preprocessing; each overrides what the model declares.
    """

    name: str
    spec: str
    factory: str | None = None
    weights: str | None = None
    device: str = "cpu"
    channels: int | None = None
    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def parse_spec(
    text: str,
    *,
    factory: str | None = None,
    weights: str | None = None,
    channels: int | None = None,
    resize: int | None = None,
    crop: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> ModelSpec:
    """Read ``[NAME=]MODEL``.

    Raises:
        ModelError: The text is no form that ``brittlestar list models`` shows, or a number is impossible.
    """
    named = re.fullmatch(r"([^=:/\\]+)=(.+)", text)
    name, spec = (named[1], named[2]) if named else ("", text)
    suffix = Path(spec).suffix.lower()
    if spec.startswith(("torch:", "python:")):
        parts = spec.split(":")
        require(
            len(parts) >= 3 and all(parts),
            f"{spec!r} lacks a part: write {parts[0]}:FILE.py:function or {parts[0]}:package.module:function",
            ModelError,
        )
        default = parts[-1]
    elif suffix in WEIGHT_FILES:
        require(
            factory is not None,
            f"{spec} holds weights only: name the function that builds the module, --factory FILE.py:function",
            ModelError,
        )
        default = Path(spec).stem
    elif suffix == ".pt2":
        default = Path(spec).stem
    else:
        raise ModelError(f"cannot tell what kind of model {spec!r} is; `brittlestar list models` shows the forms")
    require(channels in (None, 1, 3), f"--channels must be 1 or 3, got {channels}", ModelError)
    for what, value in (("resize", resize), ("crop", crop)):
        require(value is None or value >= 1, f"the model's {what} must be at least 1 pixel, got {value}", ModelError)
    require(std is None or all(v > 0 for v in std), f"--std must be positive, got {std}", ModelError)
    return ModelSpec(
        name=name or default,
        spec=spec,
        factory=factory,
        weights=weights,
        channels=channels,
        resize=resize,
        crop=crop,
        mean=mean,
        std=std,
    )
