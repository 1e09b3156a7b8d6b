"""Parity of the random corruptions with the reference implementation, as distributions over the same images.

    python benchmarks/parity_noise.py --reference CHECKOUT --python INTERPRETER --images photographs.npy

CHECKOUT, INTERPRETER and the images as for parity.py. Both sides corrupt all images with draws of their own; the
residual of a value is its corrupted level less its clean one. For every place (channel, row, column) the mean and the
standard deviation of the residual over the images are compared: printed is the share of places where ours lies within 3
standard errors of the reference's (chance alone gives 99.7 % for a normal statistic). The residuals of randomly chosen
values are compared by a two-sample Kolmogorov-Smirnov test, with values of different images only.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.storage import stored
from brittlestar.suites.corruptions import corruption
from parity import SCRIPTS, reference

NOISES = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
WHOLE = ("glass_blur", "motion_blur", "snow", "frost", "fog", "spatter", "elastic_transform")


def ours(name: str, severity: int, table: str, images: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) uint8."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(torch.float32) / 255
    keys = SampleKeys.of(0, [str(i) for i in range(len(images))])
    y = stored(corruption(name, severity, table).compute(x, keys), "uint8")
    return (y * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def within(a: np.ndarray, b: np.ndarray) -> float:
    """Share of places where the means of two (n, places) samples differ by at most 3 standard errors."""
    error = np.sqrt((a.var(0, ddof=1) + b.var(0, ddof=1)) / len(a))
    return float((np.abs(a.mean(0) - b.mean(0)) <= 3 * error).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--table", default="imagenet-c", choices=sorted(SCRIPTS))
    parser.add_argument("--only", action="append", default=[], help="a corruption; may be repeated")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = np.load(args.images)
    script = args.reference.resolve() / "ImageNet-C" / "create_c" / SCRIPTS[args.table]
    generator = np.random.default_rng(0)
    chosen = np.sort(generator.choice(images[0].size, min(images[0].size, 20_000), replace=False))
    clean = images.reshape(len(images), -1)[:, chosen].astype(np.float64)
    print(f"{args.table}, {len(images)} images, {len(chosen):,} places\n")
    print("| corruption | severity | means within 3 SE | standard deviations | KS distance | p |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for name in args.only or NOISES:
            for severity in range(1, 6):
                out = Path(temporary) / "theirs.npz"
                theirs, _ = reference(script, args.python, args.images.resolve(), name, severity, out, draws=False)
                out.unlink()
                sides = (ours(name, severity, args.table, images), theirs)
                a, b = (side.reshape(len(images), -1)[:, chosen].astype(np.float64) - clean for side in sides)
                # The standard deviation through the squared residual, whose mean has an ordinary standard error.
                spread = within((a - a.mean(0)) ** 2, (b - b.mean(0)) ** 2)
                ks = stats.ks_2samp(a.ravel(), b.ravel(), method="asymp")
                print(
                    f"| {name} | {severity} | {within(a, b):.2%} | {spread:.2%} "
                    f"| {ks.statistic:.5f} | {ks.pvalue:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
