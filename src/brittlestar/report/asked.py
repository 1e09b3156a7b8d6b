"""What was asked of whom, and how far it came: read off the sessions and the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import ConditionInfo
from brittlestar.report.gather import Gathered, plain
from brittlestar.report.subjects import CLEAN
from brittlestar.store.manifest import LOST
from brittlestar.store.skipped import skipped_of

SURVEY = "fourier (surveyed)"
"""What a session's suites hold where it was asked for a sharper Fourier map."""

DONE, LEFT_OUT = "done", "left out"
STATES = {"failed": "failed", "unsteady": "failed", "precision": DONE}
"""How a session ended -> what that makes of a cell that lacks images; anything else is not yet done."""

NOT_YET = "not yet done"

_NONE = np.empty(0, np.int32)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One condition of one model that a session asked for.

    Fields:
        run: Index of its run.
        model: The model's name in that run.
        info: The condition.
        samples: Images asked.
        answered: Images answered.
        state: ``done``, ``not yet done``, ``failed``, or ``left out`` (an attack on a model without gradients).
        stop: How the session ended that asked it last.
    """

    run: int
    model: str
    info: ConditionInfo
    samples: int
    answered: int
    state: str
    stop: str


def what_was_asked(gathered: Gathered) -> tuple[Asked, ...]:
    """Every condition of every model that some session asked for, as the last one asked it."""
    return tuple(one for run in range(len(gathered.stores)) for one in _of_run(gathered, run))


def _of_run(gathered: Gathered, run: int) -> Iterator[Asked]:
    manifest = gathered.stores[run].manifest
    listed = {i: c if isinstance(c, ConditionInfo) else ConditionInfo(**c) for i, c in manifest.conditions.items()}
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for session in map(plain, manifest.sessions):
        if session.get("stop") == LOST:  # nobody knows what was asked
            continue
        # Records of earlier versions name neither models nor conditions: those sessions asked all of them.
        models = session.get("models") or list(manifest.models)
        for name in models:
            for condition in session.get("conditions") or listed:
                last[name, condition] = int(session.get("samples") or 0), str(session.get("stop") or "running")
    answers, skipped = _answered(gathered, run), skipped_of(manifest)
    for (name, condition), (samples, stop) in last.items():
        if condition not in listed or name not in manifest.models:
            continue
        info, positions = listed[condition], answers.get((name, condition), _NONE)
        answered = len(positions)
        # Some were answered while they could still be read.
        excused = len(np.setdiff1d([p for p in skipped if p < samples], positions)) if skipped else 0
        state = DONE
        # A record may lack the number of images; an answer is at least one.
        if answered + excused < max(samples, 1):
            # A precision that was reached excuses fewer images, but not none: such a condition was never looked at.
            state = STATES.get(stop, NOT_YET) if answered or stop != "precision" else NOT_YET
            if info.kind == "attack" and not answered and not plain(manifest.models[name]).get("differentiable"):
                state = LEFT_OUT
        yield Asked(run=run, model=name, info=info, samples=samples, answered=answered, state=state, stop=stop)


def _answered(gathered: Gathered, run: int) -> Mapping[tuple[str, str], npt.NDArray[np.int32]]:
    """Positions of the images that were answered, each once, by model and condition."""
    found = {}
    for subject in gathered.subjects:
        if subject.run == run:
            name = str(subject.entry.about["name"])
            found.update({(name, c): rows.position for c, rows in subject.rows.items()})
            # A sequence has a row for each frame of an image, and a transplant one for each place.
            several = {**subject.frames, **{c: rows for c, rows in subject.pasted.items() if c != CLEAN}}
            found.update({(name, c): np.unique(rows.position) for c, rows in several.items()})
    return found


def survey_lacks(gathered: Gathered, run: int) -> bool:
    """Whether a sharper Fourier map was asked in a run and some model has none."""
    manifest = gathered.stores[run].manifest
    wanted: set[str] = set()
    for session in map(plain, manifest.sessions):
        if SURVEY in str(session.get("suite") or ""):
            wanted.update(session.get("models") or manifest.models)
    have = {str(s.entry.about["name"]) for s in gathered.subjects if s.run == run and s.sampled is not None}
    return not wanted <= have
