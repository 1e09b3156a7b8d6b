"""What a reader sees first: status where it is needed, the profile, three findings with what to do; the rest is folded.

A screen holds at most ``MOST_WORDS`` words, whatever the run: it is drawn with names as long as they may be, and drawn
again with shorter ones, fewer rows and fewer words until it keeps that.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from markupsafe import Markup, escape

from brittlestar.report.anchors import example_anchor
from brittlestar.report.drawing import profile as drawn
from brittlestar.report.drawing.marks import colour_class, shape
from brittlestar.report.drawing.spark import spark
from brittlestar.report.drawing.svg import element
from brittlestar.report.findings import leading, ranked
from brittlestar.report.gather import Gathered
from brittlestar.report.names import apart, middle, shortened
from brittlestar.report.pair import PicturePair, pair_of
from brittlestar.report.profile import Profile, ProfileRow, build_profile
from brittlestar.report.section import Finding, Section, Shown
from brittlestar.report.status import Status
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import THIN, number

MOST_WORDS = 120
"""On the screen, outside of what is folded."""

MATRIX_UP_TO = 12
"""Models that stand in the open where there is a row for each; the others are folded."""


@dataclass(frozen=True, kw_only=True)
class Brevity:
    """How short the screen is told.

    Fields:
        name: Characters of a model's name.
        label: Characters of a class's name, or of a family's.
        title: Characters of the heading before it counts the models instead.
        unasked: Whether families that nobody asked have rows of their own, or one row that counts them.
        rows: Models in the open where each has a row.
        evidence: Whether advice tells its evidence in the open.
    """

    name: int = 24
    label: int = 16
    title: int = 72
    unasked: bool = True
    rows: int = MATRIX_UP_TO
    evidence: bool = True


LADDER = (
    Brevity(),
    Brevity(name=18, label=12),
    Brevity(name=14, label=10, title=40),
    Brevity(name=11, label=8, title=0, unasked=False),
    Brevity(name=9, label=6, title=0, unasked=False, rows=8),
    Brevity(name=7, label=4, title=0, unasked=False, rows=4, evidence=False),
)
"""From the longest on."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A finding of the screen with its pair of pictures, where the run stored one of that model and condition."""

    finding: Finding
    pair: PicturePair | None


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """Fields:
    profile: Families by accuracy kept.
    cards: At most three.
    findings: All, the weightiest first.
    anchors: Ids of the sections that are there: where the images of a family or a finding are.
    """

    profile: Profile
    cards: tuple[Card, ...]
    findings: tuple[Finding, ...]
    anchors: frozenset[str]

    @classmethod
    def build(cls, gathered: Gathered, sections: Iterable[Section]) -> Self:
        """The screen of a report with these sections."""
        sections = tuple(sections)
        findings = ranked(f for section in sections for f in section.findings())
        subjects = {s.entry.key: s for s in gathered.subjects}
        cards = []
        for finding in leading(findings):
            subject = subjects.get(finding.model.key) if finding.model is not None else None
            pair = None
            if subject is not None and finding.condition:
                pair = pair_of(gathered, subject, finding.condition, finding.classes)
            cards.append(Card(finding=finding, pair=pair))
        return cls(
            profile=build_profile(gathered),
            cards=tuple(cards),
            findings=findings,
            anchors=frozenset(s.id for s in sections),
        )

    def unlinked(self) -> Self:
        """The same without links, for where there is no page around it."""
        return dataclasses.replace(self, anchors=frozenset())

    @property
    def many(self) -> bool:
        """Whether models have a row each, families across."""
        return len(self.profile.models) > drawn.LANES_UP_TO

    def anchor(self, *wanted: str) -> str:
        """The first of some sections that is there."""
        return next((name for name in wanted if name in self.anchors), "")

    def link(self, row: ProfileRow) -> str:
        """Where a family's images are."""
        return {
            "attack": self.anchor("attacks", "grid"),
            "frequencies": self.anchor("filters", "frequencies", "grid"),
        }.get(row.key, self.anchor("grid", "curves"))

    def context(self, brevity: Brevity, title: str, statuses: Sequence[Status], data: str) -> dict[str, Any]:
        """What the template needs."""
        cut = shortened([m.name for m in self.profile.models], brevity.name)
        names = {model.key: name for model, name in zip(self.profile.models, cut, strict=True)}
        dress = Dress(self.profile.models, names)
        count = len(self.profile.models)
        short = f"{count} models on {middle(data, 24)}" if count > 1 else middle(self.profile.models[0].name, 24)
        return {
            "screen": self,
            "frame": drawn.frame(self.profile),
            "title": title if len(title) <= brevity.title else short,
            "whole_title": title,
            "statuses": told(statuses),
            "profile": self._matrix(names, brevity) if self.many else self._strips(names),
            "unasked": [row.title for row in self.profile.unasked],
            "brief": brevity,
            "cards": [self._card(card, dress, brevity) for card in self.cards],
            "more": len(self.findings) - len(self.cards),
        }

    def _strips(self, names: Mapping[str, str]) -> dict[str, Any]:
        lane = drawn.LANE if len(names) > 1 else 28
        listed = [names[m.key] for m in self.profile.models]
        return {
            "axis": drawn.axis(self.profile),
            "clean": drawn.clean_strip(self.profile, lane + 5 if len(names) > 1 else 28, listed),
            "gap": drawn.blank(10),
            "rows": [
                {
                    "row": row,
                    "link": self.link(row),
                    "drawn": drawn.strip(self.profile, row, lane, self.link(row)),
                    "lanes": [(colour_class(m.place), d) for m, d in zip(self.profile.models, row.dots, strict=True)],
                }
                for row in self.profile.asked
            ],
            "hole": drawn.hole(12),
        }

    def _matrix(self, names: Mapping[str, str], brevity: Brevity) -> dict[str, Any]:
        """A row a model, the best over all shifts first."""
        lead = self.profile.asked[0] if self.profile.asked else None

        def weight(place: int) -> float:
            dot = lead.dots[place] if lead is not None else None
            # Models without a number come last: what is kept hardly falls below 0.
            return -dot.estimate.value if dot is not None else 2.0

        order = sorted(range(len(self.profile.models)), key=weight)
        rows = [
            {
                "model": self.profile.models[place],
                "name": names[self.profile.models[place].key],
                "clean": self.profile.clean[place],
                "lead": lead.dots[place] if lead is not None else None,
                "cells": [
                    (row.dots[place], drawn.cell(row.dots[place], row.title, self.link(row)))
                    for row in self.profile.asked
                ],
            }
            for place in order
        ]
        return {"rows": rows[: brevity.rows], "folded": rows[brevity.rows :], "columns": self.profile.asked}

    def _pictures(self, card: Card) -> str:
        """The anchor of a card's pictures, else of what is nearest to them."""
        nearest = self.anchor("examples", "grid")
        model = card.finding.model
        return (
            example_anchor(model, card.finding.condition) if nearest == "examples" and card.pair and model else nearest
        )

    def _card(self, card: Card, dress: Dress, brevity: Brevity) -> dict[str, Any]:
        finding, pair = card.finding, card.pair
        whole = finding.spark.lines if finding.spark is not None else ()
        # Counted by model: the dashed line of confidence belongs to one that has a line already.
        models = {line.model.key for line in whole}
        labels = apart(pair.label, pair.prediction, brevity.label) if pair is not None else ("", "")
        return {
            "claim": dress(finding.claim),
            "mark": mark(finding.model, self.many) if finding.model is not None else "",
            "before": dress(finding.number.before) if finding.number is not None else "",
            "number": finding.number,
            "pair": pair,
            "label": labels[0],
            "prediction": labels[1],
            "sure": sureness(pair.confidence) if pair is not None else "",
            "spark": spark(finding.spark, len(models) > drawn.LANES_UP_TO) if finding.spark is not None else "",
            "axis": middle(finding.spark.axis, max(2 * brevity.label, 24)) if finding.spark is not None else "",
            "action": finding.action,
            "what": dress(finding.action.what) if finding.action is not None else "",
            "link": self._pictures(card),
        }


