"""Transplanted objects: the five measures by what was pasted, and what the object does beyond a covering as large."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.sealed import Damaged
from brittlestar.core.text import readable
from brittlestar.measures import Estimate, NoSamplesError
from brittlestar.measures.means import bounded_difference
from brittlestar.measures.transplant import (
    Placements,
    answer_entropy,
    confidence_change,
    consistency,
    flip_difference,
    flip_rate,
    host_accuracy,
)
from brittlestar.report.gather import Gathered
from brittlestar.report.subjects import CLEAN, TRANSPLANT, ModelEntry, Subject
from brittlestar.store import RunStore
from brittlestar.store.damage import Damage
from brittlestar.store.transplants import WORST, read_transplanted, read_worst

DONOR, SAME, CONTROLS = "donor", "same_class", ("grey", "scrambled")
LEFT_OUT = "these placements are left out; give the same `brittlestar transplant` command again"


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What one kind of pasted thing does: a row of the table.

    Fields:
        condition, title: Which.
        name: ``donor``, ``same_class``, ``grey`` or ``scrambled``.
        hosts: Images that got one.
        accuracy: Of the hosts' own class over all placements.
        flip, explicable, ghost: Shares of clear placements that change a right answer, by what it becomes; ``None``
            where no host counts.
        consistency, entropy: Of a host's answers over places; bits.
        change: Of the confidence in the host's class.
    """

    condition: str
    title: str
    name: str
    hosts: int
    accuracy: Estimate
    flip: Estimate | None
    explicable: Estimate | None
    ghost: Estimate | None
    consistency: Estimate
    entropy: Estimate
    change: Estimate


@dataclass(frozen=True, kw_only=True)
class TransplantSetting:
    """One model's answers to one size and edge.

    Fields:
        model: Whose.
        label: Size and edge.
        masked: Whether it is known where the hosts' own objects lie; otherwise covering is a part of every flip.
        clear: Share of placements that are clear, where that is known.
        treatments: Rows of the table.
        beyond: Flip rate of the donor less that of each control, by the control's name.
        named: The same of flips to the donor's class.
        lost: Accuracy lost against the bare hosts, by place of the donor, row by row.
    """

    model: ModelEntry
    label: str
    masked: bool
    clear: float | None
    treatments: tuple[Treatment, ...]
    beyond: Mapping[str, Estimate]
    named: Mapping[str, Estimate]
    lost: tuple[Estimate, ...]

    @property
    def donor(self) -> Treatment | None:
        """The row of the object of another class."""
        return next((t for t in self.treatments if t.name == DONOR), None)


@dataclass(frozen=True, kw_only=True)
class ShownPlacement:
    """A placement that is shown; pictures are data URIs, classes readable names."""

    model: ModelEntry
    condition: str
    setting: str
    name: str
    label: str
    donor: str
    prediction: str
    kind: str
    confidence: float
    clean_confidence: float
    clean: str
    shifted: str


def build_settings(gathered: Gathered, level: float | None = None) -> tuple[TransplantSetting, ...]:
    """Every model's sizes and edges, in the order in which they were asked.

    Args:
        gathered: The runs.
        level: Of the differences from controls; the report's, if not given.
    """
    return tuple(one for subject in gathered.subjects for one in _of(gathered, subject, level))


def _of(gathered: Gathered, subject: Subject, level: float | None) -> Iterator[TransplantSetting]:
    store = gathered.stores[subject.run]
    infos = [_info(value) for value in store.manifest.conditions.values()]
    groups: dict[tuple[Any, ...], list[ConditionInfo]] = {}
    for info in infos:
        if info.kind == TRANSPLANT and info.id in subject.pasted:
            key = tuple(info.config[name] for name in ("ratio", "feather", "grid", "content"))
            groups.setdefault(key, []).append(info)
    for members in groups.values():
        found = _setting(gathered, store, subject, members, level)
        if found is not None:
            yield found


def transplant_infos(gathered: Gathered) -> list[ConditionInfo]:
    """Every condition with transplanted objects that some model has answers to, once."""
    have = {(s.run, i) for s in gathered.subjects for i in s.pasted if i != CLEAN}
    found = {i: _info(gathered.stores[run].manifest.conditions[i]) for run, i in sorted(have)}
    return [*found.values()]


def _info(value: Any) -> ConditionInfo:
    return value if isinstance(value, ConditionInfo) else ConditionInfo(**value)


