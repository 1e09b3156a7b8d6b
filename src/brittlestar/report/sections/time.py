"""Frames of clips: do answers hold a moment before and after?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.drawing.charts import COLUMN, SMALL, Figure, curve_table, curves
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import both, escaped
from brittlestar.report.over_time import Distance, TimeModel, models_over_time, panels
from brittlestar.report.section import Finding, Result, Section, Shown
from brittlestar.report.status import near_chance_of
from brittlestar.report.values import estimate_values
from brittlestar.report.words import count, decimals_of, interval, listing, number, share

FINDINGS_FROM = 8
"""Of fewer anchors nothing is said in a sentence."""


@dataclass(frozen=True, kw_only=True)
class OverTime(Section):
    """What happens to answers a few frames before and after, and how far such frames are apart in pixels.

    Fields:
        models: One a model and data set.
        told: Findings on those that are not near chance.
    """

    id: ClassVar[str] = "time"
    nav: ClassVar[str] = "Time"
    title: ClassVar[str] = "Does it hold a moment later?"
    without: ClassVar[Mapping[str, Any]] = {"time": ()}

    models: tuple[TimeModel, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        models = models_over_time(gathered)
        near = gathered.once(near_chance_of)
        told = tuple(f for m in models if m.model.key not in near for f in _findings(m))
        return cls(models=models, told=told) if models else None

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Names of the data sets without labels."""
        return tuple(dict.fromkeys(m.data for m in self.models if not m.labelled))

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        for m in self.models:
            listed = {s.key: s.estimate for s in m.summaries} | dict(m.details)
            listed |= {f"outside_linf{_at(d)}": d.outside for d in m.distances}
            listed |= {f"outside_l2{_at(d)}": d.outside_l2 for d in m.distances}
            for measure, estimate in listed.items():
                if estimate is not None:
                    yield Result(model=m.model.name, data=m.data, condition="time", measure=measure, estimate=estimate)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "time": [
                {
                    "model": m.model.name,
                    "data": m.data,
                    "labelled": m.labelled,
                    "anchors": m.anchors,
                    "neighbours": m.frames,
                    "clips": m.clips,
                    "within": m.reach,
                    "summaries": {s.key: estimate_values(s.estimate) for s in m.summaries if s.estimate is not None},
                    "distances": [
                        {
                            "offset": d.offset or None,
                            "median_linf": d.linf,
                            "median_l2": d.l2,
                            "outside_linf": estimate_values(d.outside),
                            "outside_l2": estimate_values(d.outside_l2),
                        }
                        for d in m.distances
                    ],
                }
                for m in self.models
            ]
        }

    def markdown(self) -> Iterable[str]:
        yield from (f"## {self.title}", "", *(f"{escaped(line)}\n" for line in self.basis))
        titles = list(dict.fromkeys(s.title for m in self.models for s in m.summaries))
        yield "| model | " + " | ".join(map(escaped, titles)) + " |"
        yield "|---|" + "---:|" * len(titles)
        for m in self.models:
            cells = {s.title: _cell(s.estimate, s.unit) for s in m.summaries}
            yield f"| {escaped(m.model.name)} | " + " | ".join(cells.get(title, "–") for title in titles) + " |"
        yield ""

    @property
    def basis(self) -> tuple[str, ...]:
        """What the numbers rest on, a line a data set."""
        lines = []
        for m in {m.data: m for m in self.models}.values():
            several = f"{m.data}: " if len({m.data for m in self.models}) > 1 else ""
            of = "clips"
            if m.groups > m.clips:
                of = f"{m.groups:,} stretches, for other moments of the same film and not for other films"
            lines.append(
                f"{several}{count(m.anchors, 'anchor')} of {count(m.clips, 'clip')}, {count(m.frames, 'neighbour')} "
                f"within {m.reach} frames; intervals are those of {of}"
            )
        if self.unlabelled:
            lines.append(
                f"{listing(self.unlabelled)}: without labels, so this says how steady answers are, and nothing of "
                "whether they are right: a model that always gives one answer is perfectly steady"
            )
        return tuple(lines)

    def figures(self) -> Mapping[str, Markup]:
        return {
            f"time/{panel.key}": curves(panel, _look(COLUMN, measured, narrow))
            for panel, measured, narrow in panels(self.models)
        }

    def context(self) -> Mapping[str, Any]:
        drawn = list(panels(self.models))
        return {
            "figures": [Figure(p.title, curves(p, _look(SMALL, what, narrow))) for p, what, narrow in drawn],
            "table": curve_table([p for p, _, _ in drawn], [m.model for m in self.models]),
            "titles": list(dict.fromkeys(s.title for m in self.models for s in m.summaries)),
            "cell": _cell,
            "levels": lambda value: number(255 * value, 0),
            "two": lambda value: number(value, 2),
            "sets": list({m.data: m for m in self.models}.values()),
            "offset": lambda value: f"+{value}" if value > 0 else f"−{-value}" if value else "0",
        }


def _look(look: Any, measured: str, narrow: bool) -> Any:
    import dataclasses

    return dataclasses.replace(look, measured=measured, error=narrow, clean=False)


def _at(distance: Distance) -> str:
    return f"_at_{distance.offset}" if distance.offset else ""


def _cell(estimate: Estimate | None, unit: str) -> str:
    if estimate is None:
        return "–"
    if unit == "a second":
        low, high = number(estimate.low, 2), number(estimate.high, 2)
        return f"{number(estimate.value, 2)} [{low}, {high}]"
    return both(estimate)


def _findings(m: TimeModel) -> Iterator[Finding]:
    if m.anchors < FINDINGS_FROM or not m.reach:
        return
    found = {s.key: s.estimate for s in m.summaries}
    name = m.model.name
    if m.labelled:
        first, last, drop = found["pm0"], found[f"pm{m.reach}"], found["pm_drop"]
        assert first is not None and last is not None and drop is not None
        text = (
            f"{name} is right on {share(first)} of the frames, and on all frames within {m.reach} of them on "
            f"{share(last)}: {number(100 * drop.value, decimals_of(drop))} points less {interval(drop)}."
        )
        bad = drop.low > 0.01
        yield Finding(
            lead="A moment before or after:",
            text=text,
            estimates=(first, last, drop),
            tone="bad" if bad else "plain",
            model=m.model,
            slot="where" if bad else "",
            claim=f"{name} loses right answers within {m.reach} frames" if bad else "",
            number=Shown(estimate=drop, unit="", after="points") if bad else None,
            lost=drop if bad else None,
        )
        return
    steady = found[f"same_answer_within_{m.reach}"]
    assert steady is not None
    changes = steady.complement()
    yield Finding(
        lead="A moment before or after:",
        text=f"{name} gives another answer within {m.reach} frames of {share(changes)} of the frames; which are right "
        "is not known.",
        estimates=(changes,),
        tone="bad" if changes.low > 0.01 else "plain",
        model=m.model,
        slot="where",
        claim=f"{name} changes its answer within {m.reach} frames",
        number=Shown(estimate=changes, after="of the frames"),
    )
