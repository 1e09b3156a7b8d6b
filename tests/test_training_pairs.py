"""What trainings that are compared share: what is held out, first weights, order; and what another seed changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brittlestar.core.errors import DataError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.data import Source, open_source
from brittlestar.models import Model
from brittlestar.models.files import state_dict
from brittlestar.training import RECIPES, Epoch, Natural, Plan, Recipe, Trades
from brittlestar.training.fit import fit
from brittlestar.training.loop import batches
from brittlestar.training.split import divide, quotas


def source_of(counts: list[int], folder: Path, side: int = 8) -> Source:
    """Grey noise, so many images a class, all different."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    images = generator.integers(0, 256, (len(labels), 1, side, side)).astype(np.uint8)
    np.savez(folder / "set.npz", x=images, y=labels)
    return open_source(str(folder / "set.npz"))


def test_every_class_gives_its_share(tmp_path: Path) -> None:
    source = source_of([600, 60, 20], tmp_path)
    trained, out = divide(source, 0, None, 0.1)
    assert np.bincount(source.labels[out]).tolist() == [60, 6, 2]
    assert sorted([*trained, *out]) == list(range(680))
    assert np.bincount(source.labels[divide(source, 0, None, 0.5)[1]]).tolist() == [300, 30, 10]
    again = divide(source, 0, None, 0.1)
    assert all(np.array_equal(a, b) for a, b in zip((trained, out), again, strict=True))
    other = divide(source, 1, None, 0.1)[1]
    assert np.bincount(source.labels[other]).tolist() == [60, 6, 2] and set(other) != set(out)
    some = divide(source, 0, 100, 0.1)
    assert np.bincount(source.labels[np.concatenate(some)]).tolist() == [40, 40, 20], "a prefix is balanced"
    assert np.bincount(source.labels[some[1]]).tolist() == [4, 4, 2]


def test_copies_and_groups_stay_on_one_side(tmp_path: Path) -> None:
    """Every image three times under other names, some of them under a second label; then groups of unequal size."""
    generator = np.random.default_rng(1)
    own = generator.integers(0, 256, (100, 1, 8, 8)).astype(np.uint8)
    images, labels = np.concatenate([own, own, own]), np.tile(np.arange(100) % 2, 3)
    labels[200:210] = 1 - labels[200:210]
    copied = open_source((images, labels))
    assert copied.groups is not None
    for seed in range(5):
        trained, out = divide(copied, seed, None, 0.2)
        assert sorted([*trained, *out]) == list(range(300))
        assert not set(copied.groups[trained]) & set(copied.groups[out])
        assert all(abs(n - 30) <= 1 for n in np.bincount(labels[out])), np.bincount(labels[out])
        trained, out = divide(copied, seed, 150, 0.2)
        assert not set(copied.groups[trained]) & set(copied.groups[out]) and len(out) > 20
    films = np.repeat(np.arange(40), 5 + np.arange(40) % 4)
    many = generator.integers(0, 256, (len(films), 1, 8, 8)).astype(np.uint8)
    filmed = open_source((many, films % 3), groups=films)
    trained, out = divide(filmed, 0, None, 0.25)
    assert filmed.groups is not None and not set(filmed.groups[trained]) & set(filmed.groups[out])
    held, all_ = (np.bincount(films[places] % 3, minlength=3) for places in (out, np.arange(len(films))))
    assert (abs(held - all_ / 4) <= 4).all()


