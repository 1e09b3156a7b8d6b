"""ONNX Runtime: ``.onnx`` files as models, and as a backend for torch models (the extra ``onnx``)."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from brittlestar.core.definition import canonical_json
from brittlestar.core.errors import ModelError, require
from brittlestar.models.base import Model, Preprocess, apply_preprocess

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxModel(Model):
    """A program in ONNX with its preprocessing. No gradients.

    Raises:
        ModelError: No such file, no such package, or a program that does not take one batch of images.
    """

    def __init__(self, path: Path, *, name: str, spec: str, preprocess: Preprocess, device: str = "cpu") -> None:
        require(path.is_file(), f"no such file: {path}", ModelError)
        self.name, self.spec, self.preprocess, self.device = name, spec, preprocess, torch.device(device)
        self._session = _session(path, self.device.type)
        inputs = self._session.get_inputs()
        told = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        require(
            len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _TYPES,
            f"{path} takes {told}; a model takes one batch of images, floats (batch, channel, height, width)",
            ModelError,
        )
        require(
            not isinstance(inputs[0].shape[0], int),
            f"{path} takes {inputs[0].shape[0]} images at a time and no other number: export it with a dynamic batch, "
            "dynamic_shapes=({0: torch.export.Dim('batch')},)",
            ModelError,
        )
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        self._digest = hashlib.sha256(path.read_bytes())

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See ``Model.logits``; the first output of the program."""
        x = apply_preprocess(images, self.preprocess).detach().cpu().numpy()
        answer = self._session.run(None, {self._input: np.ascontiguousarray(x, self._type)})[0]
        return torch.from_numpy(np.asarray(answer, np.float32)).to(images.device)

    def fingerprint(self) -> str:
        """Over the file's bytes and the preprocessing."""
        digest = self._digest.copy()
        digest.update(canonical_json(self.preprocess.as_json()).encode())
        return digest.hexdigest()[:16]


def through_onnx(module: nn.Module, x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """A module's answers, computed by ONNX Runtime.

    Args:
        module: In evaluation mode.
        x: (n, channel, height, width) images as its first layer gets them; n at least 2.

    Raises:
        ModelError: A package is missing, or the module cannot be exported.
    """
    for needed in ("onnxruntime", "onnx", "onnxscript"):
        _require_package(needed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    module,
                    # Two images: torch.export takes a size of 1 for a constant.
                    (x[:2].clone(),),
                    str(path),
                    dynamo=True,
                    dynamic_shapes=({0: torch.export.Dim("batch")},),
                    verbose=False,
                    # Weights in the same file, which is read whole before its folder goes.
                    external_data=False,
                )
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            raise ModelError(f"the module cannot be exported to ONNX ({type(error).__name__}: {first})") from error
        session = _session(path, x.device.type)
    name = session.get_inputs()[0].name

    def answer(images: torch.Tensor) -> torch.Tensor:
        found = session.run(None, {name: np.ascontiguousarray(images.detach().cpu().numpy(), np.float32)})[0]
        return torch.from_numpy(np.asarray(found, np.float32)).to(images.device)

    return answer


def _session(path: Path, device: str) -> Any:
    _require_package("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Workers share the cores: one thread each, as torch has there.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    providers = [p for p in [*wanted, "CPUExecutionProvider"] if p in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(f"{path} is no program that ONNX Runtime can run: {first}") from error


def _require_package(name: str) -> None:
    require(
        importlib.util.find_spec(name) is not None,
        f"this needs the package {name}: pip install 'brittlestar[onnx]'",
        ModelError,
    )
