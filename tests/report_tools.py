"""A report's parts by short names, with what stands for a section that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brittlestar.report import Report, render_html, report_of
from brittlestar.report import export as files
from brittlestar.report.section import Section
from brittlestar.report.sections.attacks import Attacks
from brittlestar.report.sections.breaks import Breaks
from brittlestar.report.sections.calibration import Calibration
from brittlestar.report.sections.comparison import PairedDifferences
from brittlestar.report.sections.corruptions import Corruptions
from brittlestar.report.sections.curves import Curves
from brittlestar.report.sections.examples import Examples
from brittlestar.report.sections.explained import Explained
from brittlestar.report.sections.filters import Filters
from brittlestar.report.sections.frequencies import Frequencies
from brittlestar.report.sections.grid import ConditionGrid
from brittlestar.report.sections.method import Method
from brittlestar.report.sections.missing import NotAsked
from brittlestar.report.sections.models import Models
from brittlestar.report.sections.pending import Pending
from brittlestar.report.sections.stability import Stability
from brittlestar.store import RunStore

PARTS: dict[str, tuple[type[Section], str, Any]] = {
    "grid": (ConditionGrid, "grid", None),
    "curves": (Curves, "panels", ()),
    "breaks": (Breaks, "breaks", ()),
    "filters": (Filters, "panels", ()),
    "noise": (Filters, "noise", None),
    "corruptions": (Corruptions, "sets", ()),
    "stability": (Stability, "sets", ()),
    "spectrum": (Frequencies, "spectrum", None),
    "explained": (Explained, "explanation", None),
    "attacks": (Attacks, "attacks", ()),
    "comparison": (PairedDifferences, "differences", None),
    "failures": (Examples, "failures", ()),
    "failures_note": (Examples, "note", ""),
    "missing": (NotAsked, "families", ()),
    "not_asked": (NotAsked, "sentence", ""),
    "pending": (Pending, "families", ()),
    "not_here": (Pending, "sentence", "."),
    "open_cells": (Pending, "open_cells", ()),
    "table": (Models, "table", None),
    "notes": (Models, "notes", ()),
    "worst": (Models, "worst", ()),
    "provenance": (Method, "facts", ()),
    "sessions": (Method, "sessions", ()),
    "commands": (Method, "commands", ()),
}


class Seen:
    """A report as tests look at it: ``seen.grid``, ``seen.corruptions``, ``seen.title`` ..."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.verdicts, self.results, self.findings = report.verdicts, report.results, report.findings
        self.calibration = report.of(Calibration)

    def __getattr__(self, name: str) -> Any:
        if name not in PARTS:
            return getattr(self.report.header, name)
        section, attribute, absent = PARTS[name]
        made = self.report.of(section)
        return absent if made is None else getattr(made, attribute)

    def html(self) -> str:
        return render_html(self.report)

    def csv(self) -> str:
        return files.csv_text(self.report)

    def markdown(self) -> str:
        return files.markdown(self.report)

    def summary(self) -> str:
        return files.summary_json(self.report)


def seen(runs: Sequence[RunStore | Path | str]) -> Seen:
    return Seen(report_of(runs))
