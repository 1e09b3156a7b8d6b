"""ONNX Runtime: ``.onnx`` files as models, and as a backend for torch models (the extra ``onnx``)."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from brittlestar.core.definition import canonical_json
from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.core.options import option
from brittlestar.models.base import Model, Preprocess, apply_preprocess
from brittlestar.models.onnx_file import digest_of
from brittlestar.models.outputs import PLAIN, Outputs
from brittlestar.models.spec import ModelSpec

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class OnnxModel(Model):
    """A program in ONNX with its preprocessing. No gradients.

    It may take its images as (batch, height, width, channel), as bytes, or a fixed number at a time; that is seen from
    what it declares, done, and noted.

    Raises:
        ModelError: No such file, no such package, or a program that does not take one batch of images.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        spec: str,
        preprocess: Preprocess,
        device: str = "cpu",
        outputs: Outputs = PLAIN,
    ) -> None:
        _require_package("onnxruntime")
        require(path.is_file(), f"no such file: {path}", ModelError)
        self.name, self.spec, self.preprocess, self.outputs = name, spec, preprocess, outputs
        self.device = torch.device(device)
        # First, as ONNX Runtime tells less of files that are missing.
        self._digest = digest_of(path)
        self._session = _session(path, self.device.type)
        inputs = self._session.get_inputs()
        told = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        require(
            len(inputs) == 1,
            f"{path} takes several inputs ({told}); a model takes one batch of images: export it with the others "
            "fixed, or run it in a function of yours (python:FILE.py:function)",
            ModelError,
        )
        self._input, self._shape, self._type = inputs[0].name, list(inputs[0].shape), _TYPES.get(inputs[0].type)
        # Nothing at all is declared of some.
        self._shape = self._shape or ["batch", "channel", "height", "width"]
        require(
            len(self._shape) == 4 and self._type is not None,
            f"{path} takes {told}; a model takes one batch of images, floats or bytes, (batch, channel, height, width) "
            "or (batch, height, width, channel)",
            ModelError,
        )
        self._channels_last = self._shape[3] in (1, 3) and self._shape[1] not in (1, 3)
        self._output = chosen_output(path, self._session.get_outputs(), outputs.name)
        self._batch = self._shape[0] if isinstance(self._shape[0], int) else None
        bytes_in = self._type is np.uint8
        require(
            not bytes_in or (preprocess.mean is None and preprocess.std is None),
            f"{path} takes bytes, which it normalises itself: leave {option('mean')} and {option('std')} out",
            ModelError,
        )
        self.notes = tuple(
            note
            for holds, note in (
                (self._channels_last, "takes (batch, height, width, channel): images are turned so"),
                (bytes_in, "takes bytes: images are multiplied by 255 and rounded"),
                (
                    self._batch is not None,
                    f"has a fixed batch of {self._batch}: images go in pieces of so many, the last filled up",
                ),
            )
            if holds
        )

    @property
    def output(self) -> str:
        """The output that holds the logits."""
        return self._output

    def choose(self, classes: int) -> bool:
        """Of several outputs, take the one that the program declares as (batch, classes); whether that was another.

        Nothing is changed where the person chose, where several fit and the one taken is among them, or where none
        does.
        """
        if self.outputs.name is not None:
            return False
        binary = self.outputs.binary
        fit = [
            o.name
            for o in self._session.get_outputs()
            if o.type in _FLOATS
            and (_classes_of(o.shape) == (1 if binary else classes) or (binary and len(o.shape) == 1))
        ]
        if not fit or self._output in fit:
            return False
        self._output = fit[0]
        self.outputs = dataclasses.replace(self.outputs, name=fit[0])
        return True

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See ``Model.logits``."""
        x = apply_preprocess(images, self.preprocess).detach()
        self._check_fits(x)
        if self._type is np.uint8:
            x = (x * 255).round().clamp(0, 255).to(torch.uint8)
        if self._channels_last:
            x = x.permute(0, 2, 3, 1)
        given = np.ascontiguousarray(x.cpu().numpy(), self._type)
        size = self._batch or len(given)
        answers = []
        for start in range(0, len(given), size):
            piece = given[start : start + size]
            # Repeated, not zeros: what is filled up with cannot be stranger than what is asked.
            filled = np.resize(piece, (size, *piece.shape[1:])) if len(piece) < size else piece
            answers.append(np.asarray(self._session.run([self._output], {self._input: filled})[0])[: len(piece)])
        names = [o.name for o in self._session.get_outputs()]
        self.taken = f"of its outputs {', '.join(names)} it is {self._output} that is taken" if len(names) > 1 else ""
        return self.outputs.logits(np.concatenate(answers), self.name, images.device)

    def _check_fits(self, x: torch.Tensor) -> None:
        """Told here, as ONNX Runtime names the axes by number."""
        height, width, channels = self._shape[1:] if self._channels_last else [*self._shape[2:], self._shape[1]]
        require(
            not isinstance(channels, int) or channels == x.shape[1],
            f"model {self.name} takes {channels} colour channels, and its images have {x.shape[1]}: give "
            f"{option('channels', channels if channels in (1, 3) else 3)}",
            ModelError,
        )
        fits = all(not isinstance(w, int) or w == has for w, has in ((height, x.shape[2]), (width, x.shape[3])))
        least = min((side for side in (height, width) if isinstance(side, int)), default=0)
        square = height == width or not (isinstance(height, int) and isinstance(width, int))
        remedy = (
            f"give {option('model_resize', least)} and {option('model_crop', least)}"
            if square
            else f"prepare images of {width} x {height} pixels, or export it with another size"
        )
        require(
            fits,
            f"model {self.name} takes images of {width} x {height} pixels, and they have {x.shape[3]} x {x.shape[2]}: "
            f"{remedy}",
            ModelError,
        )

    def fingerprint(self) -> str:
        """Over the file's bytes, those of the files it keeps weights in, and the preprocessing."""
        digest = self._digest.copy()
        # The first output adds nothing, as it was the only one that could be taken once.
        first = self._session.get_outputs()[0].name
        named = dataclasses.replace(self.outputs, name=None if self._output == first else self._output)
        digest.update(canonical_json(self.preprocess.as_json()).encode() + named.identity().encode())
        return digest.hexdigest()[:16]


