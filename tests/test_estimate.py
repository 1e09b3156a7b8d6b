"""``brittlestar estimate``: from unlabelled images to an estimate, a refusal, and the run folder."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
from PIL import Image

import brittlestar as bs
from brittlestar.api import Run
from brittlestar.core.errors import DataError, StoreError, UsageError
from brittlestar.data.unlabelled import open_unlabelled
from brittlestar.shifts import Brightness, Contrast, GaussianBlur, GaussianNoise, Pixelation, Rotation
from tiny import called

MODEL = """
import torch

class Quadrants(torch.nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 2).flatten(1) * self.gain

def sharp():
    return Quadrants(22.0).eval()

def dull():
    return Quadrants(14.0).eval()
"""


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey 16 x 16 images with one quadrant a little brighter, which is the class; some are told hardly."""
    draws = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    x = draws.normal(100, 25, (count, 2, 2))
    x[np.arange(count), labels // 2, labels % 2] += 45
    x = np.kron(x, np.ones((8, 8))) + draws.normal(0, 5, (count, 16, 16))
    return np.clip(x, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estimate")
    (folder / "model.py").write_text(MODEL)
    x, y = pictures(120, 0)
    np.savez(folder / "data.npz", x=x, y=y)
    shifts = [
        *(GaussianNoise(sigma=s) for s in (0.05, 0.1, 0.2)),
        *(Brightness(offset=s) for s in (0.2, 0.35, 0.45)),
        *(Contrast(factor=s) for s in (0.6, 0.3, 0.1)),
        *(GaussianBlur(sigma=s) for s in (0.5, 1.0, 2.0)),
        *(Pixelation(factor=s) for s in (0.5, 0.35, 0.15)),
        *(Rotation(degrees=s) for s in (10.0, 25.0, 45.0)),
    ]
    models = {name: f"torch:{folder}/model.py:{name}" for name in ("sharp", "dull")}
    bs.evaluate(models, str(folder / "data.npz"), suite=shifts, out=folder / "run", progress=False)
    return folder / "run"


def test_the_clean_distribution_gets_its_accuracy(run: Path, tmp_path: Path) -> None:
    x, y = pictures(200, 1)
    np.savez(tmp_path / "new.npz", x=x)
    ended = called("estimate", "--run", run, "--data", tmp_path / "new.npz", "--trust", "--no-report")
    assert ended.returncode == 0, ended.stderr
    assert "estimated without labels [" in ended.stdout and "accuracy is" not in ended.stdout
    assert "on families of shifts left out it missed by" in ended.stdout
    (path,) = (run / "unlabelled").glob("*/estimate.json")
    kept = json.loads(path.read_text())
    means = x.reshape(-1, 2, 8, 2, 8).mean((2, 4)).reshape(-1, 4)
    truth = float((means.argmax(1) == y).mean())
    assert [m["model"] for m in kept["models"]] == ["sharp", "dull"] and kept["samples"] == 200
    for model in kept["models"]:
        for mix in ("any_mix", "same_mix"):
            assert model[mix]["low"] <= truth <= model[mix]["high"]
            assert model[mix]["level"] == pytest.approx(5 / 6) and model["outside"] == []
        assert "transport" not in model["any_mix_fit"]["methods"]


def test_what_is_answered_is_kept_and_not_asked_again(run: Path, tmp_path: Path) -> None:
    x, _ = pictures(300, 2)
    first = Run(run).estimate(x, model="dull", trust=True)
    (folder,) = {p.parent for p in (run / "unlabelled").glob("*/*-b00000256-00000300.npz")}
    files = {p: p.stat().st_mtime_ns for p in folder.glob("*.npz")}
    # Both models' answers, as they are asked whether they agree, and what the images look like.
    assert len(files) == 3 * 2 and len(first) == 1 and first[0].model == "dull"
    damaged = next(p for p in files if p.name.startswith("images"))
    damaged.write_bytes(damaged.read_bytes()[:-40])
    missing = next(p for p in files if not p.name.startswith("images"))
    missing.unlink()
    again = Run(run).estimate(x, model="dull", trust=True)
    assert (again[0].any_mix, again[0].same_mix) == (first[0].any_mix, first[0].same_mix) and again[0].said == first[
        0
    ].said
    assert {p for p in files if p.stat().st_mtime_ns != files[p]} == {damaged, missing}
    assert list((run / "damaged").rglob(damaged.name))


def test_noise_gets_no_estimate(run: Path) -> None:
    noise = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (60, 16, 16))
    np.savez(run.parent / "noise.npz", x=noise)
    ended = called("estimate", "--run", run, "--data", run.parent / "noise.npz", "--trust", "--no-report")
    assert ended.returncode == 0 and "right" not in ended.stdout
    assert "sharp on noise (60 different images): no estimate" in ended.stdout
    assert "Outside what was measured: contrast (standard deviation of an image's levels) 0." in ended.stdout
    for path in (run / "unlabelled").glob("*/estimate.json"):
        kept = json.loads(path.read_text())
        if kept["data"]["name"] == "noise":
            assert all(m["same_mix"] is None and m["any_mix"] is None for m in kept["models"])


def test_what_cannot_be_estimated_is_said(run: Path, tmp_path: Path) -> None:
    x, y = pictures(60, 4)
    with pytest.raises(UsageError, match="names code that this would run"):
        Run(run).estimate(x)
    with pytest.raises(UsageError, match=r"bear out intervals of at most 83\.3 %"):
        Run(run).estimate(x, level=0.9, trust=True)
    with pytest.raises(DataError, match="5 different images; an estimate takes at least 20"):
        Run(run).estimate(np.repeat(x[:5], 8, axis=0), trust=True)
    with pytest.raises(DataError, match=r"1 channels and 8 x 8 pixels, the run was made with 1 channels and 16 x 16"):
        Run(run).estimate(x[:, ::2, ::2], trust=True)
    with pytest.raises(UsageError, match=r"unknown model of this run 'shrap'.*sharp"):
        Run(run).estimate(x, model="shrap", trust=True)
    alone = bs.evaluate(
        f"torch:{run.parent}/model.py:sharp",
        (x, y),
        suite=[GaussianNoise(sigma=s) for s in (0.1, 0.2)],
        out=tmp_path / "alone",
        progress=False,
    )
    with pytest.raises(UsageError, match=r'takes 4 families and 12 conditions, this run has 1 \(noise\).*"broad"'):
        alone.estimate(x, trust=True)


def test_objects_are_given_again(run: Path, tmp_path: Path) -> None:
    x, y = pictures(80, 5)
    pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()).eval()
    shifts = [
        s for k in (0.1, 0.2, 0.3) for s in (GaussianNoise(sigma=k), Brightness(offset=k), Rotation(degrees=60 * k))
    ]
    shifts += [GaussianBlur(sigma=s) for s in (0.5, 1.0, 2.0)] + [Pixelation(factor=s) for s in (0.5, 0.3, 0.2)]
    made = bs.evaluate({"m": pool}, (x, y), suite=shifts, out=tmp_path / "run", progress=False)
    with pytest.raises(StoreError, match="given as a Python object: give it again, from Python"):
        made.estimate(pictures(40, 6)[0])
    (one,) = made.estimate(pictures(40, 6)[0], models={"m": pool}, own=(x, y))
    assert one.any_mix is not None and 0.5 < one.any_mix.value < 1
    other = torch.nn.Sequential(torch.nn.AdaptiveMaxPool2d(2), torch.nn.Flatten()).eval()
    with pytest.raises(StoreError):
        made.estimate(pictures(40, 6)[0], models={"m": other}, own=(x, y))


