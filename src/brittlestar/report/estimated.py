"""What was estimated on unlabelled images: read from the run folder, where ``brittlestar estimate`` leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brittlestar.core.sealed import Damaged, read_json
from brittlestar.measures import Estimate
from brittlestar.measures.label_free import METHODS
from brittlestar.report.agreements import count_of, estimate_of, share_of
from brittlestar.report.explained import identity_of
from brittlestar.report.gather import Gathered
from brittlestar.report.subjects import ModelEntry
from brittlestar.store import RunStore
from brittlestar.store.damage import Damage
from brittlestar.store.unlabelled import ESTIMATE, FOLDER

SCHEMA = 1
CLEAN = "clean"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A measured condition, estimated without its family: what an estimate is tested on."""

    condition: str
    family: str
    accuracy: float
    estimate: Estimate

    @property
    def covered(self) -> bool:
        """Whether the interval holds the accuracy."""
        return self.estimate.low <= self.accuracy <= self.estimate.high


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What an estimate rests on (``measures.label_free_fit.LabelFreeFit``).

    Fields:
        methods: That were chosen.
        level: Of the intervals.
        miss: Mean error on left-out families.
        plain: The same of each method as it stands, and of assuming the clean accuracy (``CLEAN``).
        tried: Every condition.
    """

    methods: tuple[str, ...]
    level: float
    miss: float
    plain: Mapping[str, float]
    tried: tuple[Tried, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """Of the conditions."""
        return tuple(sorted({one.family for one in self.tried}))

    @property
    def covered(self) -> int:
        """How many conditions lie within their intervals."""
        return sum(one.covered for one in self.tried)


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """What of the images lies outside all that was measured (``measures.label_free_range.BeyondRange``)."""

    name: str
    value: float
    low: float
    high: float
    nearest: str


@dataclass(frozen=True, kw_only=True)
class EstimatedModel:
    """One model on one set of unlabelled images; without estimates, ``outside`` says why."""

    model: ModelEntry
    any_mix: Estimate | None
    same_mix: Estimate | None
    outside: tuple[Beyond, ...]
    clean: Estimate
    any_mix_basis: Basis
    same_mix_basis: Basis


@dataclass(frozen=True, kw_only=True)
class EstimatedData:
    """One set of unlabelled images: how many were answered, and how many of these are different."""

    name: str
    samples: int
    distinct: int
    models: tuple[EstimatedModel, ...]


def estimates(gathered: Gathered) -> tuple[tuple[EstimatedData, ...], tuple[str, ...]]:
    """What was estimated with the runs of a report, and notes on what is left out."""
    found: list[EstimatedData] = []
    notes: list[str] = []
    for store in gathered.stores:
        for path in sorted((store.path / FOLDER).glob(f"*/{ESTIMATE}")):
            again = f"`brittlestar estimate --run {store.path} --data ...` makes it again"
            try:
                kept = read_json(path)
                if kept["schema"] != SCHEMA:
                    notes.append(f"An estimate without labels was written by another version; {again}.")
                elif kept["identity"] != identity_of(store):
                    notes.append(f"An estimate without labels rests on an earlier state of its run; {again}.")
                elif (one := _built(gathered, store, kept)).models:
                    found.append(one)
            except Damaged as error:
                store.note(Damage(path, error.why, f"what was estimated without labels is left out; {again}"))
            except (ValueError, KeyError, TypeError, AttributeError, IndexError):
                notes.append(f"An estimate without labels cannot be read; {again}.")
    return tuple(sorted(found, key=lambda one: one.name)), tuple(notes)


def _built(gathered: Gathered, store: RunStore, kept: Mapping[str, Any]) -> EstimatedData:
    """
    Raises:
        ValueError, KeyError, TypeError, AttributeError: The content is not what ``brittlestar estimate`` writes.
    """
    entries = {
        str(s.entry.about["name"]): s.entry
        for s in gathered.subjects
        if s.entry.about["fingerprint"] == store.manifest.models.get(str(s.entry.about["name"]), {}).get("fingerprint")
    }
    return EstimatedData(
        name=str(kept["data"]["name"]),
        samples=count_of(kept["samples"]),
        distinct=count_of(kept["distinct"]),
        models=tuple(_model(entries[m["model"]], m) for m in kept["models"] if m["model"] in entries),
    )


def _model(entry: ModelEntry, kept: Mapping[str, Any]) -> EstimatedModel:
    return EstimatedModel(
        model=entry,
        any_mix=None if kept["any_mix"] is None else estimate_of(kept["any_mix"], 0.0),
        same_mix=None if kept["same_mix"] is None else estimate_of(kept["same_mix"], 0.0),
        outside=tuple(
            Beyond(
                name=str(o["name"]),
                value=float(o["value"]),
                low=float(o["low"]),
                high=float(o["high"]),
                nearest=str(o["nearest"]),
            )
            for o in kept["outside"]
        ),
        clean=estimate_of(kept["clean"], 0.0),
        any_mix_basis=_basis(kept["any_mix_fit"]),
        same_mix_basis=_basis(kept["same_mix_fit"]),
    )


def _basis(kept: Mapping[str, Any]) -> Basis:
    methods = tuple(str(m) for m in kept["methods"])
    if not methods or not set(methods) <= set(METHODS):
        raise ValueError(f"methods {methods}")
    return Basis(
        methods=methods,
        level=share_of(kept["level"]),
        miss=share_of(kept["miss"]),
        plain={str(k): share_of(v) for k, v in kept["plain"].items()},
        tried=tuple(
            Tried(
                condition=str(t["condition"]),
                family=str(t["family"]),
                accuracy=share_of(t["accuracy"]),
                estimate=estimate_of(t["estimate"], 0.0),
            )
            for t in kept["left_out"]
        ),
    )