def _setting(
    gathered: Gathered, store: RunStore, subject: Subject, members: list[ConditionInfo], level: float | None
) -> TransplantSetting | None:
    rule, own = gathered.rule, gathered.numbers.level
    answers: dict[str, Placements] = {}
    rows: list[Treatment] = []
    for info in members:
        placements = _placements(store, subject, info)
        if placements is not None:
            name = str(info.config["treatment"])
            answers[name] = placements
            rows.append(_treatment(info, name, placements, rule, own))
    if not answers:
        return None
    donor = answers.get(DONOR)
    differences: dict[str, dict[str, Estimate]] = {"flip": {}, "explicable": {}}
    for control in CONTROLS if donor is not None else ():
        for kind, found in differences.items():
            if control in answers:
                assert donor is not None
                value = _known(flip_difference, donor, answers[control], kind, rule, level or own)
                found.update({} if value is None else {control: value})
    first = next(iter(answers.values()))
    return TransplantSetting(
        model=subject.entry,
        label=members[0].label,
        masked=first.masked,
        clear=float(first.clear.mean()) if first.masked else None,
        treatments=tuple(rows),
        beyond=differences["flip"],
        named=differences["explicable"],
        lost=() if donor is None else tuple(_lost(donor, place, rule, own) for place in range(donor.answer.shape[1])),
    )


def _placements(store: RunStore, subject: Subject, info: ConditionInfo) -> Placements | None:
    clean = subject.pasted.get(CLEAN)
    if clean is None:
        return None
    try:
        kept = read_transplanted(store.path, info.fingerprint)
    except Damaged as error:
        store.note(Damage(error.path, error.why, LEFT_OUT))
        return None
    if kept is None:
        return None
    try:
        return Placements.of(subject.pasted[info.id], clean, kept.donor >= 0, kept.label, kept.clear)
    except NoSamplesError:
        return None


def _treatment(info: ConditionInfo, name: str, placements: Placements, rule: str, level: float) -> Treatment:
    return Treatment(
        condition=info.id,
        title=info.title,
        name=name,
        hosts=len(placements.label),
        accuracy=host_accuracy(placements, None, rule, level),
        flip=_known(flip_rate, placements, "flip", rule, level),
        explicable=_known(flip_rate, placements, "explicable", rule, level),
        ghost=_known(flip_rate, placements, "ghost", rule, level),
        consistency=consistency(placements, rule, level),
        entropy=answer_entropy(placements, rule, level),
        change=confidence_change(placements, rule, level),
    )


def _known(measure: Any, *arguments: Any) -> Estimate | None:
    try:
        found: Estimate = measure(*arguments)
    except NoSamplesError:
        return None
    return found


def _lost(donor: Placements, place: int, rule: str, level: float) -> Estimate:
    """Clean accuracy less that with the object at a place, on the same hosts."""
    before = (donor.clean == donor.label).astype(np.float64)
    after = (donor.answer[:, place] == donor.label).astype(np.float64)
    return bounded_difference(donor.samples, before - after, 1, rule, level)


def shown_placements(gathered: Gathered, near: Collection[str]) -> tuple[ShownPlacement, ...]:
    """The worst placements of every model that is not near chance."""
    found: list[ShownPlacement] = []
    for run, store in enumerate(gathered.stores):
        try:
            entries = read_worst(store.path)
        except Damaged as error:
            store.note(Damage(error.path, error.why, f"{WORST}: {LEFT_OUT}"))
            continue
        subjects = {str(s.entry.about["name"]): s for s in gathered.subjects if s.run == run}
        labels = {i: _info(c).label for i, c in store.manifest.conditions.items()}
        for entry in entries:
            subject = subjects.get(str(entry.get("model")))
            if subject is not None and subject.entry.key not in near:
                found.append(_entry(subject, entry, labels.get(str(entry["condition"]), "")))
    return tuple(found)


def _entry(subject: Subject, entry: Mapping[str, Any], setting: str) -> ShownPlacement:
    classes, label, prediction = subject.data.classes, int(entry["label"]), int(entry["prediction"])
    donor = readable(str(entry["object_class"]))
    named = classes[prediction]
    return ShownPlacement(
        model=subject.entry,
        condition=str(entry["condition"]),
        setting=setting,
        name=readable(str(entry["name"])),
        label=classes[label],
        donor=donor,
        prediction=named,
        kind="the object’s class"
        if str(entry["object_class"]) == subject.data.about["classes"][prediction]
        else "a third class",
        confidence=float(entry["confidence"]),
        clean_confidence=float(entry["clean_confidence"]),
        clean=_uri(entry["clean"]),
        shifted=_uri(entry["shifted"]),
    )


def _uri(text: Any) -> str:
    # Decoded and encoded again: what stands in the page is base64, whatever the file holds.
    return "data:image/png;base64," + base64.b64encode(base64.b64decode(str(text))).decode()
