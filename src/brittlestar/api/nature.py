"""Natural shifts: the same models on other labelled data, each in a run folder of its own inside the run."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brittlestar.api.evaluation import Evaluation, parse_duration
from brittlestar.api.run import Run
from brittlestar.core.errors import StoreError, UsageError, require
from brittlestar.core.options import option
from brittlestar.data import open_source
from brittlestar.models import ModelSpec
from brittlestar.runs.budget import Budget
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from brittlestar.store.nature import nature_folder

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
    for name, other in nature.items():
        watch.phase(f"opening {name}")
        _check(asked, other, name)
    if budget is None and asked.budget is not None:
        budget = Budget(parse_duration(asked.budget), report=asked.live)
    own = budget if budget is None else dataclasses.replace(budget, seconds=(1 - SHARE) * budget.seconds)
    run = asked.run(model, data, watch, command=command, budget=own)
    assert run.outcome is not None
    outcome, began = run.outcome, time.monotonic()
    for name, other in nature.items():
        if outcome.stop == "interrupted":
            break
        watch.note(f"natural shift {name}")
        part = dataclasses.replace(
            asked,
            suite="clean",
            out=nature_folder(run.path, name),
            budget=None,
            precision=None,
            groups=None,
            shifted=True,
            live=False,
            nature=None,
            outside=None,
        )
        found = part.run(_as_settled(run, model), other, watch, command=command, budget=budget)
        _require_same(run, found, name)
        assert found.outcome is not None
        done = found.outcome
        stop = outcome.stop if done.stop == "complete" else done.stop
        seconds = outcome.seconds + (time.monotonic() - began)
        images, unread = outcome.images + done.images, (*outcome.unread, *done.unread)
        outcome = dataclasses.replace(outcome, stop=stop, seconds=seconds, images=images, unread=unread)
        began = time.monotonic()
    return dataclasses.replace(run, outcome=outcome)


def _check(asked: Evaluation, other: Any, name: str) -> None:
    """Open data on disk once before any model is asked: what cannot be read is said now, not after hours."""
    if not isinstance(other, str | Path):
        return
    try:
        open_source(
            other,
            resize=asked.resize,
            crop=asked.crop,
            filter=asked.resize_filter,
            rounding=asked.resize_rounding,
            prepare=asked.prepare,
            skip_bad=asked.skip_bad,
            one_class=True,
        )
    except UsageError as error:
        raise type(error)(f"natural shift {name}: {error}") from error


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
