"""Runs in, report out."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import UsageError, require
from brittlestar.core.files import write_atomic
from brittlestar.core.places import place
from brittlestar.core.sums import summed
from brittlestar.core.version import VERSION
from brittlestar.report import export
from brittlestar.report.first_screen import FirstScreen
from brittlestar.report.gather import Gathered, gather
from brittlestar.report.page import Header, Report
from brittlestar.report.provenance import interval_words
from brittlestar.report.render import render_html, standing_alone
from brittlestar.report.section import Result, Section
from brittlestar.report.sections import SECTIONS
from brittlestar.report.status import Status, build_statuses, with_statuses
from brittlestar.report.target import SUMMARY, check_target, told_of
from brittlestar.report.transplant import transplant_infos
from brittlestar.report.words import count, listing
from brittlestar.store import RunStore

FORMS = (".pdf", ".csv", ".json", ".md", ".tex", ".htm", ".txt", ".png", ".svg")
"""Endings by which a person means a file; a folder would be made under such a name."""

Runs = Sequence[RunStore | Path | str]


def build(runs: Runs, *, out: Path | str | None = None) -> Path:
    """Write ``report.html``, ``summary.json``, ``results.csv`` and ``results.md``.

    Args:
        runs: Run folders, or opened runs; their models stand side by side in the order given.
        out: The folder to write into, or the name of the page if it ends in ``.html``; ``RUN/report/`` of the first
            run by default.

    Returns:
        The path of the page.

    Raises:
        UsageError, StoreError: See ``gather``; a UsageError also where ``out`` holds files that are no report on these
            runs.
    """
    return write(runs, out=out).page


@dataclass(frozen=True)
class Written:
    """A report that was written: its page, and what comes first in it."""

    page: Path
    statuses: tuple[Status, ...]


def write(runs: Runs, *, out: Path | str | None = None, refresh: int = 0, beside: Sequence[str] = ()) -> Written:
    """``build``, and what a person must be told at once.

    Args:
        runs, out: As for ``build``.
        refresh: The page reloads itself every so many seconds.
        beside: Endings of further files that will be written beside the page under its name (``.pdf``).
    """
    gathered = gather(runs)
    own = gathered.stores[0].path / "report"
    target = place(out) if out is not None else own
    strange = target.suffix.lower() in FORMS and not target.is_dir()
    require(
        not strange and not (target.is_file() and target.suffix != ".html"),
        f"{target} {'would be a folder' if strange else 'is a file'}: a report is a folder, or a page that ends in "
        ".html, with tables beside it (and a PDF where it is asked for)",
        UsageError,
    )
    page = target if target.suffix == ".html" else target / "report.html"
    if page.parent.resolve() != own.resolve():
        check_target(page, gathered.stores, [page.with_suffix(ending).name for ending in beside])
    report = _report(gathered)
    # Drawn before the first file is written: a template that fails leaves the old report as it was.
    contents = {
        "results.csv": export.csv_text(report),
        "results.md": export.markdown(report),
        SUMMARY: export.summary_json(report),
        # Last, so that a new page never stands beside old numbers.
        page.name: render_html(report, refresh),
    }
    with summed(page.parent, contents):
        for name, content in contents.items():
            write_atomic(page.parent / name, content)
    return Written(page, report.header.statuses)


def report_of(runs: Runs) -> Report:
    """Everything a report on these runs says (see ``build`` for the errors)."""
    return _report(gather(runs))


def _report(gathered: Gathered) -> Report:
    built = {section: gathered.of(section) for section in SECTIONS}
    sections = tuple(section for section in built.values() if section is not None)
    screen = FirstScreen.build(gathered, sections)
    results = with_statuses(gathered, (result for section in sections for result in section.results()))
    return Report(
        header=_header(gathered),
        sections=sections,
        absent=tuple(section for section, made in built.items() if made is None),
        first_screen=screen,
        findings=screen.findings,
        results=_by_model(gathered, results),
    )


def first_screen_html(runs: Runs) -> str:
    """The first screen of a report as a fragment of HTML with its own style, for a notebook (errors: ``build``)."""
    gathered = gather(runs)
    # Sections without findings cannot reach the first screen, and building them takes time.
    telling = [section for section in SECTIONS if section.findings is not Section.findings]
    built = [made for section in telling if (made := gathered.of(section)) is not None]
    return standing_alone(FirstScreen.build(gathered, built).unlinked(), _header(gathered))


def _header(gathered: Gathered) -> Header:
    level = gathered.numbers.level
    kind, text = interval_words(gathered, level)
    return Header(
        title=_title(gathered),
        statuses=build_statuses(gathered),
        facts=_facts(gathered, kind, level),
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=VERSION,
        interval_kind=kind,
        interval_text=text,
        level=level,
        models=tuple(s.entry for s in gathered.subjects),
        data=gathered.data,
        runs=tuple(told_of(gathered.stores)),
    )


def _by_model(gathered: Gathered, results: Sequence[Result]) -> tuple[Result, ...]:
    """The rows of one model together, what has no answer yet last."""
    place = {s.entry.name: s.entry.place for s in gathered.subjects}
    last = len(place)
    # ``sorted`` is stable: within a model the order of the sections stays.
    return tuple(sorted(results, key=lambda r: last if r.estimate is None else place.get(r.model, last)))


def _title(gathered: Gathered) -> str:
    names = list(dict.fromkeys(s.entry.name for s in gathered.subjects))
    models = listing(names) if len(names) <= 4 else count(len(names), "model")
    data = [d.name for d in gathered.data]
    return f"{models} on {listing(data) if len(data) <= 3 else count(len(data), 'data set')}"


def _facts(gathered: Gathered, kind: str, level: float) -> tuple[str, ...]:
    counts = {len(rows) for s in gathered.subjects for rows in s.rows.values()}
    # Runs of sequences alone have no rows of single images.
    counts = counts or {s.entry.samples for s in gathered.subjects}
    few, many = min(counts), max(counts)
    images = count(many, "image") if few == many else f"{few:,} to {many:,} images a condition"
    asked = [count(len(gathered.infos), "condition")] if gathered.infos else []
    asked += [count(len(gathered.sequences), "sequence")] if gathered.sequences else []
    pasted = transplant_infos(gathered)
    asked += [count(len(pasted), "transplant")] if pasted else []
    waves = max((len(s.sampled.frequencies) for s in gathered.subjects if s.sampled is not None), default=0)
    asked += [f"{count(waves, 'wave')} asked in part"] if waves else []
    return (images, *asked, f"{level * 100:.0f} % {kind}")
