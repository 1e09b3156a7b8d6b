"""Geometric sequences move the picture that the data's square was cut from, whatever its size, its batch or worker."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import brittlestar
from brittlestar.api.evaluation import preparation_notes
from brittlestar.core.errors import DataError
from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.data import reopened as reopened_data
from brittlestar.runs.bench import Bench
from brittlestar.runs.cell import frames
from brittlestar.runs.reopen import reopened
from brittlestar.runs.request import Watch
from brittlestar.shifts import SEQUENCES
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from test_run_resume import assert_same, everything
from test_sequences_reference import by_pillow, crop, photograph
from tiny import MODEL, called, evaluate_with

SHAPE = (3, 224, 224)
SIZES = [(40, 60), (60, 40), (40, 40), (43, 91), (40, 60), (50, 47)]
"""(height, width) of the files; with the shorter side at 20 pixels four sizes are left, one of an odd difference."""


def write_pictures(folder: Path, count: int) -> None:
    """A folder of pictures of several sizes, two classes."""
    for place in range(count):
        height, width = SIZES[place % len(SIZES)]
        pixels = np.roll(photograph(height, width), 7 * place, (0, 1))
        (folder / str(place % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / str(place % 2) / f"{place:03d}.png")


def test_pictures_are_resized_and_not_cropped(tmp_path: Path) -> None:
    write_pictures(tmp_path, 8)
    source = open_source(tmp_path, resize=20, crop=14)
    assert source.info.cropped and source.info.shape == (3, 14, 14)
    index = np.array([5, 0, 3, 3])
    pictures, images = source.pictures(index), source.load(index)
    assert len({p.shape for p in pictures}) > 1
    window = SEQUENCES["scale"].of("cifar-p", crop=14).window
    for picture, image in zip(pictures, images, strict=True):
        assert min(picture.shape[1:]) == 20
        top, left, _, _ = window(*picture.shape[1:])
        # Half pixels may be cut on either side.
        places = [(top, left), (picture.shape[1] // 2 - 7, picture.shape[2] // 2 - 7)]
        cuts = [picture[:, y : y + 14, x : x + 14] for y, x in places]
        assert any(np.array_equal(cut, image) for cut in cuts)


def test_an_array_has_pictures_too_and_a_source_without_a_crop_gives_its_images() -> None:
    x = np.stack([photograph(30, 41) for _ in range(4)])
    labels = np.array([0, 1, 0, 1])
    cut, whole = open_source((x, labels), crop=16), open_source((x, labels))
    assert cut.info.cropped and not whole.info.cropped
    assert cut.pictures(np.array([2]))[0].shape == (3, 30, 41)
    assert np.array_equal(np.stack(whole.pictures(np.arange(4))), whole.load(np.arange(4)))


@pytest.mark.parametrize("name", ["translate", "rotate", "tilt", "scale", "shear", "zoom_blur"])
def test_frames_of_mixed_sizes_are_those_of_each_picture(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path, 9)
    source = open_source(tmp_path, resize=20, crop=14)
    sequence = SEQUENCES[name].of("imagenet-p", crop=14)
    assert sequence.moves
    keys = SampleKeys.of(0, [str(i) for i in source.ids])
    each = [
        torch.cat(list(sequence.frames(torch.from_numpy(picture)[None], keys[i : i + 1])))
        for i, picture in enumerate(source.pictures(np.arange(9)))
    ]
    for order, batch in ((np.arange(9), 9), (np.array([4, 8, 0, 1, 7, 2, 6, 3, 5]), 4), (np.arange(9), 1)):
        pictures = [torch.from_numpy(p) for p in source.pictures(order)]
        images, own = torch.from_numpy(source.load(order)), keys[torch.from_numpy(order)]
        parts: dict[int, list[torch.Tensor]] = {}
        for number, frame in frames(sequence, images, own, pictures.__getitem__, batch):
            parts.setdefault(number, []).append(frame)
        made = torch.stack([torch.cat(parts[number]) for number in range(sequence.count)], 1)
        for place, i in enumerate(order):
            assert torch.equal(made[place], each[i]), (name, batch, place)


def answers(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Two logits of each image on its own."""
    weights = np.random.default_rng(0).normal(size=(2, 3, 14, 14))
    return np.stack([(weights * image).sum((1, 2, 3)) for image in images]).astype(np.float32)


