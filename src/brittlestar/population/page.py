"""A population's page, and its numbers as CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from brittlestar.core.files import make_folder, replacing
from brittlestar.core.sealed import write_json
from brittlestar.core.version import VERSION
from brittlestar.measures.base import Estimate
from brittlestar.population.claims import ColumnClaim, PopulationClaims
from brittlestar.population.drawing import columns_forest, interval_of, scatter
from brittlestar.population.own import OwnModel
from brittlestar.population.prediction import Prediction
from brittlestar.population.words import sentences
from brittlestar.report.drawing.palette import stylesheet
from brittlestar.report.policy import policy
from brittlestar.report.render import asset, environment
from brittlestar.report.words import count, p_value

Cells = tuple[str, ...]
_HEADER = (
    *("column", "models", "raw", "beyond the line", "in the fitted range", "beyond dilution", "over families"),
    *("families below / above", "against own base", "p", "what may be said"),
)
_KINDS = ("natural", "synthetic", "adversarial")
_SYNTHETIC_PICTURES = 3


@dataclass(frozen=True, kw_only=True)
class PopulationPage:
    """What stands on the page, as text and pictures."""

    title: str
    facts: Cells
    sentences: tuple[str, ...]
    groups: tuple[tuple[str, Markup, tuple[Cells, ...]], ...]
    header: Cells
    parts: tuple[Cells, ...]
    scatters: tuple[tuple[str, Markup], ...]
    predicted: tuple[Cells, ...]
    predicted_note: str
    own: tuple[Cells, ...]
    method: tuple[str, ...]
    command: str


def write_population(
    claims: PopulationClaims,
    predicted: Sequence[Prediction],
    own: Sequence[OwnModel],
    folder: Path,
    command: str = "",
) -> Path:
    """``population.html`` (self-contained), ``population.csv`` and ``population.json``; gives the first."""
    make_folder(folder)
    page = _page(claims, predicted, own, command)
    css = stylesheet() + asset("report.css") + asset("reproduction.css") + asset("population.css")
    template = environment().get_template("population.html")
    text = template.render(o=page, css=Markup(css), policy=policy([css]), version=VERSION)
    target = folder / "population.html"
    for path, content in ((target, text), (folder / "population.csv", _csv(claims))):
        with replacing(path) as beside:
            beside.write_text(content, encoding="utf-8")
    write_json(folder / "population.json", _json(claims, predicted, own), indent=1)
    return target


def _page(
    claims: PopulationClaims, predicted: Sequence[Prediction], own: Sequence[OwnModel], command: str
) -> PopulationPage:
    population = claims.population
    groups = []
    for kind in _KINDS:
        columns = sorted(
            (c for c in claims.columns if c.column.setting.kind == kind), key=lambda c: c.beyond.estimate.value
        )
        if columns:
            forest = columns_forest(f"{kind.capitalize()} columns", columns)
            groups.append((f"{kind.capitalize()} columns", forest, tuple(map(_row, columns))))
    return PopulationPage(
        title=f"Where {claims.claimed} models stand among {len(population.models):,} models",
        facts=(
            population.layout,
            f"lines through {claims.standard} models on the {claims.scale} scale",
            count(len(claims.columns), "column"),
        ),
        sentences=tuple(sentences(claims)),
        groups=tuple(groups),
        header=_HEADER,
        parts=tuple(map(_row, claims.parts)),
        scatters=tuple((c.column.title, scatter(claims, c, own)) for c in _pictured(claims, own)),
        predicted=tuple(_predicted(predicted)),
        predicted_note=_predicted_note(predicted),
        own=tuple(_own(own)),
        method=_method(claims),
        command=command,
    )


def _pictured(claims: PopulationClaims, own: Sequence[OwnModel]) -> list[ColumnClaim]:
    """Natural columns against the clean set, the most extreme synthetic ones, and those with a model of one's own."""
    natural = [c for c in claims.columns if c.column.setting.kind == "natural" and c.column.own]
    synthetic = sorted(
        (c for c in claims.columns if c.column.setting.kind == "synthetic"), key=lambda c: c.beyond.estimate.value
    )
    few = _SYNTHETIC_PICTURES
    ends = synthetic if len(synthetic) <= 2 * few else [*synthetic[:few], *synthetic[-few:]]
    mine = [c for c in claims.columns if any(p.column == c.column for m in own for p in m.points)]
    return list(dict.fromkeys([*mine, *natural, *ends]))


