"""``brittlestar list``: one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from brittlestar.cli.say import say
from brittlestar.core.errors import unknown

Lines = Iterable[tuple[str, str]]


def _shifts() -> Lines:
    from brittlestar.attacks import ATTACKS
    from brittlestar.shifts import SHIFTS

    for catalogue in (SHIFTS, ATTACKS):
        for name, kind in catalogue.items():
            yield name, f"{kind.family:<10} {kind.summary()}"


def _suites() -> Lines:
    from brittlestar.suites import SUITES

    return ((name, suite.summary) for name, suite in SUITES.items())


def _sequences() -> Lines:
    from brittlestar.shifts import SEQUENCES

    return ((name, kind.summary()) for name, kind in SEQUENCES.items())


def _models() -> Lines:
    from brittlestar.models import describe_models

    return describe_models()


def _data() -> Lines:
    from brittlestar.data import describe_sources

    return describe_sources()


def _spaces() -> Lines:
    from brittlestar.data.label_spaces import describe_spaces

    return describe_spaces()


def _measures() -> Lines:
    from brittlestar.measures import MEASURES, SUMMARIES

    listed = [(name, kind.better, kind.unit, kind.text, kind.needs) for name, kind in MEASURES.items()]
    listed += [(name, kind.better, kind.unit, kind.text, kind.needs) for name, kind in SUMMARIES.items()]
    for name, better, unit, text, needs in listed:
        yield name, f"better {better:<7} {unit:<16} {text} [needs {', '.join(needs)}]"


def _recipes() -> Lines:
    from brittlestar.training import RECIPES

    for name, kind in RECIPES.items():
        defaults = ", ".join(f"{k}={v}" for k, v in kind().config().items())
        yield name, kind.summary() + (f" [{defaults}]" if defaults else "")


def _architectures() -> Lines:
    from brittlestar.models.zoo import ARCHITECTURES

    yield from ((name, summary) for name, (summary, _) in ARCHITECTURES.items())
    yield "timm:NAME", "any name of timm, with fresh weights (the extra timm)"


KINDS: dict[str, Callable[[], Lines]] = {
    "shifts": _shifts,
    "suites": _suites,
    "sequences": _sequences,
    "models": _models,
    "data": _data,
    "spaces": _spaces,
    "measures": _measures,
    "recipes": _recipes,
    "architectures": _architectures,
}


def listing(kind: Annotated[str, typer.Argument(help=", ".join(KINDS) + ".")]) -> None:
    """List shifts, suites, sequences, kinds of models and data, label spaces, measures, recipes or architectures."""
    if kind not in KINDS:
        raise unknown("kind of list", kind, KINDS)
    lines = list(KINDS[kind]())
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        say(f"{name:<{width}}  {text}")
