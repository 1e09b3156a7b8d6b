"""Commands that read answer at once: they leave the heavy packages alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import brittlestar as bs
from brittlestar.cli.listing import KINDS
from tiny import make_world

COMPUTING = ("torch._C", "numba", "pyarrow", "pandas", "matplotlib", "onnxruntime")


def imported(*words: object) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *map(str, words)], capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("kind", KINDS)
def test_lists_import_nothing_that_computes(kind: str) -> None:
    found = imported("-m", "brittlestar", "list", kind)
    assert found.isdisjoint((*COMPUTING, "scipy.special._ufuncs", "_duckdb")), (
        "a module uses torch or scipy while it is imported: write type aliases as texts, "
        "`with torch.no_grad():` for the decorator, and import inside of functions"
    )


@pytest.mark.parametrize("words", [["suite", "imagenet-c"], ["shift", "linf_pgd"], ["shift", "fog", "--no-picture"]])
def test_explanations_without_pictures_import_nothing_that_computes(words: list[str]) -> None:
    assert imported("-m", "brittlestar", "show", *words).isdisjoint(COMPUTING)


def test_results_open_without_what_computes(tmp_path: Path) -> None:
    _, data = make_world(tmp_path, 24)
    how: dict[str, Any] = {"suite": "noise", "anyway": True, "progress": False}
    bs.evaluate(f"torch:{tmp_path}/model.py:model", data, out=tmp_path / "run", **how)
    for words in (["report", tmp_path / "run"], ["store", "verify", tmp_path / "run"]):
        found = imported("-m", "brittlestar", *words)
        assert found.isdisjoint(COMPUTING) and "brittlestar.store" in found
    code = f"import brittlestar as bs; run = bs.Run({str(tmp_path / 'run')!r}); print(run.table()); run._repr_html_()"
    assert imported("-c", code).isdisjoint(COMPUTING)


def test_the_package_imports_next_to_nothing() -> None:
    found = imported("-c", "import brittlestar; dir(brittlestar)")
    assert "brittlestar.core.version" in found
    assert found.isdisjoint((*COMPUTING, "numpy", "scipy", "jinja2", "rich", "typer"))


def test_a_put_off_package_is_the_real_one_once_it_is_used(tmp_path: Path) -> None:
    code = """
import sys
from brittlestar.cli.lazy import put_off
put_off("torch", "scipy")
import brittlestar.shifts, brittlestar.shifts.geometric as shift, brittlestar.models
assert "torch._C" not in sys.modules
from torch.nn import functional
kept = functional
x = shift.torch.ones(1, 3, 8, 8)
import torch, torch.nn.functional
assert shift.torch is torch and functional is torch.nn.functional and "torch._C" in sys.modules
assert kept.relu(-x).sum() == 0
left = [name for name, module in sys.modules.items() if type(module).__name__ == "_StandIn"]
assert not [name for name in left if name.startswith("torch")]
y = brittlestar.shifts.GaussianNoise(sigma=0.1)(x, brittlestar.keys(0, ["a"]))
assert y.shape == x.shape
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_missing_still(tmp_path: Path) -> None:
    code = (
        "from brittlestar.cli.lazy import put_off; put_off('no_such_package')\n"
        "try:\n    import no_such_package\nexcept ModuleNotFoundError:\n    print('missing')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "missing\n", done.stderr


def test_python_dash_m_is_the_command(tmp_path: Path) -> None:
    make_world(tmp_path, 8)
    done = subprocess.run([sys.executable, "-m", "brittlestar", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("brittlestar ")