def test_a_run_shows_the_model_what_the_reference_shows(tmp_path: Path) -> None:
    """Rows of a run against frames made with Pillow from the files: resized, moved, and cropped then."""
    write_pictures(tmp_path / "data", 12)
    run = brittlestar.evaluate(
        answers, tmp_path / "data", suite="imagenet-p-extra", resize=20, crop=14, out=tmp_path / "extra"
    )
    rows = {key[1].split("/")[1]: found for key, found in everything(run.path).items() if key[1] != "clean"}
    run = brittlestar.evaluate(answers, tmp_path / "data", suite="cifar-p", resize=20, crop=14, out=tmp_path / "ten")
    rows |= {key[1].split("/")[1]: found for key, found in everything(run.path).items() if key[1] != "clean"}
    source = open_source(tmp_path / "data", resize=20, crop=14)
    order = source.order(0)
    for name in ("rotate", "shear"):
        found = rows[name].logits
        assert found is not None
        shown = found.reshape(12, 31, 2)
        for place, picture in enumerate(source.pictures(order)):
            image = Image.fromarray(picture.transpose(1, 2, 0))
            for frame in (0, 7, 22, 30):
                wanted = crop(by_pillow(name, frame, image), 14).transpose(2, 0, 1).astype(np.float32) / 255
                np.testing.assert_allclose(shown[place, frame], answers(wanted[None])[0], atol=0.2)
            black = (
                np.asarray(by_pillow(name, 0, Image.fromarray(source.load(order)[place].transpose(1, 2, 0)))) == 0
            ).all(2)
            assert black.any(), "the square alone would have shown black"


@pytest.mark.slow
def test_killed_resumed_spread_and_audited_rows_are_the_same(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data", 60)
    (tmp_path / "model.py").write_text(MODEL.replace("4, generator", "2, generator"))

    def run(out: str, *more: object) -> int:
        given = ("--suite", "imagenet-p", "--suite", "imagenet-p-extra", "--resize", 18, "--crop", 12, "--no-report")
        model = f"m=torch:{tmp_path / 'model.py'}:model"
        words = ("run", "--model", model, "--data", tmp_path / "data", "--out", tmp_path / out)
        return called(*words, *given, *more).returncode

    assert run("whole", "--workers", 1) == 0
    assert run("parts", "--workers", 1, "--samples", 23, "--batch", 5) == 0
    assert run("parts", "--workers", 2, "--batch", 7) == 0
    assert_same(everything(tmp_path / "parts"), everything(tmp_path / "whole"))
    done = called("audit", tmp_path / "parts", "--trust", "--cells", 8)
    assert "8 of 8 cells are identical" in done.stdout, done.stderr


def test_pictures_are_read_once_a_block_as_long_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "data", 10)
    (tmp_path / "model.py").write_text(MODEL.replace("4, generator", "2, generator"))
    words: tuple[object, ...] = (
        "run",
        "--model",
        f"m=torch:{tmp_path / 'model.py'}:model",
        "--data",
        tmp_path / "data",
    )
    words += ("--out", tmp_path / "run", "--suite", "clean", "--resize", 18, "--crop", 12, "--workers", 1)
    assert called(*words, "--no-report").returncode == 0
    bench: Bench = reopened(tmp_path / "run", trust=True)[0]
    asked: list[int] = []
    real = bench.spec.source.pictures
    monkeypatch.setattr(bench.spec.source, "pictures", lambda index: asked.extend(index) or real(index))
    bench.block(0, 10)
    first = [bench._read(slice(0, 6)), bench._read(slice(4, 10))]
    assert len(asked) == 10
    for pictures, piece in zip(first, (slice(0, 6), slice(4, 10)), strict=True):
        wanted = real(bench.spec.order[piece])
        assert all(np.array_equal(a.numpy(), b) for a, b in zip(pictures, wanted, strict=True))
    monkeypatch.setattr("brittlestar.runs.bench._PICTURES", 0)
    bench.block(0, 9)
    bench._read(slice(0, 3))
    bench._read(slice(0, 3))
    assert len(asked) == 16


