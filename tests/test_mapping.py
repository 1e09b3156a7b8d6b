"""`brittlestar fourier`: sharper maps ask what a whole map asks, survive a kill, and stand in the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from brittlestar import measures
from brittlestar.analyses.mapping import sharper
from brittlestar.analyses.margin_task import MarginTask, margins
from brittlestar.cli.main import app
from brittlestar.core.errors import StoreError, UsageError
from brittlestar.core.sealed import read_arrays, write_arrays
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sampled import FOLDER, SampledMap, read_sampled, sampled_map
from brittlestar.models import parse_spec
from brittlestar.report.figure import fourier_maps
from brittlestar.runs.bench import Bench
from brittlestar.runs.task import Done
from brittlestar.store import RunStore
from brittlestar.suites.fourier import fourier_suite, map_norm
from report_tools import seen
from test_executors import Threaded
from tiny import called, evaluate_with, make_world

SAMPLES = 400
HALF_WIDTH = 0.13


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map")
    make_world(folder, SAMPLES)
    return folder


def spec(folder: Path):  # type: ignore[no-untyped-def]
    return parse_spec(f"m=torch:{folder / 'model.py'}:model")


def surveyed(folder: Path, out: str, half_width: float = HALF_WIDTH, **more):  # type: ignore[no-untyped-def]
    follow_up = sharper(fourier_suite(region=5), (3, 12, 12), half_width)
    run = evaluate_with(
        spec(folder),
        str(folder / "data.npz"),
        suite="clean",
        out=folder / out,
        follow_up=follow_up,
        anyway=True,
        **more,
    )
    store = RunStore.open(run.path)
    found = sampled_map(run.path, store.manifest.models["m"]["fingerprint"])
    assert found is not None
    return run, found


@pytest.fixture(scope="module")
def sharp(world: Path) -> tuple[Path, SampledMap]:
    run, found = surveyed(world, "sharp")
    return run.path, found


def test_answers_are_those_of_the_whole_map(world: Path, sharp: tuple[Path, SampledMap]) -> None:
    run = evaluate_with(
        spec(world), str(world / "data.npz"), suite=fourier_suite(region=5), out=world / "whole", anyway=True
    )
    whole = fourier_maps(RunStore.open(run.path))["m"]
    path, found = sharp
    assert found.frequencies == tuple(sorted(found.frequencies, key=lambda f: found.frequencies.index(f)))
    place = {f: k for k, f in enumerate(whole.frequencies)}
    (folder,) = (path / FOLDER).glob("*/*")
    asked = 0
    for name in sorted(folder.glob("stage-*.npz")):
        with np.load(name) as stage:
            cells = {(int(f), int(i)) for f, i in zip(stage["condition"], stage["sample"], strict=True)}
            pieces = [np.load(p) for p in sorted(folder.glob(f"{name.stem}-*.npy"))]
            assert sum(map(len, pieces)) == len(cells) == len(stage["condition"]), "no cell is asked twice"
            if len(pieces) == 1:
                order = np.lexsort((stage["sample"], stage["condition"]))
                for (f, i), margin in zip(
                    zip(stage["condition"][order], stage["sample"][order], strict=True), pieces[0], strict=True
                ):
                    assert (margin < 0) == bool(whole.wrong[place[found.frequencies[f]], i])
            asked += len(cells)
    assert asked == found.passes
    error = {f: whole.error[place[f]] for f in found.frequencies}
    low, high = found.limits(simultaneous=True)
    assert all(lo <= error[f] <= hi for f, lo, hi in zip(found.frequencies, low, high, strict=True))
    assert found.half_width() <= HALF_WIDTH + 1e-9


def test_killed_and_run_again_it_is_the_same_and_asks_nothing_twice(
    world: Path, sharp: tuple[Path, SampledMap], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(log))
    surveyed(world, "counted")
    whole = sum(map(int, log.read_text().split()))
    log.unlink()
    answer, left = MarginTask.run, [2]

    def cut(self: MarginTask, bench: Bench) -> Done:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return answer(self, bench)

    monkeypatch.setattr(MarginTask, "run", cut)
    outcomes = []
    for _ in range(20):
        left[0] = 10**6 if outcomes else 1  # tasks until it is killed
        follow_up = sharper(fourier_suite(region=5), (3, 12, 12), HALF_WIDTH)
        run = evaluate_with(
            spec(world), str(world / "data.npz"), suite="clean", out=world / "cut", follow_up=follow_up, anyway=True
        )
        assert run.outcome is not None
        outcomes.append(run.outcome.stop)
        if run.outcome.stop == "complete":
            break
    assert outcomes[0] == "interrupted" and outcomes[-1] == "complete"
    again = sampled_map(world / "cut", RunStore.open(world / "cut").manifest.models["m"]["fingerprint"])
    assert again is not None and np.array_equal(again.wrong, sharp[1].wrong)
    checks = len(outcomes) - 1  # each start asks clean images: to check the model, and for examples
    assert sum(map(int, log.read_text().split())) <= whole + checks * (400 + SAMPLES)


@pytest.mark.slow
def test_narrower_goes_on_from_what_is_known(world: Path) -> None:
    _, first = surveyed(world, "twice")
    _, second = surveyed(world, "twice", 0.11)
    assert second.half_width() <= 0.11 + 1e-9 and second.passes > first.passes
    folders = list((world / "twice" / FOLDER).glob("*/*"))
    assert len(folders) == 1


@pytest.mark.slow
def test_two_workers_give_the_same(world: Path, sharp: tuple[Path, SampledMap]) -> None:
    words = ["fourier", "--model", f"m=torch:{world / 'model.py'}:model", "--data", world / "data.npz", "--region", 5]
    words += ["--anyway", "--half-width", HALF_WIDTH, "--workers", 2, "--device", "cpu", "--out", world / "two"]
    done = called(*words)
    assert done.returncode == 0, done.stderr
    found = sampled_map(world / "two", RunStore.open(world / "two").manifest.models["m"]["fingerprint"])
    assert found is not None and np.array_equal(found.wrong, sharp[1].wrong)


@pytest.mark.slow
def test_another_executor_gives_the_same(world: Path, sharp: tuple[Path, SampledMap]) -> None:
    threaded = Threaded()
    _, found = surveyed(world, "threaded", executor=threaded)
    assert threaded.ran > 1 and np.array_equal(found.wrong, sharp[1].wrong)


def test_damage_and_impossible_numbers_are_told(world: Path, sharp: tuple[Path, SampledMap], tmp_path: Path) -> None:
    bad = tmp_path / "map.npz"
    bad.write_bytes(b"no zip")
    with pytest.raises(StoreError, match="damaged"):
        read_sampled(bad)
    for width in (0.0, 0.6, -1.0):
        with pytest.raises(UsageError, match="half-width"):
            sharper(fourier_suite(), (3, 12, 12), width)
    with pytest.raises(UsageError, match="region"):
        fourier_suite(region=0)
    with pytest.raises(UsageError, match="norm"):
        fourier_suite(norm=-1.0)
    with pytest.raises(UsageError, match="precision"):
        sharp[1].limits(rule="anytime")


def test_the_report_holds_the_map_and_says_what_it_saved(sharp: tuple[Path, SampledMap]) -> None:
    content = seen([sharp[0]])
    assert content.spectrum is not None
    assert f"{sharp[1].passes:,} passes" in content.spectrum.covered
    assert content.spectrum.maps[0].samples == SAMPLES
    assert all(m.title != "Single frequencies" for m in content.missing)
    summary = json.loads((sharp[0] / "report" / "summary.json").read_text()) if (sharp[0] / "report").exists() else {}
    assert summary is not None


def test_bands_and_differences_of_stand_ins_cover() -> None:
    """Two models on the same samples, each outcome looked at with probability one half: bands and their difference."""
    g = np.random.default_rng(0)
    frequencies = tuple((r, c) for r in range(-2, 3) for c in range(0, 3) if c > 0 or r >= 0)
    covered = np.zeros(3)
    repeats, n = 400, 150
    for _ in range(repeats):
        own = g.normal(0, 1, n)
        maps, rates = [], []
        for shift in (0.0, 0.4):
            at = np.linspace(-1, 1, len(frequencies))[:, None] + own + shift
            wrong = (at + g.normal(0, 1, at.shape) > 0).astype(np.float64)
            guess = np.clip(0.5 + 0.2 * at, 0.05, 0.95)
            looked = g.random(at.shape) < 0.5
            stand = (guess + np.where(looked, (wrong - guess) / 0.5, 0)).astype(np.float32)
            zeros = np.full(len(frequencies), 0.5)
            positions = np.arange(n, dtype=np.int32)
            maps.append(SampledMap(8, 8, frequencies, stand, positions, zeros, zeros, zeros, 1.0, 1, 1))
            from scipy import stats

            rates.append(stats.norm.cdf((np.linspace(-1, 1, len(frequencies)) + shift) / 2**0.5))
        weights = maps[0].multiplicity * (maps[0].radius > 0.25) * (maps[0].radius <= 0.5)
        weights = weights / weights.sum()
        for place, found in enumerate(maps):
            band = measures.band_error(found, 0.25, 0.5)
            covered[place] += band.low <= weights @ rates[place] <= band.high
        apart = measures.band_difference(maps[1], maps[0], 0.25, 0.5)
        covered[2] += apart.low <= weights @ (rates[1] - rates[0]) <= apart.high
    assert np.all(covered / repeats > 0.95 - 3 * (0.05 * 0.95 / repeats) ** 0.5), covered / repeats


def test_a_cut_map_keeps_its_columns(sharp: tuple[Path, SampledMap]) -> None:
    found = sharp[1]
    part = found.cut(found.frequencies[2:4], np.arange(10))
    assert isinstance(part, SampledMap) and part.samples == 10
    assert np.array_equal(part.wrong, found.wrong[2:4, :10])
    both = measures.band_difference(found, found, 0.0, 1.0)
    assert both.value == 0
    plain = FourierMap(12, 12, found.frequencies, np.zeros_like(found.wrong), found.positions)
    assert measures.band_difference(found, plain, 0, 1).value == pytest.approx(measures.band_error(found, 0, 1).value)


def test_margins_agree_with_predictions() -> None:
    logits = torch.tensor([[1.0, 2.0, 2.0], [3.0, 1.0, 3.0], [0.0, 0.0, 1.0], [2.0, 2.0, 0.0]])
    labels = torch.tensor([2, 0, 2, 1])
    found = margins(logits, labels)
    assert ((found < 0) == (logits.argmax(1) != labels).numpy()).all()
    assert found[2] == 1 and abs(found[0]) < 1e-30


def test_fixed_maps_regions_clipping_and_figures(world: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    base = ["fourier", "--model", f"m=torch:{world / 'model.py'}:model", "--data", str(world / "data.npz")]
    base += ["--workers", "1", "--device", "cpu", "--samples", "60", "--anyway"]
    pytest.importorskip("matplotlib")
    figure = tmp_path / "maps.svg"
    options = ["--region", "3", "--clip", "--norm", "1.5", "--out", str(tmp_path / "r"), "--figure", str(figure)]
    done = run(app, [*base, *options])
    assert done.exit_code == 0, done.output
    assert figure.read_text().startswith("<?xml") and "5 waves" in done.output
    infos = RunStore.open(tmp_path / "r").manifest.conditions.values()
    assert {(i.config["norm"], i.config["clip"]) for i in infos if i.kind == "fourier"} == {(1.5, True)}
    assert run(app, [*base, "--figure", "maps.xyz"]).exit_code != 0
    assert map_norm(12, 12) == 1.5


def test_layer_maps_of_a_linear_model_are_exact(world: Path, tmp_path: Path) -> None:
    """The only layer's outputs move by the norm of W times the wave, whatever the image."""
    model = tmp_path / "lin.py"
    model.write_text(
        "import torch\n"
        "def linear():\n"
        "    g = torch.Generator().manual_seed(0)\n"
        "    m = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 4))\n"
        "    m[1].weight.data = torch.randn(4, 432, generator=g)\n"
        "    return m.eval()\n"
    )
    base = ["fourier", "--model", f"m=torch:{model}:linear", "--data", str(world / "data.npz"), "--samples", "120"]
    options = ["--layer", "1", "--region", "3", "--device", "cpu", "--out", str(tmp_path / "r")]
    done = CliRunner().invoke(app, [*base, *options, "--figure", str(tmp_path / "l.png")])
    assert done.exit_code == 0, done.output
    with (tmp_path / "r" / "layers" / "1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 and {r["n"] for r in rows} == {"120"}
    from brittlestar.shifts.ops.spectrum import basis_vector

    weight = torch.randn(4, 432, generator=torch.Generator().manual_seed(0)).view(4, 3, 144)
    for row in rows:
        wave = basis_vector(12, 12, int(row["row"]), int(row["column"])).flatten() * 1.5
        moved = weight @ wave  # (4, 3): by channel; signs are drawn for each
        signs = torch.tensor([[a, b, c] for a in (1.0, -1) for b in (1.0, -1) for c in (1.0, -1)])
        expected = (signs @ moved.T).norm(dim=1)
        low, high = float(row["low"]), float(row["high"])
        assert low - 0.05 <= float(expected.mean()) <= high + 0.05
        assert expected.min() - 1e-4 <= float(row["mean_l2"]) <= expected.max() + 1e-4
    (kept,) = (tmp_path / "r" / "layers").glob("*/first.npz")
    write_arrays(kept, {"outputs": read_arrays(kept)["outputs"] + 0.1})
    changed = CliRunner().invoke(app, [*base, *options])
    assert "of model m gives other outputs than when" in str(changed.exception) and "0.1" in str(changed.exception)
    bad = CliRunner().invoke(app, [*base, "--layer", "nix", "--region", "3", "--out", str(tmp_path / "r")])
    assert bad.exit_code != 0
