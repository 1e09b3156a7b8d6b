"""Every form a model may be given in, and what is refused with which reason."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittlestar.core.errors import ModelError
from brittlestar.models import ModelSpec, Preprocess, apply_preprocess, as_model, infer, load_model, parse_spec

NET = """
import torch
from torch import nn
{extra}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean((2, 3)))

def net():
    return Net().eval()

def training():
    return Net().train()

def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 5))

def other():
    return 7

def broken():
    raise RuntimeError("no such layer")

def leaving():
    raise SystemExit(3)

def scaled():
    return Net().eval()

scaled.mean = 0.5
scaled.std = [0.2, 0.3, 0.4]
scaled.resize = 16
scaled.crop = 8

def mistaken():
    return Net().eval()

mistaken.mean = "0.5"

def logits(x):
    assert x.dtype == "float32" and x.flags["C_CONTIGUOUS"]
    x *= 2
    return x.reshape(len(x), -1)[:, :5]

constant = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET.format(extra=""))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def fails(text: str, match: str, **options: str) -> None:
    with pytest.raises(ModelError, match=match):
        load_model(parse_spec(text, **options))  # type: ignore[arg-type]


# Naming a model


def test_names_come_from_the_person_or_from_the_specification() -> None:
    assert parse_spec("torch:a/b.py:net").name == "net"
    assert parse_spec("mine=torch:a/b.py:net") == ModelSpec(name="mine", spec="torch:a/b.py:net")
    assert parse_spec("torch:a/b=c.py:net").spec == "torch:a/b=c.py:net"
    assert parse_spec("runs/best.safetensors", factory="net.py:net").name == "best"
    assert parse_spec("program.pt2").name == "program"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("net.py:net", "did you mean torch:net.py:net"),
        ("net.py", "did you mean torch:net.py:factory"),
        ("torch:net.py", "lacks a part"),
        ("torch:net.py:", "lacks a part"),
        ("model.pkl", "pickled objects can run any code"),
        ("model.onnx", "python:FILE.py:function"),
        ("model.ckpt", "state dict"),
        ("resnet50", "torch:FILE.py:factory"),
        ("weights.pth", "--factory"),
    ],
)
def test_what_is_no_model_gets_the_nearest_right_form(text: str, hint: str) -> None:
    with pytest.raises(ModelError, match=hint):
        parse_spec(text)


@pytest.mark.parametrize(
    "options",
    [{"channels": 2}, {"crop": 0}, {"std": (0.0,)}, {"mean": (0.1, 0.2)}, {"factory": "net.py"}, {"weights": "a.pth"}],
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        parse_spec("model.pt2", **options)  # type: ignore[arg-type]


# Factories


def test_a_factory_gives_the_same_model_every_time_it_is_loaded(folder: Path) -> None:
    """Random initial weights too: worker processes load the model again."""
    before = torch.random.get_rng_state()
    one, two = load_model(parse_spec("torch:net.py:net")), load_model(parse_spec(f"x=torch:{folder}/net.py:net"))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(infer(one, images()), infer(two, images()))
    assert one.fingerprint() == two.fingerprint()
    assert one.parameters == sum(p.numel() for p in nn.Conv2d(3, 4, 3).parameters()) + 8 + 25


def test_a_package_in_this_folder_is_found(folder: Path) -> None:
    (folder / "zoo_of_tests").mkdir()
    (folder / "zoo_of_tests" / "__init__.py").write_text("")
    (folder / "zoo_of_tests" / "nets.py").write_text(NET.format(extra=""))
    assert infer(load_model(parse_spec("torch:zoo_of_tests.nets:net")), images()).shape == (6, 5)
    fails("torch:net:nothing", "unknown function 'nothing'")
    fails("torch:zoo_of_tests.absent:net", "cannot import zoo_of_tests.absent")


def test_a_file_may_import_its_neighbours(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "neighbour_of_tests.py").write_text("import torch\ndef make(): return torch.nn.Flatten()\n")
    (folder / "sub" / "a.py").write_text(
        "def lazy():\n    from neighbour_of_tests import make\n    return make()\nfrom neighbour_of_tests import make\n"
    )
    assert infer(load_model(parse_spec("torch:sub/a.py:make")), images()).shape == (6, 192)
    assert infer(load_model(parse_spec("torch:sub/a.py:lazy")), images()).shape == (6, 192)


def test_preprocessing_of_the_factory_and_of_the_person(folder: Path) -> None:
    declared = load_model(parse_spec("torch:net.py:scaled")).preprocess
    assert declared == Preprocess(mean=(0.5,), std=(0.2, 0.3, 0.4), resize=16, crop=8)
    mixed = load_model(parse_spec("torch:net.py:scaled", mean=(0.1,), crop=4)).preprocess
    assert mixed == Preprocess(mean=(0.1,), std=(0.2, 0.3, 0.4), resize=16, crop=4)
    fails("torch:net.py:mistaken", "mean must be numbers")


def test_only_modules_that_mind_are_left_in_training_mode(folder: Path) -> None:
    left = load_model(parse_spec("torch:net.py:training"))
    assert left.module.training  # type: ignore[attr-defined]
    put = load_model(parse_spec("torch:net.py:plain"))
    assert not any(part.training for part in put.module.modules())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("torch:absent.py:net", "no such file"),
        ("torch:net.py:nte", "did you mean net"),
        ("torch:net.py:other", "gave a int"),
        ("torch:net.py:broken", "RuntimeError: no such layer"),
        ("torch:net.py:leaving", "SystemExit"),
        ("torch:net.py:constant", "must be a function"),
        ("torch:net:net_", "did you mean net"),
        ("absent.pt2", "no such file"),
    ],
)
def test_factories_that_fail_say_why(folder: Path, text: str, match: str) -> None:
    fails(text, match)


