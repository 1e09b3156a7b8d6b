"""Arguments of the wrong kind, from Python: one line that says what is wanted, before anything is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import brittlestar as bs
from brittlestar.core.errors import BrittlestarError, DataError, UsageError
from brittlestar.data import open_source

X = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
Y = np.arange(12) % 3


def never(images: np.ndarray) -> np.ndarray:
    raise AssertionError("nothing may be asked")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"samples": 2.5}, "samples= is a whole number, got 2.5"),
        ({"samples": "5"}, "samples= is a whole number, got '5'"),
        ({"workers": True}, "workers= is a whole number, got True"),
        ({"seed": None}, "seed= is a whole number, got None"),
        ({"precision": "small"}, "precision= is a half-width"),
        ({"budget": [60]}, "budget= is a number of seconds or a text"),
        ({"classes": "abc"}, "classes= is a list of names"),
        ({"model": []}, "no model was given"),
        ({"model": {}}, "no model was given"),
        ({"model": nn.Linear(3, 3).state_dict()}, "a state dict is no model"),
        ({"model": [never, never]}, 'name them apart: {"one": MODEL, "other": MODEL}'),
    ],
)
def test_what_is_of_another_kind_is_told_before_anything_runs(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {"model": never, **asked}
    with pytest.raises(BrittlestarError) as caught:
        bs.evaluate(given.pop("model"), (X, Y), suite="clean", out=tmp_path / "run", progress=False, **given)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


class DataFrame(dict[str, list[int]]):
    """Looks as pandas' does from outside."""

    __module__ = "pandas.core.frame"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (DataFrame(image=[1], label=[2]), "data are a DataFrame (image, label)"),
        (b"photos", "data are bytes"),
        ((["a.png", "b.png"], [0, 1]), "of file names they are [Image.open(name) for name in names]"),
    ],
)
def test_data_of_other_forms_have_their_remedies(given: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source(given)
    assert said in str(caught.value)


class Third(nn.Module):
    """Answers the third class always."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3))[:, None] * torch.tensor([0.0, 1.0, 2.0])


@pytest.mark.parametrize("form", ["arrays", "npz", "npy", "set"])
def test_images_of_one_class_will_do_where_the_others_are_named(form: str, tmp_path: Path) -> None:
    y = np.full(12, 2)
    np.savez(tmp_path / "one.npz", x=X, y=y)
    np.save(tmp_path / "images.npy", X)
    np.save(tmp_path / "labels.npy", y)
    pictures = [(torch.from_numpy(image.transpose(2, 0, 1).copy()), 2) for image in X]
    one: Any = {
        "arrays": (X, y),
        "npz": tmp_path / "one.npz",
        "npy": tmp_path / "images.npy",
        "set": torch.utils.data.Subset(pictures, range(12)),  # type: ignore[arg-type]
    }[form]
    with pytest.raises(UsageError, match=r"one class only; .*name all of the model's with classes="):
        open_source(one)
    run = bs.evaluate(
        Third(), one, suite="clean", classes=["cat", "dog", "owl"], out=tmp_path / "run", progress=False, device="cpu"
    )
    assert [row["accuracy"] for row in run.table()] == [1.0]
    assert any("all images are of one class" in note for note in open_source(one, one_class=True).info.notes)


def test_tables_write_out_what_moves_the_cursor(tmp_path: Path) -> None:
    run = bs.evaluate(
        {"a\x1b[31m\u202eb": Third()}, (X, Y), suite="clean", out=tmp_path / "run", progress=False, anyway=True
    )
    table = run.table()
    assert [row["model"] for row in table] == ["a\x1b[31m\u202eb"]
    for text in (str(table), table._repr_html_()):
        assert "a\\x1b[31m\\u202eb" in text and "\x1b" not in text and "\u202e" not in text


def test_labels_that_are_numbers_in_text_are_in_numeric_order() -> None:
    x = np.random.default_rng(1).integers(0, 256, (22, 8, 8, 3), dtype=np.uint8)
    source = open_source((x, [str(k % 11 + 1) for k in range(22)]))
    assert source.info.classes == tuple(str(k) for k in range(1, 12))
    told = "\n".join(source.info.notes)
    assert "taken in numeric order (1, 2, 3, 4, ...)" in told and "begin at 1" in told
