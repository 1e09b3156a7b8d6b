"""CIFAR-10.1 from published predictions: does progress on CIFAR-10 hold on new images? (Recht et al.)"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.measures import Estimate, clopper_pearson
from brittlestar.measures.base import Outcomes
from brittlestar.measures.lines import FittedLine, fit_line
from brittlestar.measures.scales import SCALES
from brittlestar.reproduce.points_picture import points_picture
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, above, percent

WHERE = "https://github.com/modestyachts/CIFAR-10.1 (MIT): datasets/*_labels.npy, model_predictions/"
PAPER = "Recht et al., ICML 2019, https://arxiv.org/abs/1902.10811"
SETS = {"original": "CIFAR-10", "v4": "CIFAR-10.1 v4", "v6": "CIFAR-10.1 v6"}


def read_outcomes(folder: Path) -> dict[str, dict[str, Outcomes]]:
    """By set and model, whether each prediction is right.

    ``original_labels.npy``, ``v4_labels.npy``, ``v6_labels.npy``, and folders ``original``, ``v4``, ``v6`` with
    ``MODEL.json``, a list of predicted classes.

    Raises:
        DataError: A file is missing, or its number of predictions is not that of the labels.
    """
    found: dict[str, dict[str, Outcomes]] = {}
    for name in SETS:
        labels_file = folder / f"{name}_labels.npy"
        require(labels_file.is_file(), f"{labels_file} is missing; it is had from {WHERE}", DataError)
        labels = np.load(labels_file, allow_pickle=False)
        files = sorted((folder / name).glob("*.json"))
        require(bool(files), f"{folder / name} has no predictions (MODEL.json); they are had from {WHERE}", DataError)
        own = {}
        for file in files:
            answers = np.asarray(json.loads(file.read_text(encoding="utf-8")))
            require(
                answers.shape == labels.shape,
                f"{file} has {answers.shape} predictions, the labels are {labels.shape}: one each is due",
                DataError,
            )
            own[file.stem] = answers == labels
        found[name] = own
    require(
        len({frozenset(own) for own in found.values()}) == 1,
        f"{folder}: the three sets have predictions of other models; keep those that all have",
        DataError,
    )
    return found


def lines_of(outcomes: dict[str, dict[str, Outcomes]]) -> dict[tuple[str, str], FittedLine]:
    """The line of each new set on the original by scale, over all models."""
    models = list(outcomes["original"])
    accuracy = {name: [float(own[m].mean()) for m in models] for name, own in outcomes.items()}
    return {
        (name, scale): fit_line(accuracy["original"], accuracy[name], scale)
        for name in ("v4", "v6")
        for scale in SCALES
    }


def reproduce_cifar_101(folder: Path, out: Path) -> Reproduction:
    """The tables of accuracies and lines, the paper's claims, and a picture."""
    outcomes = read_outcomes(folder)
    lines = lines_of(outcomes)
    shares = {
        (name, model): clopper_pearson(int(right.sum()), right.size)
        for name, own in outcomes.items()
        for model, right in own.items()
    }
    models = sorted(outcomes["original"], key=lambda m: -shares["original", m].value)
    rows = tuple((m, *(_share(shares[name, m]) for name in SETS)) for m in models)
    fits = []
    for (name, scale), line in lines.items():
        slope, intercept = line.coefficients()
        by = 100 if scale == "raw" else 1
        fits.append(
            (
                SETS[name],
                "raw, %" if scale == "raw" else scale,
                f"{slope.value:.6f} [{slope.low:.3f}, {slope.high:.3f}]",
                f"{by * intercept.value:.6f} [{by * intercept.low:.3f}, {by * intercept.high:.3f}]",
                f"{line.r_squared:.6f}",
            )
        )
    pairs = [(shares["original", m].value, shares["v4", m].value) for m in models]
    file = points_picture(out / "cifar-10.1.png", pairs, lines["v4", "logit"], "CIFAR-10, %", "CIFAR-10.1 v4, %")
    return Reproduction(
        name="cifar-10.1",
        title="Do CIFAR-10 classifiers generalise to CIFAR-10.1?",
        paper=PAPER,
        conditions=(
            f"Published predictions of {len(models)} models on the 10,000 original test images "
            f"and on {outcomes['v4'][models[0]].size:,} (v4) and {outcomes['v6'][models[0]].size:,} (v6) new ones; "
            "the paper has 34 models.",
            "Accuracies with Clopper-Pearson 95 % intervals; lines are ordinary least squares over models, with a "
            "bootstrap over models.",
        ),
        verdicts=tuple(_verdicts(outcomes, lines, shares, models)),
        tables=(
            ("Accuracy, with 95 % intervals over images", ("model", *SETS.values()), rows),
            (
                "New accuracy on original accuracy",
                ("set", "scale", "slope", "intercept", "R²"),
                tuple(fits),
            ),
        ),
        pictures=(("Accuracy on CIFAR-10.1 v4 by accuracy on CIFAR-10, logit scale: line with its 95 % band", file),),
    )


def _share(found: Estimate) -> str:
    return f"{100 * found.value:.2f} ({round(found.value * found.n)}) [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _verdicts(
    outcomes: dict[str, dict[str, Outcomes]],
    lines: dict[tuple[str, str], FittedLine],
    shares: dict[tuple[str, str], Estimate],
    models: list[str],
) -> list[ClaimVerdict]:
    told = []
    for name in ("v4", "v6"):
        drops = [shares["original", m].value - shares[name, m].value for m in models]
        all_lower = sum(shares[name, m].high < shares["original", m].low for m in models)
        every = clopper_pearson(all_lower, len(models))
        told.append(
            ClaimVerdict(
                claim=f"{SETS[name]}: accuracy drops for most models",
                claimed="by 3 to 15 points",
                measured=f"by {100 * min(drops):.1f} to {100 * max(drops):.1f} points; intervals apart for "
                f"{all_lower} of {len(models)} models ({percent(every)})",
                state=above(every, 0.5),
            )
        )
        slope, _ = lines[name, "raw"].coefficients()
        told.append(
            ClaimVerdict(
                claim=f"{SETS[name]}: a point more on the original set is worth more than a point on the new one",
                claimed="slope about 1.7: no sign of adaptive overfitting",
                measured=f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}] over {slope.n} models",
                state=above(slope, 1.0),
            )
        )
    return told
