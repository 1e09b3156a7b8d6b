"""NICO's settings on data with contexts: accuracy against the Non-I.I.D. index, of a CNN, with batch norm, and CNBB."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import special

from brittlestar.analyses.non_iid import features_of
from brittlestar.build.nico import NicoSetting, Split, sampled
from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.options import option
from brittlestar.data.part import PartOf
from brittlestar.measures import Estimate
from brittlestar.measures.compare import holm
from brittlestar.measures.non_iid import non_iid
from brittlestar.measures.sensitivity import ALPHA
from brittlestar.models import load_model, parse_spec
from brittlestar.models.base import Model, infer
from brittlestar.models.layers import Layer
from brittlestar.reproduce.claims import SEEDS
from brittlestar.reproduce.study import LEVEL, ClaimVerdict, State, Study, Table
from brittlestar.training import Natural, Recipe
from brittlestar.training.balanced import BatchBalancing
from brittlestar.training.fit import fit

METHODS: dict[str, tuple[str, Recipe]] = {
    "CNN": ("tanh_cnn", Natural()),
    "CNN+BN": ("tanh_cnn_bn", Natural()),
    "CNBB": ("tanh_cnn", BatchBalancing()),
}
"""Architecture and recipe of each method of the paper."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NicoPoint:
    """One setting: what is trained on (points of one ``trained`` share their models) and what is tested."""

    name: str
    trained: str
    what: NicoSetting
    paper: str


def points_of(train: int, test: int) -> tuple[NicoPoint, ...]:
    """The settings, with the paper's accuracies (CNN / CNN+BN / CNBB, percent) where it has them."""
    size = {"train": train, "test": test}

    def proportional(name: str, ratio: float, paper: str) -> NicoPoint:
        what = NicoSetting(setting="proportional", test_ratio=ratio, **size)
        return NicoPoint(f"proportional, test {name}", "proportional", what, paper)

    def compositional(contexts: int, paper: str) -> NicoPoint:
        name = f"compositional, {contexts} contexts"
        return NicoPoint(name, name, NicoSetting(setting="compositional", contexts=contexts, **size), paper)

    def combined(ratio: int, paper: str) -> NicoPoint:
        name = f"combined, training {ratio}:1"
        return NicoPoint(name, name, NicoSetting(setting="combined", ratio=ratio, **size), paper)

    return (
        NicoPoint("minimum", "minimum", NicoSetting(setting="minimum", **size), "49.60 / 46.48 / 49.94"),
        proportional("4:1", 4, "43.23 / 43.85 / 44.15"),
        proportional("2:1", 2, "41.46 / 41.64 / 42.12"),
        proportional("1:1", 1, "37.80 / 39.60 / 39.60"),
        proportional("1:5", 0.2, "37.17 / 38.70 / 39.06"),
        compositional(7, "44.03 / 44.31 / 45.16"),
        compositional(3, "40.61 / 41.98 / 41.41"),
        combined(1, "37.07 / 33.87 / 38.98"),
        combined(3, "34.53 / 31.20 / 35.87"),
        combined(5, "33.73 / 30.67 / 35.02"),
        NicoPoint("adversarial", "adversarial", NicoSetting(setting="adversarial", **size), "not stated"),
    )


@dataclass(frozen=True)
class NicoMeasured:
    """What was measured: accuracies by method, (seeds, points), and the index, (seeds, points)."""

    points: tuple[NicoPoint, ...]
    right: dict[str, Scores]
    index: Scores
    null: Scores


def compare(study: Study) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...]]:
    """Train every method in every setting, a split a seed; verdicts, tables, and facts for the page.

    Raises:
        DataError: The data have no context, or several, or too few images for the settings.
        UsageError: An architecture or a start was named: the methods bring their own.
    """
    source = study.train_source
    require(
        study.setting.architecture == "small_cnn" and study.setting.start is None,
        f"nico trains the networks of its methods from fresh weights: leave {option('architecture')} out",
        UsageError,
    )
    require(
        len(source.contexts) == 1,
        f"nico needs data with one context, such as synthetic-contexts:all; {source.info.name} has "
        f"{len(source.contexts)} ({', '.join(source.contexts) or 'none'})",
        DataError,
    )
    (context,) = source.contexts
    train, test = _sizes(source.labels, source.contexts[context])
    points = points_of(train, test)
    measured = _measured(study, context, points)
    plan, size = study.setting.plan, "x".join(map(str, source.info.shape))
    facts = (
        f"About {train:,} images a class for training and {test:,} for test, of {len(source.ids):,} of "
        f"{source.info.name} ({size}, {len(source.info.classes)} classes, "
        f"{len(set(source.contexts[context].tolist()))} contexts); every seed draws its own split.",
        f"{' and '.join(dict.fromkeys(a for a, _ in METHODS.values()))}, {plan.epochs} epochs, batch {plan.batch}, "
        f"{plan.optimiser}, highest rate {plan.rate:g}, {study.trainings()}.",
        "The index is under the 50 tanh features of a CNN that was trained in the minimum setting with the same seed; "
        "it compares within this page only. The paper's: 3.81 to 4.90, of photographs of 64 pixels.",
        "CNBB is our reading of the paper's text (the recipe `cnbb`).",
    )
    return verdicts_of(measured), (_table(measured),), facts