def test_a_file_with_an_error_says_which(folder: Path) -> None:
    (folder / "wrong.py").write_text("def net(:\n")
    fails("torch:wrong.py:net", "SyntaxError")
    (folder / "wrong.py").write_text("import no_such_package_anywhere\n")
    fails("torch:wrong.py:net", "no_such_package_anywhere")


def test_unknown_devices_are_refused(folder: Path) -> None:
    for device in ("cpus", "cuda:99" if not torch.cuda.is_available() else "gpu"):
        with pytest.raises(ModelError, match="device"):
            load_model(ModelSpec(name="m", spec="torch:net.py:net", device=device))


# Weights


def weights(folder: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    module = load_model(parse_spec("torch:net.py:net")).module  # type: ignore[attr-defined]
    state: dict[str, torch.Tensor] = module.state_dict()
    return {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in state.items()}


def test_state_dicts_in_every_wrapping_give_the_same_model(folder: Path) -> None:
    state = weights(folder)
    torch.save(state, "plain.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "best": 3}, "wrapped.th")
    torch.save({"model": {k: v for k, v in state.items() if "num_batches" not in k}}, "short.pt")
    save_file(state, "safe.safetensors")
    files = ["plain.pth", "wrapped.th", "short.pt", "safe.safetensors"]
    models = [load_model(parse_spec(f, factory="net.py:training")) for f in files]
    models.append(load_model(parse_spec("torch:net.py:training", weights="plain.pth")))
    answers = [infer(m, images()) for m in models]
    for model, answer in zip(models, answers, strict=True):
        assert torch.equal(answer, answers[0])
        assert not model.module.training  # type: ignore[attr-defined]
    assert len({m.fingerprint() for m in models}) == 1
    assert not torch.equal(answers[0], infer(load_model(parse_spec("torch:net.py:net")), images()))


def test_metadata_of_safetensors_declare_preprocessing_and_recipe(folder: Path) -> None:
    facts = {"preprocess": {"mean": [0.5], "std": None, "crop": 8}, "recipe": "gaussian", "fields": {"sigma": 0.3}}
    save_file(weights(folder), "a.safetensors", {"brittlestar": json.dumps(facts | {"epochs": 4, "seed": 1})})
    model = load_model(parse_spec("a.safetensors", factory="net.py:net"))
    assert model.preprocess == Preprocess(mean=(0.5,), crop=8)
    assert model.notes == ("trained with the recipe gaussian (sigma 0.3), 4 epochs, seed 1",)
    assert load_model(parse_spec("a.safetensors", factory="net.py:net", mean=(0.1,))).preprocess.mean == (0.1,)
    save_file(weights(folder), "b.safetensors", {"brittlestar": json.dumps({"preprocess": {"channels": 7}})})
    fails("b.safetensors", "channels must be 1 or 3", factory="net.py:net")


def test_keys_and_shapes_that_do_not_fit_are_listed(folder: Path) -> None:
    state = weights(folder)
    torch.save({("top." + k if k.startswith("head") else k): v for k, v in state.items()}, "renamed.pth")
    fails("renamed.pth", r"lacks head.bias, head.weight and has top.head.bias, top.head.weight", factory="net.py:net")
    torch.save(state | {"head.weight": torch.zeros(7, 4)}, "shape.pth")
    fails("shape.pth", "head.weight", factory="net.py:net")
    torch.save({}, "nothing.pth")
    fails("nothing.pth", "no state dict", factory="net.py:net")
    torch.save({"epoch": 3}, "numbers.pth")
    fails("numbers.pth", "no state dict", factory="net.py:net")


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_pickled_code_is_never_run(folder: Path) -> None:
    sprung = folder / "sprung"
    torch.save({"state_dict": weights(folder), "extra": Trap(sprung)}, "trap.pth")
    fails("trap.pth", "pickled code are never opened", factory="net.py:net")
    torch.save(nn.Linear(2, 2), "module.pt")
    fails("module.pt", r"it names the Python object torch.nn.modules.linear.Linear", factory="net.py:net")
    Path("old.pt").write_bytes(pickle.dumps(Trap(sprung)))
    fails("old.pt", "cannot be read as plain weights", factory="net.py:net")
    Path("noise.safetensors").write_bytes(b"\x07" * 64)
    fails("noise.safetensors", "no safetensors file", factory="net.py:net")
    assert not sprung.exists()


# Exported programs


def exported(folder: Path, name: str = "net.pt2") -> Path:
    module = load_model(parse_spec("torch:net.py:net")).module  # type: ignore[attr-defined]
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (torch.rand(2, 3, 8, 8),), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / name)
    return folder / name


def test_an_exported_program_answers_as_its_module(folder: Path) -> None:
    model = load_model(parse_spec(str(exported(folder)), mean=(0.1,)))
    own = load_model(parse_spec("torch:net.py:net", mean=(0.1,)))
    for count in (1, 2, 5):
        torch.testing.assert_close(infer(model, images(count)), infer(own, images(count)))
    x = images().requires_grad_()
    assert torch.autograd.grad(model.logits(x).sum(), x)[0].abs().sum() > 0
    Path("text.pt2").write_text("hello")
    fails("text.pt2", "no program that torch")


def replaced(path: Path, target: Path, entries: dict[str, bytes]) -> None:
    """A copy of a zip file with entries (by the end of their names) replaced or, with a full path, added."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            content = next((c for end, c in entries.items() if name == f"{root}/{end}"), None)
            new.writestr(name, old.read(name) if content is None else content)
        for end, content in entries.items():
            if f"{root}/{end}" not in old.namelist():
                new.writestr(f"{root}/{end}", content)


def test_exported_programs_with_pickles_or_compiled_code_are_refused_unopened(folder: Path) -> None:
    path, sprung = exported(folder), folder / "sprung"
    trap = pickle.dumps(Trap(sprung))
    torch.save(Trap(sprung), "trap.bin")
    inside = {
        "data/sample_inputs/model.pt": Path("trap.bin").read_bytes(),
        "data/weights/model.pt": Path("trap.bin").read_bytes(),
        "data/constants/model.pt": Path("trap.bin").read_bytes(),
        "data/constants/opaque_obj_0": trap,
        "data/constants/custom_obj_0": trap,
        "data/aotinductor/model/a.so": b"\x7fELF",
    }
    for name, content in inside.items():
        target = folder / "trap.pt2"
        replaced(path, target, {name: content})
        with pytest.raises(ModelError):
            load_model(parse_spec(str(target)))
        assert not sprung.exists(), name
    with zipfile.ZipFile(path) as archive:
        (full,) = [n for n in archive.namelist() if n.endswith("model_weights_config.json")]
        config = json.loads(archive.read(full))
    for entry in config["config"].values():
        entry["use_pickle"] = True
    replaced(path, folder / "trap.pt2", {full.partition("/")[2]: json.dumps(config).encode()})
    fails("trap.pt2", "pickled objects")
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


# Functions


def test_a_numpy_function_gets_its_own_arrays(folder: Path) -> None:
    model = load_model(parse_spec("python:net.py:logits"))
    x = images()
    before = x.clone()
    assert torch.equal(model.logits(x), 2 * x.flatten(1)[:, :5])
    assert torch.equal(x, before)
    assert not model.differentiable
    assert model.parameters is None


@pytest.mark.parametrize("answer", [torch.ones(6, 5), [[1.0] * 5] * 6, np.ones((6, 5), np.float16)])
def test_functions_may_answer_in_any_kind_of_array(answer: object) -> None:
    logits = as_model(lambda x: answer).logits(images())
    assert logits.dtype == torch.float32
    assert torch.equal(logits, torch.ones(6, 5))


def test_functions_that_answer_no_numbers_are_refused() -> None:
    with pytest.raises(ModelError, match="not an array of numbers"):
        as_model(lambda x: ["cat"] * len(x)).logits(images())


# Objects and fingerprints


def test_objects_are_used_as_they_are() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(192, 5))
    model = as_model(module)
    assert module.training
    assert model.fingerprint()
    assert as_model(model) is model
    for wrong in (3, "net", nn.Linear):
        with pytest.raises(ModelError, match=r"is an nn.Module or a function"):
            as_model(wrong)


def test_a_buffer_called_mean_is_no_declaration() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))
            self.std = (0.5, 0.5, 0.5)
            self.crop = nn.Identity()

    assert as_model(Own()).preprocess == Preprocess(std=(0.5, 0.5, 0.5))


def test_fingerprints_change_with_weights_code_and_preprocessing_only(folder: Path) -> None:
    torch.save(weights(folder), "a.pth")
    torch.save(weights(folder) | {"head.bias": torch.zeros(5)}, "b.pth")
    base = load_model(parse_spec("a.pth", factory="net.py:net"))
    same = load_model(parse_spec("again=a.pth", factory=f"{folder}/net.py:net"))
    assert base.fingerprint() == same.fingerprint()
    found = {base.fingerprint()}
    found.add(load_model(parse_spec("b.pth", factory="net.py:net")).fingerprint())
    found.add(load_model(parse_spec("a.pth", factory="net.py:net", mean=(0.5,))).fingerprint())
    (folder / "net.py").write_text(NET.format(extra="# edited"))
    found.add(load_model(parse_spec("a.pth", factory="net.py:net")).fingerprint())
    assert len(found) == 4


def test_fingerprints_see_hidden_buffers_and_small_types() -> None:
    class Hidden(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.register_buffer("a", torch.full((3,), value, dtype=torch.bfloat16), persistent=False)
            self.register_buffer("empty", torch.empty(0))

    assert as_model(Hidden(1)).fingerprint() == as_model(Hidden(1)).fingerprint()
    assert as_model(Hidden(1)).fingerprint() != as_model(Hidden(2)).fingerprint()


def test_functions_with_other_contents_are_other_models() -> None:
    def shifted(by: float) -> object:
        return lambda x: x.reshape(len(x), -1)[:, :5] + by

    class Scaled:
        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, x: np.ndarray) -> np.ndarray:
            return x.reshape(len(x), -1)[:, :5] * self.by

        def other(self, x: np.ndarray) -> np.ndarray:
            return self(x)

    # Scaled is local and cannot be pickled, like many objects that people have at hand.
    assert as_model(shifted(1)).fingerprint() == as_model(shifted(1)).fingerprint()
    assert as_model(shifted(1)).fingerprint() != as_model(shifted(2)).fingerprint()
    assert as_model(Scaled(1)).fingerprint() == as_model(Scaled(1)).fingerprint()
    assert as_model(Scaled(1)).fingerprint() != as_model(Scaled(2)).fingerprint()
    assert as_model(Scaled(1).other).fingerprint() != as_model(Scaled(2).other).fingerprint()


# Preprocessing


def test_preprocessing_in_its_order() -> None:
    x = torch.rand(2, 1, 20, 30, generator=torch.Generator().manual_seed(1))
    how = Preprocess(channels=3, resize=10, crop=8, mean=(0.1, 0.2, 0.3), std=(2.0,))
    y = apply_preprocess(x, how)
    assert y.shape == (2, 3, 8, 8)
    small = nn.functional.interpolate(x, size=(10, 15), mode="bilinear", antialias=True)[:, :, 1:9, 3:11]
    for channel, mean in enumerate(how.mean or ()):
        torch.testing.assert_close(y[:, channel], (small[:, 0] - mean) / 2)
    colour = torch.rand(1, 3, 4, 4)
    grey = apply_preprocess(colour, Preprocess(channels=1))
    torch.testing.assert_close(grey[:, 0], 0.299 * colour[:, 0] + 0.587 * colour[:, 1] + 0.114 * colour[:, 2])
    assert apply_preprocess(colour, Preprocess()) is colour


def test_preprocessing_that_does_not_fit_the_images_is_refused() -> None:
    with pytest.raises(ModelError, match="larger than its images"):
        apply_preprocess(images(), Preprocess(crop=9))
    with pytest.raises(ModelError, match="--channels 3"):
        apply_preprocess(torch.rand(2, 1, 8, 8), Preprocess(mean=(0.1, 0.2, 0.3)))


def test_infer_takes_bytes_and_floats_in_any_batches() -> None:
    model = as_model(nn.Flatten())
    levels = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    logits = infer(model, levels, batch=3)
    assert torch.equal(logits, levels.flatten(1) / 255)
    assert torch.equal(infer(model, levels / 255), logits)
    assert not logits.requires_grad