class Dress:
    """Puts models' names into a text: cut, in their colours, whole on focus."""

    def __init__(self, models: Sequence[ModelEntry], names: Mapping[str, str]) -> None:
        self.names = {m.name: (m, names[m.key]) for m in models}
        # The longest first: ``net`` would otherwise be found inside of ``net-2``.
        listed = sorted(self.names, key=len, reverse=True)
        # Not \b, which finds no end of a name that ends in a bracket.
        self.pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in listed))

    def __call__(self, text: str) -> Markup:
        """The text as markup, escaped."""
        parts, end = Markup(""), 0
        for match in self.pattern.finditer(text):
            model, short = self.names[match.group()]
            title = model.name if short != model.name else None
            parts += escape(text[end : match.start()])
            parts += element("span", short, class_=f"nm {colour_class(model.place)}", title=title)
            end = match.end()
        return parts + escape(text[end:])


def mark(model: ModelEntry, many: bool) -> Markup:
    """A model's mark as it stands in the profile."""
    path = element("path", d=shape(model.place, many), class_="mark", transform="translate(5 5)")
    return element("svg", path, width=10, height=10, class_=colour_class(model.place), aria_hidden="true")


def sureness(confidence: float) -> str:
    """``>99 % sure``: never 100."""
    return f">99{THIN}% sure" if confidence >= 0.99 else f"{number(100 * confidence, 0)}{THIN}% sure"


def shown_number(shown: Shown) -> str:
    """``44 %``, ``+68``."""
    return number(100 * shown.estimate.value, 0, sign=shown.sign) + (f"{THIN}{shown.unit}" if shown.unit else "")


REMEDY = {"near chance": "check the normalisation"}
"""What stands in the open although it comes late in a status's text."""

SAID_FIRST = 12
"""Words of a status that stand in the open; the rest of it is folded."""


def told(statuses: Sequence[Status]) -> list[dict[str, Any]]:
    """One line a kind of status, its first words in the open, everything folded under it."""
    groups: dict[str, list[Status]] = {}
    for status in statuses:
        groups.setdefault(status.kind, []).append(status)
    lines = []
    for kind, group in groups.items():
        first = re.split(r"[;(]|\. ", group[0].text)[0].strip().rstrip(".")
        words = first.split(" ")  # no other white space: it holds numbers and their units together
        text = " ".join(words[:SAID_FIRST]) + (" …" if len(words) > SAID_FIRST else "")
        if len(group) > 1:
            text = f"{len(group)} models" if kind == "near chance" else f"{len(group)} notes"
        text = f"{text}; {REMEDY[kind]}" if kind in REMEDY else text
        lines.append({"kind": kind.replace(" ", "-"), "lead": group[0].lead, "text": text, "all": group})
    return lines
