"""What pasted objects do: the elephant in the room."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.drawing.charts import Figure, model_class
from brittlestar.report.drawing.palette import BUCKETS, bucket
from brittlestar.report.drawing.svg import Canvas
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.status import near_chance_of
from brittlestar.report.transplant import CONTROLS, ShownPlacement, TransplantSetting, build_settings, shown_placements
from brittlestar.report.words import chosen, count, images, number, points, share

SIDE = 220.0
"""Width of a map of places in user units."""

CONTROL_NAMES = {"grey": "a grey patch", "scrambled": "the scrambled object"}


@dataclass(frozen=True, kw_only=True)
class Transplants(Section):
    """Objects of other pictures pasted into the images at a grid of places (Rosenfeld et al. 2018).

    Fields:
        settings: One a model, size and edge.
        data: Names of the data sets, by place.
        shown: The worst placements.
        told: Findings.
    """

    id: ClassVar[str] = "transplant"
    nav: ClassVar[str] = "Transplants"
    title: ClassVar[str] = "The elephant in the room"
    without: ClassVar[Mapping[str, Any]] = {"transplants": ()}

    settings: tuple[TransplantSetting, ...]
    data: tuple[str, ...]
    shown: tuple[ShownPlacement, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        if not any(subject.pasted for subject in gathered.subjects):
            return None
        settings = build_settings(gathered)
        if not settings:
            return None
        near = gathered.once(near_chance_of)
        return cls(
            settings=settings,
            data=tuple(d.name for d in gathered.data),
            shown=shown_placements(gathered, near),
            told=tuple(_findings(gathered, near)),
        )

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        for setting in self.settings:
            donor = setting.donor
            for t in setting.treatments:
                values = {
                    "host_accuracy": t.accuracy,
                    "flip_rate": t.flip,
                    "explicable_flip_rate": t.explicable,
                    "ghost_flip_rate": t.ghost,
                    "position_consistency": t.consistency,
                    "answer_entropy_bits": t.entropy,
                    "confidence_change": t.change,
                }
                yield from self._lines(setting, t.condition, values)
            if donor is not None:
                beyond = {f"flip_rate_beyond_{c}": e for c, e in setting.beyond.items()}
                named = {f"explicable_flip_rate_beyond_{c}": e for c, e in setting.named.items()}
                side = _side(setting)
                lost = {f"accuracy_lost_at_{i // side}_{i % side}": e for i, e in enumerate(setting.lost)}
                yield from self._lines(setting, donor.condition, {**beyond, **named, **lost})

    def _lines(
        self, setting: TransplantSetting, condition: str, values: Mapping[str, Estimate | None]
    ) -> Iterator[Result]:
        for measure, estimate in values.items():
            if estimate is not None:
                yield Result(
                    model=setting.model.name,
                    data=self.data[setting.model.data],
                    condition=condition,
                    measure=measure,
                    estimate=estimate,
                )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "transplants": [
                {
                    "model": s.model.name,
                    "setting": s.label,
                    "masked": s.masked,
                    "treatments": {
                        t.name: {
                            "hosts": t.hosts,
                            "host_accuracy": t.accuracy.as_json(),
                            "flip_rate": None if t.flip is None else t.flip.as_json(),
                        }
                        for t in s.treatments
                    },
                    "flip_rate_beyond": {name: e.as_json() for name, e in s.beyond.items()},
                }
                for s in self.settings
            ]
        }

    def markdown(self) -> Iterable[str]:
        yield from ("Transplanted objects (flip rate %, of clear placements of hosts that are right without one)", "")
        yield "| model | size, edge | pasted | flips | to the object's class | to a third | consistency |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for s in self.settings:
            for t in s.treatments:
                cells = [share(e) if e is not None else "–" for e in (t.flip, t.explicable, t.ghost, t.consistency)]
                yield f"| {escaped(s.model.name)} | {s.label} | {t.title} | {' | '.join(cells)} |"
        yield ""

    def figures(self) -> Mapping[str, Markup]:
        return {f"transplant/{s.model.key}-{i}": place_map(s) for i, s in enumerate(self.settings) if s.lost}

    def context(self) -> Mapping[str, Any]:
        return {
            "maps": [
                Figure(s.model.name, place_map(s), s.label, hue=model_class(s.model)) for s in self.settings if s.lost
            ],
            "controls": CONTROL_NAMES,
            "bits": lambda e: f"{number(e.value, 2)}",
            "bits_range": lambda e: f"[{number(e.low, 2)}, {number(e.high, 2)}]",
        }


def _side(setting: TransplantSetting) -> int:
    return math.isqrt(len(setting.lost))


def place_map(setting: TransplantSetting) -> Markup:
    """Accuracy lost by where the object lies, on the scale of the other tables of loss."""
    side = _side(setting)
    cell = SIDE / side
    title = f"Accuracy lost by place of the object: {setting.model.name}, {setting.label}"
    least, most = (f(e.value for e in setting.lost) * 100 for f in (min, max))
    described = f"From {number(least)} to {number(most)} points over {count(side**2, 'place')}."
    canvas = Canvas(SIDE + 4, SIDE + 34, title, described, "chart heatmap")
    for place, e in enumerate(setting.lost):
        x, y = 2 + cell * (place % side), 2 + cell * (place // side)
        colour = bucket(e.value, 1.0)
        canvas.add("rect", x=x, y=y, width=cell - 1, height=cell - 1, class_=f"d{colour}")
        if side <= 10:
            text = number(e.value * 100, 0)
            canvas.text(x + (cell - 1) / 2, y + cell / 2 + 3, text, f"count t{colour}", "middle")
    step = (SIDE - 90) / BUCKETS
    for place in range(BUCKETS):
        canvas.add("rect", x=92 + step * place, y=SIDE + 12, width=step + 0.2, height=7, class_=f"d{place}")
    canvas.text(2, SIDE + 19, "points lost", "count")
    for along, text, anchor in ((0.0, "−100", None), (0.5, "0", "middle"), (1.0, "+100", "end")):
        canvas.text(92 + step * BUCKETS * along, SIDE + 30, text, "count", anchor)
    return canvas.markup()


def _findings(gathered: Gathered, near: Mapping[str, Any]) -> Iterator[Finding]:
    """What the object does beyond a grey patch, a model each, in an interval for the largest of all that were asked.

    A model that errs more whatever is pasted, or that guesses, flips under the grey patch as well, and its difference
    is none.
    """
    own = gathered.numbers.level
    asked = [s for s in build_settings(gathered) if len(s.beyond) == len(CONTROLS) and s.model.key not in near]
    if not asked:
        return
    # One of many settings of many models is chosen for its number.
    every = build_settings(gathered, 1 - (1 - own) / len(asked))
    by_model: dict[str, list[TransplantSetting]] = {}
    for setting in every:
        if len(setting.beyond) == len(CONTROLS) and setting.model.key not in near:
            by_model.setdefault(setting.model.key, []).append(setting)
    for settings in by_model.values():
        yield _finding(max(settings, key=lambda s: s.beyond["grey"].low), len(asked))


def _finding(setting: TransplantSetting, candidates: int) -> Finding:
    donor = setting.donor
    assert donor is not None and donor.flip is not None
    sure = setting.beyond["grey"].low > 0
    where = "an object elsewhere" if setting.masked else "an object"
    lead = f"Changes a right answer for {where}:" if sure else "No pasted object was seen to do more than a patch:"
    against = " and ".join(
        f"{points(e, sign=True)} against {CONTROL_NAMES[name]}" for name, e in setting.beyond.items()
    )
    text = f"in {share(donor.flip)} of the placements ({setting.label}, {images(donor.flip.n)}), {against}"
    text += chosen(candidates)
    if sure and donor.explicable is not None and donor.ghost is not None:
        text += f"; to the object's class in {share(donor.explicable)}, to a third in {share(donor.ghost)}"
        form = setting.beyond["scrambled"].low > 0
        text += "; its form matters" if form else "; that more than its colours and textures does it is not shown"
    text += "." if setting.masked else ". Where the hosts' own objects lie was not given, so they may be covered."
    estimates = (donor.flip, *setting.beyond.values())
    return Finding(model=setting.model, lead=lead, text=text, estimates=estimates, tone="bad" if sure else "plain")