def _sizes(labels: npt.NDArray[np.int32], contexts: npt.NDArray[np.str_]) -> tuple[int, int]:
    """Images a class that all settings can give, of the smallest cell of class and context."""
    _, counts = np.unique(np.stack([labels.astype(str), contexts]), axis=1, return_counts=True)
    least = int(counts.min())
    require(
        least >= 20,
        f"the smallest cell of class and context has {least} images; the settings together need 20 at the least",
        DataError,
    )
    # Five samples of each context and one of the dominant one are the fewest at 1:5.
    return 2 * least - 2, max(int(0.95 * least), 5 * len(set(contexts.tolist())) - 4)


def _measured(study: Study, context: str, points: Sequence[NicoPoint]) -> NicoMeasured:
    seeds = list(study.training_seeds)
    right = {method: np.zeros((len(seeds), len(points))) for method in METHODS}
    index, null = np.zeros((len(seeds), len(points))), np.zeros((len(seeds), len(points)))
    for row, seed in enumerate(seeds):
        trained: dict[tuple[str, str], Model] = {}
        for place, (point, split) in enumerate(_splits(study, context, points, seed)):
            for method in METHODS:
                if (point.trained, method) not in trained:
                    trained[point.trained, method] = _fitted(study, point, split, method, seed)
                right[method][row, place] = _accuracy(study, trained[point.trained, method], split.test)
            index[row, place], null[row, place] = _index(study, trained[points[0].trained, "CNN"], split, seed)
            told = ", ".join(f"{m} {right[m][row, place]:.1%}" for m in METHODS)
            study.say(f"seed {seed}, {point.name}: {told}; index {index[row, place]:.2f}")
    return NicoMeasured(tuple(points), right, index, null)


def _splits(study: Study, context: str, points: Sequence[NicoPoint], seed: int) -> Iterator[tuple[NicoPoint, Split]]:
    source = study.train_source
    for point in points:
        what = replace(point.what, seed=seed)
        classes = source.info.classes
        yield point, sampled(what, source.labels, source.contexts[context], classes, source.groups)


def _fitted(study: Study, point: NicoPoint, split: Split, method: str, seed: int) -> Model:
    architecture, recipe = METHODS[method]
    part = PartOf(study.train_source, split.train, point.trained)
    name = f"{method}-{point.trained}-{part.info.fingerprint[:6]}-{seed}".replace(" ", "-").replace(",", "")
    file = fit(
        part,
        recipe,
        study.setting.plan,
        study.folder / "models" / name.replace(":", "-"),
        architecture=architecture,
        seed=seed,
        held_out=0,
        device=study.setting.device,
    )
    return load_model(parse_spec(str(file)))


def _accuracy(study: Study, model: Model, places: npt.NDArray[np.int64]) -> float:
    images = torch.from_numpy(study.train_source.load(places))
    answers = infer(model, images).argmax(1).cpu().numpy()
    return float((answers == study.train_source.labels[places]).mean())


def _index(study: Study, model: Model, split: Split, seed: int) -> tuple[float, float]:
    layer, labels = Layer(model), study.train_source.labels
    parts = [(features_of(layer, study.train_source, p), labels[p]) for p in (split.train, split.test)]
    _, mean = non_iid(parts[0], parts[1], seed, 19)
    return mean.index.value, mean.null


