"""How a person names a model."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.core.options import option
from brittlestar.models.base import Preprocess
from brittlestar.models.checkpoints import how_to_merge

DTYPES = ("float32", "bf16")
BACKENDS = ("torch", "onnxruntime")

WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".th", ".pth.tar", ".pt.tar", ".ckpt", ".bin")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What it takes to load a model again, here or in another process.

    Fields:
        name: Display name.
        spec: ``torch:...``, ``python:...`` or a file.
        factory: ``FILE.py:function`` or ``package.module:function``, for state dicts.
        weights: A state dict to load into the module that ``spec`` builds.
        weights_key: Which weights of a file that holds several: a key of the file, or what their names begin with.
        device: Where it runs.
        dtype: ``float32``, or ``bf16`` to compute in bfloat16 where no gradients are taken.
        backend: ``torch``, or ``onnxruntime`` where no gradients are taken.
        output: Which of several outputs holds the logits: its name, or its place from 0.
        binary: Whether the model gives one number an image, the logit of the second class of two.
        probabilities: Whether it gives probabilities, whose logarithm serves as logits, without gradients.
        normalise: Whether the mean and std are applied before the model, or left to it; ``None`` finds out.
        channels, resize, resize_filter, crop, mean, std: The person's preprocessing; each overrides what the model
            declares.
    """

    name: str
    spec: str
    factory: str | None = None
    weights: str | None = None
    weights_key: str | None = None
    device: str = "cpu"
    dtype: str = "float32"
    backend: str = "torch"
    output: str | None = None
    binary: bool = False
    probabilities: bool = False
    normalise: bool | None = None
    channels: int | None = None
    resize: int | None = None
    resize_filter: str | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ModelSpec:
        """The specification that a manifest holds as JSON; earlier versions wrote ``engine`` for ``backend``."""
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in record.items()}
        if "engine" in fields:
            fields["backend"] = fields.pop("engine")
        return cls(**fields)

    def identity(self) -> dict[str, Any]:
        """What folders of finished trainings are named after: spelt as first written, so that they are found again."""
        later = ("weights_key", "output", "binary", "probabilities")
        fields = {k: v for k, v in dataclasses.asdict(self).items() if k not in later or v}
        fields["engine"] = fields.pop("backend")
        return fields


def parse_spec(
    text: str,
    *,
    factory: str | None = None,
    weights: str | None = None,
    weights_key: str | None = None,
    dtype: str = "float32",
    backend: str = "torch",
    output: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    channels: int | None = None,
    resize: int | None = None,
    resize_filter: str | None = None,
    crop: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> ModelSpec:
    """Read ``[NAME=]MODEL``.

    Raises:
        ModelError: The text is no form that ``brittlestar list models`` shows, or a number is impossible.
    """
    # A name has no colon and no slash, so that paths with "=" in them stay paths.
    named = re.fullmatch(r"([^=:/\\]+)=(.+)", text)
    name, spec = (named[1].strip(), named[2]) if named else ("", text)
    suffix = Path(spec).suffix.lower()
    if spec.startswith(("torch:", "python:")):
        parts = spec.split(":")
        require(
            len(parts) >= 3 and all(parts),
            f"{spec!r} lacks a part: write {parts[0]}:FILE.py:function or {parts[0]}:package.module:function",
            ModelError,
        )
        default = parts[-1]
    elif holds_weights(spec):
        require(
            # Those of ``brittlestar train`` name their architecture, which is seen when they are loaded.
            factory is not None or suffix == ".safetensors",
            f"{spec} holds weights only: name the function that builds the module, "
            f"{option('factory', 'FILE.py:function')}",
            ModelError,
        )
        default = Path(spec.removesuffix(".tar")).stem
    elif suffix in (".pt2", ".onnx"):
        default = Path(spec).stem
    else:
        raise ModelError(
            f"cannot tell what kind of model {spec!r} is{_hint(spec)}; `brittlestar list models` shows all"
        )
    require(
        factory is None or all(part for part in (factory.rpartition(":")[0], factory.rpartition(":")[2])),
        f"{option('factory', factory)} lacks a part: write FILE.py:function or package.module:function",
        ModelError,
    )
    require(
        weights is None or spec.startswith("torch:"),
        f"{option('weights')} goes with torch:FILE.py:factory; {spec} brings its own",
        ModelError,
    )
    require(
        weights_key is None or weights is not None or holds_weights(spec),
        f"{option('weights_key')} goes with a file of weights; {spec} is none",
        ModelError,
    )
    if dtype not in DTYPES:
        raise ModelError(str(unknown("dtype", dtype, DTYPES)))
    if backend not in BACKENDS:
        raise ModelError(str(unknown("backend", backend, BACKENDS)))
    plain = spec.startswith("python:") or suffix == ".onnx"
    require(
        not plain or (dtype, backend) == ("float32", "torch"),
        f"{option('dtype')} and {option('backend')} are for torch models; {spec} computes in its own way",
        ModelError,
    )
    both = f"{option('backend', 'onnxruntime')} computes in float32; leave {option('dtype')} out"
    require(backend == "torch" or dtype == "float32", both, ModelError)
    # Made for its checks alone: impossible numbers are told before anything is loaded.
    Preprocess(channels=channels, resize=resize, resize_filter=resize_filter, crop=crop, mean=mean, std=std)
    return ModelSpec(
        name=name or default,
        spec=spec,
        factory=factory,
        weights=weights,
        weights_key=weights_key,
        dtype=dtype,
        backend=backend,
        output=output,
        binary=binary,
        probabilities=probabilities,
        channels=channels,
        resize=resize,
        resize_filter=resize_filter,
        crop=crop,
        mean=mean,
        std=std,
    )


def holds_weights(spec: str) -> bool:
    """Whether a name ends as files of weights do."""
    return spec.lower().endswith(WEIGHT_FILES) and not spec.startswith(("torch:", "python:"))


def _is_folder(spec: str) -> bool:
    try:
        return Path(spec).is_dir()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _hint(spec: str) -> str:
    place, _, _ = spec.partition(":")
    suffix = Path(place).suffix.lower()
    if suffix == ".py":
        return f": did you mean torch:{spec if ':' in spec else spec + ':factory'}?"
    if suffix in (".pkl", ".pickle", ".joblib"):
        return (
            ": pickled objects can run any code and are never opened; "
            "load it yourself in a function and give python:FILE.py:function"
        )
    if place.endswith(".index.json"):
        return ": it lists the shards of a model, which are read as one file: " + how_to_merge(Path(place))
    if suffix in (".h5", ".keras", ".pb", ".tflite", ".hdf5"):
        return (
            ": models of TensorFlow are run by a function of yours, python:FILE.py:function, or exported to ONNX "
            "(tf2onnx)"
        )
    if suffix in (".ort", ".engine", ".trt", ".mlmodel", ".mlpackage", ".xml"):
        return ": compiled for one program; give the .onnx file that it was made from"
    if suffix in (".gz", ".tgz", ".zip", ".tar", ".xz", ".zst", ".7z"):
        return ": it is packed: unpack it, and give the file of weights or the program in it"
    if _is_folder(spec):
        return ": it is a folder: give the file of weights or the program in it"
    return (
        ": write torch:FILE.py:factory, python:FILE.py:function, a .pt2 or .onnx program, or weights with "
        f"{option('factory', 'FILE.py:function')}"
    )