def _row(claim: ColumnClaim) -> Cells:
    families = None if claim.families is None else claim.families.estimate
    outside = f" without {claim.extrapolated}" if claim.extrapolated else ""
    return (
        claim.column.title,
        f"{claim.models} / {claim.line.models}",
        interval_of(claim.raw.estimate),
        interval_of(claim.beyond.estimate),
        interval_of(claim.inside.estimate if claim.inside else None) + outside,
        interval_of(claim.diluted.estimate),
        interval_of(families),
        f"{claim.below} / {claim.above}",
        interval_of(claim.relative.estimate if claim.relative else None),
        p_value(claim.p),
        claim.stand,
    )


def _predicted(predicted: Sequence[Prediction]) -> list[Cells]:
    """The three best synthetic columns of each natural one."""
    shown: list[Cells] = []
    for column in dict.fromkeys(p.natural for p in predicted):
        best = [p for p in predicted if p.natural == column][:3]
        for place, one in enumerate(best):
            shown.append(
                (
                    column.title if place == 0 else "",
                    one.synthetic.title,
                    f"{100 * one.without:.1f}",
                    f"{100 * one.miss:.1f}",
                    interval_of(one.gain),
                    f"{one.models} / {one.gain.n}",
                    p_value(one.p),
                    "helps" if one.helps else "no gain shown",
                )
            )
    return shown


def _predicted_note(predicted: Sequence[Prediction]) -> str:
    if not predicted:
        return ""
    columns = list(dict.fromkeys(p.natural for p in predicted))
    helped = [c for c in columns if any(p.helps for p in predicted if p.natural == c)]
    return (
        f"For {len(helped)} of {len(columns)} natural columns some synthetic column predicts models of unseen families "
        f"better than clean accuracy alone ({len(predicted):,} pairs, Holm over all). The three of largest gain each."
    )


def _own(own: Sequence[OwnModel]) -> list[Cells]:
    return [
        (
            model.name,
            point.column.title,
            _percent(point.clean),
            _percent(point.shifted),
            interval_of(point.beyond),
            "extrapolated" if point.extrapolated else "",
        )
        for model in own
        for point in model.points
        if not point.column.setting.part
    ]


def _percent(e: Estimate) -> str:
    return f"{100 * e.value:.1f} % [{100 * e.low:.1f}, {100 * e.high:.1f}], n = {e.n:,}"


def _method(claims: PopulationClaims) -> tuple[str, ...]:
    population = claims.population
    typed = ", ".join(f"{t} {n:,}" for t, n in population.typed().items())
    members: dict[str, int] = {}
    for family, kind in zip(population.families, population.types, strict=True):
        if kind == claims.claimed:
            members[family] = members.get(family, 0) + 1
    return (
        *population.notes,
        f"Models of known training: {typed}.",
        "Raw: mean accuracy less that of the standard models (Welch). Beyond the line (effective robustness): accuracy "
        f"less what the standard models' line on the {claims.scale} scale predicts of clean accuracy. Beyond dilution: "
        "accuracy less what a standard model would have of whose answers so many were replaced by guesses that its "
        "clean accuracy were the same. Against own base: accuracy less that of the standard model whose name the "
        "model's begins with or holds (relative robustness).",
        "More (less) robust is said only where the line, the line without extrapolated models and dilution agree, "
        f"after Holm's correction over {len(claims.columns)} columns; p is that of the least sure of the three. "
        "Severities are corrected among themselves. Depends on the scale: above the line as a diluted model would be. "
        "Intervals over models take the line's own uncertainty in (bootstrap over models).",
        "Over families: each counts once, lines are resampled by families. Families are papers where names tell them, "
        f"else architecture root with kind of training; {claims.claimed} here: "
        + ", ".join(f"{name} ({n})" for name, n in members.items())
        + ".",
        "All of this is about models that people published, not about training recipes as such: types differ in "
        "architecture, year and care as well, and nothing here was randomised.",
        *(f"Not compared: {text}." for text in claims.left_out),
    )


