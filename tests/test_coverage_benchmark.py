"""The table of coverages: what it prints, and that it fails where an interval does not hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).parents[1] / "benchmarks" / "interval_coverage.py"
FAKE = """
def held(share):
    return lambda repetitions: (round(share * repetitions), repetitions)

CASES = [("one place", 0.94, None, held({new})), ("another place", 0.93, held(0.5), held(0.97))]
"""


def table(folder: Path, new: float, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "coverage_shares.py").write_text(FAKE.format(new=new))
    (folder / "interval_coverage.py").write_text(RUNNER.read_text())
    words = ("--repetitions", "1000", *words)
    return subprocess.run([sys.executable, folder / "interval_coverage.py", *words], capture_output=True, text=True)


def test_it_prints_old_new_and_asked(tmp_path: Path) -> None:
    found = table(tmp_path, 0.935)
    assert found.returncode == 0, found.stderr
    assert "| place | old | new | asked |" in found.stdout
    assert "| one place | – | 0.935 | 0.94 |" in found.stdout, "half a point may be the simulation's"
    assert "| another place | 0.500 | 0.970 | 0.93 |" in found.stdout
    assert "coverage_shapes.py is not there" in found.stderr


def test_it_fails_below_what_is_asked(tmp_path: Path) -> None:
    found = table(tmp_path, 0.88)
    assert found.returncode == 1 and "below what is asked: one place" in found.stderr
    assert table(tmp_path, 0.88, "--only", "another").returncode == 0
    assert table(tmp_path, 0.98, "--only", "no such place").returncode == 1
