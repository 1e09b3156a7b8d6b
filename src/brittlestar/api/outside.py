"""Ask the models of a run about images from outside of its classes; rows go into run folders inside of the run's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.data import open_source
from brittlestar.data.base import Source
from brittlestar.data.outside import outside_of
from brittlestar.runs.request import Request, Watch
from brittlestar.runs.session import run_session

FOLDER = "outside"
"""In a run folder: a run folder for each set of images from outside."""


def opened_outside(given: Any, inside: Source, classes: tuple[str, ...], how: dict[str, Any]) -> dict[str, Source]:
    """Images from outside by name, prepared as those inside are.

    Args:
        given: One set or a list of sets, as ``data`` of ``evaluate``.
        inside: The settled data.
        classes: Names in the models' order.
        how: What opens the data inside.

    Raises:
        DataError: One cannot be opened, or holds images of the data.
        UsageError: Two have one name.
    """
    found: dict[str, Source] = {}
    keys = ("resize", "crop", "filter", "rounding", "prepare", "skip_bad")
    for one in given if isinstance(given, list) else [given]:
        options = {key: how[key] for key in keys if key in how and not isinstance(one, Source)}
        source = open_source(one, **options, one_class=True)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.info.name)
        require(name not in found, f"two sets of {option('outside')} are called {name}: rename one", UsageError)
        require(
            source.info.shape[0] == inside.info.shape[0],
            f"{source.info.spec} has images of {source.info.shape[0]} channels and the data of {inside.info.shape[0]}",
            UsageError,
        )
        found[name] = outside_of(source, inside, classes)
    return found


def run_outside(request: Request, sets: dict[str, Source], watch: Watch) -> None:
    """Ask the models of a session, which has ended, about clean images from outside; errors as ``run_session``."""
    for name, source in sets.items():
        watch.note(f"images from outside: {name}, {len(source.ids):,}")
        own = dataclasses.replace(
            request,
            source=source,
            labels=np.asarray(source.labels),
            data_how={},
            conditions=_clean(request.conditions),
            suites=("clean",),
            folder=Path(request.folder) / FOLDER / name,
            samples=None,
            precision=None,
            follow_up=None,
            judge=None,
            shifted=True,
            truths=None,
        )
        # No errors are counted on the way: every answer to these images is one.
        run_session(own, dataclasses.replace(watch, enough=None, plan=lambda *_: None, progress=lambda _: None))


def _clean(conditions: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(c for c in conditions if c.info.kind == "clean")
