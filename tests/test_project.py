"""The repository itself: small files, no traces of a machine, one version everywhere, every module explained."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from brittlestar.core.version import VERSION

ROOT = Path(__file__).resolve().parents[1]


def tracked() -> dict[Path, str]:
    """Files that git knows or would take, with their mode."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return {ROOT / name: name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def texts() -> dict[str, str]:
    """Tracked text files by name."""
    found = {}
    for path, name in tracked().items():
        content = path.read_bytes()
        if b"\0" not in content:
            found[name] = content.decode()
    assert len(found) > 50
    return found


def lines_with(pattern: str) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]


def test_no_line_of_a_template_has_more_than_160_characters() -> None:
    templates = {n: t for n, t in texts().items() if n.startswith("src/") and n.endswith(".html")}
    long = [f"{n}:{i}" for n, t in templates.items() for i, line in enumerate(t.splitlines(), 1) if len(line) > 160]
    assert len(templates) > 10 and not long, long


def test_no_class_name_stands_for_two_things() -> None:
    """Shifts and measures are named by their files' readers, so a name that two packages use misleads."""
    sources = {n: t for n, t in texts().items() if n.startswith("src/") and n.endswith(".py")}
    names = Counter(name for t in sources.values() for name in re.findall(r"^class (\w+)", t, re.MULTILINE))
    assert not [name for name, times in names.items() if times > 1]


def test_no_source_file_has_more_than_400_lines() -> None:
    long = {n: c for n, t in texts().items() if n.endswith((".py", ".js", ".css")) and (c := t.count("\n")) > 400}
    assert long == {}


def test_no_large_files() -> None:
    assert [name for path, name in tracked().items() if path.stat().st_size > 500_000] == []


def test_no_paths_of_a_machine() -> None:
    homes = "|".join(["root", "home", "Users", "work", "opt", "mnt", "tmp"])
    here = {str(ROOT), str(Path.home()) + os.sep}
    assert lines_with(rf"(?<![\w.\-~}}])/({homes})/[\w.]") == []
    assert [line for place in here for line in lines_with(re.escape(place) + r"(?!\w)")] == []


def test_no_hosts_of_package_registries() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "download.py" + "torch.org", "npm" + "js.org", "conda" + ".org"]
    assert lines_with("|".join(map(re.escape, hosts))) == []


def test_nothing_is_left_unfinished() -> None:
    marks = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "<" * 7, ">" * 7])
    assert lines_with(rf"(#|//|/\*)\s*({marks})\b|^({'<' * 7}|{'>' * 7}) ") == []


def test_every_module_says_what_it_is() -> None:
    mute = [
        name
        for name, text in texts().items()
        if name.startswith(("src/", "tests/", "benchmarks/", "examples/"))
        and name.endswith(".py")
        and not ast.get_docstring(ast.parse(text))
    ]
    assert mute == []


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        statement.name
        for name, text in texts().items()
        if name.startswith("src/") and name.endswith(".py")
        for statement in ast.parse(text).body
        if isinstance(statement, ast.ClassDef)
    )
    assert {name: times for name, times in names.items() if times > 1} == {}


def test_every_test_asserts_something() -> None:
    empty = []
    for name, text in texts().items():
        if name.startswith("tests/test_"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                    body = ast.dump(node)
                    if not re.search(r"Assert\(|raises|assert_|same|check|expect|fail", body):
                        empty.append(f"{name}::{node.name}")
    assert empty == []


def test_one_version_everywhere() -> None:
    assert re.search(rf"^## \[{re.escape(VERSION)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.search(rf"^version: {re.escape(VERSION)}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project.get("version", VERSION) == VERSION
    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_torch_is_pinned_for_development_only() -> None:
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [need for need in needs if "==" in need or "<" in need] == []
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_scripts_can_be_executed() -> None:
    for name in ("dev", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK), name
        shell = "bash" if name == ".ci/run" else "sh"
        checked = subprocess.run([shell, "-n", str(ROOT / name)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr


def test_every_package_is_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    packages = [path.parent.name for path in (ROOT / "src" / "brittlestar").glob("*/__init__.py")]
    assert len(packages) > 8
    assert [name for name in packages if f"| `{name}` |" not in page] == []
