"""What was estimated on images that nobody has labelled, and what such an estimate was worth where labels are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.measures.label_free import METHODS
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.svg import Canvas, element, outline
from brittlestar.report.estimated import Basis, EstimatedData, EstimatedModel, Tried, estimates
from brittlestar.report.estimated_words import beyond, rests, share_without_labels
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.section import Result, Section
from brittlestar.report.values import estimate_values
from brittlestar.report.words import count, family_title, number

UNLABELLED = "unlabelled"


@dataclass(frozen=True, kw_only=True)
class EstimatedWithoutLabels(Section):
    """Accuracy without labels (``brittlestar estimate``)."""

    id: ClassVar[str] = "estimated"
    nav: ClassVar[str] = "Without labels"
    title: ClassVar[str] = "Estimated without labels"
    without: ClassVar[Mapping[str, Any]] = {"estimated": None}

    data: tuple[EstimatedData, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        found, _ = gathered.once(estimates)
        return cls(data=found) if found else None

    def results(self) -> Iterable[Result]:
        for data in self.data:
            for one in data.models:
                for measure, e in (
                    ("accuracy_estimated_without_labels", one.any_mix),
                    ("accuracy_estimated_without_labels_same_mix", one.same_mix),
                ):
                    yield Result(
                        model=one.model.name,
                        data=data.name,
                        condition=UNLABELLED,
                        measure=measure,
                        estimate=e,
                        status="" if e else "no estimate: outside what was measured",
                    )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "estimated": [
                {
                    "data": data.name,
                    "samples": data.samples,
                    "different": data.distinct,
                    "models": {one.model.name: _values(one) for one in data.models},
                }
                for data in self.data
            ]
        }

    def markdown(self) -> Iterable[str]:
        for data in self.data:
            for one in data.models:
                head = f"* {escaped(one.model.name)} on {escaped(data.name)} ({count(data.distinct, 'image')}): "
                if one.any_mix is None or one.same_mix is None:
                    yield head + "no estimate: " + "; ".join(escaped(reason) for reason in reasons(one))
                else:
                    yield f"{head}{share_without_labels(one.any_mix)}, {escaped(_rests(one.any_mix_basis))}"
                    if mixed_otherwise(one):
                        same = f"{share_without_labels(one.same_mix)}, {escaped(_rests(one.same_mix_basis))}"
                        yield f"  * if the classes are mixed as in the run's data: {same}"
        yield ""

    def figures(self) -> Mapping[str, Markup]:
        return {
            f"estimated/{one.model.key}-{name}-{family}": svg
            for one in _models(self.data)
            for name, basis in bases(one)
            for family, _, svg in panels(one.model.name, model_class(one.model), basis)
        }

    def context(self) -> Mapping[str, Any]:
        return {
            "reasons": reasons,
            "named": named,
            "mixed_otherwise": mixed_otherwise,
            "tested": [
                (one, name, basis, panels(one.model.name, model_class(one.model), basis))
                for one in _models(self.data)
                for name, basis in bases(one)
            ],
        }


def _models(data: Iterable[EstimatedData]) -> list[EstimatedModel]:
    """Each model once: what it rests on is the same for all data."""
    return list({one.model.key: one for part in data for one in part.models}.values())


def mixed_otherwise(one: EstimatedModel) -> bool:
    """Whether it makes a difference if the classes are known to be mixed as in the run's data."""
    return one.any_mix_basis.methods != one.same_mix_basis.methods


def bases(one: EstimatedModel) -> list[tuple[str, Basis]]:
    """What its estimates rest on: under any mix of classes, and under the run's where that is another."""
    return [("any-mix", one.any_mix_basis), *([("same-mix", one.same_mix_basis)] if mixed_otherwise(one) else [])]


def _values(one: EstimatedModel) -> dict[str, Any]:
    return {
        "any_mix_of_classes": _estimated(one.any_mix, one.any_mix_basis),
        "same_mix_of_classes": _estimated(one.same_mix, one.same_mix_basis),
        "outside": reasons(one),
        "clean_accuracy": estimate_values(one.clean),
    }


def _estimated(e: Estimate | None, basis: Basis) -> dict[str, Any]:
    return {
        "estimate": None if e is None else estimate_values(e),
        "methods": list(basis.methods),
        "mean_error_on_left_out_families": basis.miss,
        "mean_error_of_the_clean_accuracy": basis.plain["clean"],
        "mean_error_of_plain_atc": basis.plain["atc_confidence"],
        "conditions": len(basis.tried),
        "conditions_within_their_intervals": basis.covered,
    }


def _rests(basis: Basis) -> str:
    return rests(basis.methods, basis.miss, basis.plain, basis.covered, len(basis.tried))


def reasons(one: EstimatedModel) -> list[str]:
    """Why there is no estimate."""
    return [beyond(o.name, o.value, o.low, o.high, o.nearest) for o in one.outside]


def named(basis: Basis) -> str:
    """The methods in words."""
    return ", ".join(METHODS[m] for m in basis.methods)


def panels(model: str, hue: str, basis: Basis) -> list[tuple[str, str, Markup]]:
    """(family, its title with how many lie within, a plot of truth over estimate) of each left-out family."""
    found = []
    for family in basis.families:
        own = [one for one in basis.tried if one.family == family]
        within = sum(one.covered for one in own)
        title = f"{family_title(family)}: {within} of {len(own)} within"
        found.append((family, title, _plot(f"{model}, {family_title(family)} left out", hue, own)))
    return found


def _plot(title: str, hue: str, tried: list[Tried]) -> Markup:
    """Truth over estimate, both from 0 to 100 %; a thin line is the estimate's interval, an open mark lies outside."""
    width, height, left, top, base = 250.0, 232.0, 34.0, 10.0, 194.0
    right = left + base - top
    described = f"{count(len(tried), 'condition')}, a mark each; on the line, estimate and truth are equal."
    canvas = Canvas(width, height, f"{title}: truth over estimate", described, "chart scatter")

    def x_of(share: float) -> float:
        return left + share * (right - left)

    def y_of(share: float) -> float:
        return base - share * (base - top)

    for tick in (0, 25, 50, 75, 100):
        canvas.line(left, y_of(tick / 100), right, y_of(tick / 100), "axis" if tick == 0 else "grid")
        canvas.text(left - 5, y_of(tick / 100) + 3.5, f"{tick}", "tick", "end")
        canvas.text(x_of(tick / 100), base + 14, f"{tick}", "tick", "middle")
    canvas.line(x_of(0), y_of(0), x_of(1), y_of(1), "axis")
    canvas.text((left + right) / 2, height - 6, "estimated without labels (%)", "axis-title", "middle")
    bars = "".join(
        outline([(x_of(t.estimate.low), y_of(t.accuracy)), (x_of(t.estimate.high), y_of(t.accuracy))]) for t in tried
    )
    canvas.add("path", d=bars, class_=f"whisker {hue}")
    for t in sorted(tried, key=lambda t: t.estimate.value):
        mark = element("circle", cx=x_of(t.estimate.value), cy=y_of(t.accuracy), r=2.6, data_tip=_tip(t))
        canvas.add("g", mark, class_=f"{'dot' if t.covered else 'open'} {hue}")
    return Markup(str(canvas.markup()).replace("<svg ", '<svg tabindex="0" ', 1))


def _tip(t: Tried) -> str:
    low, value, high, truth = (number(100 * v) for v in (t.estimate.low, t.estimate.value, t.estimate.high, t.accuracy))
    return f"{t.condition}\nestimated {value} % [{low}, {high}]\nmeasured {truth} %\nn = {t.estimate.n:,}"
