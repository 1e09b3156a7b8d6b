"""Where it fails: accuracy by context (background, site, camera), the worst context, and which one a shift hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import Sensitivity
from brittlestar.measures.contexts import FEWEST, AgainstRest
from brittlestar.report.claims import small
from brittlestar.report.contexts import SHIFTS, ContextCell, ContextRow, ModelContexts, contexts_of
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import both, escaped
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.status import trusted
from brittlestar.report.subjects import CLEAN
from brittlestar.report.words import images, p_value, points, share


@dataclass(frozen=True, kw_only=True)
class ByContext(Section):
    """Accuracy by context, each against the rest, on clean images and under every shift.

    Fields:
        models: One a model and context.
        trusted: Keys of the models that are not near chance.
    """

    id: ClassVar[str] = "contexts"
    nav: ClassVar[str] = "Contexts"
    title: ClassVar[str] = "Where it fails: groups and contexts"

    models: tuple[ModelContexts, ...]
    trusted: frozenset[str]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        models = gathered.once(contexts_of)
        if not models:
            return None
        return cls(models=models, trusted=frozenset(s.entry.key for s in gathered.once(trusted).subjects))

    def findings(self) -> Iterator[Finding]:
        for found in self.models:
            if found.model.key in self.trusted:
                yield from _findings(found)

    def results(self) -> Iterator[Result]:
        for m in self.models:
            about = {"model": m.model.name, "data": m.data}
            for row in m.rows:
                # Means over strengths stand under the shift's name, those of one condition under its own.
                key = row.conditions[0] if len(row.conditions) == 1 else row.key
                for value, cell in zip(m.values, row.cells, strict=True):
                    named = f"{m.name}={value}"
                    yield Result(**about, condition=key, measure=f"accuracy:{named}", estimate=cell.accuracy)
                    yield Result(**about, condition=key, measure=f"accuracy_less_rest:{named}", estimate=cell.apart.raw)
                    yield Result(
                        **about,
                        condition=key,
                        measure=f"accuracy_less_rest_class_by_class:{named}",
                        estimate=cell.apart.alike,
                    )
            worst = f"accuracy_lowest_of_{len(m.values)}:{m.name}={m.worst[0]}"
            yield Result(**about, condition=m.over, measure=worst, estimate=m.worst[1])
            yield Result(**about, condition=m.over, measure=f"accuracy_gap:{m.name}", estimate=m.gap[2])
            if m.cell is not None:
                (label, value), of, estimate = m.cell
                named = f"accuracy_lowest_of_{of}:{m.classes[label]} with {m.name}={value}"
                yield Result(**about, condition=m.over, measure=named, estimate=estimate)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {"contexts": [_summary(m) for m in self.models]}

    def markdown(self) -> Iterable[str]:
        for m in self.models:
            yield f"### {escaped(m.model.name)}: {escaped(m.name)}"
            yield ""
            yield "| " + " | ".join(["", *map(escaped, m.values)]) + " |"
            yield "| " + " | ".join(["---"] * (1 + len(m.values))) + " |"
            for row in m.rows:
                yield "| " + " | ".join([escaped(row.title), *(both(c.accuracy) for c in row.cells)]) + " |"
            yield ""

    def context(self) -> Mapping[str, Any]:
        return {"fewest": FEWEST, "verdict": verdict, "tip": _tip, "p_value": p_value, "clean": CLEAN, "shifts": SHIFTS}


def verdict(apart: AgainstRest) -> str:
    """What is shown of a context against the rest."""
    if apart.state:
        return f"{apart.state} the rest"
    if apart.alike is None:
        return "no class in common with the rest"
    return "no difference shown"


def _tip(found: ModelContexts, row: ContextRow, place: int) -> str:
    cell = row.cells[place]
    lines = [
        f"{found.values[place]}, {row.title}",
        f"right in {share(cell.accuracy)}, {images(cell.accuracy.n)}",
        f"less the rest: {points(cell.apart.raw, sign=True)}",
    ]
    if cell.apart.alike is not None:
        lines.append(f"class by class: {points(cell.apart.alike, sign=True)}")
    if cell.added is not None:
        lines.append(f"added by the shift: {points(cell.added.raw, sign=True)}")
    return "\n".join(lines)


def _findings(found: ModelContexts) -> Iterator[Finding]:
    row = found.row(found.over)
    named = {SHIFTS: "over all shifts", CLEAN: "on clean images"}
    over = named.get(found.over, f"under {small(row.title) if row is not None else found.over}")
    value, lowest = found.worst
    below = row is not None and any(
        v == value and c.apart.state == "below" for v, c in zip(found.values, row.cells, strict=True)
    )
    lead = f"Fares worst where {found.name} is “{value}”:" if below else f"No {found.name} shown to fare worse {over}:"
    yield Finding(
        model=found.model,
        lead=lead,
        text=f"right in {share(lowest)} {over} {'' if below else f'where it is “{value}” '}(interval for the lowest of "
        f"{len(found.values)}), against {share(found.overall)} of all; from the best to the worst "
        f"{points(found.gap[2])}.",
        estimates=(lowest, found.overall, found.gap[2]),
        tone="bad" if below else "plain",
    )
    hit = [one for one in found.claims if one[1].added is one[2] and one[0].key not in (CLEAN, SHIFTS)]
    if hit:
        yield _hit(found, *hit[0], len(hit))


def _hit(found: ModelContexts, row: ContextRow, cell: ContextCell, added: AgainstRest, many: int) -> Finding:
    rest = f" {many - 1} more such pairs are marked in the table." if many > 1 else ""
    kept = "" if added.kept is None else f", {points(added.kept, sign=True)} of what is kept above chance"
    return Finding(
        model=found.model,
        lead=f"{row.title} hits “{added.name}” hardest:",
        text=f"right in {share(cell.accuracy)} there; {small(row.title)} changes its accuracy by "
        f"{points(added.raw, sign=True)} against that of the rest{kept} (p {p_value(added.p_adjusted)} by Holm).{rest}",
        estimates=(cell.accuracy, added.raw),
        tone="bad",
    )


def _summary(m: ModelContexts) -> dict[str, Any]:
    def told(apart: AgainstRest | None) -> dict[str, Any] | None:
        if apart is None:
            return None
        parts = {"less_rest": apart.raw, "class_by_class": apart.alike, "kept": apart.kept}
        values: dict[str, Any] = {k: None if e is None else e.as_json() for k, e in parts.items()}
        return values | {"p": apart.p, "p_adjusted": apart.p_adjusted, "state": apart.state}

    return {
        "model": m.model.name,
        "data": m.data,
        "context": m.name,
        "too_few": dict(m.few),
        "unknown": m.unknown,
        "lowest": {"group": m.worst[0], "condition": m.over, **m.worst[1].as_json()},
        "gap": {"best": m.gap[0], "worst": m.gap[1], **m.gap[2].as_json()},
        "lowest_class": None
        if m.cell is None
        else {"class": m.classes[m.cell[0][0]], "group": m.cell[0][1], "of": m.cell[1], **m.cell[2].as_json()},
        "rows": [
            {
                "condition": row.key,
                "conditions": list(row.conditions),
                "groups": {
                    value: {"accuracy": c.accuracy.as_json(), "against_rest": told(c.apart), "added": told(c.added)}
                    for value, c in zip(m.values, row.cells, strict=True)
                },
            }
            for row in m.rows
        ],
    }
