"""A report as plain data: a header and the sections that have something to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from brittlestar.report.first_screen import FirstScreen
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.status import Status
from brittlestar.report.subjects import DataEntry, ModelEntry

AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What stands over every section.

    Fields:
        title: Models and data.
        statuses: What a reader must know first.
        facts: Images, conditions, kind of the intervals.
        created, version: When, and by which version of Brittlestar.
        interval_kind, interval_text: Of the intervals, in a word or two and in sentences.
        level: Of the intervals.
        models, data: In the order of the report.
        runs: The run folders that it tells of (``target.told_of``).
    """

    title: str
    statuses: tuple[Status, ...]
    facts: tuple[str, ...]
    created: str
    version: str
    interval_kind: str
    interval_text: str
    level: float
    models: tuple[ModelEntry, ...]
    data: tuple[DataEntry, ...]
    runs: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The findings on one model, or (``model`` is ``None``) on how the models compare."""

    model: ModelEntry | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a report says.

    Fields:
        header: Over every section.
        sections: From top to bottom.
        absent: The sections that have nothing to say here.
        first_screen: The profile and the findings that come first.
        findings: Of all sections, the weightiest first.
        results: Rows of ``results.csv``, model by model.
    """

    header: Header
    sections: tuple[Section, ...]
    absent: tuple[type[Section], ...]
    first_screen: FirstScreen
    findings: tuple[Finding, ...]
    results: tuple[Result, ...] = field(repr=False)

    def of(self, section: type[AnySection]) -> AnySection | None:
        """A section of the report, where it is there."""
        return next((s for s in self.sections if isinstance(s, section)), None)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The findings on how models compare, then those on each model."""
        about = [None, *self.header.models]
        made = [Verdict(model=m, findings=tuple(f for f in self.findings if f.model == m)) for m in about]
        return tuple(v for v in made if v.findings)