def test_unlabelled_forms_give_the_same_images(tmp_path: Path) -> None:
    x, y = pictures(24, 7)
    flat, deep = tmp_path / "flat", tmp_path / "deep"
    con = duckdb.connect()
    con.execute("CREATE TABLE t (image STRUCT(bytes BLOB, path VARCHAR))")
    for place, image in enumerate(x):
        for folder in (flat, deep / "2024" / f"day {place % 3}"):
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{place}.png")
        con.execute("INSERT INTO t VALUES ({'bytes': ?::BLOB, 'path': NULL})", [(flat / f"{place}.png").read_bytes()])
    (flat / "notes.txt").write_text("of the second day")
    shutil.copytree(flat, tmp_path / "day:two")
    con.execute(f"COPY t TO '{tmp_path}/new.parquet' (FORMAT parquet)")
    np.savez(tmp_path / "new.npz", images=x, y=y)
    np.save(tmp_path / "new.npy", x)
    given = [
        flat,
        deep,
        tmp_path / "day:two",
        *(tmp_path / f"new.{kind}" for kind in ("parquet", "npz", "npy")),
        x,
        torch.from_numpy(x),
        list(x),
    ]
    wanted = sorted(image.tobytes() for image in x)
    for spec in given:
        source = open_unlabelled(spec)
        loaded = source.load(np.arange(24))
        assert sorted(image.tobytes() for image in loaded) == wanted and not source.labels.any()
        assert not any("class" in note for note in source.info.notes)
    assert any("notes.txt" in note or ".txt" in note for note in open_unlabelled(flat).info.notes)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="hold no images"):
        open_unlabelled(tmp_path / "empty")
    np.savez(tmp_path / "odd.npz", y=y)
    with pytest.raises(DataError, match="must be called x or images"):
        open_unlabelled(tmp_path / "odd.npz")


def test_the_report_says_what_was_estimated_and_what_was_not(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("unlabelled", "report"))
    np.savez(tmp_path / "new <b>.npz", x=pictures(60, 8)[0])
    (one, two) = Run(folder).estimate(tmp_path / "new <b>.npz", trust=True)
    np.savez(tmp_path / "noise.npz", x=np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (60, 16, 16)))
    Run(folder).estimate(tmp_path / "noise.npz", trust=True, model="dull")
    page = Run(folder).report(tmp_path / "page.html").read_text()
    section = page[page.index('<section id="estimated"') :].split("</section>")[0]
    assert "new &lt;b&gt;: 60 different images" in section and "new <b>" not in section
    assert "dull: no estimate." in section and "Outside what was measured: contrast" in section
    plots = 5 * (2 + sum(m.any_mix_fit.chosen != m.same_mix_fit.chosen for m in (one, two)))
    assert section.count("<svg") == plots and "accuracy is" not in section
    with (tmp_path / "results.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["measure"] == "accuracy_estimated_without_labels"]
    assert one.any_mix is not None and two.any_mix is not None
    told = {(r["data"], r["model"]): r for r in rows}
    assert float(told["new <b>", "sharp"]["value"]) == pytest.approx(one.any_mix.value, abs=1e-6)
    assert told["noise", "dull"]["value"] == "" and "outside" in told["noise", "dull"]["status"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {e["data"] for e in summary["estimated"]} == {"new <b>", "noise"}
    models = {name: f"torch:{run.parent}/model.py:{name}" for name in ("sharp", "dull")}
    data = str(run.parent / "data.npz")
    bs.evaluate(models, data, suite=GaussianNoise(sigma=0.15), out=folder, progress=False)
    later = Run(folder).report(tmp_path / "later.html").read_text()
    assert 'id="estimated"' not in later and "rests on an earlier state of its run" in later
