"""The same content for machines and for pasting: results.csv, summary.json, results.md."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import Normalised, Sensitivity
from brittlestar.measures.base import Estimate
from brittlestar.report.content import Break, Calibration, ModelEntry, ReportContent, Result, Spectrum
from brittlestar.report.corruptions import CorruptionSet, corruption_results, summaries
from brittlestar.report.gather import Gathered, Subject
from brittlestar.report.numbers import Numbers
from brittlestar.report.stability import StabilitySet, means, plain, stability_results
from brittlestar.report.words import interval, number, percent, spaced

HEADER = ("model", "data", "condition", "measure", "value", "low", "high", "n", "status")


def build_results(
    gathered: Gathered,
    numbers: Numbers,
    spectrum: Spectrum | None,
    calibration: Calibration | None,
    breaks: Sequence[Break],
    apart: Collection[str] = (),
) -> tuple[Result, ...]:
    """Accuracy and loss of accuracy of every condition, then what is made of many conditions.

    Models whose keys are in ``apart`` are compared with none.
    """
    found: list[Result] = []
    reference: dict[int, Subject] = {}
    for place, subject in enumerate(gathered.subjects):
        alone = subject.entry.key in apart
        first = subject if alone else reference.setdefault(subject.entry.data, subject)
        found += [
            Result(model=subject.entry.name, data=subject.data.name, condition=c, measure=m, estimate=e)
            for c, m, e in itertools.chain(
                _by_condition(subject, first, numbers),
                _over_shifts(subject, numbers),
                _by_curve(place, breaks),
                _by_band(subject, spectrum),
                _sureness(subject, calibration),
            )
            if e is not None
        ]
    return tuple(found)


def set_results(
    gathered: Gathered, corruptions: Sequence[CorruptionSet], stability: Sequence[StabilitySet]
) -> tuple[Result, ...]:
    """The numbers of the published sets, corruptions and sequences."""
    return tuple(
        Result(model=subject.entry.name, data=subject.data.name, condition=c, measure=m, estimate=e)
        for subject in gathered.subjects
        for c, m, e in itertools.chain(
            *(corruption_results(found, subject.entry) for found in corruptions),
            *(stability_results(found, subject.entry) for found in stability),
        )
        if e is not None
    )


Line = tuple[str, str, Estimate | None]


def _by_condition(subject: Subject, first: Subject, numbers: Numbers) -> Iterator[Line]:
    for info in subject.infos.values():
        yield info.id, "accuracy", numbers.accuracy(subject, info.id)
        if subject.clean is not None and info.kind in ("shift", "attack"):
            yield info.id, "error_increase", numbers.drop(subject, info.id)
        if subject is not first and info.kind != "fourier":
            difference = numbers.difference(subject, first, info.id)
            if difference is not None:
                yield info.id, f"error_minus_{first.entry.name}", difference[0]
            yield from _against(subject, first, numbers, info)


def _against(subject: Subject, first: Subject, numbers: Numbers, info: ConditionInfo) -> Iterator[Line]:
    found = numbers.sensitivity(subject, first, [info.id]) if info.kind in ("shift", "attack") else None
    if found is not None:
        yield info.id, f"accuracy_beyond_clean_minus_{first.entry.name}", found.additive
        yield info.id, f"kept_above_chance_minus_{first.entry.name}", found.ratio


def _over_shifts(subject: Subject, numbers: Numbers) -> Iterator[Line]:
    shifts = [info.id for info in subject.of_kind("shift")]
    if shifts:
        yield "shifts", "mean_error", numbers.mean_error(subject, shifts)
        if subject.clean is not None:
            yield "shifts", "mean_error_increase", numbers.mean_drop(subject, shifts)


def _by_curve(place: int, breaks: Sequence[Break]) -> Iterator[Line]:
    """Area under each severity curve, and its breaking point in units of its strength (``inf``: not reached)."""
    for row in breaks:
        point = row.points[place]
        yield row.key, "severity_area", row.areas[place]
        if point is not None:
            yield (
                row.key,
                "breaking_point",
                Estimate(
                    value=point.value, low=point.low, high=point.high, n=point.n, level=point.level, method=point.method
                ),
            )


def _by_band(subject: Subject, spectrum: Spectrum | None) -> Iterator[Line]:
    for place, map_ in enumerate(spectrum.maps if spectrum else ()):
        if spectrum is not None and map_.model.key == subject.entry.key:
            for band in spectrum.bands:
                yield f"fourier/{band.name}", "error_rate", band.errors[place]
                if band.differences[place] is not None:
                    yield f"fourier/{band.name}", f"error_minus_{spectrum.maps[0].model.name}", band.differences[place]


def _sureness(subject: Subject, calibration: Calibration | None) -> Iterator[Line]:
    for model, clean, shifted in calibration.rows if calibration else ():
        if model.key == subject.entry.key:
            yield clean.condition, "ece", clean.ece
            yield clean.condition, "rms_calibration", clean.rms
            if shifted is not None:
                worst = shifted.worst
                yield worst.condition, f"ece_highest_of_{shifted.conditions}", worst.ece
                yield worst.condition, f"rms_calibration_one_of_{shifted.conditions}", worst.rms
                yield "shifts", "mean_ece", shifted.mean
                yield "shifts", "mean_ece_increase", shifted.increase


def _sensitivity(found: Sensitivity | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "state": found.state,
        "beyond_clean": _estimate(found.additive),
        "kept_above_chance": None if found.kept is None else [_estimate(e) for e in found.kept],
        "kept_difference": None if found.ratio is None else _estimate(found.ratio),
    }


def csv_text(content: ReportContent) -> str:
    """``results.csv``: one number a line; shares in [0, 1]; ``inf`` where an interval has no end.

    The last column says what speaks against a number; lines without one are what was asked and has no answer yet.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    for r in content.results:
        e = r.estimate
        writer.writerow(
            [r.model, r.data, r.condition, r.measure, _number(e.value), _number(e.low), _number(e.high), e.n, r.status]
        )
    for cell in content.open_cells:
        writer.writerow([cell.model, cell.data, cell.condition, "accuracy", "", "", "", 0, cell.state])
    return buffer.getvalue()


