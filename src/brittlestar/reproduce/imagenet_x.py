"""ImageNet-X from published predictions: accuracy, reassessed labels, paired tests, and errors by factor."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.measures import Estimate, clopper_pearson, holm, mcnemar_counts, paired_rates
from brittlestar.measures.base import Outcomes
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, percent, points

PAPER = "Idrissi et al., ICLR 2023, https://arxiv.org/abs/2211.01866"
PREDICTIONS = "https://github.com/facebookresearch/imagenetx (model_predictions/base, CC BY-NC 4.0)"
LABELS = "the package imagenet-x (pip install --no-deps imagenet-x), or its folder annotations/ beside the predictions"
_FEWEST = 50


@dataclass(frozen=True, kw_only=True)
class AnnotatedPredictions:
    """Predictions on ImageNet's validation images, in the order of their names.

    Fields:
        right: By model, whether the label is predicted.
        real: By model, whether one of the reassessed labels is.
        assessed: (images,) whether an image has reassessed labels.
        factors: By name, (images,) whether it is the top factor that sets an image apart.
        annotated: (images,) whether an image has factors at all.
    """

    right: dict[str, Outcomes]
    real: dict[str, Outcomes]
    assessed: Outcomes
    factors: dict[str, Outcomes]
    annotated: Outcomes


def labels_folder(folder: Path) -> Path:
    """Where the labels lie.

    Raises:
        DataError: Nowhere known.
    """
    # Found, not imported: the package asks for many others.
    spec = importlib.util.find_spec("imagenet_x")
    inside = [] if spec is None else list(spec.submodule_search_locations or ())
    places = [folder / "annotations", *(Path(p) / "annotations" for p in inside)]
    found = [p for p in places if (p / "filename_label.csv").is_file()]
    require(bool(found), f"the labels of ImageNet-X are not there: they are had from {LABELS}", DataError)
    return found[0]


def read_predictions(folder: Path, labels: Path | None = None) -> AnnotatedPredictions:
    """The models' CSV files (file_name, predicted_class, predicted_probability) of a folder, and the labels.

    Raises:
        DataError: Files are missing, or do not hold one prediction for every validation image.
    """
    files = sorted(folder.glob("*.csv"))
    require(bool(files), f"{folder} has no predictions (MODEL.csv); they are had from {PREDICTIONS}", DataError)
    where = labels_folder(folder) if labels is None else labels
    with (where / "filename_label.csv").open(newline="") as file:
        truth = {row["file_name"]: int(row["label"]) for row in csv.DictReader(file)}
    names = sorted(truth)
    label = np.asarray([truth[n] for n in names])
    reassessed: list[list[int]] = json.loads((where / "imagenet_real_labels.jsonl").read_text())
    require(len(reassessed) == len(names), f"{where}: {len(reassessed)} reassessed labels of {len(names)}", DataError)
    right, real = {}, {}
    for path in files:
        answers = _answers(path, names)
        right[path.stem] = answers == label
        real[path.stem] = np.asarray([int(a) in own for a, own in zip(answers, reassessed, strict=True)])
    place = {n: i for i, n in enumerate(names)}
    factors: dict[str, Outcomes] = {}
    annotated = np.zeros(len(names), dtype=np.bool_)
    with (where / "imagenet_x_val_top_factor.jsonl").open() as file:
        for line in file:
            row = json.loads(line)
            annotated[place[row["file_name"]]] = True
            for factor, value in row.items():
                if factor not in ("file_name", "class", "justification", "one_word"):
                    factors.setdefault(factor, np.zeros(len(names), dtype=np.bool_))[place[row["file_name"]]] = (
                        value == 1
                    )
    return AnnotatedPredictions(
        right=right, real=real, assessed=np.asarray([bool(r) for r in reassessed]), factors=factors, annotated=annotated
    )


def _answers(path: Path, names: list[str]) -> npt.NDArray[np.int64]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    require(
        bool(rows) and {"file_name", "predicted_class"} <= set(rows[0]),
        f"{path} needs the columns file_name and predicted_class; it is had from {PREDICTIONS}",
        DataError,
    )
    own = {row["file_name"]: int(row["predicted_class"]) for row in rows}
    lacking = [n for n in names if n not in own]
    require(
        not lacking and len(rows) == len(names),
        f"{path} has {len(rows):,} predictions, one for each of {len(names):,} images is due",
        DataError,
    )
    return np.asarray([own[n] for n in names])


def reproduce_imagenet_x(folder: Path, out: Path) -> Reproduction:
    """Accuracies, paired comparisons and error ratios by factor."""
    found = read_predictions(folder / "imagenetx" if (folder / "imagenetx").is_dir() else folder)
    models = list(found.right)
    rows = tuple((m, percent(_rate(found.right[m])), percent(_rate(found.real[m][found.assessed]))) for m in models)
    pairs, ps = [], []
    for a, b in itertools.combinations(models, 2):
        first, second = (int((found.right[x] & ~found.right[y]).sum()) for x, y in ((a, b), (b, a)))
        ps.append(mcnemar_counts(first, second))
        gain = paired_rates(first, second, found.right[a].size)
        pairs.append((f"{a} against {b}", f"{first:,}", f"{second:,}", points(gain)))
    told = tuple((*row, f"{p:.2g}" if p > 0 else "< 1e-300") for row, p in zip(pairs, holm(ps), strict=True))
    return Reproduction(
        name="imagenet-x",
        title="Four models on ImageNet-X",
        paper=PAPER,
        conditions=(
            f"Published predictions of {len(models)} models on {found.assessed.size:,} validation images "
            f"({int(found.assessed.sum()):,} with reassessed labels, {int(found.annotated.sum()):,} with factors).",
            "The published class averages (.7543, .7467, .6641, .7676) are not those of the stored predictions.",
        ),
        verdicts=tuple(_verdicts(found)),
        tables=(
            ("Accuracy, with 95 % intervals", ("model", "labels", "reassessed labels"), rows),
            (
                "Paired comparisons (exact McNemar, Holm)",
                ("models", "only the first right", "only the second right", "difference", "p"),
                told,
            ),
            _by_factor(found),
        ),
    )


def _rate(right: Outcomes) -> Estimate:
    return clopper_pearson(int(right.sum()), right.size)


def _by_factor(found: AnnotatedPredictions) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    rows = []
    for factor, flags in sorted(found.factors.items(), key=lambda pair: -int(pair[1].sum())):
        if flags.sum() >= _FEWEST:
            cells = []
            for right in found.right.values():
                ratio = (1 - right[flags].mean()) / (1 - right[found.annotated].mean())
                cells.append(f"{percent(_rate(right[flags]))}, error x {ratio:.2f}")
            rows.append((factor, f"{int(flags.sum()):,}", *cells))
    caption = f"Accuracy by top factor (at least {_FEWEST} images); error over the mean error of annotated images"
    return caption, ("factor", "images", *found.right), tuple(rows)


def _verdicts(found: AnnotatedPredictions) -> list[ClaimVerdict]:
    told = []
    for factor in ("pose", "texture"):
        flags = found.factors.get(factor)
        if flags is None or flags.sum() < _FEWEST:
            continue
        rest = found.annotated & ~flags
        below = sum(_rate(r[flags]).high < _rate(r[rest]).low for r in found.right.values())
        above = sum(_rate(r[flags]).low > _rate(r[rest]).high for r in found.right.values())
        wanted = below if factor == "texture" else above
        which = "err more" if factor == "texture" else "err less"
        told.append(
            ClaimVerdict(
                claim=f"Models {which} where {factor} sets an image apart",
                claimed="consistent failures, whatever the training (no figure)",
                measured=f"{wanted} of {len(found.right)} models, intervals apart ({int(flags.sum()):,} images)",
                state="confirmed" if wanted == len(found.right) else "not confirmed",
            )
        )
    return told