def _numbers(e: Estimate | None) -> list[str]:
    return ["", "", ""] if e is None else [f"{100 * v:.4f}" for v in (e.value, e.low, e.high)]


def _csv(claims: PopulationClaims) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measures = ("raw", "beyond_line", "inside", "beyond_dilution", "over_families", "relative")
    ends = [f"{m}{end}" for m in measures for end in ("", "_low", "_high")]
    about = ["column", "against", "kind", "part_of_a_mean", "models", "extrapolated", "standard_models"]
    line = ["scale", "slope", "intercept", "r_squared"]
    writer.writerow([*about, *line, *ends, "families_below", "families_above", "p", "families_p", "stand"])
    for claim in (*claims.columns, *claims.parts):
        setting, fit = claim.column.setting, claim.line
        effects = (claim.raw, claim.beyond, claim.inside, claim.diluted, claim.families, claim.relative)
        writer.writerow(
            [
                *(setting.name, claim.column.against.name, setting.kind, "yes" if setting.part else ""),
                *(claim.models, claim.extrapolated, fit.models, fit.scale),
                *(f"{v:.6f}" for v in (fit.slope, fit.intercept, fit.r_squared)),
                *(cell for effect in effects for cell in _numbers(effect.estimate if effect else None)),
                *(claim.below, claim.above, f"{claim.p:.3g}", f"{claim.families_p:.3g}", claim.stand),
            ]
        )
    return text.getvalue()


def _json(claims: PopulationClaims, predicted: Sequence[Prediction], own: Sequence[OwnModel]) -> dict[str, Any]:
    def effect(claim: ColumnClaim) -> dict[str, Any]:
        named = {
            "raw": claim.raw,
            "beyond_line": claim.beyond,
            "inside": claim.inside,
            "beyond_dilution": claim.diluted,
            "over_families": claim.families,
            "relative": claim.relative,
        }
        return {
            "column": claim.column.setting.name,
            "against": claim.column.against.name,
            "kind": claim.column.setting.kind,
            "line": {
                "scale": claim.line.scale,
                "slope": claim.line.slope,
                "intercept": claim.line.intercept,
                "r_squared": claim.line.r_squared,
                "models": claim.line.models,
            },
            **{k: None if v is None else {**v.estimate.as_json(), "p": v.p} for k, v in named.items()},
            "p": claim.p,
            "stand": claim.stand,
        }

    return {
        "layout": claims.population.layout,
        "claimed": claims.claimed,
        "standard": claims.standard,
        "sentences": sentences(claims),
        "columns": [effect(c) for c in claims.columns],
        "parts": [effect(c) for c in claims.parts],
        "predictions": [
            {
                "natural": p.natural.setting.name,
                "against": p.natural.against.name,
                "synthetic": p.synthetic.name,
                "gain": p.gain.as_json(),
                "miss_without": p.without,
                "miss": p.miss,
                "models": p.models,
                "p": p.p,
            }
            for p in predicted
        ],
        "own": [
            {
                "model": m.name,
                "column": p.column.setting.name,
                "against": p.column.against.name,
                "clean": p.clean.as_json(),
                "accuracy": p.shifted.as_json(),
                "beyond_line": p.beyond.as_json(),
                "extrapolated": p.extrapolated,
            }
            for m in own
            for p in m.points
        ],
    }