def _number(value: float) -> str:
    return f"{value:.6g}"


def summary_json(content: ReportContent) -> str:
    """``summary.json``: what the page says but for curves and pictures."""
    maps = content.spectrum.maps if content.spectrum else ()
    found: dict[str, Any] = {
        "title": content.title,
        "statuses": [
            {
                "kind": s.kind,
                "model": s.model.name if s.model else None,
                "text": spaced(f"{s.lead} {s.text}"),
                "estimates": [_estimate(e) for e in s.estimates],
            }
            for s in content.statuses
        ],
        "created": content.created,
        "version": content.version,
        "intervals": {"kind": content.interval_kind, "level": content.level, "text": content.interval_text},
        "data": [_about(d.about, d.name) for d in content.data],
        "models": [
            _about(m.about, m.name) | {"data": content.data[m.data].name, "samples": m.samples} for m in content.models
        ],
        "verdicts": [
            {
                "model": v.model.name if v.model else None,
                "sentences": [
                    {
                        "text": spaced(f"{s.lead} {s.text}"),
                        "tone": s.tone,
                        "estimates": [_estimate(e) for e in s.estimates],
                    }
                    for s in v.sentences
                ],
            }
            for v in content.verdicts
        ],
        "table": [
            {"model": model.name}
            | {
                column.key: {
                    "title": column.title,
                    **(_estimate(cell.estimate) if cell.estimate else {"value": None}),
                    "note": cell.note,
                }
                for column, cell in zip(content.table.columns, cells, strict=True)
            }
            for model, cells in content.table.rows
        ],
        "bands": [
            {
                "band": band.name,
                "reach": band.reach,
                "frequencies": band.frequencies,
                "models": [
                    {"model": m.model.name, "error": _estimate(e), "difference": _estimate(d) if d else None}
                    for m, e, d in zip(maps, band.errors, band.differences, strict=True)
                ],
            }
            for band in (content.spectrum.bands if content.spectrum else ())
        ],
        "explained": _explained(content),
        "corruptions": [
            {
                "set": found.key,
                "title": found.title,
                "basis": spaced(found.basis),
                "storage": found.storage,
                "caveat": found.caveat or None,
                "notes": list(found.notes),
                "models": [
                    {"model": m.model.name, "summaries": [_summary(name, n, found.caveat) for name, n in summaries(m)]}
                    for m in found.models
                ],
            }
            for found in content.corruptions
        ],
        "stability": [
            {
                "set": found.key,
                "title": found.title,
                "basis": spaced(found.basis),
                "storage": found.storage,
                "caveat": found.caveat or None,
                "notes": list(found.notes),
                "models": [
                    {"model": m.model.name, "summaries": [_summary(n.name, n, found.caveat) for n in means(m)]}
                    for m in found.models
                ],
            }
            for found in content.stability
        ],
        "comparison": [
            {
                "model": p.model.name,
                "against": p.against.name,
                "conditions": p.conditions,
                "better": p.better,
                "worse": p.worse,
                "mean_difference": _estimate(p.mean) if p.mean else None,
                "sensitivity": _sensitivity(p.sensitivity),
            }
            for p in (content.comparison.pairs if content.comparison else ())
        ],
        "tests": content.comparison.tests if content.comparison else 0,
        "pending": [dataclasses.asdict(m) for m in content.pending],
        "missing": [dataclasses.asdict(m) for m in content.missing],
        "notes": list(content.notes),
        "sessions": [dict(s) for s in content.sessions],
        "commands": list(content.commands),
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _explained(content: ReportContent) -> dict[str, Any] | None:
    """Correlations of maps and errors, and what was said; ``None`` where the run was not explained."""
    e = content.explained
    if e is None:
        return None
    return {
        "bandwidth": e.bandwidth,
        "images": e.images,
        "sentences": list(e.sentences),
        "models": [
            {
                "model": m.model.name,
                "predicted_and_added_error": _estimate(m.fit) if m.fit else None,
                "high_frequency_energy_and_difference": _estimate(m.trade) if m.trade else None,
            }
            for m in e.models
        ],
    }


def _about(about: Any, name: str) -> dict[str, Any]:
    return {**about, "name": name}


def _summary(name: str, found: Normalised, caveat: str) -> dict[str, Any]:
    """A summary of a published set with its normaliser and what it is made of."""
    values = _estimate(found.estimate) if found.estimate is not None else {"value": None, "undefined": found.undefined}
    return {
        "name": name,
        **values,
        "normaliser": found.normaliser or None,
        "caveat": caveat or None,
        "parts": list(found.parts),
        "severities": list(found.severities),
        "conditions": found.conditions,
    }


def _estimate(e: Estimate) -> dict[str, Any]:
    values = {"value": e.value, "low": e.low, "high": e.high}
    return {k: v if math.isfinite(v) else None for k, v in values.items()} | {
        "n": e.n,
        "level": e.level,
        "method": e.method,
    }


def markdown(content: ReportContent) -> str:
    """``results.md``: findings, the table of models, the worst conditions, the command."""
    lines = [f"# {_md(content.title)}", ""]
    for status in content.statuses:
        lines += [f"**{_md(status.lead)}** {_md(status.text)}", ""]
    lines += [" · ".join(content.facts), ""]
    for verdict in content.verdicts:
        lines += [f"## {_md(verdict.model.name) if verdict.model else 'How the models compare'}", ""]
        lines += [f"- **{_md(s.lead)}** {_md(s.text)}" for s in verdict.sentences] + [""]
    lines += [f"Asked and not here: {_md(content.not_here)}", ""] if content.pending else []
    lines += [f"Not asked: {_md(content.not_asked)}", "", "## Models", ""]
    lines.append("| model | " + " | ".join(_md(c.title) for c in content.table.columns) + " |")
    lines.append("|---|" + "---:|" * len(content.table.columns))
    for model, cells in content.table.rows:
        shown = [f"{number(c.estimate.value * 100)} {interval(c.estimate)}" if c.estimate else "–" for c in cells]
        lines.append(f"| {_md(model.name)} | " + " | ".join(shown) + " |")
    lines += ["", "Numbers in percent with their intervals.", ""]
    lines += _sets(content)
    for model, worst in content.worst:
        lines += [
            f"## Worst conditions of {_md(model.name)}",
            "",
            "Chosen by their numbers, so the intervals of all shifted and attacked conditions hold together.",
            "",
            "| condition | accuracy | n |",
            "|---|---:|---:|",
        ]
        lines += [f"| {_md(c)} | {percent(e)} {interval(e)} | {e.n:,} |" for c, e in worst] + [""]
    lines += ["## Repeat it", "", "```sh", *content.commands, "```", "", content.interval_text, ""]
    return spaced("\n".join(lines))


def _sets(content: ReportContent) -> list[str]:
    """The summaries of the published sets, a table a set."""
    lines = []
    for found in content.corruptions:
        listed = [(m.model, [(name, _both(n.estimate)) for name, n in summaries(m)]) for m in found.models]
        over = f"; CE over {found.normaliser}" if found.normaliser else ""
        lines += _set(found.title, found.caveat, f"{found.basis}{over}; images {found.storage}", listed, found.notes)
    for moving in content.stability:
        listed = [
            (m.model, [(n.name, (plain if n is m.distance else _both)(n.estimate)) for n in means(m) if n.estimate])
            for m in moving.models
        ]
        lines += _set(moving.title, moving.caveat, f"{moving.basis}; frames {moving.storage}", listed, moving.notes)
    return lines


def _both(e: Estimate | None) -> str:
    return f"{number(e.value * 100)} {interval(e)}" if e is not None else "–"


def _set(
    title: str,
    caveat: str,
    basis: str,
    listed: Sequence[tuple[ModelEntry, list[tuple[str, str]]]],
    notes: Sequence[str],
) -> list[str]:
    names = list(dict.fromkeys(name for _, cells in listed for name, _ in cells))
    lines = [f"## {_md(title)}", "", f"{_md(basis)}.", ""]
    beside = f" ({caveat})" if caveat else ""
    lines.append("| model | " + " | ".join(_md(name + beside) for name in names) + " |")
    lines.append("|---|" + "---:|" * len(names))
    for model, cells in listed:
        shown = dict(cells)
        lines.append(f"| {_md(model.name)} | " + " | ".join(shown.get(name, "–") for name in names) + " |")
    return [*lines, "", *(f"{_md(note)}\n" for note in notes)]


def _md(text: str) -> str:
    """Text that Markdown and HTML leave alone."""
    out = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    for mark in "\\`*_|[]#":
        out = out.replace(mark, "\\" + mark)
    return out
