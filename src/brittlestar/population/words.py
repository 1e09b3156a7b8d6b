"""What a population says of a claim, in sentences that carry their counts."""

from __future__ import annotations

from collections.abc import Sequence

from brittlestar.population.claims import ColumnClaim, PopulationClaims
from brittlestar.report.words import count, listing

CLAIM = "sacrifices robustness in the real world"
"""Gilmer and Hendrycks, Distill 2019, of adversarial training."""

_KINDS = (("natural", "natural"), ("synthetic", "synthetic"), ("adversarial", "adversarial"))


def sentences(claims: PopulationClaims) -> list[str]:
    """What is shown raw, beyond clean accuracy, and what stands of the article's sentence."""
    told = []
    for kind, name in _KINDS:
        columns = [c for c in claims.columns if c.column.setting.kind == kind]
        if columns:
            told.append(_of_kind(claims, columns, name))
    return [*told, standing_sentence(claims)]


def _of_kind(claims: PopulationClaims, columns: Sequence[ColumnClaim], name: str) -> str:
    alarm = 1 - columns[0].beyond.estimate.level
    worse = [c for c in columns if c.raw_p < alarm and c.raw.estimate.value < 0]
    better = [c for c in columns if c.raw_p < alarm and c.raw.estimate.value > 0]
    by = {stand: [c for c in columns if c.stand == stand] for stand in dict.fromkeys(c.stand for c in columns)}
    parts = [
        f"On {count(len(columns), f'{name} column')}, raw, {claims.claimed} models are less accurate than "
        f"{claims.standard} ones on {len(worse)} and more accurate on {len(better)}"
    ]
    beyond = []
    for stand in ("less robust", "more robust"):
        found = by.get(stand, [])
        names = f" ({listing([c.column.title for c in found])})" if found else ""
        beyond.append(f"{stand} on {len(found)}{names}")
    parts.append(f"beyond clean accuracy they are {' and '.join(beyond)}")
    rest = [
        f"{len(by[stand])} {words}"
        for stand, words in (
            ("depends on the scale", "depend on the scale"),
            ("depends on extrapolation", "depend on extrapolated models"),
            ("no difference shown", "show no difference"),
        )
        if stand in by
    ]
    return "; ".join([*parts, *rest]) + "."


def standing_sentence(claims: PopulationClaims) -> str:
    """What stands of "sacrifices robustness in the real world" for this type of models."""
    natural = [c for c in claims.columns if c.column.setting.kind == "natural"]
    if not natural:
        return f"Whether this type of training {CLAIM} cannot be asked of these tables: they have no natural column."
    alarm = 1 - natural[0].beyond.estimate.level
    less, more = ([c for c in natural if c.stand == f"{which} robust"] for which in ("less", "more"))
    lower = [c for c in natural if c.raw_p < alarm and c.raw.estimate.value < 0]
    families = max(c.below + c.above for c in natural)
    about = f"{natural[0].models} {claims.claimed} models of {count(families, 'family', 'families')}"
    raw = f"raw, they lose on {len(lower)} of {len(natural)} natural columns"
    if not less:
        ends = f", and more than it predicts is kept on {listing([c.column.title for c in more])}" if more else ""
        stands = "it stands raw, as for any model that is less accurate; " if lower else ""
        text = f"{stands}beyond what clean accuracy predicts no loss is shown on any{ends}"
    elif len(less) == len(natural):
        text = "it stands on all of them, beyond clean accuracy too"
    else:
        text = f"beyond clean accuracy it stands on {listing([c.column.title for c in less])} alone"
    synthetic = [c for c in claims.columns if c.column.setting.kind == "synthetic" and c.stand == "less robust"]
    shown = f" A loss beyond clean accuracy is shown under {listing([c.column.title for c in synthetic])}." * bool(
        synthetic
    )
    return f"What stands of “{CLAIM}” ({about}): {raw}; {text}.{shown}"
