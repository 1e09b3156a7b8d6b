"""Runs in, report out."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.files import write_atomic
from brittlestar.core.version import VERSION
from brittlestar.report import export
from brittlestar.report.asked import what_was_asked
from brittlestar.report.compare import build_comparison
from brittlestar.report.content import ReportContent, Verdict
from brittlestar.report.corruption_words import corruption_sentences
from brittlestar.report.corruptions import CorruptionSet, build_corruptions
from brittlestar.report.examples import build_failures
from brittlestar.report.explained import build_explained
from brittlestar.report.gather import Gathered, gather
from brittlestar.report.numbers import Numbers
from brittlestar.report.overview import build_attacks, build_calibration, build_table, worst_conditions
from brittlestar.report.provenance import (
    build_commands,
    build_facts,
    build_missing,
    build_notes,
    build_sessions,
    interval_words,
)
from brittlestar.report.render import render_html
from brittlestar.report.results import build_results, set_results
from brittlestar.report.series import build_breaks, build_curves, build_filters, build_grid, build_noise
from brittlestar.report.spectrum import build_spectrum
from brittlestar.report.spectrum_content import Spectrum
from brittlestar.report.stability import StabilitySet, build_stability, stability_sentences
from brittlestar.report.status import Status, build_pending, build_statuses, near_chance_of, open_cells, with_statuses
from brittlestar.report.verdict import build_verdicts
from brittlestar.report.words import count, listing
from brittlestar.store import RunStore

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
        UsageError, StoreError: See ``gather``.
    """
    return write(runs, out=out).page


@dataclass(frozen=True)
class Written:
    """A report that was written: its page, and what comes first in it."""

    page: Path
    statuses: tuple[Status, ...]


def write(runs: Runs, *, out: Path | str | None = None) -> Written:
    """``build``, and what a person must be told at once."""
    gathered = gather(runs)
    target = Path(out) if out is not None else Path(gathered.stores[0].path) / "report"
    page = target if target.suffix == ".html" else target / "report.html"
    content = _content(gathered)
    html = render_html(content)
    write_atomic(page.parent / "results.csv", export.csv_text(content))
    write_atomic(page.parent / "results.md", export.markdown(content))
    write_atomic(page.parent / "summary.json", export.summary_json(content))
    write_atomic(page, html)
    return Written(page, content.statuses)


def content_of(runs: Runs) -> ReportContent:
    """Everything a report on these runs says (see ``build`` for the errors)."""
    return _content(gather(runs))


