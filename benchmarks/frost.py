"""Cost of frost with procedural and with published textures, in one process on one thread.

    python benchmarks/frost.py

Alternating on the same images, both warmed; for each image size the median over rounds of the CPU time an image, and
the ratio. Where the published textures are missing (`brittlestar textures`), only the procedural ones are measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time

import torch
from brittlestar.runs.workers import keep_memory

import brittlestar
from brittlestar.shifts import Frost
from brittlestar.shifts.frost import available_textures

SIZES = {224: ("imagenet-c", 20), 32: ("cifar-c", 250)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    keep_memory()
    kinds = ("procedural", *(["reference"] if available_textures() == "reference" else []))
    for side, (table, count) in SIZES.items():
        images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
        keys = brittlestar.keys(0, count)
        spent: dict[str, list[float]] = {kind: [] for kind in kinds}
        for turn in range(rounds + 1):
            for kind in kinds:
                shift = dataclasses.replace(Frost.at(3, table), textures=kind)
                began = time.process_time()
                shift.compute(images, keys)
                if turn:
                    spent[kind].append(1000 * (time.process_time() - began) / count)
        middle = {kind: statistics.median(times) for kind, times in spent.items()}
        words = ", ".join(f"{kind} {milliseconds:.4f} ms an image" for kind, milliseconds in middle.items())
        ratio = f"; ratio {middle['procedural'] / middle['reference']:.2f}" if "reference" in middle else ""
        print(f"{side} pixels: {words}{ratio}")


if __name__ == "__main__":
    main()
