"""Natural shifts: the same models on other labelled data, each in a run folder of its own inside the run."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Any

from brittlestar.api.evaluation import Evaluation, Opened, parse_duration
from brittlestar.api.run import Run
from brittlestar.core.errors import DataError, StoreError, UsageError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable
from brittlestar.data.labels import numbered
from brittlestar.models import ModelSpec
from brittlestar.runs.budget import Budget
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from brittlestar.store.nature import nature_folder
from brittlestar.suites.given import suites_of

SHARE = 0.15
"""Part of a budget that is kept for all natural shifts together: one condition each."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,60}")


def parse_nature(texts: list[str]) -> dict[str, str]:
    """``NAME=DATA`` or ``DATA`` by name; the name is otherwise the last part of the path.

    Raises:
        UsageError: A name twice, or one that no folder can have.
    """
    named: dict[str, str] = {}
    for text in texts:
        name, equals, data = text.partition("=")
        if not equals or "/" in name:
            data, name = text, re.sub(r"[^A-Za-z0-9._-]+", "-", text.rstrip("/").rsplit("/", 1)[-1]).strip("-.")
        require(bool(data), f"{option('nature', text)} names no data: write NAME=DATA", UsageError)
        require(name not in named, f"two natural shifts are called {name!r}: write NAME=DATA for one", UsageError)
        named[name] = data
    check_names(named)
    return named


def check_names(nature: Mapping[str, Any]) -> None:
    """Hold names to what a folder may be called on any system; a UsageError otherwise."""
    for name in nature:
        fits = _NAME.fullmatch(name) is not None and not name.endswith((" ", "."))
        require(fits, f"a natural shift is called by letters, digits, '.', '_' and '-', got {name!r}", UsageError)
    # Some file systems do not tell capitals apart.
    require(len({name.lower() for name in nature}) == len(nature), f"names that differ in capitals: {[*nature]}")


def run_with_nature(
    asked: Evaluation,
    model: Any,
    data: Any,
    watch: Watch,
    *,
    command: str = "",
    budget: Budget | None = None,
) -> Run:
    """``Evaluation.run``, and then the same models on the clean images of other data.

    Args:
        asked: What is asked of the data themselves; of the others, ``asked.nature``, only their clean images are. These
            are labelled data by name, as for ``evaluate``; their classes must be those of ``data``.
        model, data, watch, command, budget: As for ``Evaluation.run``.

    Returns:
        The run; its outcome is that of the first part that did not come to its end.

    Raises:
        StoreError: A model is not the one that answered the data themselves.
        And what ``Evaluation.run`` raises.
    """
    nature = asked.nature
    if not nature:
        return asked.run(model, data, watch, command=command, budget=budget)
    check_names(nature)
    watch.phase("opening the data")
    opened = asked.opened(data, suites_of(asked.suite), watch)
    parts = {}
    for name, other in nature.items():
        watch.phase(f"opening {name}")
        parts[name] = _opened(asked, other, name, opened)
    if budget is None and asked.budget is not None:
        budget = Budget(parse_duration(asked.budget), report=asked.live)
    own = budget if budget is None else dataclasses.replace(budget, seconds=(1 - SHARE) * budget.seconds)
    run = asked.run(model, data, watch, command=command, budget=own, opened=opened)
    assert run.outcome is not None
    outcome, began = run.outcome, time.monotonic()
    for name, other in nature.items():
        if outcome.stop == "interrupted":
            break
        watch.note(f"natural shift {name}")
        part, there = parts[name]
        found = part.run(_as_settled(run, model), other, watch, command=command, budget=budget, opened=there)
        _require_same(run, found, name)
        assert found.outcome is not None
        done = found.outcome
        stop = outcome.stop if done.stop == "complete" else done.stop
        seconds = outcome.seconds + (time.monotonic() - began)
        images, unread = outcome.images + done.images, (*outcome.unread, *done.unread)
        outcome = dataclasses.replace(outcome, stop=stop, seconds=seconds, images=images, unread=unread)
        began = time.monotonic()
    return dataclasses.replace(run, outcome=outcome)


def _opened(asked: Evaluation, other: Any, name: str, own: Opened) -> tuple[Evaluation, Opened]:
    """What is asked of other data, and these opened before any model is asked: what is wrong is said at once.

    Raises:
        UsageError: They cannot be read, or are of other classes than the run's data.
    """
    part = dataclasses.replace(
        asked,
        suite="clean",
        out=nature_folder(own.folder, name),
        budget=None,
        precision=None,
        groups=None,
        contexts=None,
        metadata=None,
        shifted=True,
        live=False,
        nature=None,
        outside=None,
    )
    try:
        opened = part.opened(other, suites_of("clean"), Watch())
        if opened.classes != own.classes and opened.source.space is None:
            _require_classes(opened.classes, own.classes)
            if set(opened.classes) == set(own.classes):
                part = dataclasses.replace(part, classes=own.classes)
                opened = part.opened(other, suites_of("clean"), Watch())
    except UsageError as error:
        raise type(error)(f"natural shift {name}: {error}") from error
    return part, opened


def _require_classes(other: tuple[str, ...], own: tuple[str, ...]) -> None:
    """Refuse other classes than the run's, by name; mere numbers are places in the models' order."""
    if numbered(len(other)) == other or numbered(len(own)) == own:
        return
    sides = ((other, "its classes", own, "the data's"), (own, "the data's", other, "its classes"))
    told = []
    for names, whose, known, whom in sides:
        strange = [name for name in names if name not in set(known)]
        if strange:
            listed = ", ".join(map(readable, strange[:3])) + (", ..." if len(strange) > 3 else "")
            told.append(f"{len(strange):,} of {whose} are none of {whom} ({listed})")
    way = f"give the classes the same names, or list the models' with {option('classes')}"
    require(not told, f"it must have the classes of the run's data: {'; '.join(told)}; {way}", DataError)


def _as_settled(run: Run, model: Any) -> Any:
    """The models as the run settled them: who normalises is a question to the data that they were made for."""
    manifest = RunStore.open(run.path).manifest
    named = {name: manifest.models[name].get("how") for name in manifest.sessions[-1].models}
    # Models that were given as objects carry their settings themselves.
    return {name: ModelSpec.from_record(how) for name, how in named.items() if how} if all(named.values()) else model


def _require_same(run: Run, found: Run, name: str) -> None:
    own, other = (RunStore.open(one.path).manifest.models for one in (run, found))
    for model, about in other.items():
        known = own.get(model)
        require(
            known is None or known["fingerprint"] == about["fingerprint"],
            f"model {model} answers {name} otherwise set up than {run.path}: say {option('normalise')} or its "
            "counterpart, and give another folder",
            StoreError,
        )
