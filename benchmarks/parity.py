"""Parity with the reference implementation of ImageNet-C, side by side on the same images.

    python benchmarks/parity.py --reference CHECKOUT --python INTERPRETER --images photographs.npy --cifar small.npy

CHECKOUT is a clone of hendrycks/robustness and INTERPRETER a Python that can run it (numpy, scipy, scikit-image,
OpenCV, Pillow, Wand with ImageMagick 6); both are provided by whoever runs this. The .npy files hold (n, h, w, 3) uint8
images of 224 and 32 pixels. Deterministic corruptions are compared pixel by pixel, and so are random ones that draw few
numbers or whole fields, with the reference's own draws fed in. Printed: the share of equal values, of values within
1/255, and the largest difference.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brittlestar.shifts import SHIFTS
from brittlestar.shifts.base import Images
from brittlestar.shifts.blur import even
from brittlestar.shifts.elastic import elastic
from brittlestar.shifts.frost import cuts, textures
from brittlestar.shifts.ops.dispatch import blend, motion_blur, shuffled, snowed, truncated
from brittlestar.shifts.ops.plasma.plain import clouds
from brittlestar.shifts.ops.zoom.plain import centre
from brittlestar.shifts.snow import snow_layer
from brittlestar.shifts.spatter import drops, spattered

HERE = Path(__file__).resolve().parent
SCRIPTS = {"imagenet-c": "make_imagenet_c.py", "cifar-c": "make_cifar_c.py"}
DETERMINISTIC = (
    "defocus_blur", "zoom_blur", "brightness", "contrast", "saturate", "pixelate", "jpeg_compression", "gaussian_blur",
)  # fmt: skip
Draws = list[list[np.ndarray]]


def single(draws: Draws, place: int) -> torch.Tensor:
    """The draws at one place of all images, float32."""
    return torch.from_numpy(np.stack([d[place] for d in draws])).to(torch.float32)


def with_motion(x: Images, how: Any, draws: Draws) -> Images:
    return motion_blur(x, how.radius, how.sigma, single(draws, 0))


def with_snow(x: Images, how: Any, draws: Draws) -> Images:
    height, width = x.shape[2:]
    (top, rows), (left, columns) = centre(height, how.zoom), centre(width, how.zoom)
    flakes = single(draws, 0)[:, None, top : top + rows, left : left + columns].contiguous()
    layer = snow_layer(flakes, how.zoom, how.threshold, how.radius, how.sigma, single(draws, 1), (height, width))
    return snowed(x, layer, how.mix)


def with_frost(x: Images, how: Any, draws: Draws) -> Images:
    number, top, left = (single(draws, i).to(torch.int64) for i in range(3))
    choice = textures(how.scale, x.shape[2], x.shape[3])
    return blend(x, cuts(choice, number, top, left, x), how.image, how.texture)


def with_fog(x: Images, how: Any, draws: Draws) -> Images:
    size = draws[0][-1].shape[0] * 2
    numbers = iter(range(len(draws[0])))

    def draw(rows: int, columns: int) -> torch.Tensor:
        place = next(numbers)
        return torch.from_numpy(np.stack([d[place] for d in draws]) / (100.0 / how.decay ** (place // 3)))

    cloud = clouds(size, how.decay, draw)[:, None, : x.shape[2], : x.shape[3]].to(torch.float32)
    most = x.amax((1, 2, 3), keepdim=True)
    return (x + how.amount * cloud) * (most / (most + how.amount))


def with_glass(x: Images, how: Any, draws: Draws) -> Images:
    rows, columns = x.shape[2] - 2 * how.reach, x.shape[3] - 2 * how.reach
    taken = np.stack([d[0].reshape(how.iterations, rows, columns, 2)[:, ::-1, ::-1] for d in draws])
    right, down = (torch.from_numpy(np.ascontiguousarray(taken[..., i])) for i in range(2))
    return even(shuffled(truncated(even(x, how.sigma)), down, right, how.reach, False), how.sigma)


def with_spatter(x: Images, how: Any, draws: Draws) -> Images:
    return spattered(x, drops(single(draws, 0)[:, None], how.sigma, how.threshold), how)


def with_elastic(x: Images, how: Any, draws: Draws) -> Images:
    fields = torch.stack([single(draws, 1), single(draws, 2)], 1)
    return elastic(x, single(draws, 0), fields, how.alpha, how.sigma)


INJECTED: dict[str, Callable[[Images, Any, Draws], Images]] = {
    "motion_blur": with_motion,
    "snow": with_snow,
    "frost": with_frost,
    "fog": with_fog,
    "glass_blur": with_glass,
    "spatter": with_spatter,
    "elastic_transform": with_elastic,
}


def ours(name: str, severity: int, table: str, images: np.ndarray, draws: Draws) -> np.ndarray:
    """Our (n, h, w, 3) uint8 images, from the reference's draws where there are any."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(torch.float32) / 255
    how = SHIFTS[name].at(severity, table)
    y = how(x) if name in DETERMINISTIC else INJECTED[name](x, how, draws).clamp(0, 1)
    levels = (truncated(y) * 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).numpy()


def reference(
    script: Path, python: str, images: Path, name: str, severity: int, out: Path, draws: bool = True
) -> tuple[np.ndarray, Draws]:
    """The reference's images and draws."""
    if not out.exists():
        words = [python, str(HERE / "parity_reference.py"), str(script), str(images), str(out), name, str(severity)]
        words += [] if draws else ["--no-draws"]
        subprocess.run(words, check=True, env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"})
    with np.load(out) as file:
        found = file["images"]
        keys = [key.split("_") for key in file.files if key.startswith("draw")]
        count = 1 + max((int(k) for _, _, k in keys), default=-1)
        return found, [[file[f"draw_{i}_{k}"] for k in range(count)] for i in range(len(found))]


def pixels(folder: Path, script: Path, python: str, table: str, images: Path, only: list[str]) -> list[str]:
    """Part A: one line a corruption and severity."""
    given = np.load(images)
    lines = []
    for name in [*DETERMINISTIC, *INJECTED]:
        if only and name not in only:
            continue
        for severity in range(1, 6):
            out = folder / f"{name}_{severity}.npz"
            theirs, draws = reference(script, python, images, name, severity, out)
            apart = np.abs(ours(name, severity, table, given, draws).astype(int) - theirs.astype(int))
            equal, near = float((apart == 0).mean()), float((apart <= 1).mean())
            lines.append(f"| {name} | {severity} | {equal:.3%} | {near:.4%} | {apart.max()} |")
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--images", type=Path, help=".npy, (n, 224, 224, 3) uint8")
    parser.add_argument("--cifar", type=Path, help=".npy, (n, 32, 32, 3) uint8")
    parser.add_argument("--keep", type=Path, help="folder that keeps the reference's outputs between calls")
    parser.add_argument("--only", action="append", default=[], help="a corruption; may be repeated")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for table, images, short in (("imagenet-c", args.images, "imagenet"), ("cifar-c", args.cifar, "cifar")):
        if images is None:
            continue
        script = args.reference.resolve() / "ImageNet-C" / "create_c" / SCRIPTS[table]
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.keep / short if args.keep else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            print(f"\n{table}, {len(np.load(images, mmap_mode='r'))} images\n")
            print("| corruption | severity | equal | within 1/255 | largest difference |\n|---|---|---|---|---|")
            pixels(folder.resolve(), script, args.python, table, images.resolve(), args.only)


if __name__ == "__main__":
    main()
