"""What ``docs/adding.md`` says to write, done in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("src", "tests", "docs", "benchmarks", "examples", ".ci")
BLOCK = re.compile(r"^`(\S+)`:\n\n```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """A heading of the page: new files with their text, and lines for files that are there."""

    files: dict[str, str]
    lines: dict[str, str]


def recipes() -> dict[str, Recipe]:
    """By heading."""
    found = {}
    for part in (ROOT / "docs" / "adding.md").read_text().split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        blocks = BLOCK.findall(text)
        if blocks:
            files = {path: body for path, language, body in blocks if language != "diff"}
            found[heading] = Recipe(files, {path: body for path, language, body in blocks if language == "diff"})
    return found


def patched(text: str, hunks: str) -> str:
    """A file's text with the lines of a diff; lines of it that are there already must stand together, once."""
    lines = text.splitlines()
    for hunk in hunks.split("...\n"):
        after = hunk.splitlines()
        before = [line[1:] for line in after if not line.startswith("+")]
        starts = [i for i in range(len(lines)) if lines[i : i + len(before)] == before]
        assert len(starts) == 1, f"docs/adding.md: these stand {len(starts)} times in the file:\n{hunk}"
        lines[starts[0] : starts[0] + len(before)] = [line[1:] for line in after]
    return "\n".join(lines) + "\n"


class Copy:
    """A copy of the working tree in which commands can be run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT, root, ignore=_left_out, symlinks=True)

    def add(self, recipe: Recipe) -> None:
        for path, text in recipe.files.items():
            assert not (self.root / path).exists(), f"{path} is there already"
            (self.root / path).write_text(text)
        for path, hunks in recipe.lines.items():
            self.change(path, patched((self.root / path).read_text(), hunks))

    def change(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A module with its arguments, run with the copy's code."""
        environment = os.environ | {
            "PYTHONPATH": f"{self.root / 'src'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "160",
        }
        call = [sys.executable, "-m", *words]
        return subprocess.run(call, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def check(self, *words: str) -> str:
        """The output of a module that must succeed."""
        ran = self.run(*words)
        assert ran.returncode == 0, f"{' '.join(words)}\n{ran.stdout[-6000:]}\n{ran.stderr[-3000:]}"
        return ran.stdout


def _left_out(folder: str, names: list[str]) -> list[str]:
    """What git does not hold: environments, caches, results of runs."""
    if Path(folder) == ROOT:
        return [name for name in names if name not in KEPT and (ROOT / name).is_dir()]
    return [name for name in names if name == "__pycache__" or name.endswith(".egg-info")]
