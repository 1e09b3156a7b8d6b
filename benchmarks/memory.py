"""Peak memory of a run at 1,000 and at 50,000 images: blocks are streamed, so it must not grow.

Writes a Parquet data set of small PNGs into a temporary folder, runs `brittlestar run --suite clean` on it in a fresh
process for each size, prints the peak resident set sizes and their ratio.

    python benchmarks/memory.py
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


def main() -> None:
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
