"""Which findings come first. The rule stands in docs/report.md.

A guard beats all: what a guard distrusts is not a finding yet. Then findings rank by the lower limit of the accuracy
lost: the mean over a severity curve, of the model that it hits hardest, with an interval for the worst of all curves
and models that were looked at. Those without a number of that kind follow, in the order of the page. The first screen
shows three: the first for **where**, for **why**, and for **trust or the worst case**; a slot without a finding takes
the next best of any. A single level is no curve: it comes to the screen only where nothing with a curve is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from brittlestar.report.section import Finding

SLOTS = ("where", "why", "trust")
"""The questions of the first screen, in its order."""


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """All findings, the weightiest first."""
    return tuple(sorted(findings, key=_weight))


def _weight(finding: Finding) -> tuple[bool, float]:
    lost = finding.lost.low if finding.lost is not None and math.isfinite(finding.lost.low) else -math.inf
    return finding.slot != "guard", -lost


def leading(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of the first screen: guards, then one a slot, then the next best; only those with a claim."""
    # ``sorted`` is stable: among guards, curves and single levels the ranking stays.
    listed = sorted((f for f in ranked(findings) if f.claim), key=lambda f: (f.slot != "guard", f.spark is None))
    chosen = [f for f in listed if f.slot == "guard"][: len(SLOTS)]
    for slot in SLOTS[: len(SLOTS) - len(chosen)]:
        chosen += [f for f in listed if f.slot == slot][:1]
    # By identity: two findings may be equal, and both may be told.
    rest = [f for f in listed if not any(f is one for one in chosen)]
    return tuple(chosen + rest[: len(SLOTS) - len(chosen)])
