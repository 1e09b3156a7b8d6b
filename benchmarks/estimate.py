"""What accuracy estimated without labels is worth, on conditions that the estimate has never seen.

    python benchmarks/estimate.py imagenet-x --labels FOLDER    # plain ATC on stored predictions
    python benchmarks/estimate.py cifar --data SHARED/data      # ResNet-20/32/44/56: learned on broad, tried on cifar-c
    python benchmarks/estimate.py photographs --data SHARED/data    # EfficientNet-Lite0/1/2: broad, imagenet-c
    python benchmarks/estimate.py digits                        # two small CNNs: broad on MNIST, scikit-learn's digits

``cifar`` and ``photographs`` fill two run folders in ``--out`` (resumed when called again): A, on which estimates are
learned, has the shifts of `broad` without the Fourier map and the attacks; B has the other suite, on other images
where there are enough. Nothing is chosen on B. A cell is a model under a condition of B.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import brittlestar as bs
from brittlestar.analyses.estimate import KnownModel, fitted, measured
from brittlestar.analyses.unlabelled_answers import seen_under_shifts
from brittlestar.data import open_source
from brittlestar.measures.label_free import ModelAnswers, predictions, thresholded
from brittlestar.measures.label_free_range import Described, MeasuredRange, answered
from brittlestar.models import parse_spec
from brittlestar.runs.reopen import reopened
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from brittlestar.suites.base import Suite

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RESNETS = {20: "12fca82f", 32: "d509ac18", 44: "014dd654", 56: "4bfd9763"}
PUBLISHED = {"DINO": 2.5, "ResNet50": 5.9, "SimCLR": 4.0, "ViT": 3.4}
"""Mean miss of ATC in points on ImageNet-X, computed independently."""


def only_shifts(name: str, severities: tuple[int, ...] = ()) -> Suite:
    """A suite without the Fourier map and the attacks, and with these severities of published shifts alone."""
    suite = get_suite(name)

    def build(shape: Any, storage: str) -> Any:
        kept = (c for c in suite.build(shape, storage) if c.info.kind in ("clean", "shift"))
        return tuple(c for c in kept if not severities or c.info.severity in (None, *severities))

    return dataclasses.replace(suite, name=f"{name}-shifts", build=build)


def imagenet_x(predicted: Path, labels: Path) -> None:
    """ATC with the threshold of a random half, tried on the groups of ImageNet-X in the other half."""
    with (labels / "filename_label.csv").open() as file:
        label = {row["file_name"]: int(row["label"]) for row in csv.DictReader(file)}
    lines = (labels / "imagenet_x_val_top_factor.jsonl").read_text().splitlines()
    factors = {row["file_name"]: row for row in map(json.loads, lines)}
    names = sorted(label)
    first = next(iter(factors.values()))
    kinds = [key for key, value in first.items() if isinstance(value, int) and key != "class"]
    member = np.array([[factors.get(name, {}).get(kind, 0) == 1 for name in names] for kind in kinds])
    half = np.zeros(len(names), bool)
    half[np.random.default_rng(0).permutation(len(names))[: len(names) // 2]] = True
    for model, published in PUBLISHED.items():
        with (predicted / f"{model}.csv").open() as file:
            rows = {row["file_name"]: row for row in csv.DictReader(file)}
        sure = np.array([float(rows[name]["predicted_probability"]) for name in names])
        right = np.array([int(rows[name]["predicted_class"]) == label[name] for name in names])
        groups = [g & ~half for g in member if (g & ~half).sum() >= 50]
        misses = [abs(thresholded(sure[half], right[half], sure[g]) - right[g].mean()) for g in groups]
        clean = [abs(right[half].mean() - right[g].mean()) for g in groups]
        print(
            f"{model:9} {len(groups)} groups: ATC misses by {100 * np.mean(misses):.2f} points (independently "
            f"{published}), assuming clean accuracy by {100 * np.mean(clean):.2f}"
        )


def cifar(data: Path, out: Path, samples: int) -> None:
    """Four ResNets: A on the first images of the seeded order, B on others."""
    models = {
        f"resnet{n}": parse_spec(
            str(data / f"cifar-resnets/resnet{n}-{digest}.th"),
            factory=f"{EXAMPLES / 'cifar_resnet.py'}:resnet{n}",
            backend="onnxruntime",
        )
        for n, digest in RESNETS.items()
    }
    images = data / "cifar10-jpeg-test.parquet"
    bs.evaluate(models, str(images), suite=only_shifts("broad"), samples=samples, out=out / "A", progress=False)
    source = open_source(str(images))
    other = source.order(0)[1000 : 1000 + samples]
    given = source.load(other), source.labels[other]
    bs.evaluate(models, given, suite="cifar-c", out=out / "B", progress=False)
    compare(out, open_source(given))


def photographs(data: Path, out: Path, samples: int) -> None:
    """Three EfficientNets; the photographs are too few to take others for B."""
    models = {
        f"lite{n}": parse_spec(
            f"torch:{EXAMPLES / 'efficientnet_lite0.py'}:efficientnet_lite{n}", backend="onnxruntime"
        )
        for n in range(3)
    }
    listing = (data / "imagenet-classes.tsv").read_text().splitlines()
    how: dict[str, Any] = {"resize": 256, "crop": 224, "classes": [line.split("\t")[0] for line in listing]}
    for folder, suite in (("A", only_shifts("broad")), ("B", only_shifts("imagenet-c", (1, 3, 5)))):
        bs.evaluate(
            models, str(data / "imagenet-sample"), suite=suite, samples=samples, out=out / folder, progress=False, **how
        )
    compare(out)


def compare(out: Path, given: Any = None) -> None:
    """Every cell of B, estimated from A, beside the truth."""
    a, b = RunStore.open(out / "A"), RunStore.open(out / "B")
    classes = len(a.manifest.data["classes"])
    known = measured(a)
    seen_a = seen_under_shifts(reopened(out / "A", trust=True)[0], print)
    seen_b = seen_under_shifts(reopened(out / "B", trust=True, own=given)[0], print)
    infos = [info for info in b.manifest.conditions.values() if info.kind == "shift"]
    rows = {
        name: b.read(model["fingerprint"], [info.fingerprint for info in infos])
        for name, model in b.manifest.models.items()
    }
    answers = {
        name: {info.id: ModelAnswers.of(own[info.fingerprint], classes) for info in infos} for name, own in rows.items()
    }
    for name in rows:
        lines = []
        for info in infos:
            others = [answers[other][info.id] for other in rows if other != name]
            said = predictions(known[name].clean, answers[name][info.id], others)
            outside = range_of(known[name], a, seen_a).outside(
                dict(seen_b[info.id]) | answered(known[name].clean.answers, answers[name][info.id], classes)
            )
            lines.append((said, float(rows[name][info.fingerprint].correct.mean()), bool(outside)))
        told(name, known[name], lines)


def range_of(known: KnownModel, store: RunStore, seen: Mapping[str, Described]) -> MeasuredRange:
    """What A has measured of a model."""
    classes, infos = len(store.manifest.data["classes"]), store.manifest.conditions
    return MeasuredRange.of(
        [
            (c, infos[c].family, dict(seen[c]) | answered(known.clean.answers, own, classes))
            for c, own in known.answers.items()
        ]
    )


def told(name: str, known: KnownModel, lines: list[tuple[Mapping[str, float], float, bool]]) -> None:
    """Misses, cover and width over the cells that are not refused, and how many those are."""
    kept = [line for line in lines if not line[2]]
    truth = np.array([line[1] for line in kept])
    count = len(known.clean.answers)
    clean = 100 * np.abs(known.clean.accuracy - truth).mean()
    plain = 100 * np.abs([line[0]["atc_confidence"] for line in kept] - truth).mean()
    print(f"{name}: n = {count}, {len(kept)} of {len(lines)} cells; clean {clean:.1f}, plain ATC {plain:.1f} points")
    for mix, fit in zip(("any mix of classes", "mixed as in the run"), fitted(known, None), strict=True):
        every = [fit.estimate(line[0], count) for line in kept]
        miss = 100 * np.abs([e.value for e in every] - truth).mean()
        within = np.mean([e.low <= t <= e.high for e, t in zip(every, truth, strict=True)])
        width = 100 * np.mean([e.high - e.low for e in every])
        print(
            f"  {mix} ({', '.join(fit.chosen)}): misses by {miss:.1f} points, {miss / clean:.2f} of clean; "
            f"{100 * within:.1f} % within {100 * fit.level:.3g} % intervals, {width:.1f} points wide"
        )


def digits(out: Path, samples: int) -> None:
    """Two trainings of a small CNN on MNIST; scikit-learn's digits, and what must be refused or left alone."""
    from brittlestar.training import Natural, Plan
    from brittlestar.training.fit import fit

    train = open_source("digits:train")
    weights = [fit(train, Natural(), Plan(epochs=8), out / f"seed-{seed}", seed=seed) for seed in range(2)]
    models = {f"cnn{seed}": str(path) for seed, path in enumerate(weights)}
    run = bs.evaluate(models, "digits", suite=only_shifts("broad"), samples=samples, out=out / "digits", progress=False)
    test = open_source("digits")
    fresh = test.order(0)[samples:]
    clean, other = test.load(fresh), open_source("sklearn-digits")
    draws = np.random.default_rng(0)
    shuffled = np.stack([draws.permutation(image.ravel()).reshape(image.shape) for image in clean])
    everything = other.load(np.arange(other.info.count)), other.labels
    for name, (images, labels) in {
        "fresh MNIST": (clean, test.labels[fresh]),
        "scikit-learn's digits": everything,
        "shuffled pixels": (shuffled, test.labels[fresh]),
        "upside down": (clean[:, :, ::-1, ::-1].copy(), test.labels[fresh]),
    }.items():
        truth = bs.evaluate(
            models,
            (images, labels),
            suite="clean",
            shifted=True,
            anyway=True,
            out=out / name.replace(" ", "-"),
            progress=False,
        )
        right = {row["model"]: row["accuracy"] for row in truth.table()}
        for one in run.estimate(images):
            value = "no estimate"
            if one.any_mix is not None and one.same_mix is not None:
                value = " and ".join(
                    f"{100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}] ({mix} mix)"
                    for mix, e in (("any", one.any_mix), ("same", one.same_mix))
                )
            print(
                f"{name}, {one.model}: estimated {value}, measured {100 * right[one.model]:.1f}; plain ATC "
                f"{100 * one.said['atc_confidence']:.1f}, clean {100 * one.clean.value:.1f}; {one.outside or ''}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("imagenet-x", "cifar", "photographs", "digits"))
    parser.add_argument("--data", type=Path, default=Path("shared/data"))
    parser.add_argument("--labels", type=Path, help="the folder `annotations` of the package imagenet-x")
    parser.add_argument("--out", type=Path, default=Path("runs/estimate"))
    parser.add_argument("--samples", type=int, default=256)
    asked = parser.parse_args()
    if asked.which == "imagenet-x":
        imagenet_x(asked.data / "published/imagenetx", asked.labels)
    elif asked.which == "digits":
        digits(asked.out, asked.samples)
    else:
        do = cifar if asked.which == "cifar" else photographs
        do(asked.data, asked.out / asked.which, asked.samples)


if __name__ == "__main__":
    main()
