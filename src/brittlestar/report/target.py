"""Where a report may be written: its own files are replaced, nobody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import UsageError, require
from brittlestar.store import RunStore

SUMMARY = "summary.json"
BESIDE = ("results.csv", "results.md", SUMMARY)
"""What stands beside a page."""

GENERATOR = b'<meta name="generator" content="Brittlestar'
_HEAD = 4096


def told_of(stores: Sequence[RunStore]) -> list[dict[str, Any]]:
    """The runs that a report tells of: when and on what each began, as a digest, and its models."""
    return [
        {
            "id": fingerprint_of([store.manifest.created, store.manifest.seed, store.manifest.data["fingerprint"]]),
            "models": sorted(str(about["fingerprint"]) for about in store.manifest.models.values()),
        }
        for store in stores
    ]


def check_target(page: Path, stores: Sequence[RunStore], beside: Sequence[str] = ()) -> None:
    """Refuse to write over files that are no report on these runs.

    A folder that holds an earlier report on the same runs is taken, as is one where none of the files exists.

    Args:
        page: The page that is to be written, with ``BESIDE`` in its folder.
        stores: The runs that it tells of.
        beside: Names of further files that are to be written into the folder.

    Raises:
        UsageError: With the files that would be lost.
    """
    there = [path for name in dict.fromkeys((page.name, *BESIDE, *beside)) if (path := page.parent / name).exists()]
    if not there:
        return
    before = _summary(page.parent / SUMMARY)
    foreign = there if before is None or not _same(before, stores) else [page] if not _ours(page) else []
    title = before.get("title") if before is not None else None
    whose = f"a report on something else ({title})" if title else "no report on this"
    require(
        not foreign,
        f"{page.parent} holds {', '.join(path.name for path in foreign)} of {whose}, which would be lost: write into "
        "another folder, or move them away first",
        UsageError,
    )


def _ours(page: Path) -> bool:
    """Whether a page is there that Brittlestar wrote, or none at all."""
    try:
        with page.open("rb") as file:
            return GENERATOR in file.read(_HEAD)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _summary(path: Path) -> Mapping[str, Any] | None:
    """The summary that stands beside a report; ``None`` for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and {"title", "data", "models"} <= found.keys() else None


def _same(before: Mapping[str, Any], stores: Sequence[RunStore]) -> bool:
    """Whether a summary tells of the same runs, which may have grown since."""
    now = {run["id"]: set(run["models"]) for run in told_of(stores)}
    try:
        if "runs" in before:
            told = {run["id"]: set(run["models"]) for run in before["runs"]}
            # Two runs may have begun in the same second; their models tell them apart.
            return told.keys() == now.keys() and all(models <= now[run] for run, models in told.items())
        # Written by a version that did not name the runs.
        data = {store.manifest.data["fingerprint"] for store in stores}
        models = set().union(*now.values())
        return {d["fingerprint"] for d in before["data"]} == data and {
            m["fingerprint"] for m in before["models"]
        } <= models
    except (KeyError, TypeError, AttributeError):
        return False
