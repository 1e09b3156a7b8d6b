"""Markdown that shows every name as it is."""

from __future__ import annotations

from collections.abc import Sequence

from brittlestar.core.text import readable_lines
from brittlestar.measures import Estimate
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import interval, number


def escaped(text: str) -> str:
    """Text that Markdown and HTML leave alone."""
    # The ampersand first, and of the marks the backslash: later they would escape the escapes of the others.
    out = readable_lines(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    for mark in "\\`*_|[]#":
        out = out.replace(mark, "\\" + mark)
    return out


def both(e: Estimate | None) -> str:
    """Value and interval of a share, in percent."""
    return f"{number(e.value * 100)} {interval(e)}" if e is not None else "–"


def set_table(
    title: str,
    caveat: str,
    basis: str,
    listed: Sequence[tuple[ModelEntry, list[tuple[str, str]]]],
    notes: Sequence[str],
) -> list[str]:
    """The summaries of a published set: a heading, what it rests on, a row a model, notes."""
    names = list(dict.fromkeys(name for _, cells in listed for name, _ in cells))
    lines = [f"## {escaped(title)}", "", f"{escaped(basis)}.", ""]
    beside = f" ({caveat})" if caveat else ""
    lines.append("| model | " + " | ".join(escaped(name + beside) for name in names) + " |")
    lines.append("|---|" + "---:|" * len(names))
    for model, cells in listed:
        shown = dict(cells)
        lines.append(f"| {escaped(model.name)} | " + " | ".join(shown.get(name, "–") for name in names) + " |")
    return [*lines, "", *(f"{escaped(note)}\n" for note in notes)]