@pytest.mark.parametrize("suite", ["imagenet-p", "imagenet-p-hard", "imagenet-p-extra"])
def test_photographs_of_different_sizes_are_prepared_as_published(tmp_path: Path, suite: str) -> None:
    """Nothing is asked: shorter side 256, and the frames show 224 of the whole picture; said, recorded, repeatable."""
    write_pictures(tmp_path / "data", 4)
    told: list[str] = []
    given = get_suite(suite)
    run = evaluate_with(
        lambda images: np.stack([(images * c).mean((1, 2, 3)) for c in (1, 2)], 1),
        tmp_path / "data",
        suite=dataclasses.replace(given, for_cuts=lambda *_: given.conditions(SHAPE, None, True)[:2]),
        out=tmp_path / "run",
        watch=Watch(note=told.append),
        anyway=True,
    )
    assert any("differ in size: prepared as for imagenet-p" in text for text in told), told
    assert run.notes == ()
    manifest = RunStore.open(run.path).manifest
    assert (manifest.data["shape"], manifest.data["cropped"]) == ([3, 224, 224], True)
    shown = [info for info in manifest.conditions.values() if info.kind == "sequence"]
    assert shown and all(info.table == "imagenet-p" and "224 x 224" in info.label for info in shown)
    assert reopened_data(manifest.data).info.fingerprint == manifest.data["fingerprint"]


@pytest.mark.parametrize("suite", ["cifar-p", "tiny-p"])
def test_sets_for_small_images_prepare_no_photographs(tmp_path: Path, suite: str) -> None:
    write_pictures(tmp_path / "data", 4)
    with pytest.raises(DataError, match="different sizes"):
        brittlestar.evaluate(answers, tmp_path / "data", suite=suite, out=tmp_path / "run")


@pytest.mark.parametrize("name", ["translate", "rotate", "scale", "shear"])
def test_the_frame_at_rest_is_the_clean_image(tmp_path: Path, name: str) -> None:
    """Also where the picture's longer side differs from the crop by an odd number."""
    write_pictures(tmp_path, len(SIZES))
    source = open_source(tmp_path, prepare="imagenet-p")
    sequence = SEQUENCES[name].of("imagenet-p", crop=224)
    keys = SampleKeys.of(0, [str(i) for i in source.ids])
    places = np.arange(len(SIZES))
    lengths = set()
    for place, picture in zip(places, source.pictures(places), strict=True):
        clean = torch.from_numpy(source.load(places[place : place + 1])).float() / 255
        frames_ = sequence.frames(torch.from_numpy(picture)[None], keys[place : place + 1])
        lengths.add(max(picture.shape) % 2)
        assert min(float((frame - clean).abs().max()) for frame in frames_) < 1e-6
    assert lengths == {0, 1}


def test_notes_are_of_the_table_that_the_run_takes(tmp_path: Path) -> None:
    """Squares of 280 pixels are shown whole, with the frames for 299; inner squares of 245 would be those for 224."""
    write_pictures(tmp_path, 3)
    suites = [get_suite("imagenet-p")]
    assert preparation_notes(suites, open_source(tmp_path, resize=290, crop=280).info) == ()
    told = preparation_notes(suites, open_source(tmp_path, resize=300, crop=224).info)
    assert told == ("imagenet-p: not prepared as published: shorter side resized to 300 instead of 256",)
