"""Peak memory of a run at 1,000 and at 50,000 images: blocks are streamed, so it must not grow; and of large images.

Writes a Parquet data set of small PNGs into a temporary folder, runs `brittlestar run --suite clean` on it in a fresh
process for each size, prints the peak resident set sizes and their ratio. Then the same for three colour PNGs of a
large size, which must stay below 2 GiB or be refused.

    python benchmarks/memory.py
    python benchmarks/memory.py --large
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
from PIL import Image

MODEL = """
import torch
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(48, 10)).eval()
"""

CHILD = """
import json, resource, sys
from brittlestar.cli.main import main
sys.argv = ["brittlestar", *json.loads(sys.argv[1])]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_parquet(path: Path, count: int) -> None:
    """``count`` noisy 32 x 32 PNGs in the Hugging Face layout, in pieces."""
    parts = []
    for first in range(0, count, 1000):
        generator = np.random.default_rng(first)
        pictures = []
        for pixels in generator.integers(0, 256, (min(1000, count - first), 32, 32, 3), dtype=np.uint8):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            pictures.append(buffer.getvalue())
        part = path.with_name(f"{path.stem}-{first}.parquet")
        pieces = {"bytes": np.array(pictures, dtype=object), "label": np.arange(first, first + len(pictures)) % 10}
        duckdb.sql("SELECT {'bytes': bytes::BLOB, 'path': NULL::VARCHAR} AS image, label FROM pieces").write_parquet(
            str(part)
        )
        parts.append(str(part))
        del pieces
    duckdb.sql(f"COPY (SELECT * FROM read_parquet({parts})) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 1000)")
    for part in parts:
        Path(part).unlink()


LARGE = ((4000, "clean"), (4000, "noise"), (2500, "noise"), (2500, "imagenet-c"))
"""Side in pixels, and suite."""


def write_pictures(folder: Path, side: int) -> None:
    """Three PNGs of two classes, of squares of 100 pixels."""
    for number, name in enumerate("aba"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        squares = np.random.default_rng(number).integers(0, 256, (side // 100, side // 100, 3), dtype=np.uint8)
        pixels = np.kron(squares, np.ones((100, 100, 1), np.uint8))
        Image.fromarray(pixels).save(folder / name / f"{number}.png")


def large() -> None:
    """Print what large images take; a budget ends what would take hours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(MODEL.replace("AvgPool2d(8)", "AdaptiveAvgPool2d(4)").replace("10)", "2)"))
        for side, suite in LARGE:
            data = folder / str(side)
            write_pictures(data, side)
            words = ["run", "--model", f"torch:{folder}/model.py:model", "--data", str(data), "--suite", suite]
            words += ["--workers", "1", "--device", "cpu", "--no-report", "--anyway", "--budget", "60s"]
            words += ["--out", str(folder / f"run-{side}-{suite}")]
            done = subprocess.run([sys.executable, "-c", CHILD, json.dumps(words)], capture_output=True, text=True)
            peak = int(done.stdout.split()[-1]) / (1 if sys.platform == "darwin" else 1024)
            said = next((line for line in done.stderr.splitlines() if line.startswith("error")), "done")
            print(f"{side} x {side}, {suite}: peak {peak:.0f} MB; {said}", flush=True)


def main() -> None:
    if "--large" in sys.argv[1:]:
        large()
        return
    peaks = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(MODEL)
        for count in (1_000, 50_000):
            data = folder / f"data{count}.parquet"
            write_parquet(data, count)
            words = ["run", "--model", f"torch:{folder}/model.py:model", "--data", str(data), "--suite", "clean"]
            words += ["--workers", "1", "--device", "cpu", "--no-report", "--out", str(folder / f"run{count}")]
            done = subprocess.run(
                [sys.executable, "-c", CHILD, json.dumps(words)], capture_output=True, text=True, check=True
            )
            peaks[count] = int(done.stdout.split()[-1]) / (1 if sys.platform == "darwin" else 1024)
            print(f"{count:>6} images: peak {peaks[count]:.0f} MB", flush=True)
    print(f"ratio {peaks[50_000] / peaks[1_000]:.3f}")


if __name__ == "__main__":
    main()
