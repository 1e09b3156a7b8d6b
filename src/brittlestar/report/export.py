"""The same report for machines and for pasting: results.csv, summary.json, results.md."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from brittlestar.core.text import table_cell
from brittlestar.measures import Sensitivity
from brittlestar.measures.sensitivity import corrected_together
from brittlestar.report.markdown import escaped
from brittlestar.report.page import Report
from brittlestar.report.values import estimate_values, sensitivity_values
from brittlestar.report.words import spaced

HEADER = ("model", "data", "condition", "measure", "value", "low", "high", "n", "status")


def csv_text(report: Report) -> str:
    """``results.csv``: one number a line; shares in [0, 1]; ``inf`` where an interval has no end.

    The last column says what speaks against a number; lines without one are what was asked and has no answer yet.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    for r in report.results:
        e = r.estimate
        values = ("", "", "", 0) if e is None else (_number(e.value), _number(e.low), _number(e.high), e.n)
        writer.writerow([*map(table_cell, (r.model, r.data, r.condition, r.measure)), *values, table_cell(r.status)])
    return buffer.getvalue()


def _number(value: float) -> str:
    return f"{value:.6g}"


def summary_json(report: Report) -> str:
    """``summary.json``: what the page says but for curves and pictures."""
    header = report.header
    values: dict[str, Any] = {
        "title": header.title,
        "statuses": [
            {
                "kind": s.kind,
                "model": s.model.name if s.model else None,
                "text": spaced(f"{s.lead} {s.text}"),
                "estimates": [estimate_values(e) for e in s.estimates],
            }
            for s in header.statuses
        ],
        "created": header.created,
        "version": header.version,
        "runs": list(header.runs),
        "intervals": {"kind": header.interval_kind, "level": header.level, "text": header.interval_text},
        "data": [{**d.about, "name": d.name} for d in header.data],
        "models": [
            {**m.about, "name": m.name, "data": header.data[m.data].name, "samples": m.samples} for m in header.models
        ],
        "verdicts": [
            {
                "model": v.model.name if v.model else None,
                "sentences": [
                    {
                        "text": spaced(f"{f.lead} {f.text}"),
                        "tone": f.tone,
                        "estimates": [estimate_values(e) for e in f.estimates],
                        "sensitivities": [sensitivity_values(s) for s in f.sensitivities],
                    }
                    for f in v.findings
                ],
            }
            for v in report.verdicts
        ],
    }
    corrected = _corrected(report)
    # Who reads the file finds every key, whether a run has something to say under it or not.
    for absent in report.absent:
        values |= absent.without
    for section in report.sections:
        values |= section.summary(corrected)
    # NaN and infinity are no JSON: better an error here than in every reader of the file.
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _corrected(report: Report) -> dict[int, Sensitivity]:
    """The sections' claims by ``id``, corrected for the number of all of them."""
    claims = [claim for section in report.sections for claim in section.claims()]
    # By identity: equal numbers at two places are two claims.
    return {id(claim): c for claim, c in zip(claims, corrected_together(claims), strict=True)}


def markdown(report: Report) -> str:
    """``results.md``: findings, then what the sections have for pasting."""
    lines = [f"# {escaped(report.header.title)}", ""]
    for status in report.header.statuses:
        lines += [f"**{escaped(status.lead)}** {escaped(status.text)}", ""]
    lines += [" · ".join(report.header.facts), ""]
    for verdict in report.verdicts:
        lines += [f"## {escaped(verdict.model.name) if verdict.model else 'How the models compare'}", ""]
        lines += [f"- **{escaped(f.lead)}** {escaped(f.text)}" for f in verdict.findings] + [""]
    for section in report.sections:
        lines += section.markdown()
    return spaced("\n".join(lines))
