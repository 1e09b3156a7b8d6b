"""The documentation: links lead somewhere, commands and options exist, Python examples name what there is."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(text: str, *languages: str) -> Iterator[str]:
    """Fenced code of the languages."""
    for language, body in re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language in languages:
            yield body


def commands(text: str) -> Iterator[list[str]]:
    """Words of every command line in the page's shell blocks, continued lines joined, prompts and comments dropped."""
    for body in blocks(text, "sh", "bash", "console", "shell"):
        for line in body.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text()) + re.findall(
        r"(?:src|href)=\"([^\"]+)\"", page.read_text()
    )
    inside = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:", t) and not t.startswith("#")]
    assert [t for t in inside if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_their_options_exist(name: str) -> None:
    from brittlestar.cli.main import app

    root: Any = typer.main.get_command(app)
    verbs = set(re.findall(r"^([a-z]+)(?: \||\))", (ROOT / "dev").read_text(), re.MULTILINE))
    assert {"demo", "test", "check"} <= verbs
    for words in commands((ROOT / name).read_text()):
        if words[0] == "./dev":
            assert words[1] in verbs, words
        if Path(words[0]).name != "brittlestar":
            continue
        node, rest = root, words[1:]
        while hasattr(node, "commands") and rest and not rest[0].startswith("-"):
            assert rest[0] in node.commands, words
            node, rest = node.commands[rest[0]], rest[1:]
        known = {option for parameter in node.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= known | {"--help"}, words


@pytest.mark.parametrize("name", NAMES)
def test_python_examples_name_what_there_is(name: str) -> None:
    for body in blocks((ROOT / name).read_text(), "python", "py"):
        tree = ast.parse(body)
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brittlestar"):
                module = importlib.import_module(str(node.module))
                assert [a.name for a in node.names if not hasattr(module, a.name)] == [], body
            if isinstance(node, ast.Import):
                aliases.update({a.asname or a.name: a.name for a in node.names if a.name.startswith("brittlestar")})
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                owner, path = node.value, [node.attr]
                while isinstance(owner, ast.Attribute):
                    owner, path = owner.value, [owner.attr, *path]
                if isinstance(owner, ast.Name) and owner.id in aliases:
                    found = importlib.import_module(aliases[owner.id])
                    for part in path:
                        assert hasattr(found, part), f"{aliases[owner.id]}.{'.'.join(path)}"
                        found = getattr(found, part)


def test_the_readme_begins_with_the_two_commands() -> None:
    words = list(commands((ROOT / "README.md").read_text()))
    assert ["./dev", "demo"] in words
    assert any(line[:2] == ["brittlestar", "run"] for line in words)


def test_the_example_of_a_shift_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from brittlestar.core.definition import Catalogue
    from brittlestar.suites import own

    text = (ROOT / "docs" / "adding.md").read_text()
    code = next(body for body in blocks(text, "python") if "class Fade" in body)
    (tmp_path / "fade_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    fade = importlib.import_module("fade_of_the_page").Fade
    monkeypatch.setattr(own, "SHIFTS", Catalogue("shift", [fade]))
    assert [len(suite.conditions((3, 8, 8))) for suite in own.own_suites()] == [6], "clean and five severities"
    images = torch.rand(2, 3, 8, 8)
    faded = fade(amount=0.5)(images)
    torch.testing.assert_close(faded, images / 2 + 0.25)
