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
from brittlestar.measures import Estimate, paired_rates, rate
from brittlestar.models import load_model, parse_spec
from brittlestar.shifts.base import Shift
from brittlestar.training import Epoch, Plan, Recipe
from brittlestar.training.fit import fit

State = Literal["confirmed", "not confirmed", "not tested"]
LEVEL = 0.95
Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """On what, how long and where an experiment runs.

    Fields:
        data, test: Specifications of the training and test images.
        architecture: Of ``models.zoo``.
        plan: How the weights are moved.
        train_samples, test_samples: How many images; ``None`` for all.
        seed: Of everything.
        device: Where models run.
    """

    data: str
    test: str
    architecture: str
    plan: Plan
    train_samples: int | None = None
    test_samples: int | None = None
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One claim: what was claimed, what was measured here, and whether its direction holds.

    ``confirmed`` and ``not confirmed`` are read off an interval: the direction is confirmed where the whole interval
    lies on the claimed side.
    """

    claim: str
    claimed: str
    measured: str
    state: State


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an experiment gives to its page.

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
    verdicts: tuple[Verdict, ...]
    tables: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass
class Bench:
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
    files: dict[str, Path] = field(default_factory=dict)

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

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channel, height, width)."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def chance(self) -> float:
        """The share of the commonest class: what answering it always gives."""
        return float(torch.bincount(self.labels).max()) / len(self.labels)

    def train(self, recipes: Mapping[str, Recipe]) -> None:
        """One model a recipe, under its key; those that are finished are used again."""
        for name, recipe in recipes.items():

            def told(epoch: Epoch, name: str = name) -> None:
                right = "" if epoch.accuracy is None else f", {epoch.accuracy:.1%} right"
                self.say(f"{name}: epoch {epoch.number} of {epoch.of}, loss {epoch.loss:.3f}{right}")
                if epoch.warning:
                    self.say(f"{name}: {epoch.warning}")

            self.files[name] = fit(
                self.train_source,
                recipe,
                self.setting.plan,
                self.folder / "models" / self._folder_of(recipe),
                architecture=self.setting.architecture,
                seed=self.setting.seed,
                samples=self.setting.train_samples,
                held_out=0.05,
                device=self.setting.device,
                progress=told,
            )

    def _folder_of(self, recipe: Recipe) -> str:
        """Experiments in one folder share models that were made the same way."""
        s = self.setting
        made = [self.train_source.info.fingerprint, s.architecture, asdict(s.plan), s.train_samples, s.seed]
        return f"{recipe.name}-{fingerprint_of([recipe.fingerprint(), *made])[:8]}"

    def measure(self, versions: Mapping[str, Shift | Attack | None]) -> None:
        """Every model on every version of the test images, attacked ones included."""
        keys = SampleKeys.of(self.setting.seed, [str(i) for i in self.ids])
        for name, file in self.files.items():
            model = load_model(parse_spec(str(file)))
            for version, shift in versions.items():
                found = []
                for start in range(0, len(self.images), 250):
                    part = slice(start, start + 250)
                    x = self.images[part]
                    if isinstance(shift, Attack):
                        x = shift.perturb(model, x, self.labels[part], keys[part])
                    elif shift is not None:
                        x = shift(x, keys[part])
                    with torch.inference_mode():
                        found.append(model.logits(x).argmax(1) == self.labels[part])
                self.right[name, version] = torch.cat(found).numpy()

    def accuracy(self, model: str, version: str) -> Estimate:
        """Share of right answers, with its exact interval."""
        hits = self.right[model, version]
        return rate(int(hits.sum()), len(hits))

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
        plan, info = self.setting.plan, self.train_source.info
        count = len(self.train_source.ids) if self.setting.train_samples is None else self.setting.train_samples
        return (
            f"Trained on {count:,} images of {info.name} ({'x'.join(map(str, info.shape))}, {len(info.classes)} "
            "classes; 5 % of them held out), "
            f"tested on {len(self.labels):,} of {self.test_source.info.name}; always answering one class is right on "
            f"{self.chance:.1%}.",
            f"{self.setting.architecture}, {plan.epochs} epochs, batch {plan.batch}, {plan.optimiser}, highest rate "
            f"{plan.rate:g}, seed {self.setting.seed}; one model a recipe, so the intervals (95 %, over test images) "
            "do not hold what another seed of training would change.",
            *info.notes,
        )


def difference(first: Right, second: Right, level: float = LEVEL) -> Estimate:
    """Share right of the first minus the second's, paired by image."""
    return paired_rates(int((first & ~second).sum()), int((~first & second).sum()), len(first), level)


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
