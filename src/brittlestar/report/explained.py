"""What explains a failure: read from the run folder, where ``brittlestar explain`` leaves it, and trusted no further.

Spectra need the images and torch, which a report has not. What was computed is kept beside the rows as plain numbers
with a fingerprint of the conditions, models, seed and answers it belongs to. A report leaves out what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.sealed import Damaged, read_json
from brittlestar.measures import Estimate
from brittlestar.measures.sampled import sampled_map
from brittlestar.report.agreements import Agreement, agreement_of, count_of, estimate_of, share_of
from brittlestar.report.gather import Gathered
from brittlestar.report.panels import Matrix
from brittlestar.report.status import near_chance_of
from brittlestar.report.subjects import ModelEntry
from brittlestar.store import RunStore, stopping_rule
from brittlestar.store.damage import Damage

NAME = "explain.json"
SCHEMA = 3
SIDE = 32
"""Most frequencies along a side of a kept spectrum."""


@dataclass(frozen=True, kw_only=True)
class ShiftSpectrum:
    """What a shift condition changes, by frequency.

    Fields:
        condition: Its id.
        shift, title, label: Which shift, and for people.
        high: Share of the change's energy above the bandwidth.
        plane: Logarithm (base 10) of the mean magnitude, the mean frequency in the centre, at most ``SIDE`` a side; NaN
            where nothing changes.
        strongest: Whether it changes more than all other conditions of its shift and title.
    """

    condition: str
    shift: str
    title: str
    label: str
    high: float
    plane: Matrix
    strongest: bool

    @property
    def name(self) -> str:
        """``Fog, severity 3``."""
        return f"{self.title}, {self.label}" if self.label else self.title


@dataclass(frozen=True, kw_only=True)
class ExplainedCase:
    """One model under one shift: see ``brittlestar.analyses.explain.Case``."""

    spectrum: ShiftSpectrum
    predicted: float
    measured: Estimate
    against: Estimate | None


@dataclass(frozen=True, kw_only=True)
class ExplainedModel:
    """The cases of a model; correlations are ``None`` where they are undefined."""

    model: ModelEntry
    cases: tuple[ExplainedCase, ...]
    fit: Estimate | None
    trade: Estimate | None

    @property
    def shifts(self) -> int:
        """Number of different shifts."""
        return len({c.spectrum.shift for c in self.cases})


@dataclass(frozen=True, kw_only=True)
class ExplainedRun:
    """All that is kept.

    Fields:
        bandwidth: Side of the square of low frequencies.
        images: That the spectra were taken from.
        models: With their cases.
        spectra: One a condition, from low to high frequencies.
        sentences: What the intervals bear out.
        agreements: The same as numbers, between models of the page; ``None`` in files from before they were kept.
        first: Name of the model that the others are compared with.
    """

    bandwidth: int
    images: int
    models: tuple[ExplainedModel, ...]
    spectra: tuple[ShiftSpectrum, ...]
    sentences: tuple[str, ...]
    agreements: tuple[Agreement, ...] | None
    first: str


def identity_of(store: RunStore) -> str:
    """A fingerprint of all that an explanation is made of: data, seed, conditions, models, and what was answered."""
    manifest = store.manifest
    wanted = {i.fingerprint for i in manifest.conditions.values() if i.kind in ("clean", "shift", "fourier")}
    answered = {}
    for model in manifest.models.values():
        known = str(model["fingerprint"])
        counts = {c: list(n) for c, n in store.tallies(known).items() if c in wanted}
        # A survey that goes on keeps its name: the number of its passes tells its states apart.
        survey = sampled_map(store.path, known, leave_out=lambda _: None)
        answered[known] = [counts, None if survey is None else survey.passes]
    # A later session that looks at results widens the intervals, and sentences rest on these.
    rules = [stopping_rule(manifest.sessions).rule]
    return fingerprint_of([manifest.data["fingerprint"], manifest.seed, sorted(wanted), answered, rules])


def is_current(store: RunStore) -> bool:
    """Whether the run folder has an explanation of its present state."""
    try:
        kept = read_json(store.path / NAME, required=store.manifest.sealed)
        return bool(kept["schema"] == SCHEMA and kept["identity"] == identity_of(store))
    except (Damaged, KeyError):
        return False


def explanation(gathered: Gathered) -> tuple[ExplainedRun | None, tuple[str, ...]]:
    """What explains the failures of one run that was explained, and notes on what was left out."""
    # An explanation is computed from one run; for models of several nobody has made one.
    if len(gathered.stores) != 1:
        return None, ()
    store = gathered.stores[0]
    path = store.path / NAME
    if not path.is_file():
        return None, ()
    again = f"run `brittlestar explain {store.path} --data ...` again"
    try:
        kept = read_json(path, required=store.manifest.sealed)
        if kept["schema"] != SCHEMA:
            return None, (f"{NAME} was written by another version and is left out; {again}.",)
        if kept["identity"] != identity_of(store):
            return None, (f"{NAME} belongs to an earlier state of this run and is left out; {again}.",)
        made = _built(gathered, kept)
    except Damaged as error:
        store.note(Damage(path, error.why, f"what explains a failure is left out; {again}"))
        return None, ()
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None, (f"{NAME} cannot be read and is left out; {again}.",)
    if gathered.once(near_chance_of):
        return None, ("What explains a failure is left out: a model of the run is near chance.",)
    return made, ()


def _built(gathered: Gathered, kept: Mapping[str, Any]) -> ExplainedRun:
    """
    Raises:
        ValueError, KeyError, TypeError, AttributeError: The content is not what ``brittlestar explain`` writes.
    """
    spectra = {s.condition: s for s in (_spectrum(gathered, s) for s in kept["spectra"])}
    models = []
    for subject in gathered.subjects:
        name = str(subject.entry.about["name"])
        cases = tuple(
            ExplainedCase(
                spectrum=spectra[c["condition"]],
                predicted=share_of(c["predicted"]),
                measured=estimate_of(c["measured"], -1.0),
                against=None if c["against"] is None else estimate_of(c["against"], -1.0),
            )
            for c in kept["cases"]
            if c["model"] == name
        )
        if cases:
            fit, trade = (kept[key].get(name) for key in ("fit", "trade"))
            models.append(
                ExplainedModel(
                    model=subject.entry,
                    cases=cases,
                    fit=None if fit is None else estimate_of(fit, -1.0),
                    trade=None if trade is None else estimate_of(trade, -1.0),
                )
            )
    if not models:
        raise ValueError("no cases")
    agreements = kept.get("agreements")
    told = None if agreements is None else tuple(agreement_of(a) for a in list(agreements))
    shown = {str(m.model.about["name"]) for m in models}
    for one in told or ():
        if unknown := {s.condition for s in (*one.shifts, *one.exceptions)} - set(spectra):
            raise ValueError(f"agreements under {unknown}")
    return ExplainedRun(
        bandwidth=count_of(kept["bandwidth"]),
        images=count_of(kept["images"]),
        models=tuple(models),
        spectra=tuple(sorted(spectra.values(), key=lambda s: s.high)),
        sentences=tuple(str(s) for s in list(kept["sentences"])),
        agreements=None if told is None else tuple(a for a in told if {a.model, a.first} <= shown),
        first=models[0].model.name,
    )


def _spectrum(gathered: Gathered, kept: Mapping[str, Any]) -> ShiftSpectrum:
    info = gathered.infos[kept["condition"]]
    plane = np.array([[np.nan if v is None else float(v) for v in row] for row in kept["plane"]], np.float64)
    # NaN says that nothing changes there; infinity would stretch the scale that all spectra share.
    if plane.ndim != 2 or not 1 <= min(plane.shape) <= max(plane.shape) <= SIDE or np.isinf(plane).any():
        raise ValueError(f"a spectrum of {plane.shape}")
    return ShiftSpectrum(
        condition=info.id,
        shift=info.shift,
        title=gathered.subjects[0].titles[info.id],
        label=info.label,
        high=share_of(kept["high"]),
        plane=plane,
        strongest=bool(kept["strongest"]),
    )
