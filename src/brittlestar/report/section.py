"""What every section of a report is, and what it gives: findings, rows of ``results.csv``, parts of the other files."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from markupsafe import Markup

from brittlestar.core.errors import UsageError, require
from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.subjects import ModelEntry

if TYPE_CHECKING:
    from brittlestar.report.gather import Gathered

Slot = Literal["where", "why", "trust", "guard", ""]
"""Which question a finding answers: where it breaks, why, whether to trust it (also: the worst case), or a guard."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of ``results.csv``; ``status`` says what speaks against it (near chance, fewer images than asked).

    Without an estimate it is what was asked and has no answer.
    """

    model: str
    data: str
    condition: str
    measure: str
    estimate: Estimate | None
    status: str = ""


def results_of(
    models: Iterable[tuple[ModelEntry, str, Iterable[tuple[str, str, Estimate | None]]]],
) -> Iterator[Result]:
    """The rows of models, each with its data set's name and its (condition, measure, estimate), where there is one."""
    for model, data, lines in models:
        for condition, measure, estimate in lines:
            if estimate is not None:
                yield Result(model=model.name, data=data, condition=condition, measure=measure, estimate=estimate)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A number as the first screen shows it: what stands before and after it, and how it is scaled.

    Fields:
        estimate: The number; printed times 100.
        before: ``natural keeps``.
        unit: Directly behind the number, such as ``%``.
        after: ``points too sure``.
        sign: Whether a plus sign is printed.
    """

    estimate: Estimate
    before: str = ""
    unit: str = "%"
    after: str = ""
    sign: bool = False


@dataclass(frozen=True, kw_only=True)
class SparkPoint:
    """A point of a spark line: its condition, a tick's label, and a share in [0, 1]."""

    condition: str
    label: str
    value: float


@dataclass(frozen=True, kw_only=True)
class SparkLine:
    """One line of a spark; ``dashed`` for what a model says of itself (confidence)."""

    model: ModelEntry
    points: tuple[SparkPoint, ...]
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Spark:
    """A chart as small as a thumb: lines from 0 to 100 over a strength, the condition of the number ringed."""

    axis: str
    lines: tuple[SparkLine, ...]
    model: str = ""
    condition: str = ""


@dataclass(frozen=True, kw_only=True)
class Action:
    """What a person can do next: a verb, its object, and the evidence for it (``None``: untried in this run)."""

    verb: str
    what: str
    evidence: str = ""
    estimate: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sentence with the estimates that it rests on; with a ``claim`` it can stand on the first screen.

    Fields:
        lead, text: A short lead and the rest with its numbers, as in the full list.
        estimates: What they rest on.
        tone: ``bad``, ``good`` or ``plain``.
        sensitivities: Claims that compare models.
        model: Whom it is about; ``None`` for how models compare.
        slot: Which question it answers (``Slot``).
        claim: At most 12 words.
        number: The one number of the claim.
        lost: Accuracy lost in [0, 1]: findings rank by its lower limit.
        condition: What the number, the pictures and the ring of the spark are of.
        spark, action: Beside the claim.
        classes: The class and the answer that its pictures show, where it is about such a pair.
    """

    lead: str
    text: str
    estimates: tuple[Estimate, ...] = ()
    tone: str = "plain"
    sensitivities: tuple[Sensitivity, ...] = ()
    model: ModelEntry | None = None
    slot: Slot = ""
    claim: str = ""
    number: Shown | None = None
    lost: Estimate | None = None
    condition: str = ""
    spark: Spark | None = None
    action: Action | None = None
    classes: tuple[int, int] | None = None


class Section(ABC):
    """A part of the page: plain frozen data made once from runs, and what each of the report's files shows of it.

    A section is a frozen dataclass in ``sections/<id>.py`` with a template ``sections/<id>.html`` beside it, listed in
    ``sections/__init__.py``. The template sees the section as ``s``, the page's header as ``page``, the shared macros
    as ``ui``, and what ``context`` gives. Shares are in [0, 1]; templates show points and percent.

    Class fields:
        id: Anchor on the page and name of the template.
        nav: A word or two for the navigation.
        title: The heading.
        without: What ``summary.json`` says where the section is not there.
    """

    id: ClassVar[str]
    nav: ClassVar[str]
    title: ClassVar[str]
    without: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    @abstractmethod
    def build(cls, gathered: Gathered) -> Self | None:
        """The section of a report on these runs; ``None`` where they have nothing to say here."""

    def findings(self) -> Iterable[Finding]:
        """What deserves to be said, with its evidence."""
        return ()

    def results(self) -> Iterable[Result]:
        """Rows of ``results.csv``."""
        return ()

    def claims(self) -> Iterable[Sensitivity]:
        """Comparisons of models that ``summary`` shows: corrected for the number of all on the page."""
        return ()

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        """Keys of ``summary.json``; ``corrected`` has the page's claims by ``id``."""
        return {}

    def markdown(self) -> Iterable[str]:
        """Lines of ``results.md``."""
        return ()

    def figures(self) -> Mapping[str, Markup]:
        """Charts by name, as SVG, that can be saved on their own."""
        return {}

    def context(self) -> Mapping[str, Any]:
        """What the template needs beside the section itself."""
        return {}

    def script(self) -> Mapping[str, Any]:
        """Data for the page's script: plain values by a name of the section's own."""
        return {}


def listed(*sections: type[Section]) -> tuple[type[Section], ...]:
    """The sections, held to what every one must have.

    Raises:
        UsageError: Which section lacks what, and what to write.
    """
    folder = resources.files("brittlestar.report").joinpath("sections")
    seen: set[str] = set()
    for section in sections:
        name = getattr(section, "id", "")
        template = f"{name}.html"
        needed = {
            f"it lacks {', '.join(sorted(section.__abstractmethods__))}": not section.__abstractmethods__,
            # In the class's own names: the decorator of a parent would be found otherwise.
            "write `@dataclass(frozen=True, kw_only=True)` above it": "__dataclass_params__" in vars(section),
            "give it an `id: ClassVar[str]` of small letters, digits and underscores": re.fullmatch(
                "[a-z][a-z0-9_]*", name
            ),
            f"another section has the id {name!r}": name not in seen,
            "give it a `nav: ClassVar[str]`, a word or two for the navigation": getattr(section, "nav", ""),
            "give it a `title: ClassVar[str]`, the heading": getattr(section, "title", ""),
            f"write its template, report/sections/{template}": folder.joinpath(template).is_file(),
        }
        for mend, holds in needed.items():
            require(bool(holds), f"{section.__module__}.{section.__qualname__} cannot be listed: {mend}", UsageError)
        seen.add(name)
    return sections
