"""Robust accuracy over the budget of an attack."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.report.breaking import half_level, simultaneous_level
from brittlestar.report.claims import attack_claims
from brittlestar.report.drawing.charts import COLUMN, Figure, Look, curve_table, curves
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.panels import Panel
from brittlestar.report.section import Finding, Section
from brittlestar.report.series import Series, from_zero, panel_of, series_of
from brittlestar.report.status import trusted
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.report.words import images, listing, merged, share

WIDE = Look(width=480, height=260)


@dataclass(frozen=True, kw_only=True)
class AttackCurve:
    """Robust accuracy over epsilon for one threat model."""

    title: str
    threat: str
    panel: Panel


@dataclass(frozen=True, kw_only=True)
class Attacks(Section):
    """The worst case: accuracy when an attacker who knows the model changes every image within a budget."""

    id: ClassVar[str] = "attacks"
    nav: ClassVar[str] = "Attacks"
    title: ClassVar[str] = "The worst case"

    attacks: tuple[AttackCurve, ...]
    models: tuple[ModelEntry, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        attacks = _attacks(gathered)
        if not attacks:
            return None
        sure = gathered.once(trusted)
        told = [finding for s in sure.subjects for finding in _attacked(sure, s, gathered.numbers)]
        return cls(
            attacks=attacks, models=tuple(s.entry for s in gathered.subjects), told=(*attack_claims(sure), *told)
        )

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def figures(self) -> Mapping[str, Markup]:
        return {f"attacks/{a.panel.key}": _drawn(a, COLUMN) for a in self.attacks}

    def context(self) -> Mapping[str, Any]:
        return {
            "figures": [Figure(a.panel.title, _drawn(a), a.threat) for a in self.attacks],
            "table": curve_table([a.panel for a in self.attacks], self.models),
        }


def _drawn(attack: AttackCurve, size: Look = WIDE) -> Markup:
    # Budgets are distances, so their axis is true to scale.
    return curves(attack.panel, dataclasses.replace(size, clean=False, even=False))


def _attacks(gathered: Gathered) -> tuple[AttackCurve, ...]:
    """One chart a threat model."""
    numbers = gathered.numbers
    found = []
    for series in series_of(gathered, "attack"):
        without = [s for s in gathered.subjects if not any(i.id in s.rows for i in series.infos)]
        threat = merged([i.threat for i in series.infos if i.threat]) or "threat model not stated"
        threat = f"{threat[0].upper()}{threat[1:]}."
        for why, blind in (("no gradients reach its images", True), ("not asked, or not yet done", False)):
            names = [s.entry.name for s in without if bool(s.entry.about.get("differentiable")) != blind]
            threat += f" Not run on {', '.join(names)}: {why}." if names else ""
        panel = from_zero(
            panel_of(series, gathered.subjects, numbers.accuracy, title=f"{series.title}: robust accuracy")
        )
        found.append(AttackCurve(title=series.title, threat=threat, panel=panel))
    return tuple(found)


def _attacked(gathered: Gathered, subject: Subject, numbers: Numbers) -> list[Finding]:
    """Where each attack first brings a model below the level; the strengths were chosen, so intervals hold together."""
    if subject.clean is None:
        return []
    level, words = half_level(subject, numbers)
    listed = [
        dataclasses.replace(series, infos=own)
        for series in series_of(gathered, "attack")
        if (own := tuple(i for i in series.infos if i.id in subject.rows))
    ]
    if not listed:
        return []
    together = simultaneous_level(listed, numbers)
    parts, shown, every = [], [], []
    for series in listed:
        values = [numbers.accuracy(subject, i.id, together) for i in series.infos]
        lowest = min(range(len(values)), key=lambda k: values[k].value)
        at = next((k for k, v in enumerate(values) if v.value < level), lowest)
        parts.append(f"{series.title} at {Series.label(series.infos[at])} leaves {share(values[at])}")
        shown.append(values[at])
        every += values
    if any(v.high < level for v in shown):
        lead, tone = f"Falls below {words} under attack:", "bad"
    elif any(v.value < level for v in shown):
        lead, tone = f"May fall below {words} under attack:", "bad"
    elif all(v.low >= level for v in every):
        lead, tone = f"Stays above {words} under attack:", "good"
    else:
        lead, tone = f"Was not seen to fall below {words} under attack, by less than the interval:", "plain"
    of_all = f"; all {len(every)} intervals hold together" if len(every) > 1 else ""
    text = f"{listing(parts)} (white box, {images(shown[0].n)}{of_all})."
    return [Finding(model=subject.entry, lead=lead, text=text, estimates=tuple(shown), tone=tone)]