def test_groups_too_large_to_hold_out_are_refused() -> None:
    images = np.random.default_rng(2).integers(0, 256, (80, 1, 8, 8)).astype(np.uint8)
    source = open_source((images, np.arange(80) % 2), groups=np.arange(80) // 40)
    with pytest.raises(DataError, match="no group of these 80 images is small enough to hold out 10%"):
        divide(source, 0, None, 0.1)
    assert [len(part) for part in divide(source, 0, None, 0.0)] == [80, 0]
    assert [len(part) for part in divide(source, 0, None, 0.5)] == [40, 40]


@given(
    counts=st.lists(st.integers(1, 300), min_size=1, max_size=12),
    share=st.floats(0, 1, exclude_max=True, allow_nan=False),
)
@settings(max_examples=200, deadline=None)
def test_quotas_are_proportionate_and_leave_every_class_one(counts: list[int], share: float) -> None:
    sizes = np.array(counts)
    wanted = round(share * int(sizes.sum()))
    if wanted > int((sizes - 1).sum()):
        return
    found = quotas(sizes, wanted)
    assert found.sum() == wanted and (found >= 0).all() and (found < sizes).all()
    exact = wanted * sizes / sizes.sum()
    tight = (exact > sizes - 1).any() or (exact < 1).any()
    assert tight or (abs(found - exact) < 1).all()
    if wanted >= int((sizes > 1).sum()):
        assert (found[sizes > 1] >= 1).all()


def test_shares_that_cannot_be_held_out_are_refused(tmp_path: Path) -> None:
    source = source_of([30, 1, 1], tmp_path)
    assert np.bincount(source.labels[divide(source, 0, None, 0.9)[1]]).tolist() == [29]
    assert [len(part) for part in divide(source, 0, 3, 0.0)] == [3, 0]
    with pytest.raises(DataError, match="3 images of 3 classes are too few to hold out 50% of them"):
        divide(source, 0, 3, 0.5)
    for samples, share in ((0, 0.1), (None, 1.0), (None, -0.1)):
        with pytest.raises(UsageError):
            divide(source, 0, samples, share)


def test_a_last_image_does_not_stand_alone() -> None:
    assert batches(33, 32) == [33] and batches(65, 32) == [32, 33] and batches(66, 32) == [32, 32, 2]
    assert batches(3, 1) == [1, 1, 1] and batches(1, 32) == [1] and batches(5, 512) == [5]


First = dict[str, torch.Tensor]
SEEN: list[torch.Tensor] = []
FIRST: list[First] = []


@dataclass(frozen=True, kw_only=True)
class Watched(Recipe):
    """Another recipe, watched."""

    name: ClassVar[str] = "watched"
    inner: Any = None

    def config(self) -> dict[str, Any]:
        return {"inner": self.inner.fingerprint()}

    def prepare(self, model: Model, images: torch.Tensor, labels: torch.Tensor, keys: SampleKeys) -> torch.Tensor:
        if not SEEN:
            FIRST.append({k: v.clone() for k, v in model.module.state_dict().items()})  # type: ignore[attr-defined]
        SEEN.append(images.clone())
        prepared: torch.Tensor = self.inner.prepare(model, images, labels, keys)
        return prepared

    def loss(
        self, model: Model, prepared: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        found: torch.Tensor = self.inner.loss(model, prepared, images, labels, keys)
        return found


def watched(source: Source, recipe: Recipe, folder: Path, seed: int) -> tuple[First, torch.Tensor, str]:
    """First weights, the images of all steps as they came to the recipe, and the split's digest."""
    SEEN.clear()
    FIRST.clear()
    plan = Plan(epochs=2, batch=16, jitter=1, flip=True)
    path = fit(source, Watched(inner=recipe), plan, folder, architecture="resnet8", seed=seed)
    return FIRST[0], torch.cat(SEEN), state_dict(path)[1]["data"]["split"]


@pytest.mark.parametrize("name", ["adversarial", "trades", "augmix", "mixup", "fully_augmented"])
def test_recipes_are_paired_by_seed(name: str, tmp_path: Path) -> None:
    source = source_of([40, 30], tmp_path)
    weights, images, split = watched(source, Natural(), tmp_path / "natural", 3)
    others, same, again = watched(source, RECIPES[name](), tmp_path / name, 3)
    assert split == again and torch.equal(images, same) and list(weights) == list(others)
    assert all(torch.equal(value, others[key]) for key, value in weights.items())
    third, different, unlike = watched(source, Natural(), tmp_path / "other", 4)
    assert unlike != split and not torch.equal(images, different)
    assert not torch.equal(weights["conv1.weight"], third["conv1.weight"])


def test_the_accuracy_told_is_that_of_every_class(tmp_path: Path) -> None:
    """On a set that is 9 to 1, always answering one class is right on nine tenths of what is held out, not on all."""
    source = source_of([180, 20], tmp_path)
    told: list[Epoch] = []
    fit(source, Trades(epsilon=0.3), Plan(epochs=2, rate=1e-6), tmp_path / "out", held_out=0.2, progress=told.append)
    assert told[-1].accuracy in (0.9, 0.1)
