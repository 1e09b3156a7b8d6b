"""Perturbation sequences: their frames, and runs that hold several frames a sample."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brittlestar.core.errors import ShiftError
from brittlestar.core.keys import SampleKeys
from brittlestar.runs.reopen import condition_of
from brittlestar.shifts import SEQUENCES
from brittlestar.shifts.sequence_base import Sequence
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from brittlestar.suites.imagenet_p import CIFAR_TEN
from gate_tools import gate, held
from test_run_resume import assert_same, everything, run_words
from tiny import called, make_world

SHAPES = [(1, 16, 16), (3, 32, 32), (3, 40, 56)]


def picture(shape: tuple[int, int, int], count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, shape[0], 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=shape[1:], mode="bilinear", align_corners=False)
    return ((0.8 * smooth + 0.2 * torch.rand(count, *shape, generator=generator)) * 255).round() / 255


def keys(count: int = 5) -> SampleKeys:
    return SampleKeys.of(5, [f"sample {i}" for i in range(count)])


def every(shape: tuple[int, int, int]) -> list[Any]:
    return [
        pytest.param(shape, kind.of(table), id=f"{kind.name}-{table}-{shape}")
        for kind in SEQUENCES.values()
        for table in ("cifar-p", "imagenet-p")
        if shape[0] in kind.channels
    ]


CASES = [case for shape in SHAPES for case in every(shape)]


@pytest.mark.parametrize(("shape", "sequence"), CASES)
def test_frames_depend_on_the_sample_alone(shape: tuple[int, int, int], sequence: Sequence) -> None:
    x, k = picture(shape), keys()
    before = x.clone()
    frames = torch.stack(list(sequence.frames(x, k)))
    assert frames.shape == (sequence.count, *x.shape)
    assert torch.equal(x, before)
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1
    order = torch.tensor([3, 0, 4, 2, 1])
    assert torch.equal(torch.stack(list(sequence.frames(x[order], k[order]))), frames[:, order])
    for start, stop in ((0, 1), (1, 3), (3, 5)):
        cut = torch.stack(list(sequence.frames(x[start:stop], k[start:stop])))
        assert torch.equal(cut, frames[:, start:stop])
    again = type(sequence).from_config(sequence.config())
    assert again == sequence
    assert again.fingerprint() == sequence.fingerprint()
    steps = (frames[1:] - frames[:-1]).abs().mean((1, 2, 3, 4))
    assert shape[1] < 32 or float(steps.min()) > 0, "two neighbouring frames are the same"


def test_published_tables_are_complete() -> None:
    counts = {name: [kind.of(t).count for t in kind.tables] for name, kind in SEQUENCES.items()}
    assert counts["translate"] == [41, 41, 31, 16]
    assert counts["motion_blur"] == [31, 31, 31, 21]
    assert all(c == [31] * 4 for n, c in counts.items() if n not in ("translate", "motion_blur"))
    assert SEQUENCES["gaussian_noise"].of("imagenet-p", 3).sigma == 0.08
    with pytest.raises(ShiftError, match="difficulty 1 to 1"):
        SEQUENCES["tilt"].of("imagenet-p", 2)
    assert {kind.of("imagenet-p").compare for n, kind in SEQUENCES.items() if "noise" in n} == {"first"}
    assert {kind.of("imagenet-p").compare for n, kind in SEQUENCES.items() if "noise" not in n} == {"previous"}


def test_middle_or_first_frames_are_the_image() -> None:
    x, k = picture((3, 32, 32)), keys()
    still = {"gaussian_noise": 0, "shot_noise": 0, "speckle_noise": 0, "zoom_blur": 0, "translate": 20}
    still |= dict.fromkeys(("rotate", "shear", "brightness"), 15)
    for name, number in still.items():
        frame = list(SEQUENCES[name].of("imagenet-p").frames(x, k))[number]
        assert float((frame - x).abs().max()) < 2e-6, name


def test_translation_moves_whole_pixels_and_black_comes_in() -> None:
    x, k = picture((3, 32, 32)), keys()
    frames = list(SEQUENCES["translate"].of("imagenet-p").frames(x, k))
    assert torch.equal(frames[23][..., 3:], x[..., :-3])
    assert not frames[23][..., :3].any()
    assert torch.equal(frames[18][..., :-2], x[..., 2:])


def test_a_crop_shows_the_centre_and_keeps_borders_out() -> None:
    x, k = picture((3, 64, 64)), keys()
    frame = next(SEQUENCES["translate"].of("imagenet-p", crop=24).frames(x, k))
    assert torch.equal(frame, x[:, :, 20:44, 40:64])
    with pytest.raises(ShiftError, match="65 x 65"):
        SEQUENCES["snow"].of("imagenet-p", crop=65).frames(x, k)


@pytest.mark.parametrize("suite", ["imagenet-p", "imagenet-p-hard", "imagenet-p-extra", "cifar-p", "tiny-p"])
def test_suites_take_the_nearest_table_and_are_opened_again(suite: str) -> None:
    for shape, table in (((3, 32, 32), "cifar-p"), ((3, 64, 64), "tiny-p"), ((3, 256, 300), "imagenet-p")):
        listed = get_suite(suite).conditions(shape)[1:]
        wanted = {"cifar-p": "cifar-p", "tiny-p": "tiny-p"}.get(suite, table)
        assert {c.info.table for c in listed} == {wanted}
        assert len(listed) == {"imagenet-p-hard": 14, "imagenet-p-extra": 4}.get(suite, 10)
        assert {c.definition.crop for c in listed} == {224 if shape[1] == 256 else 0}  # type: ignore[union-attr]
        assert [condition_of(c.info) for c in listed] == list(listed)


def test_images_that_are_cut_from_larger_pictures_are_shown_whole() -> None:
    for side in (32, 224, 256, 299):
        listed = get_suite("imagenet-p-hard").conditions((3, side, side), cropped=True)[1:]
        assert {c.definition.crop for c in listed} == {side}  # type: ignore[union-attr]
        assert [c.info.id for c in listed] == [
            c.info.id for c in get_suite("imagenet-p-hard").conditions((3, side, side))
        ][1:]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    make_world(folder, samples=60)
    assert called(*run_words(folder, "whole", "--suite", "cifar-p")).returncode == 0
    return folder


def test_a_run_holds_every_frame_of_every_sample(world: Path) -> None:
    found = {name.split("/")[1]: rows for (_, name), rows in everything(world / "whole").items() if name != "clean"}
    assert set(found) == set(CIFAR_TEN)
    for name, rows in found.items():
        count = SEQUENCES[name].of("cifar-p").count
        np.testing.assert_array_equal(rows.position, np.repeat(np.arange(60), count))
        np.testing.assert_array_equal(rows.frame, np.tile(np.arange(count), 60))
    clean = everything(world / "whole")["m", "clean"]
    np.testing.assert_array_equal(found["gaussian_noise"].prediction.reshape(60, 31)[:, 0], clean.prediction)
    np.testing.assert_array_equal(found["translate"].prediction.reshape(60, 16)[:, 7], clean.prediction)


def test_killed_and_resumed_and_spread_gives_the_same_rows(world: Path) -> None:
    words = run_words(world, "killed", "--suite", "cifar-p")
    with gate() as at:
        process = subprocess.Popen(
            held("brittlestar.runs.cell:_answers", 300, *words),
            env=at.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        at.reached(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert called(*words, "--workers", "2").returncode == 0
    assert_same(everything(world / "killed"), everything(world / "whole"))
    done = called("audit", world / "whole", "--trust", "--cells", 5)
    assert "5 of 5 cells are identical" in done.stdout, done.stderr
    before = everything(world / "killed")
    assert called("store", "compact", world / "killed").returncode == 0
    assert_same(everything(world / "killed"), before)
    assert RunStore.open(world / "killed").manifest.sessions[-1].stop == "complete"


@pytest.mark.parametrize("count", [1, 2.5, 10_001])
def test_numbers_of_frames_that_make_no_sequence_are_refused(count: Any) -> None:
    with pytest.raises(ShiftError, match="count must be a whole number of frames from 2"):
        dataclasses.replace(SEQUENCES["brightness"].of("imagenet-p"), count=count)
