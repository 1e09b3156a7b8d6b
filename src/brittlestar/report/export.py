"""The same content for machines and for pasting: results.csv, summary.json, results.md."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from typing import Any

from brittlestar.measures.base import Estimate
from brittlestar.report.content import Calibration, ModelEntry, ReportContent, Result, Spectrum
from brittlestar.report.gather import CLEAN, Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.words import interval, number, percent

HEADER = ("model", "data", "condition", "measure", "value", "low", "high", "n")


def build_results(
    gathered: Gathered, numbers: Numbers, spectrum: Spectrum | None, calibration: Calibration | None
) -> tuple[Result, ...]:
    """Accuracy and loss of accuracy of every condition, then what is made of many conditions."""
    found: list[Result] = []
    for s in gathered.subjects:
        data = gathered.data[s.entry.data].name

        def add(condition: str, measure: str, estimate: Estimate | None, name: str = s.entry.name, on: str = data) -> None:
            if estimate is not None:
                found.append(Result(model=name, data=on, condition=condition, measure=measure, estimate=estimate))

        for info in s.infos.values():
            add(info.id, "accuracy", numbers.accuracy(s, info.id))
            if s.clean is not None and info.kind in ("shift", "attack"):
                add(info.id, "error_increase", numbers.drop(s, info.id))
            if info.kind in ("clean", "shift"):
                add(info.id, "ece", numbers.quick_ece(s, info.id)) if False else None
        shifts = [info.id for info in s.of_kind("shift")]
        if shifts:
            add("shifts", "mean_error", numbers.mean_error(s, shifts))
            if s.clean is not None:
                add("shifts", "mean_error_increase", numbers.mean_drop(s, shifts))
    for model, clean, worst, mean in calibration.rows if calibration else ():
        data = gathered.data[model.data].name
        for reliability in (clean, worst):
            if reliability is not None:
                found.append(Result(model=model.name, data=data, condition=reliability.condition, measure="ece", estimate=reliability.ece))
                found.append(Result(model=model.name, data=data, condition=reliability.condition, measure="rms_calibration", estimate=reliability.rms))
        if mean is not None:
            found.append(Result(model=model.name, data=data, condition="shifts", measure="ece", estimate=mean))
    for band in spectrum.bands if spectrum else ():
        for place, map_ in enumerate(spectrum.maps if spectrum else ()):
            data = gathered.data[map_.model.data].name
            found.append(Result(model=map_.model.name, data=data, condition=f"fourier {band.name}", measure="error_rate", estimate=band.errors[place]))
    return tuple(found)


def csv_text(content: ReportContent) -> str:
    """``results.csv``: one number a line; shares in [0, 1]; an interval without an end is left empty there."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    for r in content.results:
        e = r.estimate
        writer.writerow([r.model, r.data, r.condition, r.measure, _number(e.value), _number(e.low), _number(e.high), e.n])
    return buffer.getvalue()


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def summary_json(content: ReportContent) -> str:
    """``summary.json``: what the page says but for curves and pictures."""
    found: dict[str, Any] = {
        "title": content.title,
        "created": content.created,
        "version": content.version,
        "intervals": {"kind": content.interval_kind, "level": content.level, "text": content.interval_text},
        "data": [_about(d.about, d.name) for d in content.data],
        "models": [_about(m.about, m.name) | {"data": content.data[m.data].name, "samples": m.samples} for m in content.models],
        "verdicts": [
            {
                "model": v.model.name if v.model else None,
                "sentences": [{"text": f"{s.lead} {s.text}", "tone": s.tone, "estimates": [_estimate(e) for e in s.estimates]} for s in v.sentences],
            }
            for v in content.verdicts
        ],
        "table": [
            {"model": model.name}
            | {
                column.key: {"title": column.title, **(_estimate(cell.estimate) if cell.estimate else {"value": None}), "note": cell.note}
                for column, cell in zip(content.table.columns, cells, strict=True)
            }
            for model, cells in content.table.rows
        ],
        "bands": [
            {
                "band": band.name, "reach": band.reach, "frequencies": band.frequencies,
                "models": [
                    {"model": m.model.name, "error": _estimate(e), "difference": _estimate(d) if d else None}
                    for m, e, d in zip(content.spectrum.maps, band.errors, band.differences, strict=True)
                ],
            }
            for band in (content.spectrum.bands if content.spectrum else ())
        ],
        "comparison": [
            {
                "model": p.model.name, "against": p.against.name, "conditions": p.conditions, "better": p.better, "worse": p.worse,
                "mean_difference": _estimate(p.mean) if p.mean else None,
            }
            for p in (content.comparison.pairs if content.comparison else ())
        ],
        "tests": content.comparison.tests if content.comparison else 0,
        "missing": [dataclasses.asdict(m) for m in content.missing],
        "notes": list(content.notes),
        "sessions": [dict(s) for s in content.sessions],
        "commands": list(content.commands),
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _about(about: Any, name: str) -> dict[str, Any]:
    return {**about, "name": name}


def _estimate(e: Estimate) -> dict[str, Any]:
    values = {"value": e.value, "low": e.low, "high": e.high}
    return {k: v if math.isfinite(v) else None for k, v in values.items()} | {"n": e.n, "level": e.level, "method": e.method}


def markdown(content: ReportContent) -> str:
    """``results.md``: findings, the table of models, the worst conditions, the command."""
    lines = [f"# {_md(content.title)}", "", " · ".join(content.facts), ""]
    for verdict in content.verdicts:
        lines += [f"## {_md(verdict.model.name) if verdict.model else 'How the models compare'}", ""]
        lines += [f"- **{_md(s.lead)}** {_md(s.text)}" for s in verdict.sentences] + [""]
    lines += [f"Not asked: {_md(content.not_asked)}", "", "## Models", ""]
    lines.append("| model | " + " | ".join(_md(c.title) for c in content.table.columns) + " |")
    lines.append("|---|" + "---:|" * len(content.table.columns))
    for model, cells in content.table.rows:
        shown = [f"{number(c.estimate.value * 100)} {interval(c.estimate)}" if c.estimate else "–" for c in cells]
        lines.append(f"| {_md(model.name)} | " + " | ".join(shown) + " |")
    lines += ["", "Numbers in percent with their intervals.", ""]
    for model in content.models:
        worst = _worst(content, model)
        if worst:
            lines += [f"## Worst conditions of {_md(model.name)}", "", "| condition | accuracy | n |", "|---|---:|---:|"]
            lines += [f"| {_md(r.condition)} | {percent(r.estimate)} {interval(r.estimate)} | {r.estimate.n:,} |" for r in worst] + [""]
    lines += ["## Repeat it", "", "```sh", *content.commands, "```", "", content.interval_text, ""]
    return "\n".join(lines)


def _worst(content: ReportContent, model: ModelEntry) -> list[Result]:
    data = content.data[model.data].name
    own = [
        r for r in content.results
        if r.model == model.name and r.data == data and r.measure == "accuracy" and r.condition != CLEAN and not r.condition.startswith("fourier")
    ]
    return sorted(own, key=lambda r: r.estimate.value)[:10]


def _md(text: str) -> str:
    """Text that Markdown and HTML leave alone."""
    out = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    for mark in "\\`*_|[]#":
        out = out.replace(mark, "\\" + mark)
    return out
