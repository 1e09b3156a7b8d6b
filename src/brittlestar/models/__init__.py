"""Anything that turns images in [0, 1] into logits; resizing and normalisation belong to the model."""

from __future__ import annotations

from collections.abc import Iterator

from brittlestar.core.options import option
from brittlestar.models.base import Model, ModelInfo, Preprocess, apply_preprocess, infer
from brittlestar.models.checks import check_model, map_labels
from brittlestar.models.load import load_model
from brittlestar.models.normalisation import settled_spec
from brittlestar.models.onnx import settled_output
from brittlestar.models.outputs import Outputs
from brittlestar.models.spec import ModelSpec, parse_spec
from brittlestar.models.wrap import as_model

__all__ = [
    "Model",
    "ModelInfo",
    "ModelSpec",
    "Outputs",
    "Preprocess",
    "apply_preprocess",
    "as_model",
    "check_model",
    "describe_models",
    "infer",
    "load_model",
    "map_labels",
    "parse_spec",
    "settled_output",
    "settled_spec",
]


def describe_models() -> Iterator[tuple[str, str]]:
    """The forms a model may be given in, one line each."""
    yield "torch:FILE.py:factory", "a function of a Python file that returns an nn.Module in evaluation mode"
    yield "torch:package.module:factory", "the same in an installed package"
    yield "FILE.pt2", "a program saved by torch.export"
    yield "FILE.onnx", "a program run by ONNX Runtime (the extra onnx); no gradients"
    yield "FILE.safetensors", f"a state dict, with {option('factory')}; normalisation may stand in the file's metadata"
    yield (
        "FILE.pth / .pth.tar / .pt / .th / .ckpt / .bin",
        f"a state dict without any pickled code, with {option('factory')}",
    )
    yield (
        "python:FILE.py:function",
        "a function from float32 numpy images to logits; no gradients, so no white-box attacks",
    )
