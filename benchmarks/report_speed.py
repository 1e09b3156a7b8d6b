"""How long a report takes to write, against another version of the program, and how long its page takes to open.

Both versions write the report on the same run folder in processes of their own, in turn; printed are the medians of CPU
and wall time, of ``write`` alone (imports are outside), and their ratios.

    python benchmarks/report_speed.py RUN --python OTHER/.venv/bin/python --rounds 3
    python benchmarks/report_speed.py RUN --open

With ``--open`` headless Chromium opens the page, in milliseconds after navigation: the first paint, the load event, and
the second frame after it, when everything is laid out. Without RUN: made-up answers of 20 models to 20 classes, whose
results.csv has more than 100,000 rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TIMED = """
import json, sys, time
from importlib import import_module
from pathlib import Path
write = import_module("brittlestar.report.build").write
cpu, wall = time.process_time(), time.perf_counter()
write([Path(sys.argv[1])], out=Path(sys.argv[2]))
print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
"""

OPENED = """
const done = arguments[0], told = () => {
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [paint?.startTime ?? NaN, page.loadEventEnd, performance.now()];
};
requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(told()))));
"""


def written(python: str, run: Path, out: Path) -> tuple[float, float]:
    """(CPU, wall) seconds."""
    answer = subprocess.run([python, "-c", TIMED, run, out], capture_output=True, text=True, check=True)
    cpu, wall = json.loads(answer.stdout.splitlines()[-1])
    return cpu, wall


def compare(run: Path, out: Path, other: str, rounds: int) -> None:
    """Print times of both and their ratio."""
    pythons = {"this": sys.executable, "other": other} if other else {"this": sys.executable}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in pythons}
    for _ in range(rounds):
        for name, python in pythons.items():
            times[name].append(written(python, run, out / name))
    for at, kind in enumerate(("CPU", "wall")):
        middle = {name: statistics.median(one[at] for one in found) for name, found in times.items()}
        ratio = f", ratio {middle['this'] / middle['other']:.2f}" if other else ""
        print(f"{kind}: {', '.join(f'{name} {seconds:.2f} s' for name, seconds in middle.items())}{ratio}")
    for name in pythons:
        with (out / name / "results.csv").open() as lines:
            size = (out / name / "report.html").stat().st_size
            print(f"{name}: {sum(1 for _ in lines) - 1:,} results, a page of {size / 1e6:.2f} MB")


def opened(page: Path, rounds: int) -> None:
    """Print when Chromium has opened the page."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from browser_tools import browsing

    with tempfile.TemporaryDirectory() as folder, browsing(Path(folder)) as browser:
        browser.size(1400, 900)
        found = []
        for _ in range(rounds):
            browser.send("POST", "/url", {"url": "about:blank"})
            browser.open(page)
            found.append(browser.send("POST", "/execute/async", {"script": OPENED, "args": []}))
    for name, times in zip(("first paint", "load event", "laid out"), zip(*found, strict=True), strict=True):
        print(f"{name}: median {statistics.median(times):.0f} ms, least {min(times):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="a run folder; it is not changed")
    parser.add_argument("--python", default="", help="of the other version's environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--open", action="store_true", help="open the page in Chromium")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        run = args.run
        if run is None:
            sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
            import synthetic

            run = folder / "run"
            synthetic.make_run(run, models=20, samples=400, classes=20)
        compare(run, folder, args.python, args.rounds)
        if args.open:
            opened(folder / "this" / "report.html", args.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
