"""Images from outside of the classes: whether confidence tells them from the data's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.core.errors import StoreError
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from brittlestar.measures.outside import aupr, auroc, base_rate, false_positives
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.status import trusted
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.report.values import estimate_values
from brittlestar.report.words import images, number, share
from brittlestar.store import RunStore
from brittlestar.store.manifest import is_run

FOLDER = "outside"


@dataclass(frozen=True, kw_only=True)
class ToldApart:
    """How well one model's confidence tells one set of images from outside from the data's own.

    Fields:
        model, data, name: The model, its data, and the set.
        inside, outside: How many images of each.
        auroc, aupr, false_positives: See ``measures.outside``; the outside images are what is to be found.
        base_rate: The average precision of no skill.
    """

    model: ModelEntry
    data: str
    name: str
    inside: int
    outside: int
    auroc: Estimate
    aupr: Estimate
    false_positives: Estimate
    base_rate: float


@dataclass(frozen=True, kw_only=True)
class OutsideDifference:
    """How much larger a number of one model is than that of another, on the same images."""

    name: str
    measure: str
    first: ModelEntry
    second: ModelEntry
    data: str
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class Outside(Section):
    """Images of none of the classes: one row a model and set, and paired differences to the first model."""

    id: ClassVar[str] = "outside"
    nav: ClassVar[str] = "Outside"
    title: ClassVar[str] = "Is it less sure of what it cannot know?"

    rows: tuple[ToldApart, ...]
    apart: tuple[OutsideDifference, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        rows: list[ToldApart] = []
        apart: list[OutsideDifference] = []
        firsts: dict[tuple[int, str], tuple[Subject, Rows]] = {}
        for subject in gathered.subjects:
            if subject.clean is None or subject.clean.labels_only:
                continue
            for name, found in _sets(gathered.stores[subject.run], subject).items():
                rows.append(_told_apart(subject, name, found, gathered))
                first, other = firsts.setdefault((subject.run, name), (subject, found))
                if first is not subject and first.clean is not None:
                    apart += _differences(first, other, subject, found, name, gathered)
        sure = {s.entry.key for s in gathered.once(trusted).subjects}
        told = tuple(_finding(row) for row in rows if row.model.key in sure)
        return cls(rows=tuple(rows), apart=tuple(apart), told=told) if rows else None

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        for row in self.rows:
            for measure, estimate in (
                ("auroc", row.auroc),
                ("aupr", row.aupr),
                ("false_positives", row.false_positives),
            ):
                yield Result(
                    model=row.model.name,
                    data=row.data,
                    condition=f"outside/{row.name}",
                    measure=measure,
                    estimate=estimate,
                )
        for pair in self.apart:
            yield Result(
                model=pair.second.name,
                data=pair.data,
                condition=f"outside/{pair.name}",
                measure=f"{pair.measure}_minus_{pair.first.name}",
                estimate=pair.difference,
            )

    def summary(self, corrected: Mapping[int, Any]) -> Mapping[str, Any]:
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            found.setdefault(row.model.name, {})[row.name] = {
                "inside": row.inside,
                "outside": row.outside,
                "auroc": estimate_values(row.auroc),
                "aupr": estimate_values(row.aupr),
                "aupr_of_no_skill": row.base_rate,
                "false_positives": estimate_values(row.false_positives),
            }
        return {"outside": found}

    def markdown(self) -> Iterator[str]:
        yield "## Images from outside"
        yield ""
        for row in self.rows:
            yield (
                f"* {escaped(row.model.name)}, {escaped(row.name)} ({row.outside:,} outside, {row.inside:,} inside): "
                f"AUROC {share(row.auroc)}, AUPR {share(row.aupr)} (no skill {number(100 * row.base_rate)}), "
                f"false positives at 95 % recall {share(row.false_positives)}"
            )
        yield ""


def _sets(store: RunStore, subject: Subject) -> dict[str, Rows]:
    """Rows of the model on images from outside, by the set's name."""
    found = {}
    folder = store.path / FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not is_run(path):
            continue
        try:
            own = RunStore.open(path)
        except StoreError:
            continue
        about = own.manifest.models.get(_name(store, subject))
        clean = [info.fingerprint for info in own.manifest.conditions.values() if info.kind == "clean"]
        # What the model is must be the same, and where its identity differs nothing is said of it.
        if about is None or not clean or about.get("files") != subject.entry.about.get("files"):
            continue
        rows = own.read(about["fingerprint"], clean[:1], detail=False).get(clean[0])
        if rows is not None and len(rows):
            found[path.name] = rows
    return found


def _name(store: RunStore, subject: Subject) -> str:
    """The model's name in its run."""
    key = subject.entry.about["fingerprint"]
    return next(name for name, about in store.manifest.models.items() if about["fingerprint"] == key)


def _told_apart(subject: Subject, name: str, outside: Rows, gathered: Gathered) -> ToldApart:
    inside, rule, level = subject.clean, gathered.rule, gathered.numbers.level
    assert inside is not None
    return ToldApart(
        model=subject.entry,
        data=subject.data.name,
        name=name,
        inside=len(inside),
        outside=len(outside),
        auroc=auroc(inside, outside).estimate(rule, level),
        aupr=aupr(inside, outside).estimate(rule, level),
        false_positives=false_positives(inside, outside, rule, level),
        base_rate=base_rate(inside, outside),
    )


def _differences(
    first: Subject, first_rows: Rows, second: Subject, second_rows: Rows, name: str, gathered: Gathered
) -> Iterator[OutsideDifference]:
    assert first.clean is not None and second.clean is not None
    same = len(first.clean) == len(second.clean) and bool((first.clean.position == second.clean.position).all())
    if not same or len(first_rows) != len(second_rows):
        return
    for measure, of in (("auroc", auroc), ("aupr", aupr)):
        found = of(second.clean, second_rows).less(of(first.clean, first_rows), gathered.rule, gathered.numbers.level)
        yield OutsideDifference(
            name=name,
            measure=measure,
            first=first.entry,
            second=second.entry,
            data=second.data.name,
            difference=found,
        )


def _finding(row: ToldApart) -> Finding:
    lead = f"Images from outside ({row.name}):"
    if row.auroc.low > 0.5:
        text = f"it is less sure of them than of its own in {share(row.auroc)} of pairs"
        tone = "plain"
    elif row.auroc.high < 0.5:
        text, tone = f"it is surer of them than of its own: less sure in only {share(row.auroc)} of pairs", "bad"
    else:
        text, tone = f"no difference in confidence shown, {share(row.auroc)} of pairs", "bad"
    counts = f"{images(row.outside)} outside, {row.inside:,} inside"
    return Finding(model=row.model, lead=lead, text=f"{text} ({counts}).", estimates=(row.auroc,), tone=tone)