def settled_output(model: Model, spec: ModelSpec | None, classes: int) -> ModelSpec | None:
    """Have a program of several outputs give the one of so many classes; give the specification that loads it so."""
    if not isinstance(model, OnnxModel) or not model.choose(classes):
        return spec
    return spec and dataclasses.replace(spec, output=model.output)


def chosen_output(path: Path, outputs: Sequence[Any], name: str | None) -> str:
    """The name of the output that holds the logits.

    Args:
        path: Of the program, for messages.
        outputs: As ONNX Runtime tells them, with ``name``, ``type`` and ``shape``.
        name: The person's choice: a name, or a place from 0.

    Raises:
        ModelError: No output of that name, or none of numbers.
    """
    names = [o.name for o in outputs]
    if name is not None:
        place = names[int(name)] if name.isdecimal() and int(name) < len(names) and name not in names else name
        if place not in names:
            raise ModelError(f"{path}: {unknown('output', name, names, 'brittlestar list models')}")
        return place
    floats = [o for o in outputs if o.type in _FLOATS]
    require(
        bool(floats),
        f"{path} gives {', '.join(f'{o.name} {o.type} {o.shape}' for o in outputs)}, and none is a tensor of floats: "
        "export it up to its logits",
        ModelError,
    )
    called = [o for o in floats if "logits" in o.name.lower() and "aux" not in o.name.lower()]
    tables = [o for o in floats if _classes_of(o.shape) != 0]
    return str((called or tables or floats)[0].name)


def _classes_of(shape: Sequence[Any]) -> int | None:
    """How many classes an output of this shape gives, as far as it is declared: 0 for what is no table of them."""
    # Sizes of 1 behind the classes are dropped, as a last convolution leaves them.
    kept = list(shape)
    while len(kept) > 2 and kept[-1] == 1:
        kept.pop()
    if len(kept) != 2:
        return 0
    return kept[1] if isinstance(kept[1], int) else None


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
    require(x.dtype != torch.bfloat16, f"ONNX Runtime takes no bfloat16: use {option('backend', 'torch')}", ModelError)
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
        found = session.run(None, {name: np.ascontiguousarray(images.detach().cpu().numpy())})[0]
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
        newer = "IR version" in first or "opset" in first.lower() or "under development" in first
        remedy = (
            f": it was written for a newer ONNX than ONNX Runtime {onnxruntime.__version__} reads; upgrade that, or "
            "export it with a smaller opset_version"
            if newer
            else ": it has operators of its own; run it in a function of yours (python:FILE.py:function)"
            if "not a registered function/op" in first
            else ""
        )
        raise ModelError(f"{path} is no program that ONNX Runtime can run ({first[:300]}){remedy}") from error


def _require_package(name: str) -> None:
    require(
        importlib.util.find_spec(name) is not None,
        f"this needs the package {name}: pip install 'brittlestar[onnx]'",
        ModelError,
    )
