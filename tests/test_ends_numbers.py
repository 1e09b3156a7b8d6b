"""No number, device or name that a person may type ends in a traceback or is called a bug."""

from __future__ import annotations

import itertools
import os
import sys
import typing
from pathlib import Path

import pytest

from brittlestar.cli.bounds import MOST, bounded
from brittlestar.core.errors import BrittlestarError
from test_cli_failures import EVERY, INSIDE, call, registered
from tiny import make_world

NUMBERS = ("nan", "inf", "-inf", "1e400", "-1", "0", "99999999999999999999999", "9223372036854775808")
DEVICES = ("nan", "-1", "", "cuda:99", "meta", "mps", "cpu:9999999999999", "\udcff", "gpu")


def options() -> list[tuple[str, str, str]]:
    """(verb, option, kind) of every option that takes a number or a device."""
    found = []
    for verb, command in EVERY.items():
        hints = typing.get_type_hints(registered(verb).callback)
        for parameter in command.params:
            kinds = {hints.get(parameter.name), *typing.get_args(hints.get(parameter.name))}
            number = bool(kinds & {int, float})
            if (number or parameter.name == "device") and parameter.opts[0].startswith("--"):
                found.append((verb, parameter.opts[0], "number" if number else "device"))
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    make_world(folder, 12)
    return folder


def test_every_verb_checks_its_numbers_and_its_device_first() -> None:
    """Those that no verb can do anything with, before the verb itself is called."""
    assert len(options()) > 40
    for verb, option, kind in options():
        name = next(p.name for p in EVERY[verb].params if p.opts[0] == option)
        called = []
        checked = bounded(lambda called=called, **given: called.append(given))
        for value in (float("nan"), float("inf"), 2**63, -(2**63)) if kind == "number" else DEVICES:
            with pytest.raises(BrittlestarError):
                checked(**{name: value})
        for value in (0.5, min(7, MOST.get(name, 7))) if kind == "number" else ("cpu",):
            checked(**{name: value})
        assert len(called) == (2 if kind == "number" else 1)
        assert registered(verb).callback.__wrapped__ is not None, f"{verb} is called without its checks"


SHORT = {
    "run": "--model torch:{w}/model.py:model --data {w}/data.npz --suite clean --out {out}/run --workers 1 --anyway "
    "--no-report",
    "train": "--recipe natural --data {w}/data.npz --batch 6 --out {out}/trained",
    "show suite": "clean --out {out}",
}


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "option"), [(v, o) for v, o, kind in options() if kind == "number" and v in SHORT])
def test_any_number_in_a_command_line(world: Path, tmp_path: Path, verb: str, option: str) -> None:
    for number, value in enumerate(NUMBERS):
        words = SHORT[verb].format(w=world, out=tmp_path / str(number)).split()
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
        if verb == "train" and option != "--epochs":
            words += ["--epochs", "1"]
        code, err = call([*verb.split(), *words, option, value])
        assert code in (0, 2) and "Traceback" not in err and "Warning" not in err, (option, value, err)


NAMES = ("\udcff\udcfe", "a\nb", "\u202egnp.exe", "π\u0301", "a" * 300, "x:y", "con", "-", "~", "a\tb", "%s{}")


@pytest.mark.parametrize("verb", sorted(set(INSIDE) - {"demo", "textures"}))
def test_any_name_in_any_encoding(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.chdir(tmp_path)
    words = INSIDE[verb].words.format(w=world, out=tmp_path / "out").split()
    for name, place in itertools.product(NAMES, range(len(words))):
        if words[place].startswith("--"):
            continue
        changed = [*words[:place], name, *words[place + 1 :]]
        if "--model" in words and name == words[words.index("--model") + 1]:
            continue
        # A name of a folder to write into may be right; nothing is trained or measured for it here.
        if place and words[place - 1] in ("--out", "--samples", "--epochs", "--batch", "--steps", "--workers"):
            continue
        code, err = call([*verb.split(), *changed])
        assert code in (0, 2) and "Traceback" not in err, (changed, err)
        err.encode("utf-8", "strict" if "\udcff" not in name else "backslashreplace")


@pytest.mark.skipif(os.name == "nt", reason="file names are no bytes there")
def test_a_terminal_that_knows_ascii_only(world: Path, tmp_path: Path) -> None:
    import subprocess

    words = ["list", "shifts"], ["run", "--model", "\udcff.pt", "--data", "größe\udcfe.npz"]
    for one in words:
        done = subprocess.run(
            [sys.executable, "-m", "brittlestar", *map(os.fsencode, one)],
            env=os.environ | {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "PYTHONUTF8": "0"},
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == (0 if one[0] == "list" else 2), done.stderr
        assert b"Traceback" not in done.stderr and b"UnicodeEncodeError" not in done.stderr
