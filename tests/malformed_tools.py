"""A small finished run folder with every kind of file, and ways in which each of its files may be malformed."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brittlestar.core.sealed import read_arrays, write_arrays, write_json, write_sealed
from brittlestar.store import RunStore
from golden_tools import GOLDEN, make_world
from tiny import called

MODEL = ("--model", "torch:world.py:first", "--data", "data.npz", "--out", "run")
HOW = ("--samples", "8", "--workers", "1", "--batch", "60", "--device", "cpu", "--anyway")

READERS: dict[str, tuple[str, ...]] = {
    "report": ("report", "run"),
    "verify": ("store", "verify", "run"),
    "list": ("figure", "run", "--list"),
    "audit": ("audit", "--trust", "--cells", "2", "run"),
    "figure": ("figure", "run", "--out", "maps.svg"),
}
"""Commands that leave a run folder as it is, but for its report."""

WRITERS: dict[str, tuple[str, ...]] = {
    "compact": ("store", "compact", "run"),
    "explain": ("explain", "run", "--data", "data.npz"),
    "fourier": ("fourier", *MODEL, *HOW, "--region", "3"),
    "run": ("run", *MODEL, *HOW, "--suite", "mnist-c"),
}
"""Commands that write into a run folder, each to be given a fresh one."""

TEXTS = {
    "empty": b"",
    "garbage": bytes(range(256)) * 3,
    "null": b"null",
    "list": b"[]",
    "mapping": b"{}",
    "text": b'"x"',
    "overflow": b"1e400",
    "huge": b"1" + b"0" * 30,
    "many digits": b"9" * 5000,
    "deep": b"[" * 10_000,
    "deep and closed": b"[" * 10_000 + b"]" * 10_000,
    "deep mapping": b'{"schema": ' * 10_000 + b"1" + b"}" * 10_000,
}
"""What stands in a file in place of its content."""

VALUES: dict[str, Any] = {"null": None, "list": [None], "huge": 10**30, "text": "x\x1b[2J", "mapping": {"x": 10**30}}
"""What stands in place of a value of a JSON file, under a seal that fits."""

TWINS = {"manifest.json": "manifest-copy.json"}
"""Files that stand in for each other: they are malformed together, or the other would be read."""


def make_finished(folder: Path) -> Path:
    """A world with a finished run in it: examples, identities, an explanation, a report and a sharper map."""
    run = make_world(folder)
    with contextlib.chdir(folder):
        for words in (WRITERS["run"], WRITERS["fourier"]):
            assert called(*words).returncode == 0
        about = next(iter(RunStore.open("run").manifest.models.values()))
        for path in sorted(next((GOLDEN / "run" / "surveys").glob("*/*")).iterdir()):
            copied = run / "surveys" / about["fingerprint"] / path.parent.name / path.name
            if path.suffix == ".npz":
                write_arrays(copied, read_arrays(path, required=False))
            else:
                write_sealed(copied, path.read_bytes())
        assert called(*WRITERS["explain"]).returncode == 0
    return folder


def kinds(run: Path) -> dict[str, list[Path]]:
    """The files of a run folder, relative to it, by their kind: names that differ only in digits are of one."""
    by_kind: dict[str, list[Path]] = {}
    for path in sorted(run.rglob("*")):
        if path.is_file():
            inside = path.relative_to(run)
            by_kind.setdefault(re.sub(r"[0-9a-f]{6,}|\d+", "#", str(inside)), []).append(inside)
    return by_kind


def changes(run: Path, inside: Path) -> Iterator[str]:
    """Names of the ways in which ``change`` can malform a file."""
    yield from TEXTS
    yield from ("truncated", "directory", "unreadable", "link to itself")
    if inside.suffix != ".json":
        return
    content = _mapping(run / inside)
    for keys in _places(content):
        yield json.dumps(["without", *keys])
        for name in VALUES:
            yield json.dumps([name, *keys])


def _mapping(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_bytes())
    return {k: v for k, v in content.items() if k != "digest"} if isinstance(content, dict) else {}


def _places(value: Any, depth: int = 4) -> Iterator[list[Any]]:
    """Keys of a mapping, and of the first of what lies in it."""
    if isinstance(value, list):
        value = dict(enumerate(value[:1]))
    if not isinstance(value, dict) or not depth:
        return
    # Of many that are alike, such as conditions, the first, second and last tell enough.
    alike = len(value) > 3 and all(isinstance(v, dict) for v in value.values())
    keys = list(value)
    for key in [*keys[:2], keys[-1]] if alike else keys:
        yield [key]
        for inner in _places(value[key], depth - 1):
            yield [key, *inner]


def change(run: Path, inside: Path, name: str) -> None:
    """Malform a file of a run folder, and its twin."""
    for path in [run / inside, *([run / TWINS[str(inside)]] if str(inside) in TWINS else [])]:
        before = path.read_bytes()
        value = _mapping(path) if name.startswith("[") else {}
        # Folders are copied as hard links: never into the old file.
        path.unlink()
        if name in TEXTS:
            path.write_bytes(TEXTS[name])
        elif name == "truncated":
            path.write_bytes(before[: len(before) // 2])
        elif name == "directory":
            path.mkdir()
        elif name == "unreadable":
            path.write_bytes(before)
            path.chmod(0)
        elif name == "link to itself":
            path.symlink_to(path.name)
        else:
            how, *keys = json.loads(name)
            value = changed(value, keys, how)
            if value:
                write_json(path, value)
            else:
                path.write_text("{}")


def changed(value: Any, keys: list[Any], how: str) -> Any:
    """A copy in which what the keys lead to is replaced, or left out."""
    value = copy.deepcopy(value)
    at = value
    for key in keys[:-1]:
        at = at[key]
    if how == "without":
        del at[keys[-1]]
    else:
        at[keys[-1]] = VALUES[how]
    return value


def fresh(made: Path, folder: Path) -> Path:
    """A copy of a world in hard links; files are only ever replaced in it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder, copy_function=os.link)
    return folder


def wrong(world: Path, words: tuple[str, ...]) -> str:
    """What is wrong with how a command ends; empty where it does its work, or leaves with one readable line."""
    try:
        with contextlib.chdir(world):
            done = called(*words)
    except BaseException as error:
        return f"{type(error).__name__} escaped: {error}"
    told = done.stderr.strip().splitlines()
    if done.returncode not in (0, 2) or "Traceback" in done.stdout + done.stderr:
        return f"exit code {done.returncode}: {told[-1:]}"
    if "\x1b" in done.stdout + done.stderr:
        return "an escape sequence is printed"
    if done.returncode == 2 and not any(line.startswith("error: ") and len(line) > 20 for line in told):
        return f"no line says why: {told[-3:]}"
    return ""


def ends(made: Path, folder: Path, inside: Path, name: str, commands: dict[str, tuple[str, ...]]) -> list[str]:
    """Give commands a run folder with a malformed file; what is wrong with how they end."""
    told, last = [], ""
    for command, words in commands.items():
        if command in WRITERS or last not in READERS:
            change(fresh(made, folder) / "run", inside, name)
        last = command
        if problem := wrong(folder, words):
            told.append(f"{command} with {inside} {name}: {problem}")
    return told
