"""What is right by itself, at once: samples that are gone, damaged files, object storage, a lost manifest."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from brittlestar import shifts
from brittlestar.core.places import place
from brittlestar.report import build
from brittlestar.report.asked import what_was_asked
from brittlestar.report.gather import gather
from brittlestar.report.status import build_statuses
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.store import RunStore, verify
from test_skip_bad import COUNT, World, world
from tiny import evaluate_with

__all__ = ["world"]

INVERTED = shifts.Inversion()

CENTRED = """
def centred():
    module = Linear()
    module.weight -= module.weight.mean(0)
    return module.eval()
"""


@pytest.fixture
def varied(world: World) -> World:
    """With a model whose answers are others when images are inverted."""
    file = Path(world.model.removeprefix("torch:").removesuffix(":model"))
    file.write_text(file.read_text() + CENTRED)
    world.model = f"torch:{file}:centred"
    return world


def examples_of(out: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads((out / "examples" / "examples.json").read_bytes())["examples"]
    return listed


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_on_object_storage_a_damaged_block_without_a_sample_is_made_again(varied: World, tmp_path: Path) -> None:
    out = place(f"memory://bucket/{secrets.token_hex(4)}/run")
    how: dict[str, Any] = {"out": out, "suite": INVERTED, "samples": 64}
    varied.run(lambda: varied.file(40).unlink(), skip_bad=True, **how)
    victim = next(path for path in (out / "rows").rglob("b00000032-*.parquet"))
    before = victim.read_bytes()
    flip(victim)
    assert [line for line in verify(RunStore.open(out)) if victim.name in line]
    done = varied.run(**how)
    assert done.outcome is not None and (done.outcome.stop, done.outcome.images) == ("complete", 31)
    assert victim.read_bytes() == before and verify(RunStore.open(out)) == []
    assert len([*(out / "damaged").rglob("*.parquet")]) == 1
    assert len(examples_of(out)) == 3
    page = build([out], out=tmp_path / "report").read_text()
    assert "data:image/png" in page and "goes on without 1 image" in page and "NOT FINISHED" not in page


def test_a_block_without_any_sample_is_done(world: World) -> None:
    def gone() -> None:
        for position in range(16, 32):
            world.file(position).unlink()

    done = world.run(gone, skip_bad=True)
    assert done.outcome is not None and (done.outcome.stop, done.outcome.left) == ("complete", 0)
    assert set(world.rows()) == {*range(16), *range(32, COUNT)}
    planned: list[Progress] = []
    watch = Watch(plan=lambda models, conditions, progress: planned.append(progress))
    again = evaluate_with(world.model, str(world.data), watch=watch, out=world.out, suite="clean", shifted=True)
    assert again.outcome is not None and again.outcome.stop == "complete" and planned[0].work_total == 0


def test_the_copy_of_the_manifest_knows_what_is_gone(world: World) -> None:
    world.run(lambda: world.file(120).unlink(), skip_bad=True)
    (world.out / "manifest.json").unlink()
    done = world.run()
    assert done.outcome is not None and (done.outcome.stop, done.outcome.images) == ("complete", 0)
    assert (world.out / "manifest.json").is_file()


def test_without_samples_and_first_answers_the_same_command_mends_both(world: World) -> None:
    world.run(samples=8)
    shutil.rmtree(world.out / "identities")
    flip(world.out / "samples.parquet")
    done = world.run()
    assert done.outcome is not None and done.outcome.stop == "complete" and set(world.rows()) == set(range(COUNT))
    assert len([*(world.out / "identities").iterdir()]) == 1 and verify(RunStore.open(world.out)) == []


def test_an_image_that_is_gone_is_no_example(varied: World) -> None:
    varied.run(suite=INVERTED, samples=64)
    chosen = [entry["position"] for entry in examples_of(varied.out)]
    varied.file(chosen[0]).unlink()
    varied.run(suite=INVERTED, skip_bad=True)
    now = [entry["position"] for entry in examples_of(varied.out)]
    assert len(now) == len(chosen) == 3 and chosen[0] not in now


def test_answers_that_are_left_out_are_counted_by_model_and_without_what_is_gone(world: World) -> None:
    file, _, factory = world.model.rpartition(":")
    models = {"one": world.model, "two": f"{file}:other"}
    assert factory == "model"
    watch = Watch(plan=lambda *_: world.file(40).unlink())
    evaluate_with(
        models, str(world.data), watch=watch, out=world.out, suite="clean", samples=64, skip_bad=True, shifted=True
    )
    for path in (world.out / "rows").rglob("b00000032-*.parquet"):
        flip(path)
    (status,) = (s for s in build_statuses(gather([world.out])) if s.kind == "damaged")
    assert "62 answers are left out" in status.text


def test_an_image_that_was_answered_before_it_was_gone_excuses_no_other(world: World) -> None:
    world.run(samples=16)
    for position in range(12):
        world.file(position).unlink()
    world.run(skip_bad=True)
    (last,) = (world.out / "rows").rglob("b00000128-00000140-*.parquet")
    last.unlink()
    (asked,) = what_was_asked(gather([world.out]))
    assert (asked.answered, asked.samples, asked.state) == (128, COUNT, "not yet done")