def _content(gathered: Gathered) -> ReportContent:
    numbers = Numbers(gathered.rule)
    asked = what_was_asked(gathered)
    near = near_chance_of(gathered, numbers)
    # A model near chance is compared with nothing, and nothing is said of it but that.
    trusted = dataclasses.replace(gathered, subjects=tuple(s for s in gathered.subjects if s.entry.key not in near))
    spectrum = _spectrum(gathered, trusted, numbers)
    calibration = build_calibration(gathered, numbers)
    comparison = build_comparison(trusted, numbers) if trusted.subjects else None
    failures, failures_note = build_failures(gathered)
    kind, text = interval_words(gathered, numbers.level)
    missing = build_missing(gathered, [a.info for a in asked])
    pending = build_pending(gathered, asked)
    breaks = build_breaks(gathered, numbers)
    corruptions = build_corruptions(gathered, numbers, near)
    stability = build_stability(gathered, numbers, near)
    explained, unexplained = build_explained(gathered)
    if explained is not None and near:
        explained, unexplained = None, ("What explains a failure is left out: a model of the run is near chance.",)
    verdicts = build_verdicts(trusted, numbers, spectrum, calibration, comparison) if trusted.subjects else ()
    return ReportContent(
        title=_title(gathered),
        subtitle="Robustness report",
        statuses=build_statuses(gathered, asked, near),
        facts=_facts(gathered, kind, numbers.level),
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=VERSION,
        interval_kind=kind,
        interval_text=text,
        level=numbers.level,
        models=tuple(s.entry for s in gathered.subjects),
        data=gathered.data,
        verdicts=tuple(_with_sets(v, corruptions, stability) for v in verdicts),
        not_asked=f"{listing([_lower(m.title) for m in missing])}.",
        not_here=f"{listing(list(dict.fromkeys(_lower(m.title) for m in pending)))}.",
        table=build_table(gathered, numbers, spectrum, calibration),
        corruptions=corruptions,
        grid=build_grid(gathered, numbers),
        curves=build_curves(gathered, numbers),
        breaks=breaks,
        stability=stability,
        spectrum=spectrum,
        explained=explained,
        filters=build_filters(gathered, numbers),
        noise=build_noise(gathered, numbers),
        attacks=build_attacks(gathered, numbers),
        calibration=calibration,
        comparison=comparison,
        failures=failures,
        failures_note=failures_note,
        missing=missing,
        pending=pending,
        pending_text="These runs were to ask it too; the same command goes on where they stopped.",
        open_cells=open_cells(gathered, asked),
        notes=(*build_notes(gathered), *unexplained),
        provenance=build_facts(gathered),
        sessions=build_sessions(gathered),
        commands=build_commands(gathered),
        worst=worst_conditions(gathered, numbers),
        results=with_statuses(
            gathered,
            asked,
            near,
            (
                *build_results(gathered, numbers, spectrum, calibration, breaks, near),
                *set_results(gathered, corruptions, stability),
            ),
        ),
    )


def _spectrum(gathered: Gathered, trusted: Gathered, numbers: Numbers) -> Spectrum | None:
    """The maps of the models that are not near chance; the others' only where there are no more, and not compared."""
    found = build_spectrum(trusted, numbers) if trusted.subjects else None
    if found is not None or len(trusted.subjects) == len(gathered.subjects):
        return found
    found = build_spectrum(gathered, numbers)
    if found is None:
        return None
    bands = []
    for band in found.bands:
        none = (None,) * len(band.differences)
        bands.append(dataclasses.replace(band, differences=none, sensitivities=none))
    return dataclasses.replace(found, bands=tuple(bands), compared=False)


def _with_sets(verdict: Verdict, corruptions: Sequence[CorruptionSet], stability: Sequence[StabilitySet]) -> Verdict:
    """The findings on a model with those on the published sets; the comparison of models stays as it is."""
    if verdict.model is None:
        return verdict
    added = (*corruption_sentences(corruptions, verdict.model), *stability_sentences(stability, verdict.model))
    return dataclasses.replace(verdict, sentences=(*verdict.sentences, *added))


def _title(gathered: Gathered) -> str:
    names = list(dict.fromkeys(s.entry.name for s in gathered.subjects))
    models = listing(names) if len(names) <= 4 else count(len(names), "model")
    data = [d.name for d in gathered.data]
    return f"{models} on {listing(data) if len(data) <= 3 else count(len(data), 'data set')}"


def _facts(gathered: Gathered, kind: str, level: float) -> tuple[str, ...]:
    counts = {len(rows) for s in gathered.subjects for rows in s.rows.values()}
    counts = counts or {s.entry.samples for s in gathered.subjects}
    few, many = min(counts), max(counts)
    images = count(many, "image") if few == many else f"{few:,} to {many:,} images a condition"
    asked = [count(len(gathered.infos), "condition")] if gathered.infos else []
    asked += [count(len(gathered.sequences), "sequence")] if gathered.sequences else []
    waves = max((len(s.sampled.frequencies) for s in gathered.subjects if s.sampled is not None), default=0)
    asked += [f"{count(waves, 'wave')} asked in part"] if waves else []
    return (images, *asked, f"{level * 100:.0f} % {kind}")


def _lower(title: str) -> str:
    return title if title[:2].isupper() else title[0].lower() + title[1:]
