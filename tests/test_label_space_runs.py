"""Runs in a label space: rows are of the data's classes, and stay so wherever they are made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import brittlestar as bs
from brittlestar.attacks import LInfPGD
from brittlestar.core.errors import DataError, ModelError, StoreError
from brittlestar.core.label_space import LabelSpace
from brittlestar.data import open_source
from brittlestar.data.label_spaces import aligned, describe_spaces, fitting, imagenet_wnids, label_space
from brittlestar.data.spaced import in_space
from brittlestar.models import as_model
from brittlestar.models.label_scores import class_scores
from brittlestar.store import RunStore
from tiny import MODEL, called

MERGED = {"classes": {"left": [0, 3], "right": [1]}, "merge": "mean", "outputs": 4}
OUTPUTS = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)) * 3


def space_of(merge: Any = "mean", members: Any = ((0, 3), (1,))) -> LabelSpace:
    return LabelSpace(name="two", classes=("left", "right"), members=members, outputs=4, merge=merge)


def world(folder: Path, samples: int = 60) -> tuple[str, Path, Path]:
    """A model of four outputs, data of two classes, and a label space file."""
    folder.mkdir(parents=True, exist_ok=True)
    # Four outputs that take turns, closely enough for merges to differ.
    text = MODEL.replace("flat = x.flatten(1)", "flat = x.flatten(1) - 0.5").replace("* 0.2", "* 0.1")
    (folder / "model.py").write_text(text)
    x = np.random.default_rng(3).integers(0, 256, (samples, 12, 12, 3), dtype=np.uint8)
    np.savez(folder / "two.npz", x=x, y=np.arange(samples) % 2, classes=np.array(["left", "right"]))
    (folder / "space.json").write_text(json.dumps(MERGED))
    return f"torch:{folder / 'model.py'}:model", folder / "two.npz", folder / "space.json"


def rows_of(run: Path | str, condition: str = "clean") -> Any:
    store = RunStore.open(run)
    (model,) = store.manifest.models.values()
    fingerprint = store.manifest.conditions[condition].fingerprint
    return store.read(model["fingerprint"], [fingerprint])[fingerprint]


@pytest.mark.parametrize(
    ("merge", "members"),
    [("subset", ((3,), (1,))), *((merge, ((0, 3), (1,))) for merge in ("mean", "sum", "max", "logit_max"))],
)
def test_tensors_get_the_scores_that_arrays_get_and_pass_gradients(merge: Any, members: Any) -> None:
    space = space_of(merge, members)
    with torch.inference_mode():
        class_scores(OUTPUTS, space, "m")
    given = OUTPUTS.clone().requires_grad_()
    scores = class_scores(given, space, "m")
    assert scores.dtype == torch.float32
    assert np.allclose(scores.detach().numpy(), space.scores(OUTPUTS.numpy()), rtol=1e-6, atol=1e-7)
    (gradient,) = torch.autograd.grad(scores[:, 0].sum(), given)
    assert gradient.isfinite().all() and gradient[:, 3].any()


def test_what_a_models_own_code_asks_of_another_model_has_no_label_space() -> None:
    inner = as_model(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4)).eval(), name="inner")
    inner.space = space_of()

    def outer(x: Any) -> Any:
        return inner.logits(torch.from_numpy(x))

    model = as_model(outer, name="outer")
    model.space = space_of("max")
    images = torch.rand(3, 3, 2, 2)
    assert model.all_outputs(images).shape == (3, 4) and model.logits(images).shape == (3, 2)
    assert inner.logits(images).shape == (3, 2)


def test_a_run_stores_rows_of_the_datas_classes_and_the_other_readings(tmp_path: Path) -> None:
    model, data, space = world(tmp_path)
    done = called("run", "--model", model, "--data", data, "--suite", "clean", "--label-space", space,
                  "--out", tmp_path / "run", "--anyway", "--no-report", "--workers", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    assert store.manifest.data["classes"] == ["left", "right"]
    stored = LabelSpace.from_json(store.manifest.data["space"])
    namespace: dict[str, Any] = {}
    exec((tmp_path / "model.py").read_text(), namespace)
    source = open_source(str(data))
    order = source.order(0)
    with torch.inference_mode():
        outputs = namespace["model"]()(torch.from_numpy(source.load(order)).float() / 255).numpy()
    scores = stored.scores(outputs)
    assert np.array_equal(rows.prediction, scores.argmax(1)) and np.allclose(rows.logits, scores, atol=1e-4)
    assert stored.conventions == ("all", "sum", "max") and np.array_equal(rows.others, stored.answers(outputs))
    # All three differ somewhere, so none is a copy of another.
    assert len({tuple(column) for column in [*rows.others.T, rows.prediction]}) == 4 and (rows.others == -1).any()


def test_a_run_in_a_label_space_is_audited_resumed_and_kept_from_others(tmp_path: Path) -> None:
    model, data, space = world(tmp_path)
    out = tmp_path / "run"
    asked: list[Any] = [
        "run",
        "--model",
        model,
        "--data",
        data,
        "--suite",
        "noise",
        "--out",
        out,
        "--anyway",
        "--no-report",
    ]
    asked += ["--samples", 20]
    assert called(*asked, "--workers", 1, "--label-space", space).returncode == 0
    assert called("audit", out, "--trust").returncode == 0
    before = rows_of(out)
    resumed = called(*asked[:-1], 40, "--workers", 2, "--label-space", space)
    assert resumed.returncode == 0, resumed.stderr
    after = rows_of(out)
    assert len(after) == 40 and np.array_equal(after.others[:20], before.others)
    other = tmp_path / "sum.json"
    other.write_text(json.dumps(MERGED | {"merge": "sum"}))
    refused = called(*asked, "--workers", 1, "--label-space", other)
    assert refused.returncode == 2 and "other data" in refused.stderr


def test_gradient_attacks_and_examples_see_the_label_space(tmp_path: Path) -> None:
    model, data, _ = world(tmp_path)
    run = bs.evaluate(model, str(data), suite=LInfPGD(epsilon=8 / 255, steps=3), label_space=MERGED,
                      out=tmp_path / "run", samples=30, anyway=True)  # fmt: skip
    (attack,) = (name for name in RunStore.open(run.path).manifest.conditions if name != "clean")
    rows = rows_of(run.path, attack)
    assert rows.correct.sum() < rows_of(run.path).correct.sum() and rows.others.shape[1] == 3
    assert (run.path / "examples" / "examples.json").exists()


def test_models_that_do_not_fit_are_refused_with_the_reason(tmp_path: Path) -> None:
    _, data, space = world(tmp_path)
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 144, 2)).eval()
    with pytest.raises(ModelError, match=r'exactly these 2 classes has learnt to tell fewer apart.*label_space="none"'):
        bs.evaluate(own, str(data), suite="clean", label_space=space, out=tmp_path / "a")
    source = open_source(str(data))
    source.space = label_space(space)
    with pytest.raises(ModelError, match="learnt to tell fewer apart"):
        bs.evaluate(own, source, suite="clean", out=tmp_path / "b")
    run = bs.evaluate(own, source, suite="clean", label_space="none", out=tmp_path / "c", anyway=True)
    assert "space" not in RunStore.open(run.path).manifest.data and rows_of(run.path).others is None
    fits = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 144, 4)).eval()
    own_space = bs.evaluate(fits, source, suite="clean", out=tmp_path / "e", anyway=True)
    assert RunStore.open(own_space.path).manifest.data["space"]["name"] == "space"
    seven = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 144, 7)).eval()
    with pytest.raises(ModelError, match="label space space is for models of 4 outputs"):
        bs.evaluate(seven, str(data), suite="clean", label_space=space, out=tmp_path / "d")


def test_the_error_about_the_number_of_classes_names_the_spaces_that_would_fit() -> None:
    assert fitting(1000, 16).endswith('geirhos-16, geirhos-16-sum or geirhos-16-max, give label_space="geirhos-16"')
    assert fitting(1000, 15) == "" and fitting(999, 200) == ""
    x = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3), dtype=np.uint8)
    thousand = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 1000)).eval()
    with pytest.raises(ModelError, match="geirhos-16"):
        bs.evaluate(thousand, (x, np.arange(32) % 16), suite="clean", out="/nonexistent")


COUNTS = {"imagenet-a": 200, "imagenet-o": 200, "imagenet-r": 200, "objectnet": 113, "geirhos-16": 16,
          "imagenet-vid": 30, "ytbb": 19}  # fmt: skip


def test_the_listed_spaces_are_those_that_were_published() -> None:
    names = [name for name, _ in describe_spaces()]
    assert set(COUNTS) <= set(names) and {"geirhos-16-sum", "geirhos-16-max", "imagenet-vid-sum"} <= set(names)
    for name in names:
        space = label_space(name)
        base = next(one for one in COUNTS if name.startswith(one))
        assert len(space.classes) == COUNTS[base] and space.outputs == 1000
    places = {name: [place for own in label_space(name).members for place in own] for name in COUNTS}
    assert {name: len(own) for name, own in places.items()} == {
        "imagenet-a": 200, "imagenet-o": 200, "imagenet-r": 200, "objectnet": 125, "geirhos-16": 207,
        "imagenet-vid": 288, "ytbb": 231,
    }  # fmt: skip
    # Published lists, by their sums: a digit that was mistyped moves them.
    assert {name: sum(own) for name, own in places.items()} == SUMS
    of = dict(zip(label_space("geirhos-16").classes, label_space("geirhos-16").members, strict=True))
    assert len(of["bird"]) == 49 and len(of["dog"]) == 109 and of["airplane"] == (404,)
    assert label_space("imagenet-a").classes[:2] == ("n01498041", "n01531178")
    assert len(imagenet_wnids()) == 1000 and list(imagenet_wnids()) == sorted(imagenet_wnids())


SUMS = {
    "imagenet-a": 102178,
    "imagenet-o": 134542,
    "imagenet-r": 86135,
    "objectnet": 85300,
    "geirhos-16": 55426,
    "imagenet-vid": 67070,
    "ytbb": 60994,
}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"classes": {"a": [0, 1], "b": [2]}, "outputs": 4}, "say how they are merged"),
        ({"classes": {"a": 0, "b": 4}, "outputs": 4}, r"must be in 0 \.\. 3"),
        ({"classes": {"a": 0, "b": 1}}, "say how many the model has"),
        ({"classes": {"a": "tench", "b": "n01443537"}}, "output 'tench' is none of the model's 1,000"),
        ({"classes": ["n01440764", "n01440764"]}, "names a class twice"),
        ({"classes": {"a": 0, "b": 1}, "output": 4}, "it has 'output'; known are"),
        ({"outputs": 4}, "needs classes"),
        ({"classes": {"a": "x", "b": "y"}, "outputs": 3}, "3 outputs, and 2 are named"),
    ],
)
def test_spaces_that_people_write_are_checked(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        label_space(given, ["x", "y"] if "3 outputs" in said else None)


def test_a_space_is_written_as_json_or_toml_by_place_wnid_or_name(tmp_path: Path) -> None:
    (tmp_path / "pets.toml").write_text('merge = "max"\n[classes]\nfish = ["n01440764", 1]\nshark = "n01484850"\n')
    pets = label_space(tmp_path / "pets.toml")
    assert (pets.members, pets.merge, pets.outputs, pets.name) == (((0, 1), (2,)), "max", 1000, "pets")
    (tmp_path / "list.json").write_text('["n01484850", "n01440764"]')
    assert label_space(str(tmp_path / "list.json")).members == ((2,), (0,))
    named = label_space({"classes": {"a": "y", "b": ["x"]}}, ["x", "y", "z"])
    assert named.members == ((1,), (0,)) and named.outputs == 3
    with pytest.raises(DataError, match="cannot be read as JSON"):
        (tmp_path / "bad.json").write_text("{")
        label_space(tmp_path / "bad.json")
    with pytest.raises(
        DataError, match="unknown label space 'imagenet-b'; did you mean imagenet-r or imagenet-o or imagenet-a"
    ):
        label_space("imagenet-b")


def test_the_classes_of_the_data_decide_the_order() -> None:
    space = label_space("imagenet-a")
    backwards = tuple(reversed(space.classes))
    assert aligned(space, backwards).members == tuple(reversed(space.members))
    # Folders called 0, 1, 10, 11, ... come in the order of the texts; the numbers are meant.
    texts = tuple(sorted(map(str, range(200))))
    assert aligned(space, texts).members[2] == space.members[10]
    by_place = tuple(str(own[0]) for own in space.members)
    assert aligned(space, by_place).members == space.members
    for strange, said in (
        (space.classes[:150], "200 classes and the data 150; 50 of them are lacking in the data"),
        ((*space.classes[:199], "n01440764"), "1 of the data's are none of them: n01440764; 1 of them are lacking"),
        (tuple(map(str, range(1000))), "number the classes from 0 to 199"),
        (("cat", "dog"), "name the data's so"),
    ):
        with pytest.raises(DataError, match=said):
            aligned(space, strange)
    shuffled = label_space({"classes": ["n01484850", "n01440764"]})
    with pytest.raises(DataError, match="in an order of its own"):
        aligned(shuffled, ("0", "1"))
    assert aligned(shuffled, ("n01440764", "n01484850")).members == ((0,), (2,))


def test_the_fingerprint_of_the_data_heeds_the_space_and_not_its_name(tmp_path: Path) -> None:
    _, data, _ = world(tmp_path)
    source = open_source(str(data))
    one, other = (in_space(source, space_of(merge)) for merge in ("mean", "sum"))
    renamed = in_space(source, LabelSpace.from_json(space_of().as_json() | {"name": "other"}))
    assert len({source.info.fingerprint, one.info.fingerprint, other.info.fingerprint}) == 3
    assert one.info.fingerprint == renamed.info.fingerprint and source.space is None
    assert "space" not in source.info.as_json()


def test_a_damaged_space_in_the_manifest_is_told() -> None:
    from brittlestar.data.spaced import recorded_space

    with pytest.raises(DataError, match="is a name, a file, a mapping or a LabelSpace, got 5"):
        label_space(5)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="label space in the manifest is damaged"):
        recorded_space({"space": space_of().as_json() | {"members": [[0], [9]]}})


def test_any_of_several_right_classes_is_right(tmp_path: Path) -> None:
    model, data, _ = world(tmp_path)
    x = np.load(data)["x"]
    source = open_source((x, np.arange(60) % 4))
    # Every fifth image has no right class, every third two, some of them without their label.
    truths = [() if i % 5 == 0 else ((i + 1) % 4, (i + 2) % 4) if i % 3 == 0 else (i % 4,) for i in range(60)]
    source.truths = truths
    attack = LInfPGD(epsilon=8 / 255, steps=3)
    run = bs.evaluate(model, source, suite=[attack, "clean"], out=tmp_path / "run", anyway=True)
    store = RunStore.open(run.path)
    rows = rows_of(run.path)
    assert len(rows) == 48 and store.manifest.data["count"] == 48
    assert any("12 more have none and do not count" in note for note in store.manifest.data["notes"])
    settled = in_space(source, None)
    order = settled.order(0)
    namespace: dict[str, Any] = {}
    exec((tmp_path / "model.py").read_text(), namespace)
    with torch.inference_mode():
        outputs = namespace["model"]()(torch.from_numpy(settled.load(order)).float() / 255).numpy()
    assert settled.truths is not None
    own = [settled.truths[place] for place in order]
    right = np.array([answer in truth for answer, truth in zip(outputs.argmax(1), own, strict=True)])
    first = outputs.argmax(1) == settled.labels[order]
    assert np.array_equal(rows.correct, right) and right.sum() > first.sum() > 0
    best = [outputs[i, list(truth)].max() for i, truth in enumerate(own)]
    assert np.allclose(rows.label_logit, best, atol=1e-4)
    assert np.array_equal(rows.prediction[~right], outputs.argmax(1)[~right])
    # An attack has not won where it only moves the answer to another right class.
    (condition,) = (name for name in store.manifest.conditions if name != "clean")
    assert rows_of(run.path, condition).correct.sum() < rows.correct.sum()
    texts = store._order._table("truths", True)["truths"]
    assert [tuple(map(int, text.split())) for text in texts] == own
    assert in_space(settled, None) is settled and settled.info.fingerprint != source.info.fingerprint


def test_right_classes_that_make_no_sense_are_refused() -> None:
    source = open_source((np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8), np.arange(8) % 2))
    for truths, said in (([(0,)] * 7, "7 of 8"), ([(2,)] * 8, "outside of the 2 classes"), ([()] * 8, "no image has")):
        source.truths = truths
        with pytest.raises(DataError, match=said):
            in_space(source, None)
