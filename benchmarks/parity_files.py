"""Parity from the original files: each side opens, resizes, cuts, corrupts and stores the photographs by itself.

    python benchmarks/parity_files.py --reference CHECKOUT --python INTERPRETER --data photographs/ \\
        --classes imagenet-classes.tsv --model torch:examples/efficientnet_lite0.py:efficientnet_lite0 --out FOLDER

CHECKOUT and INTERPRETER as for parity.py. The reference writes the files that it would publish
(parity_files_reference.py, into OUT/reference, kept between calls); ours are a run of the suite imagenet-c on the same
photographs, prepared and stored as the suite does it. Printed: how often the model answers the same under the
corruptions that draw nothing, and the errors, CE and mCE of both sides with their paired difference.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import stats

import brittlestar as bs
from brittlestar.api import evaluate
from brittlestar.cli.run import read_classes
from brittlestar.data import open_source
from brittlestar.measures import ALEXNET, clopper_pearson
from brittlestar.models import load_model, map_labels, parse_spec
from brittlestar.models.base import Model, infer
from brittlestar.models.tune import tune
from brittlestar.shifts.conditions import Condition, clean
from brittlestar.shifts.frost import available_textures
from brittlestar.store import RunStore
from brittlestar.suites.base import Shape, Suite
from brittlestar.suites.corruptions import TEST, severities

HERE = Path(__file__).resolve().parent
DRAWN_BY_NOBODY = ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression")
THREE = (1, 3, 5)
Cell = tuple[str, int]


def exact_suite(shape: Shape, storage: str) -> tuple[Condition, ...]:
    """The corruptions without draws, at three severities."""
    return (clean(), *(c for name in DRAWN_BY_NOBODY for c in severities(name, "imagenet-c", storage, THREE)))


def answers_of(store: RunStore) -> dict[Cell, npt.NDArray[np.int64]]:
    """Predictions in the order of the samples, by corruption and severity."""
    (model,) = store.manifest.models.values()
    rows = store.read(model["fingerprint"], None)
    found: dict[Cell, npt.NDArray[np.int64]] = {}
    for info in store.manifest.conditions.values():
        own = rows[info.fingerprint]
        found[info.shift, info.severity or 0] = own.prediction[np.argsort(own.position)].astype(np.int64)
    return found


def answers_to_files(model: Model, folder: Path, cells: list[Cell], count: int) -> dict[Cell, npt.NDArray[np.int64]]:
    """The model's predictions on the reference's files."""
    found = {}
    for name, severity in cells:
        files = [folder / name / str(severity) / f"{i}.{'jpg' if severity else 'png'}" for i in range(count)]
        pixels = np.stack([np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1) for file in files])
        found[name, severity] = infer(model, torch.from_numpy(pixels), 25).argmax(1).numpy().astype(np.int64)
    return found


def mean_interval(scores: npt.NDArray[np.float64]) -> str:
    """A mean with its 95 % interval by Student's t."""
    half = float(stats.t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / len(scores) ** 0.5)
    return f"{scores.mean():+.2f} [{scores.mean() - half:+.2f}, {scores.mean() + half:+.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--classes", required=True, type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--samples", type=int, default=60, help="photographs for all 15 corruptions")
    parser.add_argument("--exact", type=int, default=200, help="photographs for the corruptions that draw nothing")
    parser.add_argument("--severities", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="for mCE, of both sides")
    parser.add_argument("--backend", default="torch", help="torch or onnxruntime")
    parser.add_argument("--resize-filter", help="of our side, to see what another one would do")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if available_textures() != "reference":
        parser.error("frost needs the reference's textures: brittlestar textures --yes")
    source = open_source(args.data, resize=256, crop=224, filter=args.resize_filter)
    order = source.order(0)[: max(args.samples, args.exact)]
    args.out.mkdir(parents=True, exist_ok=True)
    paths = [str((Path(args.data) / source.files[i]).resolve()) for i in order]  # type: ignore[attr-defined]
    (args.out / "files.txt").write_text("\n".join(paths) + "\n", encoding="utf-8")
    exact = [(name, s) for name in DRAWN_BY_NOBODY for s in THREE]
    every = [(name, s) for s in args.severities for name in TEST]
    jobs = [
        ["clean", 0, args.exact],
        *([*cell, args.exact] for cell in exact),
        *([*cell, args.samples] for cell in every),
    ]
    (args.out / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    theirs = args.out.resolve() / "reference"
    words = [args.python, str(HERE / "parity_files_reference.py"), str(args.reference / "ImageNet-C" / "create_c")]
    words += [str(args.out / "files.txt"), str(theirs), str(args.out / "jobs.json")]
    subprocess.run(words, check=True, env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"})

    names, spec = read_classes(args.classes), parse_spec(args.model, backend=args.backend)
    own: dict[str, dict[Cell, npt.NDArray[np.int64]]] = {}
    suites: dict[str, tuple[str | Suite, int]] = {
        "exact": (Suite("exact", "", exact_suite, ("jpeg85",)), args.exact),
        "every": ("imagenet-c", args.samples),
    }
    for key, (suite, count) in suites.items():
        folder = args.out / f"{key}-{args.resize_filter or 'as-published'}"
        how = {"resize": 256, "crop": 224, "resize_filter": args.resize_filter, "classes": names, "samples": count}
        run: bs.Run = evaluate(spec, args.data, suite=suite, out=folder, **how)
        own[key] = answers_of(RunStore.open(run.path))
    model = load_model(spec)
    tune(model, torch.from_numpy(source.load(order[:16])).float() / 255)
    labels = np.asarray(map_labels(source.info.classes, tuple(names)))[source.labels[order]]

    its = answers_to_files(model, theirs, [("clean", 0), *exact], args.exact)
    print(f"\n| corruption | severity | same prediction, n = {args.exact} | error, ours | error, reference |")
    print("|---|---|---|---|---|")
    same = []
    for cell in [("clean", 0), *exact]:
        alike = own["exact"][cell] == its[cell]
        same += [alike] if cell[1] else []
        wrong = [float((a[cell] != labels[: args.exact]).mean()) for a in (own["exact"], its)]
        print(f"| `{cell[0]}` | {cell[1] or '-'} | {alike.mean():.1%} | {wrong[0]:.1%} | {wrong[1]:.1%} |")
    count = int(np.sum(same))
    low = clopper_pearson(count, np.size(same)).low
    print(
        f"\nSame prediction under the six: {count} of {np.size(same)}, {count / np.size(same):.2%} (at least {low:.2%})"
    )

    its = answers_to_files(model, theirs, every, args.samples)
    print(
        f"\n| corruption | error, ours | error, reference | CE, ours | CE, reference | difference, n = {args.samples} |"
    )
    print("|---|---|---|---|---|---|")
    totals = []
    for name in TEST:
        below = float(np.mean([ALEXNET.errors[name][s - 1] for s in args.severities]))
        errors = [
            np.mean([a[name, s] != labels[: args.samples] for s in args.severities], 0) for a in (own["every"], its)
        ]
        totals.append([100 * e / below for e in errors])
        ce = [float(t.mean()) for t in totals[-1]]
        print(
            f"| `{name}` | {errors[0].mean():.1%} | {errors[1].mean():.1%} | {ce[0]:.1f} | {ce[1]:.1f} "
            f"| {mean_interval(totals[-1][0] - totals[-1][1])} |"
        )
    ours, reference = (np.mean([t[i] for t in totals], 0) for i in range(2))
    called = "mCE" if len(args.severities) == 5 else f"mean CE over severities {args.severities}"
    print(
        f"\n{called} {ours.mean():.2f}, reference {reference.mean():.2f}; ours less its",
        mean_interval(ours - reference),
    )


if __name__ == "__main__":
    main()
