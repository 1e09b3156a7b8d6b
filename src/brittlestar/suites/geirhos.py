"""What Geirhos et al. (2018) showed to people and to networks, at their levels, made from anyone's images.

Lengths (of filters and of eidolons) were chosen for pictures of 224 and 256 pixels; for others they are scaled with the
shorter side. The undistorted end of most curves is the grey picture, which is listed once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from brittlestar.shifts import (
    Eidolon,
    Grey,
    GreyContrast,
    GreyHighPass,
    GreyLowPass,
    GreySaltAndPepper,
    GreyUniformNoise,
    OpponentColour,
    PhaseNoise,
    PowerEqualisation,
    QuarterTurn,
)
from brittlestar.shifts.base import Shift
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.suites.base import Shape, Suite

TABLE = "geirhos-2018"
SPECTRUM = "BRITTLESTAR_SPECTRUM"
"""Environment variable that names the mean amplitudes for power equalisation (``brittlestar build spectrum``)."""

_SIDE, _EIDOLON_SIDE = 224, 256
_LEAST_FILTER = 0.125
"""Standard deviations below this, in pixels, reach no neighbour: such a filter has a single weight."""

CONTRASTS = (0.5, 0.3, 0.15, 0.1, 0.05, 0.03, 0.01)
HIGH_PASS = (3.0, 1.5, 1.0, 0.7, 0.55, 0.45, 0.4)
LOW_PASS = (1.0, 3.0, 5.0, 7.0, 10.0, 15.0, 40.0)
HALF_WIDTHS = (0.03, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9)
AMOUNTS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
ANGLES = (30.0, 60.0, 90.0, 120.0, 150.0, 180.0)
REACHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
EIDOLONS = {"I": 1.0, "II": 0.3, "III": 0.0}
"""Coherence of the three kinds."""

GRAIN = 10.0


class _Listing:
    """Conditions of one table and storage."""

    def __init__(self, table: str, storage: str) -> None:
        self.table, self.storage = table, storage

    def one(self, definition: Shift, label: str, shown: Sequence[str] = (), **more: Any) -> Condition:
        return condition(definition, shown=shown, label=label, table=self.table, storage=self.storage, **more)

    def curve(
        self, kind: type[Shift], field: str, values: Sequence[float], label: str, axis: str, **how: Any
    ) -> Iterator[Condition]:
        """One condition a value, the mildest first; ``strengths`` where smaller values are the stronger ones."""
        fixed: dict[str, Any] = how.pop("fixed", {})
        for value, strength in zip(values, how.pop("strengths", values), strict=True):
            yield self.one(
                kind(**{field: value}, **fixed),
                label.format(value),
                (*fixed, field),
                strength=float(strength),
                strength_name=axis,
                **how,
            )


def _build(shape: Shape, storage: str) -> tuple[Condition, ...]:
    channels, height, width = shape
    side = min(height, width)
    here = _Listing(TABLE if side == _SIDE else f"{TABLE}, lengths for {side} pixels", storage)
    scale = side / _SIDE
    high = [round(sigma * scale, 4) for sigma in HIGH_PASS if sigma * scale >= _LEAST_FILTER]
    low = [round(sigma * scale, 4) for sigma in LOW_PASS if sigma * scale >= _LEAST_FILTER]
    listed = [
        clean(),
        # Of grey images this is the clean one again.
        *([here.one(Grey(), "no colour")] if channels == 3 else []),
        *here.curve(
            GreyContrast,
            "level",
            CONTRASTS,
            "{:.0%} of the contrast",
            "contrast lost",
            strengths=[round(1 - level, 4) for level in CONTRASTS],
        ),
        *here.curve(
            GreyHighPass,
            "sigma",
            high,
            "σ = {:.3g} px removed",
            "1 / σ in pixels",
            strengths=[round(1 / sigma, 6) for sigma in high],
        ),
        *here.curve(GreyLowPass, "sigma", low, "σ = {:.3g} px", "σ in pixels"),
        *here.curve(GreyUniformNoise, "half_width", HALF_WIDTHS, "± {:.2g}", "half width"),
        *here.curve(GreySaltAndPepper, "amount", AMOUNTS, "{:.0%} of pixels", "share of pixels"),
    ]
    for faithful, series, title in (
        (True, "as published", "Grey, phase noise as published"),
        (False, "corrected", "Grey, phase noise corrected"),
    ):
        more = {"fixed": {"faithful": faithful}, "series": series, "title": title}
        listed += here.curve(PhaseNoise, "width", ANGLES, "± {:.0f}°", "degrees", **more)
    spectrum = os.environ.get(SPECTRUM, "")
    amplitudes = "mean amplitudes of your own" if spectrum else "a typical photograph's amplitudes"
    listed.append(here.one(PowerEqualisation(spectrum=spectrum), amplitudes))
    if channels == 3:
        listed.append(here.one(OpponentColour(), "opponent colours"))
    for turns in (1, 2, 3) if height == width else (2,):
        listed.append(here.one(QuarterTurn(turns=turns), f"{90 * turns}°", ["turns"], series=f"{90 * turns}"))
    eidolon = side / _EIDOLON_SIDE
    for kind, coherence in EIDOLONS.items():
        listed += here.curve(
            Eidolon,
            "reach",
            [round(reach * eidolon, 4) for reach in REACHES],
            "reach {:.3g} px",
            "reach in pixels",
            fixed={"coherence": coherence, "grain": max(0.1, round(GRAIN * eidolon, 4))},
            series=kind,
            title=f"Eidolon {kind} (our approximation)",
        )
    return tuple(listed)


GEIRHOS = Suite(
    "geirhos-2018",
    "what Geirhos et al. showed to people: grey, contrast, filters, noise, phases, opponent colours, turns, eidolons",
    _build,
    ("uint8", "jpeg85", "float"),
)
