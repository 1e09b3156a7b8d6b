"""Messages name the Python argument to whoever writes Python, and the flag to whoever types a command."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

import brittlestar as bs
from brittlestar.analyses.stimuli import show
from brittlestar.api.predicted import predicted
from brittlestar.build.matched import MatchedSet
from brittlestar.build.matched_files import build_matched
from brittlestar.cli.main import app
from brittlestar.core import options
from brittlestar.core.errors import UsageError
from brittlestar.core.options import COMMAND, OPTIONS, PYTHON, option, speak
from brittlestar.models import ModelSpec
from brittlestar.population import analysed, read_population
from brittlestar.reproduce import PublishedFiles
from brittlestar.runs.executors import worker
from brittlestar.runs.reopen import reopened
from brittlestar.training.fit import fit
from tiny import make_world

SOURCE = Path(bs.__file__).parent


@pytest.fixture
def command_language() -> Iterator[None]:
    before = speak(COMMAND)
    yield
    speak(before)


def flags(group: Any = None) -> set[str]:
    """Every flag of every verb."""
    group = group or typer.main.get_command(app)
    found = {name for parameter in group.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for verb in getattr(group, "commands", {}).values():
        found |= flags(verb)
    return {name for name in found if name.startswith("--")}


OWNERS: dict[str, set[str]] = {
    "evaluate": set(inspect.signature(bs.evaluate).parameters),
    "fit": set(inspect.signature(fit).parameters),
    "ModelSpec": {field.name for field in dataclasses.fields(ModelSpec)},
    "reopened": set(inspect.signature(reopened).parameters),
    "estimate": set(inspect.signature(bs.Run.estimate).parameters),
    "predicted": set(inspect.signature(predicted).parameters),
    "read_population": set(inspect.signature(read_population).parameters),
    "analysed": set(inspect.signature(analysed).parameters),
    "MatchedSet": {field.name for field in dataclasses.fields(MatchedSet)},
    "build_matched": set(inspect.signature(build_matched).parameters),
    "show": set(inspect.signature(show).parameters),
    "PublishedFiles": {field.name for field in dataclasses.fields(PublishedFiles)},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_both_names_of_an_option_exist(name: str) -> None:
    known = OPTIONS[name]
    assert known.flag in flags()
    assert known.argument in OWNERS[known.owner]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_named_for_who_asks(name: str, command_language: None) -> None:
    known = OPTIONS[name]
    assert option(name, 3) == f"{known.flag} 3" and option(name) == known.flag
    speak(PYTHON)
    assert "--" not in option(name) and f"{known.argument}=3" in option(name, 3)


def test_switches_and_texts(command_language: None) -> None:
    assert [option("normalise", value) for value in (True, False)] == ["--normalise", "--no-normalise"]
    assert option("factory", "a.py:f") == "--factory a.py:f"
    speak(PYTHON)
    assert [option("normalise", value) for value in (True, False)] == ["normalise=True", "normalise=False"]
    assert option("factory", "a.py:f") == 'ModelSpec(factory="a.py:f")'


def literals() -> Iterator[tuple[str, str]]:
    """(place, text) of every text in the source that is no docstring, outside the command line and its names."""
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("cli/") or name == "core/options.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
                yield f"{name}:{node.lineno}", node.value


COMMANDS = ("report/provenance.py",)
"""Files that write command lines, to be pasted into a terminal."""

COMMAND_LINE = r"^brittlestar .*|`[^`]*`|`[^`]*$|^[^`]*`(?=[^`]*$)"
"""In a message a whole command stands between backticks; a piece of an f-string may hold one end of it."""


def test_no_message_spells_a_flag_itself() -> None:
    every = flags()
    spelt = [
        f"{place}: {text}"
        for place, text in literals()
        if not place.startswith(COMMANDS)
        for flag in re.findall(r"(?<![\w{-])--[a-z][a-z-]*", re.sub(COMMAND_LINE, "", text))
        if flag in every or flag.replace("--no-", "--") in every
    ]
    assert spelt == [], "write option(NAME), of brittlestar.core.options"


def test_every_option_that_a_message_names_is_listed() -> None:
    named = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option":
                first = node.args[0]
                named |= {first.value} if isinstance(first, ast.Constant) else set()
    assert len(named) > 20 and named <= OPTIONS.keys()


def test_the_same_mistake_is_told_in_both_languages(tmp_path: Path) -> None:
    make_world(tmp_path, 20)
    model, data = f"torch:{tmp_path}/model.py:model", f"{tmp_path}/data.npz"
    for name, value in (("samples", 0), ("samples", 1000), ("batch", 0), ("precision", 0.7), ("crop", 2)):
        words = ["--model", model, "--data", data, "--out", str(tmp_path / "run"), "--workers", "1"]
        typed = CliRunner().invoke(app, ["run", *words, f"--{name}", str(value)])
        assert isinstance(typed.exception, UsageError) and f"--{name}" in str(typed.exception), name
        with pytest.raises(UsageError) as raised:
            bs.evaluate(model, data, out=tmp_path / "run", **{name: value})
        assert f"{name}=" in str(raised.value) and "--" not in str(raised.value)
    assert options.spoken() == PYTHON


def test_worker_processes_name_options_as_their_parent_does(
    monkeypatch: pytest.MonkeyPatch, command_language: None
) -> None:
    told: list[Any] = []
    real = worker.get_context("spawn")

    def process(*, target: Any, args: tuple[Any, ...]) -> Any:
        told.append(args)
        return SimpleNamespace(start=lambda: None)

    parts = {name: getattr(real, name) for name in ("RawValue", "RawArray", "Pipe")}
    monkeypatch.setattr(worker, "get_context", lambda _: SimpleNamespace(Process=process, **parts))
    for language in (COMMAND, PYTHON):
        speak(language)
        worker.Worker(b"")
        assert language in told[-1]
    for outer in ("signal.signal", "signal.pthread_sigmask", "die_with"):
        monkeypatch.setattr(f"brittlestar.runs.executors.worker.{outer}", lambda *_: None)
    arguments = list(told[0])
    arguments[0].close()  # the parent has gone: the worker ends as soon as it knows its language
    worker._serve(*arguments)
    assert option("skip_bad", True) == "--skip-bad"
