"""How a message names an option: the argument to whoever writes Python, the flag to whoever types a command.

A message writes ``option("samples", 0)``. That reads ``samples=0``, and ``--samples 0`` once the command line has said
``speak(COMMAND)``: what a process says is for the one person who started it, so this is a setting of the process, and
notes and messages that are kept or passed on need no translation.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Language = Literal["python", "command"]
PYTHON: Language = "python"
COMMAND: Language = "command"


class Option(NamedTuple):
    """An option and its two names.

    Fields:
        argument: Its name in Python.
        flag: On the command line.
        owner: Whose argument it is, where it is not one of ``evaluate``.
    """

    argument: str
    flag: str
    owner: str = "evaluate"


def _own(*names: str, owner: str = "evaluate", lead: str = "") -> dict[str, Option]:
    """Options whose flag follows from the argument; ``lead`` begins flag and key, not the argument."""
    return {lead + name: Option(name, f"--{lead}{name}".replace("_", "-"), owner) for name in names}


OPTIONS: dict[str, Option] = {
    **_own("model", "data", "suite", "storage", "out", "samples", "budget", "precision", "batch", "device", "seed"),
    **_own(
        "workers", "executor", "resize", "crop", "resize_filter", "resize_rounding", "prepare", "skip_bad", "classes"
    ),
    **_own("tune", "normalise", "anyway", "shifted", "nature"),
    **_own("image_column", "label_column"),
    **_own("label_space", "outside"),
    **_own("in_order", owner="predicted"),
    "groups": Option("groups", "--group"),
    **_own("contexts", "metadata"),
    **_own("factory", "weights", "mean", "std", "channels", "dtype", "backend", owner="ModelSpec"),
    **_own("weights_key", "output", "binary", "probabilities", owner="ModelSpec"),
    **_own("resize", "crop", "resize_filter", owner="ModelSpec", lead="model_"),
    **_own("held_out", owner="fit"),
    **_own("trust", owner="reopened"),
    **_own("level", owner="estimate"),
    **_own("trials", "scale", owner="show"),
    "conditions": Option("conditions", "--condition", "show"),
    "architecture": Option("architecture", "--arch", "fit"),
    **_own("clean", "standard", "types", owner="read_population"),
    "claimed": Option("claimed", "--type", "analysed"),
    **_own("each", "upward", owner="MatchedSet"),
    "bins": Option("edges", "--bins", "MatchedSet"),
    **_own("images", owner="build_matched"),
    **_own("clean", "types", "adversarial", "base", "classes", owner="PublishedFiles", lead="published_"),
}

_PLAIN = (
    "evaluate",
    "fit",
    "reopened",
    "predicted",
    "show",
    "estimate",
    "read_population",
    "analysed",
    "build_matched",
)
"""Functions: their arguments are named alone. The fields of the others are named with the class."""

_language: Language = PYTHON


def speak(language: Language) -> Language:
    """Name options as arguments (``PYTHON``) or as flags (``COMMAND``) from now on; give what it was before."""
    global _language
    before, _language = _language, language
    return before


def spoken() -> Language:
    """How options are named now: what a process tells those that it starts."""
    return _language


def option(name: str, value: Any = None) -> str:
    """An option, and a value of it, as the person would write them.

    Args:
        name: A key of ``OPTIONS``.
        value: ``True`` and ``False`` for switches; a text stands for itself, or for what is to be put there.
    """
    known = OPTIONS[name]
    if _language == COMMAND:
        if isinstance(value, bool):
            return known.flag if value else known.flag.replace("--", "--no-", 1)
        return known.flag if value is None else f"{known.flag} {value}"
    shown = "" if value is None else f'"{value}"' if isinstance(value, str) else str(value)
    if known.owner in _PLAIN:
        return f"{known.argument}={shown}"
    return f"{known.owner}({known.argument}={shown or '...'})"
