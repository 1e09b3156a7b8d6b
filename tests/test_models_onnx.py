"""ONNX programs as people export them: weights in other files, other layouts, types, outputs and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brittlestar.core.errors import ModelError
from brittlestar.models import ModelSpec, check_model, load_model, parse_spec, settled_output
from brittlestar.models.onnx import OnnxModel
from brittlestar.models.onnx_file import external_files

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

IMAGES = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
WEIGHT = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
CHANNELS_FIRST: list[Any] = ["n", 3, 8, 8]


def made(
    path: Path,
    shape: list[Any] = CHANNELS_FIRST,
    kind: str = "FLOAT",
    outputs: tuple[str, ...] = ("logits",),
    apart: str | None = None,
    scale: float = 1.0,
    opset: int = 17,
) -> Path:
    """Write a program that averages each channel and multiplies by ``WEIGHT``.

    Args:
        path: Where.
        shape: Of its input; channels last where the last is 3.
        kind: Of its input.
        outputs: Some of ``probabilities``, ``logits``, ``wide`` (n, 9), ``maps`` (n, 3, 8, 8), ``flat`` (n,).
        apart: A file for the weights.
        scale: Of the weights.
        opset: The version of the operators.
    """
    h, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    last = shape[3] == 3
    nodes = [
        h.make_node("Cast", ["x"], ["f"], to=types.FLOAT),
        h.make_node("ReduceMean", ["f"], ["m"], axes=[1, 2] if last else [2, 3], keepdims=0),
        h.make_node("MatMul", ["m", "w"], ["logits"]),
        h.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        h.make_node("Concat", ["m", "m", "m"], ["wide"], axis=1),
        h.make_node("Identity", ["f"], ["maps"]),
        h.make_node("ReduceMean", ["m"], ["flat"], axes=[1], keepdims=0),
    ]
    shapes = {"logits": ["n", 4], "probabilities": ["n", 4], "wide": ["n", 9], "maps": shape, "flat": ["n"]}
    weight = scale * WEIGHT / (255 if kind == "UINT8" else 1)
    graph = h.make_graph(
        nodes,
        "g",
        [h.make_tensor_value_info("x", getattr(types, kind), shape)],
        [h.make_tensor_value_info(name, types.FLOAT, shapes[name]) for name in outputs],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    if apart is not None:
        onnx.external_data_helper.convert_model_to_external_data(model, location=apart, size_threshold=0)
    onnx.save(model, str(path))
    return path


def loaded(path: Path, **options: Any) -> OnnxModel:
    model = load_model(parse_spec(str(path), **options))
    assert isinstance(model, OnnxModel)
    return model


EXPECTED = IMAGES.mean((2, 3)) @ torch.from_numpy(WEIGHT)


def right(model: OnnxModel, within: float = 1e-5) -> bool:
    return torch.allclose(model.logits(IMAGES), EXPECTED, atol=within)


INPUTS: list[tuple[list[Any], str, str]] = [
    (CHANNELS_FIRST, "FLOAT", ""),
    (["n", "c", "h", "w"], "FLOAT", ""),
    (CHANNELS_FIRST, "DOUBLE", ""),
    (CHANNELS_FIRST, "FLOAT16", ""),
    (["n", 8, 8, 3], "FLOAT", "takes (batch, height, width, channel): images are turned so"),
    ([None, None, None, 3], "FLOAT", "takes (batch, height, width, channel): images are turned so"),
    (CHANNELS_FIRST, "UINT8", "takes bytes: images are multiplied by 255 and rounded"),
    ([1, 3, 8, 8], "FLOAT", "has a fixed batch of 1: images go in pieces of so many, the last filled up"),
    ([5, 3, 8, 8], "FLOAT", "has a fixed batch of 5: images go in pieces of so many, the last filled up"),
]


@pytest.mark.parametrize(
    ("shape", "kind", "note"), [INPUTS[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in INPUTS[1:])]
)
def test_inputs_of_every_kind(tmp_path: Path, shape: list[Any], kind: str, note: str) -> None:
    model = loaded(made(tmp_path / "a.onnx", shape, kind))
    assert right(model, 1e-3 if kind == "FLOAT16" else 1e-5)
    assert model.notes == ((note,) if note else ())
    assert check_model(model, IMAGES, EXPECTED.argmax(1), 4, 16)[: len(model.notes)] == model.notes


@pytest.mark.slow
def test_bytes_fixed_batch_and_layout_together(tmp_path: Path) -> None:
    model = loaded(made(tmp_path / "a.onnx", [2, 8, 8, 3], "UINT8"))
    assert right(model) and len(model.notes) == 3
    with pytest.raises(ModelError, match="takes bytes, which it normalises itself"):
        loaded(tmp_path / "a.onnx", mean=(0.5,))


@pytest.mark.parametrize(
    ("outputs", "taken"),
    [
        (("probabilities", "logits"), "logits"),
        (("maps", "logits"), "logits"),
        (("maps", "probabilities"), "probabilities"),
        (("wide", "probabilities"), "probabilities"),
    ],
)
@pytest.mark.slow
def test_the_output_of_so_many_classes_is_taken(tmp_path: Path, outputs: tuple[str, ...], taken: str) -> None:
    spec = parse_spec(str(made(tmp_path / "a.onnx", outputs=outputs)))
    model = load_model(spec)
    assert isinstance(model, OnnxModel)
    settled = settled_output(model, spec, 4)
    assert model.output == taken and settled is not None
    again = load_model(settled)
    assert again.fingerprint() == model.fingerprint()
    assert torch.equal(again.logits(IMAGES), model.logits(IMAGES))
    assert f"it is {taken} that is taken" in model.taken
    chosen = load_model(parse_spec(spec.spec, output=outputs[0]))
    assert isinstance(chosen, OnnxModel) and chosen.output == outputs[0]
    assert (chosen.fingerprint() != model.fingerprint()) == (taken != outputs[0])
    assert load_model(parse_spec(spec.spec, output="0")).fingerprint() == chosen.fingerprint()
    with pytest.raises(ModelError, match="unknown output 'none'"):
        load_model(parse_spec(spec.spec, output="none"))


@pytest.mark.slow
def test_one_number_and_probabilities(tmp_path: Path) -> None:
    made(tmp_path / "a.onnx", outputs=("maps", "flat"))
    spec = parse_spec(str(tmp_path / "a.onnx"), binary=True)
    model = load_model(spec)
    settled_output(model, spec, 2)
    z = IMAGES.mean((1, 2, 3))
    assert torch.allclose(model.logits(IMAGES), torch.stack([-z / 2, z / 2], 1), atol=1e-5)
    made(tmp_path / "b.onnx", outputs=("probabilities",))
    with pytest.raises(ModelError, match=r"leave its softmax out, or give ModelSpec\(probabilities=True\)"):
        check_model(loaded(tmp_path / "b.onnx"), IMAGES, EXPECTED.argmax(1), 4, 16)
    found = loaded(tmp_path / "b.onnx", probabilities=True).logits(IMAGES)
    assert torch.allclose(found, EXPECTED.log_softmax(1), atol=1e-5)


@pytest.mark.slow
def test_weights_in_another_file_are_a_part_of_the_program(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, scale in ((one, 1.0), (two, -1.0)):
        folder.mkdir()
        made(folder / "m.onnx", apart="m.onnx.data", scale=scale)
    assert (one / "m.onnx").read_bytes() == (two / "m.onnx").read_bytes()
    first, second = loaded(one / "m.onnx"), loaded(two / "m.onnx")
    assert right(first) and not right(second)
    assert first.fingerprint() != second.fingerprint()
    assert first.fingerprint() == loaded(one / "m.onnx").fingerprint()
    (one / "m.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"keeps its weights in m\.onnx\.data, which is missing"):
        loaded(one / "m.onnx")


@pytest.mark.parametrize("where", ["../secret", "/etc/passwd", "a/../../secret", "C:\\secret", "..\\secret", ""])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(100))
    folder = tmp_path / "in"
    folder.mkdir()
    made(folder / "m.onnx", apart="m.data")
    model = onnx.load(str(folder / "m.onnx"), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = where
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its own folder"):
        loaded(folder / "m.onnx")


@pytest.mark.slow
def test_weights_are_found_wherever_tensors_stand(tmp_path: Path) -> None:
    """In constants of branches, in functions of the model, in sparse tensors, in training."""
    h, types = onnx.helper, onnx.TensorProto

    def apart(name: str) -> Any:
        (tmp_path / name).write_bytes(bytes(4))
        tensor = types(name=name, data_type=types.FLOAT, dims=[1], data_location=types.EXTERNAL)
        tensor.external_data.add(key="location", value=name)
        return tensor

    def constant(name: str) -> Any:
        return h.make_node("Constant", [], [name], value=apart(name))

    value = h.make_tensor_value_info("y", types.FLOAT, [1])
    branch = h.make_graph([constant("branch")], "b", [], [value])
    nodes = [h.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch), constant("plain")]
    graph = h.make_graph(nodes, "g", [], [value], [apart("initial")])
    graph.sparse_initializer.add(values=apart("sparse"), indices=apart("places"), dims=[1])
    model = h.make_model(graph)
    model.functions.append(h.make_function("d", "f", [], ["z"], [constant("function")], [h.make_opsetid("", 17)]))
    names = external_files(tmp_path / "m.onnx", model.SerializeToString())
    assert names == sorted({"branch", "plain", "initial", "sparse", "places", "function"})


@pytest.mark.slow
def test_what_is_no_program_gets_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    whole = made(path).read_bytes()
    newer = onnx.load_model_from_string(whole)
    newer.ir_version = 99
    later = onnx.load_model_from_string(whole)
    later.opset_import[0].version = 99
    for content, match in (
        (b"", "is empty"),
        (b"hello world", "no ONNX file|ONNX Runtime"),
        (b"\xff" * 100, "no ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (whole[:-30], "cut off|ONNX Runtime"),
        (newer.SerializeToString(), "newer ONNX"),
        (later.SerializeToString(), "newer ONNX"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=match) as caught:
            loaded(path)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_images_that_do_not_fit_get_the_remedy(tmp_path: Path) -> None:
    model = loaded(made(tmp_path / "a.onnx", ["n", 3, 16, 16]))
    with pytest.raises(ModelError, match=r"16 x 16 pixels, and they have 8 x 8: give ModelSpec\(resize=16\)"):
        check_model(model, IMAGES, EXPECTED.argmax(1), 4, 16)
    assert loaded(tmp_path / "a.onnx", resize=16).logits(IMAGES).shape == (7, 4)
    with pytest.raises(ModelError, match=r"3 colour channels, and its images have 1: give ModelSpec\(channels=3\)"):
        model.logits(IMAGES[:, :1])
    h, types = onnx.helper, onnx.TensorProto
    inputs = [h.make_tensor_value_info(name, types.FLOAT, ["n", 3, 8, 8]) for name in "xy"]
    value = h.make_tensor_value_info("z", types.FLOAT, ["n", 3, 8, 8])
    graph = h.make_graph([h.make_node("Add", ["x", "y"], ["z"])], "g", inputs, [value])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), str(tmp_path / "two.onnx"))
    with pytest.raises(ModelError, match="takes several inputs"):
        loaded(tmp_path / "two.onnx")


def test_a_specification_of_an_output_is_kept() -> None:
    spec = parse_spec("a.onnx", output="logits")
    assert ModelSpec.from_record(dict(vars(spec))) == spec
