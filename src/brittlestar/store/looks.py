"""Whether the number of samples of a run may have depended on what it showed. One rule, read by everything.

An ordinary interval holds where the number of samples was decided beforehand. Whoever looks at a result and then goes
on, or stops because of it, needs intervals that hold at every number of samples together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brittlestar.store.manifest import LOST, SessionRecord


@dataclass(frozen=True)
class StoppingRule:
    """``fixed`` or ``anytime``, and for ``anytime`` why, as the end of a sentence that begins with "as"."""

    rule: str
    reason: str = ""


FIXED = StoppingRule("fixed")


def stopping_rule(sessions: Sequence[SessionRecord]) -> StoppingRule:
    """The rule of a folder with these sessions, in order; the last may be running.

    Every session's end counts as a look: the terminal shows results and the report is written. ``anytime`` is

    * a run that stops at a precision;
    * a folder that is asked for more samples than before, from that session on;
    * a run that a person stopped, that is still running, or that died: the results are on the screen;
    * a folder whose record of sessions was lost;
    * a run that is short of the number of samples it was planned with, for the second time.

    ``fixed`` stays a run that reached the number of samples of its first session, however often it was stopped on the
    way: that number is the recorded plan. Also the first report on a run that time ran out for (``--budget``) or that
    broke off by an error: neither depends on results. Sessions with other suites are plans of their own.
    """
    for place, session in enumerate(sessions):
        earlier = sessions[:place]
        if session.stop == LOST:
            return StoppingRule("anytime", "the record of earlier sessions is lost, which may have looked at results")
        if session.rule == "anytime":
            return StoppingRule("anytime", "the run stops as soon as it is precise enough")
        if earlier and session.samples > max(e.samples for e in earlier):
            planned = max(e.samples for e in earlier)
            return StoppingRule(
                "anytime", f"{session.samples:,} images were asked for after a look at up to {planned:,}"
            )
    for place, session in enumerate(sessions):
        if session.stop == "complete" or any(_finishes(later, session) for later in sessions[place + 1 :]):
            continue
        if session.stop == "died":
            # Nobody knows whether the person ended it, having seen the results on the screen.
            return StoppingRule(
                "anytime", f"a session died short of {session.samples:,} images, its results on the screen"
            )
        if session.stop in ("interrupted", "running"):
            return StoppingRule(
                "anytime", f"the run was stopped by hand, or goes on, short of {session.samples:,} images"
            )
        if any(_suites(session) & _suites(e) and e.stop != "complete" for e in sessions[:place]) or any(
            _suites(session) & _suites(later) for later in sessions[place + 1 :]
        ):
            return StoppingRule(
                "anytime",
                f"this is not the first look at a run that is short of the planned {session.samples:,} images",
            )
    return FIXED


def _finishes(later: SessionRecord, session: SessionRecord) -> bool:
    """Whether a later session completed what this one left open."""
    return later.stop == "complete" and later.samples >= session.samples and _suites(session) <= _suites(later)


def _suites(session: SessionRecord) -> set[str]:
    return set(session.suite.split(", "))
