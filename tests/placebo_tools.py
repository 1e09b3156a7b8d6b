"""Pairs of models between which no claim of sensitivity may be made, and pairs between which one must be.

Answers are computed once a pair; experiments and the sentences of a report then read the same ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from brittlestar.attacks import L2PGD
from brittlestar.attacks.base import Attack
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.rows import Rows
from brittlestar.models import load_model, parse_spec
from brittlestar.report.compare import paired_differences
from brittlestar.report.compared import compare_models
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Finding
from brittlestar.report.spectrum import build_spectrum
from brittlestar.report.subjects import DataEntry, ModelEntry, Subject
from brittlestar.reproduce.claims import Direction, change, judge
from brittlestar.reproduce.experiments import fog_directions, transfer_directions
from brittlestar.reproduce.features import directions as feature_directions
from brittlestar.reproduce.study import ClaimVerdict, Setting, Study
from brittlestar.shifts import BandNoise, Contrast, Fog, FourierBasis, GaussianNoise, SaltAndPepper, Shift, UniformNoise
from brittlestar.training import Natural, Plan
from brittlestar.training.fit import fit

ATTACKED = "attacked"
DOUBLED = "fog, doubled"
Predictions = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class World:
    """Where pairs live: how models are made, which versions they answer.

    Fields:
        data, test: Sources to train and to test on.
        architecture: Of the zoo.
        samples: Of a whole training.
        test_samples: Images answered.
        plan: How the weights are moved.
        waves: Frequencies (row, column) of the coarse Fourier map.
        norm: L2 norm of a wave a channel, and of band-limited noise.
        attack: What the features experiment attacks with.
    """

    data: str
    test: str
    architecture: str
    samples: int
    test_samples: int
    plan: Plan
    waves: tuple[tuple[int, int], ...]
    norm: float
    attack: Attack


DIGITS = World(
    data="digits:train",
    test="digits",
    architecture="small_cnn",
    samples=1200,
    test_samples=1000,
    plan=Plan(epochs=4, batch=64),
    waves=((0, 1), (1, 1), (2, 1), (1, -2), (9, 4), (0, 12), (10, -7), (13, 3)),
    norm=5.0,
    attack=L2PGD(epsilon=0.75, steps=5),
)
"""Quick: a training takes a second. Enough errors are left for models to differ by."""


class Pairs:
    """Pairs of models in a world, by seed; versions of the test images are made once."""

    def __init__(self, world: World, folder: Path) -> None:
        setting = Setting(
            data=world.data,
            test=world.test,
            architecture=world.architecture,
            plan=world.plan,
            train_samples=world.samples,
            test_samples=world.test_samples,
        )
        self.world, self.folder = world, folder
        self.study = Study(setting, folder, lambda _: None)
        self.classes = len(self.study.test_source.info.classes)
        self.labels = self.study.labels.numpy()
        grey = self.study.shape[0] == 1
        table, norm = "cifar-c", world.norm * self.study.shape[0] ** 0.5
        fog = Fog.at(5, table)
        self.versions: dict[str, Shift | Attack | None] = {
            "clean": None,
            "fog 5": fog,
            "contrast 5": Contrast.at(5, table),
            "low-pass noise 3": BandNoise(band="low", bandwidth=3, norm=norm),
            "high-pass noise 15": BandNoise(band="high", bandwidth=15, norm=norm),
            "gaussian": GaussianNoise(sigma=0.4 if grey else 0.15),
            "uniform": UniformNoise(half_width=0.7 if grey else 0.26),
            "salt and pepper": SaltAndPepper(amount=0.3 if grey else 0.1),
            ATTACKED: world.attack,
            DOUBLED: dataclasses.replace(fog, amount=2 * fog.amount),
        }
        self.versions |= {f"wave {r} {c}": FourierBasis(row=r, column=c, norm=world.norm) for r, c in world.waves}

    def trained(self, seed: int, share: float = 1.0) -> Predictions:
        """Answers of a natural model, trained on a share of the images for that share of the time."""
        world = self.world
        plan = dataclasses.replace(world.plan, epochs=max(1, round(share * world.plan.epochs)))
        file = fit(
            self.study.train_source,
            Natural(),
            plan,
            self.folder / f"{seed}-{share}",
            architecture=world.architecture,
            seed=seed,
            samples=round(share * world.samples),
            held_out=0.05,
        )
        model = load_model(parse_spec(str(file)))
        return {version: self.study.answers(model, shift).numpy() for version, shift in self.versions.items()}

    def diluted(self, found: Predictions, seed: int, share: float = 0.3) -> Predictions:
        """The same answers, but at random, the same in all versions, for a share of the images."""
        rng = np.random.default_rng([7, seed])
        chosen, guess = rng.random(len(self.labels)) < share, rng.integers(0, self.classes, len(self.labels))
        return {version: np.where(chosen, guess, answers) for version, answers in found.items()}

    @staticmethod
    def seeing_fog_doubled(found: Predictions) -> Predictions:
        """The same answers, but under fog those to fog twice as thick."""
        return {**found, "fog 5": found[DOUBLED]}

    def verdicts(self, first: Predictions, second: Predictions) -> Iterator[tuple[str, ClaimVerdict]]:
        """Every claim of every experiment, ``first`` for the recipe and ``second`` for what it is held to."""
        for name in ("adversarial", "gaussian", "uniform", "d_r"):
            self._place(name, first)
        for name in ("natural", "clean", "d_nr"):
            self._place(name, second)
        study = self.study
        experiments: dict[str, list[Direction]] = {
            "fog": fog_directions(study),
            "transfer": transfer_directions(study),
            "features": feature_directions(study, ATTACKED),
            "figure-2": [self._band("low", -1), self._band("high", 1)],
        }
        for name, directions in experiments.items():
            yield from ((name, verdict) for verdict in judge(study, directions))

    def sentences(self, first: Predictions, second: Predictions) -> list[Finding]:
        """What a report says of ``first`` against ``second``."""
        infos = {v: self._info(v) for v in self.versions if v not in (DOUBLED, ATTACKED)}
        data = DataEntry(
            name="images",
            classes=self.study.test_source.info.classes,
            count=len(self.labels),
            shape=self.study.shape,
            chance=self.study.chance,
            about={},
        )
        subjects = []
        for place, (name, answers) in enumerate((("second", second), ("first", first))):
            rows = {v: self._rows(answers[v]) for v in infos}
            entry = ModelEntry(key=f"m{place}", place=place, name=name, data=0, samples=len(self.labels), about={})
            titles = {v: v for v in infos}
            subjects.append(Subject(entry=entry, data=data, infos=infos, rows=rows, titles=titles, run=0))
        gathered = Gathered(
            subjects=tuple(subjects), data=(data,), infos=infos, stores=(), rule="fixed", names={}, data_of=(0,)
        )
        numbers = Numbers()
        return compare_models(
            gathered, numbers, build_spectrum(gathered, numbers), paired_differences(gathered, numbers)
        )

    def _place(self, name: str, answers: Predictions) -> None:
        for version, found in answers.items():
            self.study.right[name, version] = (found == self.labels)[None]

    def _band(self, band: str, sign: int) -> Direction:
        waves = [f"wave {r} {c}" for r, c in self.world.waves if (np.hypot(r, c) < 4) == (band == "low")]
        scores = {
            m: np.mean([self.study.right[m, w] for w in waves], axis=0, dtype=np.float64)
            for m in ("adversarial", "natural")
        }
        clean = {m: self.study.right[m, "clean"].astype(np.float64) for m in scores}
        return Direction(
            claim=band,
            claimed="",
            sign=sign,
            changes=lambda part: change(
                (scores["adversarial"], scores["natural"]),
                (clean["adversarial"], clean["natural"]),
                self.study.chance,
                part,
            ),
        )

    def _info(self, version: str) -> ConditionInfo:
        shift = self.versions[version]
        kind = "clean" if shift is None else "fourier" if version.startswith("wave") else "shift"
        config = shift.config() if isinstance(shift, Shift) else {}
        return ConditionInfo(
            id=version, fingerprint=version, kind=kind, family=kind, shift=version, title=version, config=config
        )

    def _rows(self, answers: np.ndarray) -> Rows:
        n = len(answers)
        zeros = np.zeros(n, np.float32)
        return Rows(
            position=np.arange(n, dtype=np.int32),
            frame=np.zeros(n, np.int16),
            label=self.labels.astype(np.int32),
            prediction=answers.astype(np.int32),
            label_logit=zeros,
            top_logit=zeros,
            log_sum_exp=zeros,
        )


def claims_in(sentences: list[Finding]) -> list[str]:
    """The claims of sensitivity that sentences make, either way."""
    made = ("more sensitive", "less sensitive")
    return [f.state for s in sentences for f in s.sensitivities if f.state in made]
