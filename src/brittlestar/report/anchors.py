"""Where on the page the failing images of a model under a condition are."""

from __future__ import annotations

import hashlib

from brittlestar.report.subjects import ModelEntry


def example_anchor(model: ModelEntry, condition: str) -> str:
    """The anchor (without ``#``) of a model's examples under a condition; the page says so where there are none."""
    return f"example-{model.key}-{condition_mark(condition)}"


def condition_mark(condition: str) -> str:
    """Eight letters and digits that stand for a condition's id, which may hold anything."""
    # Eight hexadecimal digits: what examples.js looks for in a link.
    return hashlib.blake2b(condition.encode(), digest_size=4).hexdigest()
