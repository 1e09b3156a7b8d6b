"""Speed of the published corruptions against a named peer, alternating on the same photographs, both warmed.

    python benchmarks/corruptions.py --images photographs.npy --peer CHECKOUT --python INTERPRETER
    python benchmarks/corruptions.py --images small.npy --table cifar-c --kind reference --peer CHECKOUT --python ...

CHECKOUT is a clone of bethgelab/imagecorruptions (or, for ``--kind reference``, of hendrycks/robustness), INTERPRETER a
Python that can run it; the .npy files hold (n, h, w, 3) uint8. One thread a process. For every corruption the median
over rounds of the CPU time an image at severities 1 to 5, ours (uint8 batches in and out) and the peer's, and their
ratio; at the end the whole suite, and with ``--both-cores`` the wall time of the suite in two processes each.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import brittlestar
from brittlestar.runs.process import keep_memory
from brittlestar.suites.corruptions import TEST, VALIDATION, corrupt

HERE = Path(__file__).resolve().parent


class Ours:
    """Corrupts the images in pieces, channels first (or, for Pillow's, last in memory)."""

    def __init__(self, images: np.ndarray, table: str, piece: int, channels_last: bool) -> None:
        torch.set_num_threads(1)
        keep_memory()
        batch = torch.from_numpy(images).permute(0, 3, 1, 2)
        batch = batch if channels_last else batch.contiguous()
        self.pieces = list(batch.split(piece))
        self.keys = [brittlestar.keys(i, len(p)) for i, p in enumerate(self.pieces)]
        self.table = table

    def seconds(self, name: str, severity: int) -> tuple[float, float]:
        """Wall and CPU time of one pass over the images."""
        began, cpu = time.perf_counter(), time.process_time()
        for piece, keys in zip(self.pieces, self.keys, strict=True):
            corrupt(piece, name, severity, keys, table=self.table)
        return time.perf_counter() - began, time.process_time() - cpu


class Peer:
    """A process of the peer's interpreter that answers one request at a time."""

    def __init__(self, python: str, kind: str, checkout: str, images: Path) -> None:
        words = [python, str(HERE / "corruptions_peer.py"), kind, checkout, str(images)]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"OMP_NUM_THREADS": "1"},
        )

    def ask(self, name: str, severity: int) -> None:
        """Send a request."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name} {severity}\n")
        self.process.stdin.flush()

    def answer(self) -> tuple[float, float]:
        """Wall and CPU time of the request sent."""
        assert self.process.stdout is not None
        wall, cpu = self.process.stdout.readline().split()
        return float(wall), float(cpu)

    def seconds(self, name: str, severity: int) -> tuple[float, float]:
        """Wall and CPU time of one pass over the images."""
        self.ask(name, severity)
        return self.answer()


def serve(images: Path, table: str, piece: int) -> None:
    """Ours as a process of its own, for the measurement on both cores."""
    mine = Ours(np.load(images), table, piece, False)
    for line in sys.stdin:
        name, severity = line.split()
        print(*mine.seconds(name, int(severity)), flush=True)


def both_cores(args: argparse.Namespace, images: Path, cells: list[tuple[str, int]], count: int) -> None:
    """The suite's wall time in two processes each, ours and the peer's in turns, corruption by corruption."""
    words = [
        sys.executable,
        __file__,
        "--serve",
        "--images",
        str(images),
        "--table",
        args.table,
        "--piece",
        str(args.piece),
    ]
    ours = []
    for _ in range(2):
        peer = Peer.__new__(Peer)
        peer.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ours.append(peer)
    theirs = [Peer(args.python, args.kind, args.peer, images) for _ in range(2)]
    spent = [0.0, 0.0]
    for name, severity in cells:
        for place, pair in enumerate((ours, theirs)):
            for _ in range(2):
                began = time.perf_counter()
                for process in pair:
                    process.ask(name, severity)
                for process in pair:
                    process.answer()
                wall = time.perf_counter() - began
            spent[place] += wall
    rates = [2 * count * len(cells) / s for s in spent]
    print(
        f"both cores, two processes each: ours {rates[0]:,.0f}, peer {rates[1]:,.0f} images/s, "
        f"ratio {rates[0] / rates[1]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--table", default="imagenet-c")
    parser.add_argument("--kind", default="imagecorruptions", choices=["imagecorruptions", "reference", "pillow"])
    parser.add_argument("--peer", default="-", help="the checkout")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--piece", type=int, help="images a batch; 4 at 224 pixels, 250 at 32")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--both-cores", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    images = np.load(args.images)
    args.piece = args.piece or max(4, 200_000 // (images.shape[1] * images.shape[2]))
    if args.serve:
        serve(args.images, args.table, args.piece)
        return
    listed = ("pixelate", "jpeg_compression") if args.kind == "pillow" else (*TEST, *VALIDATION)
    names = [n for n in listed if not args.only or n in args.only]
    mine = Ours(images, args.table, args.piece, args.kind == "pillow")
    peer = Peer(args.python, args.kind, args.peer, args.images)
    print(f"{len(images)} images of {images.shape[1]} x {images.shape[2]}, {args.rounds} rounds, peer {args.kind}")
    print("| corruption | ours, ms an image (severity 1 2 3 4 5) | peer | ratio |\n|---|---|---|---|")
    totals = [0.0, 0.0]
    for name in names:
        rows: list[list[float]] = [[], []]
        for severity in range(1, 6):
            times: list[list[float]] = [[], []]
            for turn in range(args.rounds + 1):
                for place, side in enumerate((mine, peer)):
                    cpu = side.seconds(name, severity)[1]
                    if turn:
                        times[place].append(cpu)
            for place in range(2):
                rows[place].append(statistics.median(times[place]) / len(images) * 1000)
        for place in range(2):
            totals[place] += sum(rows[place])
        texts = [" ".join(f"{v:.3g}" for v in row) for row in rows]
        print(f"| {name} | {texts[0]} | {texts[1]} | {sum(rows[1]) / sum(rows[0]):.2f} |", flush=True)
    rates = [1000 * 5 * len(names) / total for total in totals]
    print(f"\nsuite, one process: ours {rates[0]:,.0f}, peer {rates[1]:,.0f} images/s, ratio {rates[0] / rates[1]:.1f}")
    if args.both_cores:
        both_cores(args, args.images, [(n, s) for n in names for s in range(1, 6)], len(images))


if __name__ == "__main__":
    main()
