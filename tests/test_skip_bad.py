"""Images that cannot be read: their blocks are left, all else goes on, and a started run can do without them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import brittlestar
from brittlestar.analyses import mapping
from brittlestar.analyses.sampling import Field, Stage
from brittlestar.core.errors import DataError, StoreError
from brittlestar.data import open_source
from brittlestar.data.base import Changed
from brittlestar.data.encoded import png
from brittlestar.report import build
from brittlestar.report.figure import fourier_maps
from brittlestar.runs.audit import audit
from brittlestar.runs.reopen import reopened
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.runs.skipped import as_recorded
from brittlestar.store import RunStore, compact, verify
from brittlestar.store.skipped import covers, skipped_of
from brittlestar.suites.fourier import fourier_suite
from tiny import evaluate_with, make_world

COUNT = 140
SUITE = "clean"


class World:
    """140 pictures in four classes, the first model of ``tiny``, and what happens to a picture late in the order."""

    def __init__(self, folder: Path) -> None:
        self.model = f"torch:{make_world(folder, 8)[0]}:model"
        self.out, self.data = folder / "out", folder / "photos"
        images = np.random.default_rng(3).integers(0, 256, (COUNT, 3, 12, 12), dtype=np.uint8)
        for place, image in enumerate(images):
            file = self.data / f"class {place % 4}" / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(image))
        source = open_source(self.data)
        self.names = [source.names()[place] for place in source.order(0)]

    def file(self, position: int) -> Path:
        return self.data / self.names[position]

    def run(self, happens: Callable[[], None] = lambda: None, **how: Any) -> brittlestar.Run:
        """Evaluate; ``happens`` once the plan is known, before anything is answered."""
        watch = Watch(plan=lambda *_: happens())
        how = {"out": self.out, "suite": SUITE, "shifted": True} | how
        return evaluate_with(self.model, str(self.data), watch=watch, **how)

    def rows(self) -> np.ndarray:
        store = RunStore.open(self.out)
        (model,) = store.manifest.models.values()
        (rows,) = store.read(model["fingerprint"], None).values()
        return rows.position


@pytest.fixture
def world(tmp_path: Path) -> World:
    torch.manual_seed(0)
    return World(tmp_path)


def damage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(8) + content[len(content) // 2 + 8 :])


@pytest.mark.parametrize("happens", [damage, Path.unlink])
def test_a_block_that_cannot_be_read_is_left_and_the_others_are_done(
    world: World, happens: Callable[[Path], None]
) -> None:
    done = world.run(lambda: happens(world.file(120)))
    assert done.outcome is not None and done.outcome.stop == "unread"
    assert [sample.position for sample in done.outcome.unread] == [120]
    assert world.names[120] in done.outcome.unread[0].reason
    answered = world.rows()
    assert 119 not in answered and set(range(64)) <= set(answered), "the blocks before are kept, that one is not there"
    assert RunStore.open(world.out).manifest.sessions[-1].stop == "unread"
    assert "could not be read" in build([world.out]).read_text()


def test_a_started_run_goes_on_without_them(world: World) -> None:
    kept = world.file(120).read_bytes()
    world.run(lambda: damage(world.file(120)))
    before = world.rows()
    with pytest.raises(DataError, match=rf"{world.names[120]}.*skip_bad=True"):
        world.run()
    done = world.run(skip_bad=True)
    assert done.outcome is not None and done.outcome.stop == "complete" and not done.outcome.unread
    assert set(before) < set(world.rows()) == set(range(COUNT)) - {120}
    store = RunStore.open(world.out)
    assert list(skipped_of(store.manifest)) == [120] and skipped_of(store.manifest)[120].name == world.names[120]
    page = build([world.out]).read_text()
    assert "goes on without 1 image" in page and world.names[120] in page and "NOT FINISHED" not in page
    assert verify(store) == []
    with store.locked():
        compact(store)
    assert verify(store) == [] and set(world.rows()) == set(range(COUNT)) - {120}
    # Whether it is gone or whole again later: the run has its samples.
    world.file(120).unlink()
    again = world.run()
    assert again.outcome is not None and again.outcome.stop == "complete" and again.outcome.images == 0
    bench, names = reopened(world.out, trust=True)
    assert all(one.identical for one in audit(bench, names, 99, 0))
    world.file(120).write_bytes(kept)
    assert world.run().outcome is not None and len(world.rows()) == COUNT - 1


def test_a_file_that_goes_while_the_run_skips_is_recorded(world: World) -> None:
    done = world.run(lambda: world.file(100).unlink(), skip_bad=True)
    assert done.outcome is not None and done.outcome.stop == "complete"
    assert set(world.rows()) == set(range(COUNT)) - {100}
    skipped = skipped_of(RunStore.open(world.out).manifest)
    assert list(skipped) == [100] and "gone" in skipped[100].reason


def test_one_of_the_first_images_may_go_too(world: World) -> None:
    world.run(samples=8)
    world.file(0).unlink()
    with pytest.raises(DataError, match=f"1 of the {COUNT} images.*{world.names[0]} is gone"):
        world.run()
    world.run(skip_bad=True)
    assert set(world.rows()) == set(range(COUNT)), "what was answered while it was there counts"


def test_a_changed_file_is_no_other_data(world: World) -> None:
    world.run(samples=8)
    world.file(90).write_bytes(world.file(94).read_bytes()[:-1] + b"!" * 3)
    with pytest.raises(DataError, match=f"{world.names[90]}"):
        world.run()
    world.run(skip_bad=True)
    assert set(world.rows()) == set(range(COUNT)) - {90}


def test_other_data_stay_other_data(world: World) -> None:
    world.run(samples=8)
    (world.data / "class 0" / "new.png").write_bytes(png(np.zeros((3, 12, 12), np.uint8)))
    with pytest.raises(StoreError, match="other data"):
        world.run(skip_bad=True)


def test_a_disk_that_is_gone_is_nothing_to_skip(world: World) -> None:
    def gone() -> None:
        for position in range(50, COUNT):
            world.file(position).unlink()

    done = world.run(gone, skip_bad=True)
    assert done.outcome is not None and done.outcome.stop == "unread" and len(done.outcome.unread) == COUNT - 50
    assert not skipped_of(RunStore.open(world.out).manifest)


def test_python_is_told(world: World) -> None:
    file = world.file(120)
    brittlestar.evaluate(world.model, world.data, suite=SUITE, out=world.out, samples=64, shifted=True, progress=False)
    before = {p: p.read_bytes() for p in world.out.rglob("b*.parquet")}
    reader = open_source(world.data)
    file.unlink()
    with pytest.raises(DataError, match=r"1 image could not be read.*skip_bad=True"):
        brittlestar.evaluate(world.model, reader, suite=SUITE, out=world.out, shifted=True, progress=False)
    assert before.items() <= {p: p.read_bytes() for p in world.out.rglob("b*.parquet")}.items()


@pytest.mark.slow
def test_workers_skip_as_this_process_does(world: World) -> None:
    fresh: list[Progress] = []
    done = evaluate_with(
        world.model,
        str(world.data),
        watch=Watch(plan=lambda *_: world.file(100).unlink(), progress=fresh.append),
        out=world.out,
        suite="clean",
        workers=2,
        skip_bad=True,
        shifted=True,
    )
    assert done.outcome is not None and done.outcome.stop == "complete"
    assert set(world.rows()) == set(range(COUNT)) - {100}
    assert dataclasses.asdict(fresh[-1])["work_done"] == COUNT


def test_positions_of_a_block() -> None:
    whole = np.arange(4, 8, dtype=np.int32)
    assert covers(whole, 4, 8) and not covers(whole[1:], 4, 8) and not covers(whole[:0], 4, 8)
    assert covers(whole[[0, 2, 3]], 4, 8, {5}) and not covers(whole[[0, 2, 3]], 4, 8, {6})
    assert covers(whole, 4, 8, {5}) and not covers(whole, 4, 7, {5}), "no position of another block"


def test_a_sharper_map_asks_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell that a survey asks is answered for its own image, though positions have a gap."""
    world.run(samples=8)
    world.file(5).unlink()
    answers: list[np.ndarray] = []

    class Asked(Exception):
        pass

    def ask_all(auxiliary: object, field: Field, *_: object, **__: object) -> None:
        waves, samples = np.divmod(np.arange(13 * (COUNT - 1)), COUNT - 1)
        ones = np.ones(len(waves))
        answers.append(field.margins("all", Stage(waves, samples, ones, ones)) > 0)
        raise Asked

    monkeypatch.setattr(mapping, "active_estimate", ask_all)
    suite = fourier_suite(region=5)
    with pytest.raises(Asked):
        world.run(skip_bad=True, suite=suite, follow_up=mapping.sharper(suite, (3, 12, 12), 0.2))
    (whole,) = fourier_maps(RunStore.open(world.out)).values()
    assert whole.positions.tolist() == [p for p in range(COUNT) if p != 5] and len(whole.frequencies) == 13
    assert (answers[0].reshape(13, -1) == (whole.wrong == 0)).all()


def test_what_is_gone_is_no_part_of_first_images(world: World) -> None:
    world.run(samples=8)
    world.file(5).unlink()
    with pytest.raises(DataError, match="is gone"):
        as_recorded(open_source(world.data), world.out, skip_bad=False)
    source = as_recorded(open_source(world.data), world.out, skip_bad=True)
    order = source.order(0)
    assert source.info.count == COUNT and source.present(order).tolist() == np.delete(order, 5).tolist()
    with pytest.raises(Changed, match=world.names[5]):
        source.load(order[4:6])