def verdicts_of(measured: NicoMeasured) -> list[ClaimVerdict]:
    """The shape of the paper's results: one number a seed for each claim, Student's t over seeds, Holm over claims."""
    names = [p.name for p in measured.points]
    shapes: list[tuple[str, str, Callable[[], Scores], str]] = [
        (
            "Accuracy of the CNN falls as the index rises (slope over all settings)",
            "accuracy falls as NI rises; r = .95 of NI and error over ImageNet's classes",
            lambda: -_slopes(measured.index, measured.right["CNN"]),
            "points lost a unit of the index",
        ),
        (
            "Proportional: the CNN is better where the test set's ratio is nearer the training set's (4:1 less 1:5)",
            "43.23 % less 37.17 %",
            lambda: _less(measured, "CNN", "proportional, test 4:1", "proportional, test 1:5"),
            "points",
        ),
        (
            "Combined: the CNN is worse the more one context dominates training (1:1 less 5:1)",
            "37.07 % less 33.73 %",
            lambda: _less(measured, "CNN", "combined, training 1:1", "combined, training 5:1"),
            "points",
        ),
        (
            "Batch norm costs accuracy in contexts that were not trained on (combined, CNN less CNN+BN)",
            "37.07 % less 33.87 % at 1:1, 33.73 % less 30.67 % at 5:1",
            lambda: _mean(measured, "CNN", "CNN+BN", [n for n in names if n.startswith("combined")]),
            "points",
        ),
        (
            "CNBB is better than the CNN (mean over all settings)",
            "by .3 to 1.9 points",
            lambda: _mean(measured, "CNBB", "CNN", names),
            "points",
        ),
    ]
    numbers = [of() for _, _, of, _ in shapes]
    adjusted = holm([_p(values) for values in numbers])
    verdicts = []
    for (claim, claimed, _, unit), values, p in zip(shapes, numbers, adjusted, strict=True):
        state: State
        if len(values) < SEEDS:
            state, how = "no claim", f"{len(values)} of the {SEEDS} seeds that a claim needs"
        else:
            state = "confirmed" if p < ALPHA else "not confirmed"
            how = f"Holm over {len(shapes)} claims: p = {p:.2g}"
        found = over(values)
        told = f"{100 * found.value:+.1f} {unit} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
        if len(values) >= SEEDS and found.high < 0:
            how = f"the interval lies on the other side; {how}"
        measured_here = f"{told} ({how})" if len(values) > 1 else f"{100 * found.value:+.1f} {unit} ({how})"
        verdicts.append(ClaimVerdict(claim=claim, claimed=claimed, measured=measured_here, state=state))
    return verdicts


def _slopes(index: Scores, right: Scores) -> Scores:
    """(seeds,) slopes of accuracy over the index, by least squares."""
    x = index - index.mean(axis=1, keepdims=True)
    return np.asarray((x * right).sum(axis=1) / np.maximum(np.square(x).sum(axis=1), 1e-12))


def _less(measured: NicoMeasured, method: str, first: str, second: str) -> Scores:
    names = [p.name for p in measured.points]
    right = measured.right[method]
    return np.asarray(right[:, names.index(first)] - right[:, names.index(second)])


def _mean(measured: NicoMeasured, first: str, second: str, names: Sequence[str]) -> Scores:
    chosen = [place for place, p in enumerate(measured.points) if p.name in names]
    return np.asarray((measured.right[first] - measured.right[second])[:, chosen].mean(axis=1))


def over(values: Scores) -> Estimate:
    """The mean over seeds with Student's interval; without width from one seed, where nothing is claimed."""
    n, mean, half = len(values), float(values.mean()), 0.0
    if n > 1:
        half = float(special.stdtrit(n - 1, 0.5 + LEVEL / 2)) * _error(values)
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n, level=LEVEL, method="Student's t over seeds")


def _error(values: Scores) -> float:
    return max(float(values.std(ddof=1)) / math.sqrt(len(values)), 1e-9)


def _p(values: Scores) -> float:
    """Two-sided, of a mean of 0; 1 where it lies on the other side of what is claimed, or with one seed."""
    mean = float(values.mean())
    if len(values) < 2 or mean <= 0:
        return 1.0
    return 2 * float(special.stdtr(len(values) - 1, -mean / _error(values)))


def _table(measured: NicoMeasured) -> Table:
    seeds = len(measured.index)
    header = ("setting", "index", "no shift", *METHODS, "the paper's (%)")
    rows = []
    for place, point in enumerate(measured.points):
        index = over(measured.index[:, place])
        told = [_shown(over(measured.right[m][:, place]), 100, " %", seeds) for m in METHODS]
        null = f"{float(measured.null[:, place].mean()):.2f}"
        rows.append((point.name, _shown(index, 1, "", seeds, 2), null, *told, point.paper))
    how = "one seed" if seeds == 1 else f"mean of {seeds} seeds with Student's 95 % interval"
    return f"Accuracy against the Non-I.I.D. index ({how})", header, tuple(rows)


def _shown(found: Estimate, scale: float, unit: str, seeds: int, digits: int = 1) -> str:
    value = f"{scale * found.value:.{digits}f}{unit}"
    return value if seeds == 1 else f"{value} [{scale * found.low:.{digits}f}, {scale * found.high:.{digits}f}]"
