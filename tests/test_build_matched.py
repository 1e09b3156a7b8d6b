"""Matched sets: apportionment, variants, distances, refusals, and what is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from brittlestar.build.matched import MatchedSet, draw_matched
from brittlestar.core.errors import DataError, UsageError
from brittlestar.measures.histograms import apportioned, earth_mover, total_variation
from tiny import called

Floats = npt.NDArray[np.float64]


def test_largest_remainders() -> None:
    assert list(apportioned([1, 1, 1], 10)) == [4, 3, 3]
    assert list(apportioned([0.24, 0.26, 0.5], 10)) == [2, 3, 5]
    assert list(apportioned([0, 3, 7], 10)) == [0, 3, 7] and list(apportioned([47, 16, 15.8, 12, 6.1, 3.1], 10)) == [
        5,
        2,
        1,
        1,
        1,
        0,
    ]
    for seed in range(20):
        shares = np.random.default_rng(seed).dirichlet(np.ones(5))
        found = apportioned(shares, 17)
        assert found.sum() == 17 and np.all(np.abs(found - 17 * shares) < 1)
    with pytest.raises(UsageError, match="one of them above 0"):
        apportioned([0, 0], 3)


def test_distances_are_those_of_scipy() -> None:
    g = np.random.default_rng(0)
    a, b = g.random(40), g.random(25) ** 2
    assert earth_mover(a, b) == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-12)
    assert total_variation([5, 5, 0], [0, 5, 5]) == 0.5 and total_variation([1, 1], [3, 3]) == 0


def sets(seed: int = 0) -> tuple[list[str], Floats, list[str], Floats]:
    """Candidates that are easier than the reference: what a naive replication would draw."""
    g = np.random.default_rng(seed)
    labels = [f"c{i % 4}" for i in range(800)]
    reference = [f"c{i % 4}" for i in range(200)]
    return labels, g.beta(1.5, 1.5, 800), reference, g.beta(2, 1, 200)


def test_a_matched_set_has_the_references_histogram_in_every_class() -> None:
    labels, scores, reference, theirs = sets()
    draw = draw_matched(MatchedSet(each=20), labels, scores, reference, theirs)
    assert len(draw.chosen) == 80 == len(set(draw.chosen)) and [c.name for c in draw.classes] == [
        "c0",
        "c1",
        "c2",
        "c3",
    ]
    for found in draw.classes:
        own = [i for i in draw.chosen if labels[i] == found.name]
        assert len(own) == 20 and found.drawn == found.wanted == tuple(apportioned(found.reference, 20))
        counted = np.histogram(scores[own], np.asarray([0, 0.2, 0.4, 0.6, 0.8, 1]))[0]
        assert tuple(counted) == found.drawn and found.moved == 0
        assert found.variation is not None and found.variation <= 5 / 20 / 2
    same = draw_matched(MatchedSet(each=20), labels, scores, reference, theirs)
    other = draw_matched(MatchedSet(each=20, seed=1), labels, scores, reference, theirs)
    assert same == draw and other.chosen != draw.chosen
    # A class is drawn alike whatever other classes there are.
    keep = [i for i, label in enumerate(labels) if label == "c2"]
    alone = draw_matched(
        MatchedSet(each=20), ["c2"] * len(keep), scores[keep], ["c2"] * 50, theirs[[i % 4 == 2 for i in range(200)]]
    )
    assert [keep[i] for i in alone.chosen] == [i for i in draw.chosen if labels[i] == "c2"]


def test_threshold_and_top_are_what_they_are_called() -> None:
    labels, scores, reference, theirs = sets()
    high = draw_matched(MatchedSet(variant="threshold", each=10), labels, scores, reference, theirs)
    assert all(scores[i] >= 0.7 for i in high.chosen) and len(high.chosen) == 40
    top = draw_matched(MatchedSet(variant="top", each=10), labels, scores)
    for name in ("c0", "c3"):
        places = [i for i, label in enumerate(labels) if label == name]
        best = sorted(places, key=lambda i: -scores[i])[:10]
        assert [i for i in top.chosen if labels[i] == name] == best
    assert top.classes[0].variation is None and high.classes[0].variation is not None
    matched = draw_matched(MatchedSet(each=10), labels, scores, reference, theirs)
    assert max(c.distance or 0 for c in matched.classes) < min(c.distance or 0 for c in high.classes)


def test_bins_without_candidates_are_refused_or_filled_from_above() -> None:
    reference, theirs = ["a"] * 10, np.asarray([0.1] * 5 + [0.5] * 5)
    labels, scores = ["a"] * 12, np.asarray([0.1] * 2 + [0.5] * 5 + [0.9] * 5)
    with pytest.raises(DataError, match=r"a has 2 candidates from 0 to 0.2, 5 are due"):
        draw_matched(MatchedSet(each=10), labels, scores, reference, theirs)
    (found,) = draw_matched(MatchedSet(each=10, upward=True), labels, scores, reference, theirs).classes
    # The bin of 0.5 keeps its own five; the three come from 0.9, and none is taken twice.
    assert found.drawn == (2, 0, 5, 0, 3) and found.moved == 3 and found.variation == pytest.approx(0.3)
    with pytest.raises(DataError, match="lack candidates"):
        draw_matched(MatchedSet(each=10, upward=True), labels[:9], scores[:9], reference, theirs)


def test_what_cannot_be_drawn_is_refused() -> None:
    labels, scores, reference, theirs = sets()
    with pytest.raises(DataError, match=r"1 of 5 classes have no candidates \(z\)"):
        draw_matched(MatchedSet(), labels, scores, [*reference, "z"], [*theirs, 0.5])
    with pytest.raises(DataError, match="lie outside the bins"):
        draw_matched(MatchedSet(), labels, 100 * scores, reference, theirs)
    with pytest.raises(DataError, match=r"candidates of at least 0\.7, 500 are due"):
        draw_matched(MatchedSet(variant="threshold", each=500), labels, scores)
    with pytest.raises(UsageError, match="needs a reference"):
        draw_matched(MatchedSet(), labels, scores)
    with pytest.raises(UsageError, match="edges rise"):
        MatchedSet(edges=(0, 1, 0.5))


def table(path: Path, labels: list[str], scores: Floats, lead: str) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "label", "freq"])
        writer.writerows(
            [f"{lead}{i}.png", label, score] for i, (label, score) in enumerate(zip(labels, scores, strict=True))
        )
    return path


def test_the_command_writes_a_list_or_a_folder(tmp_path: Path) -> None:
    import duckdb

    labels, scores, reference, theirs = sets()
    candidates = table(tmp_path / "c.csv", labels, scores, "x")
    known = table(tmp_path / "r.csv", reference, theirs, "r")
    parquet = tmp_path / "r.parquet"
    duckdb.connect().execute(f"COPY (SELECT * FROM read_csv('{known}')) TO '{parquet}'")
    words = ("build", "matched", "--candidates", candidates, "--score", "freq", "--each", 5)
    done = called(*words, "--reference", parquet, "--out", tmp_path / "set.csv")
    assert done.returncode == 0, done.stderr
    assert "total variation from the reference" in done.stdout and "20 items of 4 classes" in done.stdout
    rows = list(csv.DictReader((tmp_path / "set.csv").read_text().splitlines()))
    assert len(rows) == 20 and {r["label"] for r in rows} == {"c0", "c1", "c2", "c3"}
    facts = json.loads((tmp_path / "set.json").read_text())
    assert facts["names"] == [r["name"] for r in rows] and facts["classes"][0]["distance"] > 0
    (tmp_path / "images").mkdir()
    for i in range(800):
        (tmp_path / "images" / f"x{i}.png").write_bytes(b"%d" % i)
    whole = (*words, "--reference", known, "--out", tmp_path / "set")
    assert "needs --images" in called(*whole).stderr
    done = called(*whole, "--images", tmp_path / "images")
    assert done.returncode == 0, done.stderr
    copied = sorted(p.name for p in (tmp_path / "set").rglob("*.png"))
    assert copied == sorted(r["name"] for r in rows)
    one = next((tmp_path / "set" / "c1").iterdir())
    assert one.read_bytes() == one.stem[1:].encode()
    assert "is not empty" in called(*whole, "--images", tmp_path / "images").stderr
    assert "has no column 'nope'" in called(*words[:4], "--score", "nope", "--variant", "top", "--out", "l.csv").stderr
    lost = called(*words, "--name", "fiel", "--variant", "top", "--out", tmp_path / "l.csv")
    assert lost.returncode == 2 and "has no column 'fiel'" in lost.stderr and not (tmp_path / "l.csv").exists()
