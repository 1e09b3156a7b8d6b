"""What experiments share: train one model a recipe, test every model on every version of the test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.attacks.base import Attack
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.data import Source, open_source
from brittlestar.measures import (
    Estimate,
    chance,
    mean_interval,
    near_chance,
    paired_rates,
    rate,
    signed_mean_interval,
)
from brittlestar.models import ModelSpec, load_model
from brittlestar.models.base import Model
from brittlestar.shifts.base import Shift
from brittlestar.training import Epoch, Plan, Recipe
from brittlestar.training.fit import fit
from brittlestar.training.start import origin, reopened

State = Literal["confirmed", "not confirmed", "depends on the scale", "no claim", "not tested"]
LEVEL = 0.95
_PART = 250
Table = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]
"""(caption, header, rows) of text."""
Right = npt.NDArray[np.bool_]
"""(seeds, images): whether each training of a recipe is right."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """On what, how long and where an experiment runs.

    Fields:
        data, test: Specifications of the training and test images.
        architecture: Of ``models.zoo``.
        plan: How the weights are moved.
        train_samples, test_samples: How many images; ``None`` for all.
        seed: Of everything; the first of ``seeds`` trainings a recipe, which share the test images and their draws.
        seeds: Trainings a recipe, paired by seed: the same first weights and the same order of images.
        device: Where models run.
        start: Go on from this model's weights (``training.start``) instead of from fresh ones of the architecture.
    """

    data: str
    test: str
    architecture: str
    plan: Plan
    train_samples: int | None = None
    test_samples: int | None = None
    seed: int = 0
    seeds: int = 1
    device: str = "cpu"
    start: ModelSpec | None = None


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict:
    """One claim: what was claimed, what was measured here, and whether its direction holds.

    Claims about what one model can do are read off an interval. Claims about what a *recipe* does to sensitivity are
    judged by ``claims.judge``; ``no claim`` is what too few trainings allow. ``shown`` says whether such a claim's
    direction is shown of the models at hand, on both scales, whatever that says of the recipe.
    """

    claim: str
    claimed: str
    measured: str
    state: State
    shown: bool = False


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A paper's experiment done again here: what stands on its page.

    Fields:
        name, title, paper: Which one.
        conditions: How it was done here, a sentence each.
        verdicts: One a claim.
        tables: (caption, header, rows) of text.
        pictures: (caption, file in the folder).
    """

    name: str
    title: str
    paper: str
    conditions: tuple[str, ...]
    verdicts: tuple[ClaimVerdict, ...]
    tables: tuple[Table, ...]
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass
class Study:
    """Models trained by recipes and tested on versions of the test images.

    Fields:
        setting: On what and how long.
        folder: Gets models, pages and pictures.
        say: Told one line at a time.
    """

    setting: Setting
    folder: Path
    say: Callable[[str], None]
    right: dict[tuple[str, str], Right] = field(default_factory=dict)
    files: dict[str, tuple[Path, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.train_source: Source = open_source(self.setting.data)
        self.test_source: Source = open_source(self.setting.test)
        ours, theirs = self.train_source.info, self.test_source.info
        require(
            ours.classes == theirs.classes and ours.shape == theirs.shape,
            f"training and test images differ: {len(ours.classes)} classes of {ours.shape} and {len(theirs.classes)} "
            f"of {theirs.shape}",
            DataError,
        )
        order = self.test_source.order(self.setting.seed)[: self.setting.test_samples]
        self.ids = self.test_source.ids[order]
        self.images = torch.from_numpy(self.test_source.load(order)).to(torch.float32) / 255
        self.labels = torch.from_numpy(np.asarray(self.test_source.labels[order])).to(torch.int64)
        self.keys = SampleKeys.of(self.setting.seed, [str(i) for i in self.ids])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channel, height, width)."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def chance(self) -> float:
        """The share of the commonest class: what answering it always gives."""
        return chance(self.labels.numpy())

    def train(self, recipes: Mapping[str, Recipe]) -> None:
        """One model a recipe and seed, under the recipe's key; those that are finished are used again."""
        for name, recipe in recipes.items():
            self.files[name] = tuple(
                fit(
                    self.train_source,
                    recipe,
                    self.setting.plan,
                    self.folder / "models" / self._folder_of(recipe, seed),
                    architecture=self.setting.architecture,
                    seed=seed,
                    samples=self.setting.train_samples,
                    held_out=0.05,
                    device=self.setting.device,
                    start=self.setting.start,
                    progress=self.telling(name, seed),
                )
                for seed in self.training_seeds
            )

    @property
    def training_seeds(self) -> range:
        """One a training of a recipe."""
        return range(self.setting.seed, self.setting.seed + self.setting.seeds)

    def telling(self, name: str, seed: int) -> Callable[[Epoch], None]:
        """What to call after every epoch of a training."""
        which = name if self.setting.seeds == 1 else f"{name}, seed {seed}"

        def told(epoch: Epoch) -> None:
            right = "" if epoch.accuracy is None else f", {epoch.accuracy:.1%} right"
            self.say(f"{which}: epoch {epoch.number} of {epoch.of}, loss {epoch.loss:.3f}{right}")
            if epoch.warning:
                self.say(f"{which}: {epoch.warning}")

        return told

    def _folder_of(self, recipe: Recipe, seed: int) -> str:
        """Experiments in one folder share models that were made the same way."""
        s = self.setting
        made = [self.train_source.info.fingerprint, s.architecture, asdict(s.plan), s.train_samples, seed]
        made += [s.start.identity()] if s.start else []
        return f"{recipe.name}-{fingerprint_of([recipe.fingerprint(), *made])[:8]}"

    def measure(self, versions: Mapping[str, Shift | Attack | None]) -> None:
        """Every model on every version of the test images, attacked ones included."""
        models = {
            name: [load_model(reopened(file, self.setting.start)) for file in files]
            for name, files in self.files.items()
        }
        for version, shift in versions.items():
            images = self._shifted(shift)
            for name, trained in models.items():
                answers = [self._answers(model, images, shift) for model in trained]
                self.right[name, version] = np.stack([(a == self.labels).numpy() for a in answers])
                if version == "clean":
                    for told in self._near_chance(name, version):
                        self.say(told)

    def _near_chance(self, name: str, version: str) -> list[str]:
        """A sentence for each training of a recipe that knows no more of the unchanged images than a guess."""
        found = []
        for seed, hits in zip(self.training_seeds, self.right[name, version], strict=True):
            right = rate(int(hits.sum()), hits.size)
            if near_chance(right, self.chance):
                found.append(
                    f"{name}, seed {seed}, is near chance on unchanged images: {percent(right)}, a guess gives "
                    f"{self.chance:.1%}; what is said of it here means nothing."
                )
        return found

    def answers(self, model: Model, shift: Shift | Attack | None) -> torch.Tensor:
        """(images,) what a model answers to the test images under a shift or an attack."""
        return self._answers(model, self._shifted(shift), shift)

    def _shifted(self, shift: Shift | Attack | None) -> torch.Tensor:
        # An attack depends on the model: ``_answers`` makes it.
        if shift is None or isinstance(shift, Attack):
            return self.images
        return torch.cat([shift(self.images[p], self.keys[p]) for p in self.parts()])

    def attacked(self, model: Model, attack: Attack) -> torch.Tensor:
        """The test images as an attack on a model leaves them."""
        made = [attack.perturb(model, self.images[p], self.labels[p], self.keys[p]) for p in self.parts()]
        return torch.cat(made)

    def right_on(self, images: torch.Tensor, name: str) -> Right:
        """(seeds, images): whether each training under a key is right on other images of the same labels."""
        models = [load_model(reopened(file, self.setting.start)) for file in self.files[name]]
        return np.stack([(self._answers(model, images, None) == self.labels).numpy() for model in models])

    def _answers(self, model: Model, images: torch.Tensor, shift: Shift | Attack | None) -> torch.Tensor:
        found = []
        for part in self.parts():
            x = images[part]
            if isinstance(shift, Attack):
                x = shift.perturb(model, x, self.labels[part], self.keys[part])
            with torch.inference_mode():
                found.append(model.logits(x).argmax(1))
        return torch.cat(found)

    def parts(self) -> list[slice]:
        """The test images in batches, by place."""
        return [slice(start, start + _PART) for start in range(0, len(self.images), _PART)]

    def accuracy(self, model: str, version: str, level: float = LEVEL) -> Estimate:
        """Share of right answers; a mean over seeds where there are several."""
        hits = self.right[model, version]
        if len(hits) == 1:
            return rate(int(hits.sum()), hits.size, level=level)
        return mean_interval(hits.mean(axis=0), level, len(hits))

    def gain(self, model: str, over: str, version: str) -> Estimate:
        """Accuracy of a model minus another's on the same images, in [-1, 1]."""
        return difference(self.right[model, version], self.right[over, version])

    def gap(self, model: str, best: str, worst: str) -> Estimate:
        """A model's accuracy on its best version minus that on its worst, paired by image.

        As these were chosen among all pairs after looking, the interval is Bonferroni's over the pairs.
        """
        count = sum(m == model for m, _ in self.right)
        level = 1 - (1 - LEVEL) / max(1, count * (count - 1) // 2)
        return difference(self.right[model, best], self.right[model, worst], level)

    def matrix(self, corner: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Header and rows of all accuracies, with their intervals."""
        versions = list(dict.fromkeys(v for _, v in self.right))
        models = list(dict.fromkeys(m for m, _ in self.right))
        rows = tuple((m, *(percent(self.accuracy(m, v)) for v in versions)) for m in models)
        return (corner, *versions), rows

    def conditions(self) -> tuple[str, ...]:
        """How it was done, for the page."""
        plan, info, start = self.setting.plan, self.train_source.info, self.setting.start
        count = len(self.train_source.ids) if self.setting.train_samples is None else self.setting.train_samples
        begun = self.setting.architecture if start is None else f"Fine-tuned from {origin(start)}"
        return (
            f"Trained on {count:,} images of {info.name} ({'x'.join(map(str, info.shape))}, {len(info.classes)} "
            "classes; 5 % of them held out), "
            f"tested on {len(self.labels):,} of {self.test_source.info.name}; always answering one class is right on "
            f"{self.chance:.1%}.",
            f"{begun}, {plan.epochs} epochs, batch {plan.batch}, {plan.optimiser}, highest rate "
            f"{plan.rate:g}, {self.trainings()}.",
            *info.notes,
            *self._drawn(),
            *(told for name, version in self.right if version == "clean" for told in self._near_chance(name, version)),
        )

    def _drawn(self) -> tuple[str, ...]:
        """What the numbers of the page do not heed of how the test images were drawn, where it matters."""
        source, labels = self.test_source, self.labels.numpy()
        found = []
        if source.groups is not None:
            found.append(
                "Some test images depend on each other (copies, groups); intervals take them for independent and are "
                "too narrow by that."
            )
        sizes, own = (np.unique(x, return_counts=True)[1] for x in (source.labels, labels))
        if len(labels) < len(source.ids) and sizes.max() > 1.1 * sizes.min():
            found.append(
                f"The {len(labels):,} test images are a part in which classes have another mix than in the whole set "
                f"({own.min():,} to {own.max():,} images a class, {sizes.min():,} to {sizes.max():,} in the set); "
                "numbers are for that part."
            )
        return tuple(found)

    def trainings(self) -> str:
        """How many trainings a recipe the page rests on, and what that allows."""
        first, count = self.setting.seed, self.setting.seeds
        if count == 1:
            return f"seed {first}; one training each: no claim about the recipe, intervals hold for these models"
        return f"{count} trainings each (seeds {first} to {first + count - 1}, recipes paired by seed)"


def difference(first: Right, second: Right, level: float = LEVEL) -> Estimate:
    """Share right of the first minus the second's, paired by image, the mean over seeds; (seeds, images) each."""
    if len(first) == 1:
        return paired_rates(int((first & ~second).sum()), int((~first & second).sum()), first.size, level)
    apart = first.astype(np.float64) - second
    return signed_mean_interval(apart.mean(axis=0), level, len(first), float(np.abs(apart).mean()))


def percent(found: Estimate) -> str:
    """``81.2 % [79.9, 82.4]``."""
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def points(found: Estimate) -> str:
    """``+3.1 points [1.9, 4.4]``."""
    return f"{100 * found.value:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def above(found: Estimate, threshold: float = 0.0) -> State:
    """Confirmed where the whole interval lies above the threshold."""
    return "confirmed" if found.low > threshold else "not confirmed"


def below(found: Estimate, threshold: float = 0.0) -> State:
    """Confirmed where the whole interval lies below the threshold."""
    return "confirmed" if found.high < threshold else "not confirmed"
