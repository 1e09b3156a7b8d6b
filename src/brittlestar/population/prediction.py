"""Which synthetic columns predict a natural one beyond clean accuracy, in families of models that were not seen.

For every natural column, two regressions on the lines' scale over all models of known training: on clean accuracy,
and on clean accuracy with one synthetic column. Each family of models is left out in turn and predicted from the
others, and each family counts once: the gain is by how many points its mean absolute miss is smaller with the column.
Families of one fit are predicted from nearly the same others, so Student's interval over families is an approximation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from brittlestar.measures import holm
from brittlestar.measures.base import LEVEL, Estimate
from brittlestar.measures.robustness import mean_paired
from brittlestar.measures.scales import AccuracyScale, scale_of
from brittlestar.population.claims import Compared, PopulationClaims
from brittlestar.population.table import Flags, Floats, PopulationSetting

FEWEST_FAMILIES = 8


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A synthetic column as a predictor of a natural one.

    Fields:
        natural, synthetic: Which.
        gain: By how many points (as a share) the miss is smaller than with clean accuracy alone; n counts families.
        without, miss: Mean absolute miss in unseen families with clean accuracy alone, and with the column too.
        models: How many.
        p: Of no gain, two-sided, corrected for the number of pairs.
    """

    natural: Compared
    synthetic: PopulationSetting
    gain: Estimate
    without: float
    miss: float
    models: int
    p: float

    @property
    def helps(self) -> bool:
        """Whether a gain is shown."""
        return self.p < 1 - self.gain.level and self.gain.low > 0


def predictions(claims: PopulationClaims, level: float = LEVEL) -> list[Prediction]:
    """Every synthetic column for every natural one, the largest gain first for each; pairs with too little left out."""
    population, scale = claims.population, scale_of(claims.scale)
    family = np.asarray(population.families)
    known = np.asarray([bool(t) for t in population.types])
    columns = [c.column for c in claims.columns]
    synthetic = list({c.setting.name: c.setting for c in columns if c.setting.kind == "synthetic"}.values())
    found: list[Prediction] = []
    for natural in (c for c in columns if c.setting.kind == "natural"):
        x, y = population.column(natural.against.name), population.column(natural.setting.name)
        for setting in synthetic:
            s = population.column(setting.name)
            usable = known & _inside(x, scale) & _inside(y, scale) & _inside(s, scale)
            if len(set(family[usable])) < FEWEST_FAMILIES:
                continue
            names, of = np.unique(family[usable], return_inverse=True)
            clean, shifted = scale.forward(x[usable]), scale.forward(s[usable])
            without = _missed(y[usable], [clean], of, scale)
            with_it = _missed(y[usable], [clean, shifted], of, scale)
            by_family = [float((without - with_it)[of == g].mean()) for g in range(len(names))]
            if np.ptp(by_family) == 0:
                continue
            effect = mean_paired(by_family, level)
            found.append(
                Prediction(
                    natural=natural,
                    synthetic=setting,
                    gain=effect.estimate,
                    without=float(np.mean([without[of == g].mean() for g in range(len(names))])),
                    miss=float(np.mean([with_it[of == g].mean() for g in range(len(names))])),
                    models=int(usable.sum()),
                    p=effect.p,
                )
            )
    if not found:
        return []
    adjusted = holm([p.p for p in found])
    told = [dataclasses.replace(one, p=float(p)) for one, p in zip(found, adjusted, strict=True)]
    order = {c: place for place, c in enumerate(columns)}
    return sorted(told, key=lambda p: (order[p.natural], -p.gain.value))


def _inside(values: Floats, scale: AccuracyScale) -> Flags:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.isfinite(scale.forward(values)) & np.isfinite(values)


def _missed(y: Floats, by: Sequence[Floats], of: np.ndarray, scale: AccuracyScale) -> Floats:
    """(models,) absolute miss of each model's accuracy, its family left out of the fit."""
    design = np.stack([np.ones(len(y)), *by], axis=1)
    up = scale.forward(y)
    inverse = linalg.pinv(design.T @ design)
    left = up - design @ (inverse @ (design.T @ up))
    missed = np.empty_like(left)
    for group in range(int(of.max()) + 1):
        own = of == group
        # Residuals of a fit without these rows, from those of the whole fit: no fit a family is needed.
        hat = design[own] @ inverse @ design[own].T
        missed[own] = linalg.solve(np.eye(int(own.sum())) - hat, left[own])
    return np.abs(y - scale.inverse(up - missed))
