"""Does a budget end the whole command, report included? Models that sleep, so that a busy machine matters little.

For every model and budget, with 1 and 2 workers, the command that a person would type is run in a folder of its own and
timed; printed are the seconds it took, those it may take (the budget, a fifth of it and ten seconds), and how many
rows there are. The exit code is 1 where one took longer.

    python benchmarks/budget.py
    python benchmarks/budget.py --seconds 1 --budgets 20 --workers 2
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from brittlestar.store import RunStore

MODEL = """
import time
import numpy as np
W = np.random.default_rng(0).normal(size=(784, 10)).astype("float32")
def predict(x):
    time.sleep({seconds} * len(x))
    return x.reshape(len(x), -1) @ W
"""


def allowed(budget: float) -> float:
    """Seconds that a command with a budget may take."""
    return 1.2 * budget + 10


def timed(seconds: float, budget: float, workers: int, data: str) -> tuple[float, int, int]:
    """Seconds that the command took, rows, and conditions with examples."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "slow.py").write_text(MODEL.format(seconds=seconds))
        words = ["run", "--model", f"slow=python:{folder}/slow.py:predict", "--data", data, "--budget", f"{budget}s"]
        words += ["--workers", str(workers), "--device", "cpu", "--anyway", "--out", str(folder / "run")]
        began = time.monotonic()
        program = "from brittlestar.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
        took = time.monotonic() - began
        if done.returncode or not (folder / "run" / "report" / "report.html").is_file():
            raise SystemExit(f"no report: {done.stderr}")
        store = RunStore.open(folder / "run")
        rows = sum(
            len(found)
            for model in store.manifest.models.values()
            for found in store.read(model["fingerprint"], None, detail=False).values()
        )
        pictures = (folder / "run" / "examples").glob("*-*.png")
        return took, rows, len({p.name.partition("-")[0] for p in pictures} - {"clean"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.04, 0.2, 1.0], help="an image")
    parser.add_argument("--budgets", type=float, nargs="+", default=[20, 60])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--data", default="fashion-mnist", help="of 28 x 28 grey images")
    options = parser.parse_args()
    print("| s an image | budget | workers | took | allowed | rows | conditions with examples |")
    print("|---|---|---|---|---|---|---|")
    late = False
    for seconds in options.seconds:
        for budget in options.budgets:
            for workers in options.workers:
                took, rows, shown = timed(seconds, budget, workers, options.data)
                late = late or took > allowed(budget)
                told = f"{took:.1f} s | {allowed(budget):.0f} s | {rows:,} | {shown}"
                print(f"| {seconds:g} | {budget:g} s | {workers} | {told} |", flush=True)
    sys.exit(late)


if __name__ == "__main__":
    main()
