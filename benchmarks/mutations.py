"""Do the tests notice when the code is wrong? Seeded mutations of measures, shifts, store and readers, one at a time.

    python benchmarks/mutations.py                  # 40 mutations; the tests of the package they stand in
    python benchmarks/mutations.py --count 5 --seed 7

A mutation changes one operator or number inside a function of a copy of the package: ``<`` becomes ``<=``, ``+``
becomes ``-``, 2 becomes 3, a condition its contrary. It is caught when a test fails; the quick tests (``./dev test``)
are asked, in the order in which they are likely to notice. Prints each mutation, and whether and by which test it was
caught.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "brittlestar"

TESTS = {
    "measures": (
        "test_measures_*.py",
        "test_design_heeded*.py",
        "test_looks.py",
        "test_clips.py",
        "test_consistency.py",
        "test_label_free.py",
        "test_outside.py",
        "test_population_*.py",
        "test_rank_correlation.py",
        "test_detection.py",
        "test_transplant.py",
        "test_nature.py",
        "test_time.py",
    ),
    "shifts": ("test_shifts_*.py", "test_sequences*.py", "test_frost.py", "test_fourier_exact.py", "test_suites.py"),
    "store": ("test_store_*.py", "test_looks.py", "test_skip_bad.py", "test_people.py", "test_contexts.py"),
    "data": (
        "test_data_*.py",
        "test_preparation.py",
        "test_sample_names.py",
        "test_skip_bad.py",
        "test_label_space*.py",
        "test_published_sets*.py",
        "test_contexts.py",
        "test_nico.py",
        "test_clips.py",
        "test_time.py",
        "test_estimate.py",
    ),
}
"""Packages that are mutated, and the tests that are asked."""

DRAWN = ("sample.py", "synthetic_contexts.py", "video.py")
"""Pictures drawn by arithmetic: no readers, and any others would do. Videos need an extra, which quick tests lack."""

_COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True)
class Mutation:
    """One change: the file, the line, the line before and after, and the whole text with it."""

    file: Path
    line: int
    before: str
    after: str
    text: str


def _places(tree: ast.AST) -> list[ast.AST]:
    """What can be changed inside of functions, in the order of the text; no messages, annotations or defaults."""
    found: list[ast.AST] = []

    def visit(node: ast.AST) -> None:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "args") and isinstance(node, ast.FunctionDef):
                continue
            if name == "annotation" or isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    if _change(copy.deepcopy(child)) is not None:
                        found.append(child)
                    visit(child)

    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name != "__repr__":
            for statement in function.body:
                if not isinstance(statement, ast.FunctionDef):
                    visit(statement)
    return list(dict.fromkeys(found))


def _change(node: ast.AST) -> ast.AST | None:
    """The node changed in place, or ``None`` where there is nothing to change."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARED:
        node.ops = [_COMPARED[type(node.ops[0])]()]
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        if isinstance(node.left, ast.Constant | ast.JoinedStr) and isinstance(getattr(node.left, "value", ""), str):
            return None  # text put together
        node.op = _COMPUTED[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value = node.value + 1 if isinstance(node.value, int) else node.value * 1.5 + 0.01
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        return None
    return node


def mutation(file: Path, number: int) -> Mutation:
    """The change of one place of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    node = _places(tree)[number]
    line = int(getattr(node, "lineno", 0))
    before = ast.unparse(node).splitlines()[0]
    _change(node)
    text = ast.unparse(ast.fix_missing_locations(tree))
    return Mutation(file, line, before, ast.unparse(node).splitlines()[0], text)


def _chance(seed: int, file: Path) -> list[tuple[str, Path, int]]:
    """A random number for each place of a file. It hangs on the file's name and the place's own text alone, so that a
    change elsewhere draws no other mutations, and 8 are the first of 40."""
    name, seen, chance = file.relative_to(SOURCE).as_posix(), Counter[str](), []
    for number, node in enumerate(_places(ast.parse(file.read_text(encoding="utf-8")))):
        text = ast.unparse(node)
        seen[text] += 1
        words = f"{seed} {name} {seen[text]} {text}"
        chance.append((hashlib.sha256(words.encode()).hexdigest(), file, number))
    return chance


def drawn(count: int, seed: int) -> list[Mutation]:
    """Mutations drawn evenly among the packages, in each evenly among all places."""
    chosen = []
    for place, package in enumerate(TESTS):
        files = [file for file in sorted((SOURCE / package).rglob("*.py")) if file.name not in DRAWN]
        own = count // len(TESTS) + (place < count % len(TESTS))
        every = sorted(chance for file in files for chance in _chance(seed, file))
        chosen += [mutation(file, number) for _, file, number in every[:own]]
    return chosen


def caught_by(one: Mutation) -> str:
    """The test that fails, or an empty text."""
    package = one.file.relative_to(SOURCE).parts[0]
    files = [file for pattern in TESTS[package] for file in sorted((ROOT / "tests").glob(pattern))]
    # Tests that name the file, or its folder, come first: they are likely to notice.
    words = {one.file.stem, one.file.parent.name} - {package, "ops", "plain", "compiled", "__init__", "base"}
    files.sort(key=lambda f: not any(re.search(rf"\b{w}\b", f.read_text(encoding="utf-8")) for w in words))
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "src" / "brittlestar"
        # What is compiled already stays so, except where other compiled code may hold the function that changes.
        kept = () if "ops.jit import" not in one.text else ("*.nbi", "*.nbc")
        shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns(*kept))
        (copied / one.file.relative_to(SOURCE)).write_text(one.text, encoding="utf-8")
        failed = _failing(map(str, files), copied.parent)
    # A test that fails without the mutation too has noticed nothing.
    return "" if failed and _failing([failed], SOURCE.parent) else failed


def _failing(tests: Iterable[str], source: Path) -> str:
    """The first of the quick tests that fails with the package in ``source``, or an empty text."""
    words = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "-m", "not slow")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "NUMBA_DISABLE_JIT": "0"},
    )
    # Names of tests may hold spaces; what follows the dash is the error.
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.M)
    return "" if done.returncode == 0 else failed[1] if failed else f"pytest ended with {done.returncode}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    caught = 0
    for one in drawn(asked.count, asked.seed):
        test = caught_by(one)
        caught += bool(test)
        where = f"{one.file.relative_to(SOURCE)}:{one.line}"
        print(f"{'caught' if test else 'MISSED'}  {where}: {one.before}  ->  {one.after}  {test}", flush=True)
    print(f"{caught} of {asked.count} caught")


if __name__ == "__main__":
    main()
