"""Names that others chose, made harmless for whoever reads them: on a terminal, in a table, on a page.

A name may hold what moves the cursor, turns the text around it (bidirectional controls), breaks a line in two, or
begins a formula in a spreadsheet. It is shown with these written out, never left out: two names stay two.
"""

from __future__ import annotations

import re

# Spaces of other widths: Python does not call them printable, and they do no harm.
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# What spreadsheets take for the beginning of a formula; the tab and the return are written out before.
_FORMULA = ("=", "+", "-", "@")


def readable(name: str) -> str:
    """A name on one line, with what cannot be printed, or would turn the text around it, written out."""
    if _harmless(name):
        return name
    return "".join(c if _harmless(c) else c.encode("unicode_escape").decode() for c in name)


def readable_lines(text: str) -> str:
    """The same for text of several lines."""
    return text if _harmless(text) else "\n".join(map(readable, text.split("\n")))


def table_cell(text: str) -> str:
    """A name for a cell of a table that a spreadsheet may open: an apostrophe stands before what would be a formula."""
    shown = readable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _harmless(text: str) -> bool:
    return text.isprintable() or _SPACES.sub(" ", text).isprintable()
