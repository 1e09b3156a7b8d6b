"""The audit: compute random finished cells again and compare with what is stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.runs.bench import Bench
from brittlestar.store.skipped import skipped_of


@dataclass(frozen=True)
class Audited:
    """One cell computed again: identical bits, or how far the logits are and how many predictions differ."""

    model: str
    condition: str
    start: int
    stop: int
    identical: bool
    predictions_differ: int
    largest: float


def audit(bench: Bench, names: list[str], cells: int, seed: int) -> list[Audited]:
    """Compute ``cells`` randomly chosen finished cells again (fewer if there are fewer); none of random models."""
    skipped = skipped_of(bench.store.manifest)
    place_of = {c.fingerprint: i for i, c in enumerate(bench.spec.conditions)}
    random = random_models(bench, names)
    stored = [
        (model, place_of[f], start, stop)
        for model, fingerprint in enumerate(bench.spec.fingerprints)
        if names[model] not in random
        for start, stop, conditions, _ in bench.store.whole_files(fingerprint)
        for f in conditions
        if f in place_of
    ]
    chosen = np.random.default_rng(seed).permutation(len(stored))[:cells]
    audited = []
    for model, c, start, stop in sorted(stored[i] for i in chosen):
        again = bench.rows(start, stop, [(model, [c])]).get((model, c))
        if again is None:
            continue
        condition = bench.spec.conditions[c]
        kept = bench.store.read(bench.spec.fingerprints[model], [condition.fingerprint])[condition.fingerprint]
        kept = kept.take((kept.position >= start) & (kept.position < stop))
        # Samples that were skipped later than this was stored can have no answers again.
        kept = kept.take(~np.isin(kept.position, list(skipped)))
        audited.append(_compare(names[model], condition.info.id, start, stop, kept, again))
    return audited


def random_models(bench: Bench, names: list[str]) -> list[str]:
    """Names of the models of which two passes over the same images differ."""
    return [name for name in names if bench.store.manifest.models[name].get("random")]


def _compare(model: str, condition: str, start: int, stop: int, kept: Rows, again: Rows) -> Audited:
    same_rows = len(kept) == len(again) and bool(
        (kept.position == again.position).all() and (kept.label == again.label).all()
    )
    if not same_rows:
        return Audited(model, condition, start, stop, False, max(len(kept), len(again)), float("inf"))
    # Stored for every condition; the wide columns are not.
    columns = ("label_logit", "top_logit", "log_sum_exp")
    largest = max(float(np.abs(getattr(kept, c) - getattr(again, c)).max(initial=0)) for c in columns)
    differ = int((kept.prediction != again.prediction).sum())
    return Audited(model, condition, start, stop, differ == 0 and largest == 0, differ, largest)
