"""Which frequencies a model needs and which disturb it: filters at every bandwidth, noise and scrambling by octaves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from brittlestar.shifts import BandNoise, BandPass, BandStop, HighPass, LowPass, PhaseScrambling, RandomMask, RingNoise
from brittlestar.shifts.conditions import Condition, clean
from brittlestar.suites.base import Shape, Suite
from brittlestar.suites.broad import ladder
from brittlestar.suites.fourier import map_norm

MOST = 16
"""Bandwidths (radii) a curve; all odd ones up to 32 pixels, evenly spread beyond."""


def spread(first: int, last: int, step: int, most: int = MOST) -> list[int]:
    """Whole numbers from first to last in steps, thinned evenly to at most ``most``, ends included."""
    listed = list(range(first, last + 1, step))
    if len(listed) <= most:
        return listed
    return sorted({listed[round(i * (len(listed) - 1) / (most - 1))] for i in range(most)})


def octaves(side: int) -> list[tuple[float, float]]:
    """Rings (above, up to) in cycles per image that double their radius, from 1 to the corner of the plane."""
    edges = [0.0]
    while edges[-1] < side / 2:
        edges.append(min(max(1.0, 2 * edges[-1]), side / 2))
    return [(low, high) for low, high in itertools.pairwise(edges)]


def _build(shape: Shape, storage: str) -> tuple[Condition, ...]:
    channels, height, width = shape
    side = min(height, width)
    table = "every bandwidth" if side // 2 <= MOST else f"{MOST} bandwidths"
    # Odd squares are centred on the mean; even ones reach farther on one side.
    sides = spread(1, side - 1, 2)
    radii = spread(1, side // 2, 1)
    # `map_norm` is for one channel, the noises' norm for all together.
    norm = round(map_norm(height, width) * channels**0.5, 4)
    found = [
        *ladder(
            LowPass,
            "bandwidth",
            # Along a curve strengths must rise, so the widest comes first.
            sides[::-1],
            table,
            label="lowest {0:d} x {0:d} kept",
            axis="frequencies removed along a side",
            strengths=[side - b for b in sides[::-1]],
        ),
        *ladder(
            HighPass,
            "bandwidth",
            sides,
            table,
            label="lowest {0:d} x {0:d} removed",
            axis="frequencies removed along a side",
            title="High-pass filter, mean kept",
        ),
        *ladder(
            BandPass,
            "high",
            radii[::-1],
            table,
            label="up to {:d} cycles kept",
            axis="cycles removed along a radius",
            strengths=[side // 2 - r for r in radii[::-1]],
            title="Radial low-pass filter",
            series="low",
        ),
        *ladder(
            BandStop,
            "high",
            radii,
            table,
            label="up to {:d} cycles removed",
            axis="cycles removed along a radius",
            title="Radial high-pass filter, mean kept",
            series="high",
        ),
    ]
    for band in ("low", "high"):
        found += ladder(
            BandNoise,
            "bandwidth",
            sides,
            table,
            label=("inside" if band == "low" else "outside") + " the lowest {0:d} x {0:d}",
            axis="bandwidth in cycles per image",
            series=band,
            title=f"{band.capitalize()}-frequency noise",
            fixed={"band": band, "norm": norm},
        )
    rings = octaves(side)
    for kind, title, fixed in (
        (BandPass, "One octave kept", {}),
        (BandStop, "One octave removed", {}),
        (RingNoise, "Noise in one octave", {"norm": norm}),
        (PhaseScrambling, "Phases scrambled in one octave", {}),
    ):
        for low, high in rings:
            # A ring holds its outer edge, not its inner one.
            found += ladder(
                kind,
                "high",
                [high],
                table,
                label=f"{low:g} to {{:g}} cycles",
                axis="upper end of the octave, cycles per image",
                series="octave",
                title=title,
                fixed={"low": low + EDGE, **fixed},
            )
    found += ladder(
        PhaseScrambling,
        "width",
        (30.0, 60.0, 90.0, 120.0, 150.0, 180.0),
        table,
        label="± {:.0f}°",
        axis="degrees",
        # Farther than any frequency: all phases are turned.
        fixed={"high": float(max(height, width))},
    )
    found += _masks(side, table)
    return (clean(), *found)


EDGE = 0.001
"""Cycles by which a ring begins beyond the end of the one before."""


def _masks(side: int, table: str) -> Sequence[Condition]:
    # The first is Jo and Bengio's.
    shares = (0.1, 0.2, 0.3, 0.5, 0.7)
    return ladder(RandomMask, "drop", shares, table, label="{:.0%} of frequencies", axis="share of frequencies")


BANDS = Suite("bands", "filters at every bandwidth, radial and square; noise and scrambled phases by octaves", _build)
