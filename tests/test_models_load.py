"""Every form a model may be given in, and what is refused with which reason."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittlestar.core.errors import ModelError
from brittlestar.models import ModelSpec, Preprocess, infer, load_model, parse_spec
from model_tools import NET, fails, images, net_folder, weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``nets.py``, entered."""
    return net_folder(tmp_path, monkeypatch)


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
        ("model.ckpt", "ModelSpec\\(factory="),
        ("model.pth.tar", "ModelSpec\\(factory="),
        ("resnet50", "torch:FILE.py:factory"),
        ("weights.pth", "ModelSpec\\(factory="),
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
