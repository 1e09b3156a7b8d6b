"""The table of people's accuracy and consistency over model-vs-human's seventeen sets, from the raw trials.

A folder holds a folder for each set, and this one a CSV file for each subject and session. Conditions that are no
shift, and those where people are hardly better than chance, are left out, as published.

Reference:
    Geirhos et al., NeurIPS 2021, https://arxiv.org/abs/2106.07411
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.measures import Estimate
from brittlestar.measures.base import LEVEL
from brittlestar.measures.consistency import (
    Consistency,
    Resampled,
    consistency,
    mean_resampled,
    outcomes,
    response_entropy,
    shape_bias,
    share_over_images,
)
from brittlestar.store.trials import Trial, by_condition, read_trials

LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    "colour": ("cr",),
    "contrast": ("c100", "c03", "c01"),
    "high-pass": ("inf", "0.55", "0.45", "0.4"),
    "low-pass": ("0", "15", "40"),
    "phase-scrambling": ("0", "150", "180"),
    "power-equalisation": ("0",),
    "false-colour": ("true",),
    "rotation": ("0",),
    "eidolonI": ("1-10-10", "64-10-10", "128-10-10"),
    "eidolonII": ("1-3-10", "32-3-10", "64-3-10", "128-3-10"),
    "eidolonIII": ("1-0-10", "16-0-10", "32-0-10", "64-0-10", "128-0-10"),
    "uniform-noise": ("0", "0.6", "0.9"),
}
"""Conditions that the published numbers leave out, by set."""

CUE_CONFLICT = "cue-conflict"


@dataclass(frozen=True, eq=False)
class PeopleUnder:
    """People under one condition of a set.

    Fields:
        condition: As trials name it.
        counted: Whether the set's own numbers count it.
        accuracy, entropy: Of all; the mean over subjects of the entropy of their answers, in bits.
        between: Consistency of pairs of people; ``None`` of one person alone.
        accuracies: By subject.
        trials: Of all subjects.
    """

    condition: str
    counted: bool
    accuracy: Resampled
    entropy: float
    between: Consistency | None
    accuracies: tuple[float, ...]
    trials: int


@dataclass(frozen=True, eq=False)
class PeopleOn:
    """People on one set.

    Fields:
        name: Of its folder.
        subjects, trials: How many, in the conditions counted.
        conditions: All of them.
        accuracy, observed, kappa: Over the conditions counted; the latter two the mean over conditions of pairs.
        difference: Mean squared difference of two people's accuracies.
        shape: Shape bias, of images with conflicting cues.
    """

    name: str
    subjects: int
    trials: int
    conditions: tuple[PeopleUnder, ...]
    accuracy: Estimate
    observed: Estimate
    kappa: Estimate
    difference: float
    shape: Estimate | None


def people_under(name: str, by_subject: Mapping[str, Sequence[Trial]], counted: bool = True) -> PeopleUnder:
    """One condition's numbers.

    Raises:
        DataError: A person saw a picture twice, or two saw none in common.
    """
    subjects = list(by_subject)
    images = list(dict.fromkeys(t.image_id for trials in by_subject.values() for t in trials))
    place = {image: i for i, image in enumerate(images)}
    seen, right = (np.zeros((len(images), len(subjects)), bool) for _ in range(2))
    for column, trials in enumerate(by_subject.values()):
        for trial in trials:
            row = place[trial.image_id]
            require(
                not seen[row, column],
                f"{trial.subject} has two trials of {trial.image_id} under {name}: the same file given twice?",
                DataError,
            )
            seen[row, column], right[row, column] = True, trial.correct
    pairs = list(itertools.combinations(range(len(subjects)), 2))
    for i, j in pairs:
        require(
            bool((seen[:, i] & seen[:, j]).any()),
            f"{subjects[i]} and {subjects[j]} saw no picture in common under {name}: their errors cannot be compared",
            DataError,
        )
    tables = [outcomes(right[:, i], right[:, j]) * (seen[:, i] & seen[:, j])[:, None] for i, j in pairs]
    classes = sorted({t.category for trials in by_subject.values() for t in trials})
    return PeopleUnder(
        condition=name,
        counted=counted,
        accuracy=share_over_images(right.sum(1), seen.sum(1)),
        entropy=float(
            np.mean([response_entropy([t.response for t in trials], classes) for trials in by_subject.values()])
        ),
        between=consistency(np.stack(tables, 1)) if tables else None,
        accuracies=tuple(float(right[:, i].sum() / seen[:, i].sum()) for i in range(len(subjects))),
        trials=int(seen.sum()),
    )


def people_on(name: str, trials: Sequence[Trial], level: float = LEVEL) -> PeopleOn:
    """One set's numbers.

    Raises:
        DataError: Nothing is left to count, or one person alone.
    """
    left_out = LEFT_OUT.get(name, ())
    under = [
        people_under(condition, by_subject, condition not in left_out)
        for condition, by_subject in by_condition(trials).items()
    ]
    counted = [one for one in under if one.counted]
    between = [one.between for one in counted if one.between is not None]
    require(bool(counted), f"{name}: every condition is one that the published numbers leave out", DataError)
    require(len(between) == len(counted), f"{name}: consistency between people needs two of them", DataError)
    squares = [float(np.mean([(a - b) ** 2 for a, b in itertools.combinations(one.accuracies, 2)])) for one in counted]
    return PeopleOn(
        name=name,
        subjects=len({t.subject for t in trials}),
        trials=sum(one.trials for one in counted),
        conditions=tuple(under),
        accuracy=_pooled(counted).estimate(level),
        observed=mean_resampled([b.observed for b in between]).estimate(level),
        kappa=mean_resampled([b.kappa for b in between]).estimate(level),
        difference=float(np.mean(squares)),
        shape=shape_of(trials).estimate(level) if name == CUE_CONFLICT else None,
    )


def _pooled(under: Sequence[PeopleUnder]) -> Resampled:
    """Accuracy of all trials together."""
    shares = np.array([one.trials for one in under]) / sum(one.trials for one in under)
    value = float(shares @ [one.accuracy.value for one in under])
    return Resampled(value, shares @ np.stack([one.accuracy.draws for one in under]), sum(o.accuracy.n for o in under))


def shape_of(trials: Sequence[Trial]) -> Resampled:
    """Shape bias on images with conflicting cues, named ``..._SHAPE1-TEXTURE2.png``; their category is the shape.

    Raises:
        DataError: A name that says no texture.
    """
    found: dict[str, list[int]] = {}
    for trial in trials:
        match = _CUES.search(trial.image)
        require(match is not None, f"{trial.image} does not name a shape and a texture (..._cat7-bear3.png)", DataError)
        assert match is not None
        if match[1] != trial.category:
            counts = found.setdefault(trial.image_id, [0, 0])
            counts[0] += trial.correct
            counts[1] += trial.response == match[1]
    table = np.array(list(found.values())).reshape(-1, 2)
    return shape_bias(table[:, 0], table[:, 1])


_CUES = re.compile(r"-([a-z]+)\d*\.[a-z]+$")


def human_table(folder: Path, level: float = LEVEL) -> list[PeopleOn]:
    """Every set in a folder, by name.

    Raises:
        DataError: No such folder, or none in it holds files of trials.
    """
    require(folder.is_dir(), f"no such folder: {folder}", DataError)
    files = {one.name: sorted(one.glob("*.csv")) for one in sorted(folder.iterdir()) if one.is_dir()}
    sets = {name: listed for name, listed in files.items() if listed}
    require(
        bool(sets),
        f"{folder} holds no folders with CSV files: give the folder with one for each set (colour, contrast, ...), "
        "such as raw-data of model-vs-human",
        DataError,
    )
    return [people_on(name, [t for path in listed for t in read_trials(path)], level) for name, listed in sets.items()]


def as_markdown(table: Sequence[PeopleOn]) -> str:
    """The page that the command writes."""
    level = f"{table[0].accuracy.level:.0%}".replace("%", " %")
    lines = [
        "# People on seventeen sets" if len(table) == len(_KNOWN) else "# People",
        "",
        f"Recomputed from raw trials by `brittlestar people table`; {level} intervals, bootstrapped over images with",
        "the same people. Accuracy is pooled over the conditions counted; observed consistency and kappa are means",
        "over conditions of pairs of people. The last column holds them against a computation by another program from",
        "the same trials, to four decimals.",
        "",
        "| set | people | trials | accuracy | kappa between people | observed consistency | agrees |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in table:
        known = _KNOWN.get(one.name)
        same = "–"
        if known is not None:
            off = max(abs(a - b.value) for a, b in zip(known, (one.accuracy, one.kappa, one.observed), strict=True))
            same = "yes" if off < 1e-4 else f"off by {off:.4f}"
        numbers = " | ".join(_told(e) for e in (one.accuracy, one.kappa, one.observed))
        lines.append(f"| {one.name} | {one.subjects} | {one.trials:,} | {numbers} | {same} |")
    for title, of in (("accuracy", "accuracy"), ("kappa", "kappa"), ("observed consistency", "observed")):
        lines += ["", f"Mean {title} over the sets: {np.mean([getattr(one, of).value for one in table]):.4f}."]
    lines += ["", f"Mean squared difference of two people's accuracies: {np.mean([o.difference for o in table]):.4f}."]
    for one in table:
        if one.shape is not None:
            lines += ["", f"Shape bias on {one.name}: {_told(one.shape)} over {one.shape.n:,} images."]
    lines += [
        "",
        "## By condition",
        "",
        "| set | condition | counted | accuracy | entropy, bits | kappa |",
        "|---|---|---|---|---|---|",
    ]
    for one in table:
        for under in one.conditions:
            kappa = _told(under.between.kappa.estimate()) if under.between else "–"
            lines.append(
                f"| {one.name} | {under.condition} | {'yes' if under.counted else 'no'} | "
                f"{_told(under.accuracy.estimate())} | {under.entropy:.4f} | {kappa} |"
            )
    return "\n".join(lines) + "\n"


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


_KNOWN: Mapping[str, tuple[float, float, float]] = {
    "colour": (0.8867, 0.4154, 0.8828),
    "contrast": (0.6609, 0.4370, 0.7802),
    "cue-conflict": (0.7755, 0.3311, 0.7652),
    "edge": (0.8712, 0.3184, 0.8386),
    "eidolonI": (0.6075, 0.3863, 0.7829),
    "eidolonII": (0.5828, 0.4540, 0.7880),
    "eidolonIII": (0.6391, 0.4595, 0.7788),
    "false-colour": (0.8737, 0.4440, 0.8759),
    "high-pass": (0.6289, 0.4401, 0.7651),
    "low-pass": (0.6613, 0.4689, 0.7908),
    "phase-scrambling": (0.6879, 0.4467, 0.7982),
    "power-equalisation": (0.7589, 0.5106, 0.8202),
    "rotation": (0.8299, 0.4385, 0.8425),
    "silhouette": (0.7531, 0.4757, 0.8035),
    "sketch": (0.9163, 0.3696, 0.8999),
    "stylized": (0.4713, 0.5006, 0.7503),
    "uniform-noise": (0.6828, 0.4341, 0.7823),
}
"""Accuracy, kappa and observed consistency of people by set, as another program computed them from the same trials."""
