"""Parity of sequences and of MNIST-C's functions with their references, side by side on the same images.

    python benchmarks/parity_sequences.py cifar-p --reference CHECKOUT --python INTERPRETER --images small.npy
    python benchmarks/parity_sequences.py imagenet-p --reference CHECKOUT --python INTERPRETER --images files.txt
    python benchmarks/parity_sequences.py mnist-c --reference CHECKOUT --python INTERPRETER --images digits.npy

CHECKOUT is a clone of hendrycks/robustness (of google-research/mnist-c for the last), INTERPRETER a Python that can run
it (as for parity.py, with torchvision from 0.8 on); both are provided by whoever runs this. The .npy files hold uint8
images, (n, h, w, 3) or (n, 28, 28); files.txt names a photograph a line. Random draws of the reference are fed into
ours. Printed: equal values, values within 1/255, the largest difference; with --model also both flip probabilities
and their paired difference with its 95 % interval.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.measures import signed_mean_interval
from brittlestar.models import load_model, parse_spec
from brittlestar.models.base import Model, infer
from brittlestar.runs.cell import frames
from brittlestar.shifts import SEQUENCES, MnistElasticTransform, MnistMotionBlur
from brittlestar.shifts.base import Images
from brittlestar.shifts.elastic import smoothed
from brittlestar.shifts.frost import Frost, cuts, textures
from brittlestar.shifts.mnist import elastic_on_black
from brittlestar.shifts.ops.dispatch import blend, motion_blur, truncated
from brittlestar.shifts.spatter import drops
from brittlestar.shifts.storage import stored

HERE = Path(__file__).resolve().parent
SCRIPTS = {
    "cifar-p": "ImageNet-P/create_p/make_cifar_p.py",
    "imagenet-p": "ImageNet-P/create_p/make_imagenet_p.py",
    "mnist-c": "corruptions.py",
}
NAMES = {
    "cifar-p": ("tilt", "scale", "rotate", "translate", "zoom_blur", "spatter", "motion_blur", "brightness", "shear",
                "gaussian_blur"),
    "imagenet-p": ("tilt", "scale", "rotate", "translate", "zoom_blur"),
    "mnist-c": ("motion_blur", "elastic_transform", "frost"),
}  # fmt: skip
BATCH = 25
Draws = list[np.ndarray]


def with_motion(x: Images, draws: Draws) -> Images:
    how = MnistMotionBlur()
    return truncated(motion_blur(x, how.radius, how.sigma, torch.from_numpy(np.atleast_1d(draws[0])).float()))


def with_elastic(x: Images, draws: Draws) -> Images:
    how, side = MnistElasticTransform(), x.shape[2]
    fields = smoothed(torch.from_numpy(np.stack(draws[1:3])[None]).float(), how.sigma * side)
    return elastic_on_black(x, torch.from_numpy(draws[0][None]), fields * (how.alpha * side))


def with_frost(x: Images, draws: Draws) -> Images:
    how = Frost.at(5, "imagenet-c")
    number, top, left = (torch.from_numpy(np.atleast_1d(d)).long() for d in draws)
    return blend(x, cuts(textures(1.0, *x.shape[2:], 1), number, top, left, x), how.image, how.texture)


INJECTED: dict[str, Callable[[Images, Draws], Images]] = {
    "motion_blur": with_motion,
    "elastic_transform": with_elastic,
    "frost": with_frost,
}


def made(kind: str, name: str, folder: Path, images: Path, theirs: list[Any]) -> Iterator[np.ndarray]:
    """Our frames of one image after another, (frames, h, w[, 3]) uint8."""
    if kind == "mnist-c":
        for pixels, its in zip(np.load(images), theirs, strict=True):
            drawn = [its[f"draw_{k}"] for k in range(len(its.files) - 1)]
            x = torch.from_numpy(pixels)[None, None].float() / 255
            yield levels(stored(INJECTED[name](x, drawn), "rounded8"))[0, ..., 0]
        return
    sequence = SEQUENCES[name].of(kind, crop=0 if kind == "cifar-p" else 224)
    if name == "spatter":
        for pixels, its in zip(np.load(images), theirs, strict=True):
            wetness = drops(torch.from_numpy(its["draw_0"])[None, None].float(), sequence.sigma, sequence.threshold)
            x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
            yield np.concatenate([levels(stored(f, "uint8")) for f in sequence.running(x, wetness)])
        return
    if kind == "cifar-p":
        given = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)
        whole = list(given)
    else:
        source = open_source(folder / "pictures", crop=224)
        order = np.argsort([int(Path(file).stem) for file in source.files])  # type: ignore[attr-defined]
        given = torch.from_numpy(source.load(order))
        whole = [torch.from_numpy(picture) for picture in source.pictures(order)]
    for start in range(0, len(given), BATCH):
        piece = slice(start, start + BATCH)
        keys = SampleKeys.of(0, list(map(str, range(len(given[piece])))))
        shown = [
            levels(stored(f, "uint8")) for _, f in frames(sequence, given[piece], keys, whole_of(whole, piece), 99)
        ]
        yield from np.stack(shown, 1)


def whole_of(pictures: list[torch.Tensor], of: slice) -> Callable[[slice], list[torch.Tensor]]:
    return lambda piece: pictures[of][piece]


def levels(y: Images) -> np.ndarray:
    """(n, h, w, c) uint8."""
    return (y * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def flips(model: Model, shown: list[np.ndarray]) -> list[float]:
    """Of each side, the share of neighbouring frames with different answers."""
    every = torch.from_numpy(np.concatenate(shown)).permute(0, 3, 1, 2)
    sides = infer(model, every, 2 * BATCH).argmax(1).view(len(shown), -1)
    return [float((side[1:] != side[:-1]).float().mean()) for side in sides]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(SCRIPTS))
    parser.add_argument("--reference", required=True, type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--model")
    parser.add_argument("--weights")
    parser.add_argument("--out", type=Path, help="keep the reference's frames here, and use those that are there")
    parser.add_argument("--only", action="append", default=[], help="a sequence or function; may be repeated")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = None
    if args.model:
        model = load_model(parse_spec(args.model, **({"weights": args.weights} if args.weights else {})))
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.out or Path(temporary)
        for name in args.only or NAMES[args.kind]:
            if not (folder / f"{name}-0.npz").exists():
                script = args.reference / SCRIPTS[args.kind]
                words = [args.python, HERE / "parity_sequences_reference.py", args.kind, script, args.images, folder]
                subprocess.run([*map(str, words), name], check=True)
            count = len(list(folder.glob(f"{name}-*.npz")))
            theirs = [np.load(folder / f"{name}-{i}.npz") for i in range(count)]
            print(line(name, made(args.kind, name, folder, args.images, theirs), theirs, model), flush=True)


def line(name: str, ours: Iterator[np.ndarray], theirs: list[Any], model: Model | None) -> str:
    """A row of the table."""
    equal, near, largest, total = 0, 0, 0, 0
    flipped = []
    for own, its in zip(ours, (file["frames"] for file in theirs), strict=True):
        apart = np.abs(own.astype(int) - its.astype(int))
        equal, near, total = equal + int((apart == 0).sum()), near + int((apart <= 1).sum()), total + apart.size
        largest = max(largest, int(apart.max()))
        if model is not None:
            flipped.append((*flips(model, [own, its]), len(own) - 1))
    text = f"| `{name}` | {equal / total:.2%} | {near / total:.3%} | {largest} |"
    if flipped:
        first, second, steps = (np.array(column) for column in zip(*flipped, strict=True))
        apart = signed_mean_interval(first - second, cap=int(steps[0]))
        text += (
            f" {first.mean():.2%} | {second.mean():.2%} | {100 * apart.value:+.2f} "
            f"[{100 * apart.low:+.2f}, {100 * apart.high:+.2f}] |"
        )
    return text


if __name__ == "__main__":
    main()
