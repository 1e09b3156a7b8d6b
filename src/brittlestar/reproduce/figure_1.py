"""Figure 1: models learn from images of which only high frequencies are left, where those images look uniform."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.measures import Estimate, chance_limit, clopper_pearson
from brittlestar.reproduce.page import filter_pictures
from brittlestar.reproduce.study import ClaimVerdict, Study, Table, above, below, percent
from brittlestar.shifts.base import Images, Shift
from brittlestar.training import Filtered, Natural

# Four levels about the middle grey of a display of gamma 2.2 are a Michelson contrast of 3.4 %. That is near the least
# contrast seen in the finest pattern (30 cycles a degree: pixels of a sixtieth of a degree), where sensitivity is a
# fifth of its peak of about 200 (Campbell and Robson 1968; Mannos and Sakrison 1974). Coarser or enlarged patterns are
# seen at less, so this is a definition of "looks uniform", not a measurement of people.
LEVELS = 4.0
"""An image looks uniform where no channel's largest and smallest value lie further apart, in 8-bit levels."""

SHARE = 0.9
"""A filter's images look uniform where the whole interval of the share of uniform ones lies above this."""

# Above SHARE, so that on the test images the whole interval can lie above that.
_CHOSEN_SHARE = 0.95
_CHOSEN_ON = 1000
_SQUARES = (0.06, 0.12, 0.2, 0.3)
_RADII = 128
Levels = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Uniformity:
    """How far images are from uniform, in 8-bit levels, before any scaling for display.

    Fields:
        peak_to_peak: (image, channel), largest minus smallest value.
        deviation: (image, channel), standard deviation over the pixels.
    """

    peak_to_peak: Levels
    deviation: Levels

    def share(self) -> Estimate:
        """Share of images of which no channel spans more than ``LEVELS``, with its exact interval."""
        return clopper_pearson(int((self.peak_to_peak.max(1) <= LEVELS).sum()), len(self.peak_to_peak))

    @property
    def uniform(self) -> bool:
        """Whether the images count as looking uniform: the share's whole interval lies above ``SHARE``."""
        return self.share().low > SHARE


def uniformity(images: Images) -> Uniformity:
    """Measure (image, channel, height, width) floats in units of the value range, which may lie outside [0, 1]."""
    values = images.double().flatten(2).numpy() * 255
    return Uniformity(peak_to_peak=np.ptp(values, axis=2), deviation=values.std(axis=2))


def compare(
    study: Study,
) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Train and test a model a filter strength, and measure how uniform its images look.

    Returns:
        Verdicts, tables, conditions, pictures (caption, file).
    """
    filters, chosen = _filters(study)
    free = {name: recipe.shift() for name, recipe in filters.items()}
    # An ordinary model fails on images without their means for brightness alone, which says nothing of frequencies.
    kept = {kept_name(name): _keeping(recipe).shift() for name, recipe in filters.items()}
    study.train({"natural": Natural(), **filters})
    study.measure({"unfiltered": None, **free, **kept})
    looks = {name: filtered_uniformity(recipe.shift(), study.images) for name, recipe in filters.items()}
    verdicts = [_learned(study, name, looks[name]) for name in filters]
    verdicts += [_control(study, name) for name in filters]
    picture = filter_pictures(study, free)
    facts = (
        f"An image counts as looking uniform where no channel's largest and smallest value lie more than {LEVELS:g} of "
        "the 255 8-bit levels apart, unrounded and unscaled (about middle grey on a display of gamma 2.2 a contrast of "
        "3.4 %, near the least that is seen in a pattern as fine as one pixel in sixty a degree; coarser or enlarged "
        "ones are seen at less). This is a definition. A filter's images look uniform where more than "
        f"{100 * SHARE:.0f} % of them do, exact 95 % interval included; for other filters nothing is claimed.",
        chosen,
        f"Well above chance: above {100 * chance_limit(study.chance):.1f} %, the smaller of twice chance and chance "
        "plus a tenth of what is left; chance is the share of the commonest class among the test images.",
        "That a model reads such images is shown by one that does, so this claim needs no further seeds; it is no "
        "claim about a recipe. Models get floats, which hold differences that 8 bits would lose.",
    )
    table = (f"How uniform the filtered test images are ({len(study.labels):,} images, 8-bit levels)", *_rows(looks))
    return verdicts, (table,), facts, (("What the filters leave, each image scaled to unit variance", picture),)


def against_chance(found: Estimate, chance: float) -> str:
    """What an accuracy's whole interval says of chance."""
    if found.low > chance_limit(chance):
        return "well above chance"
    return "above chance, but not well above" if found.low > chance else "not shown to be above chance"


def kept_name(name: str) -> str:
    """The version of a filter that keeps the channel means."""
    return f"{name}, means kept"


def squares(height: int, width: int) -> dict[str, Filtered]:
    """Four filters that remove a square about the mean."""
    radii = sorted({max(1, round(min(height, width) * share)) for share in _SQUARES})
    return {f"without {2 * r + 1} x {2 * r + 1}": Filtered(high=r) for r in radii}


def corners(height: int, width: int) -> dict[str, Filtered]:
    """Stronger filters, from weak to strong: only corners of the spectrum stay, at last the farthest frequencies."""
    least = max(_SQUARES) * min(height, width)
    distances = {math.hypot(i, j) for i in range(height // 2 + 1) for j in range(width // 2 + 1)}
    # Rounded up, so that the radius in a name removes the frequency it was made from; the last one would leave nothing.
    strong = sorted(math.ceil(100 * d) / 100 for d in distances if d > least)[:-1]
    thinned = strong[:: -(-len(strong) // _RADII)] if len(strong) > _RADII else strong
    return {f"without radius {r:g}": Filtered(window="radial", high=r) for r in thinned}


def _filters(study: Study) -> tuple[dict[str, Filtered], str]:
    """Four squares and, chosen on training images, the weakest filter that leaves uniform ones; how it was chosen."""
    usual, strong = squares(*study.shape[1:]), corners(*study.shape[1:])
    some = min(_CHOSEN_ON, study.setting.train_samples or _CHOSEN_ON)
    order = study.train_source.order(study.setting.seed)[:some]
    images = torch.from_numpy(study.train_source.load(order)).to(torch.float32) / 255

    def passes(recipe: Filtered) -> bool:
        return filtered_uniformity(recipe.shift(), images).share().value >= _CHOSEN_SHARE

    chosen = next((name for name, recipe in usual.items() if passes(recipe)), None)
    if chosen is None:
        names = list(strong)
        # Stronger filters leave less, so a few of up to 128 tell.
        place = bisect_left(names, True, key=lambda name: passes(strong[name]))
        if place == len(names):
            every = usual | {names[-1]: strong[names[-1]]}
            return every, f"No filter, not even {names[-1]}, leaves images that look uniform; that one stands here."
        chosen = names[place]
    return usual | {chosen: (usual | strong)[chosen]}, (
        "The filters were chosen before anything was trained: four squares, and the weakest filter that leaves at "
        f"least {100 * _CHOSEN_SHARE:.0f} % of {len(order):,} training images uniform ({chosen})."
    )


def _keeping(recipe: Filtered) -> Filtered:
    return Filtered(window=recipe.window, high=recipe.high, keep_mean=True)


def filtered_uniformity(shift: Shift, images: Images, batch: int = 250) -> Uniformity:
    """The measurements of what a filter leaves, in batches so that large images fit into memory."""
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        # The filters here draw nothing, so any keys will do; of what draws, one draw is as good as another.
        parts.append(uniformity(shift(part, SampleKeys.of(0, [str(i) for i in range(len(part))]))))
    return Uniformity(
        peak_to_peak=np.concatenate([p.peak_to_peak for p in parts]),
        deviation=np.concatenate([p.deviation for p in parts]),
    )


def _learned(study: Study, name: str, looks: Uniformity) -> ClaimVerdict:
    own = study.accuracy(name, name)
    share = f"{percent(looks.share())} of images span at most {LEVELS:g} levels"
    right = f"right in {percent(own)}, {against_chance(own, study.chance)} ({100 * study.chance:.1f} %)"
    spans = looks.peak_to_peak.max(1)
    low, high = np.quantile(spans, (0.05, 0.95))
    return ClaimVerdict(
        claim=f"Images {name} lowest frequencies (the mean with them) look uniform, and a model trained and tested on "
        "them is right well above chance",
        claimed="about 50 % top-1 on ImageNet, where images look uniform (filter strength not stated)",
        measured=f"{share}; {right}"
        if looks.uniform
        else f"not uniform: peak to peak {spans.mean():.1f} levels on average (5 to 95 %: {low:.1f} to {high:.1f}), "
        f"{share}; {right}",
        state=above(own, chance_limit(study.chance)) if looks.uniform else "not tested",
    )


def _control(study: Study, name: str) -> ClaimVerdict:
    kept, free = study.accuracy("natural", kept_name(name)), study.accuracy("natural", name)
    return ClaimVerdict(
        claim=f"Control: a model trained on unfiltered images is near chance on images {name}, channel means kept",
        claimed="not stated",
        measured=f"{percent(kept)}; without the means, so that brightness alone misleads it, {percent(free)}",
        state=below(kept, chance_limit(study.chance)),
    )


def _rows(looks: Mapping[str, Uniformity]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    header = (
        *("filter", "peak to peak: mean", "5, 50, 95 %", "mean by channel"),
        *("standard deviation: mean", "5, 50, 95 % ", "mean by channel "),
        *(f"at most {LEVELS:g} levels", "looks uniform"),
    )
    rows = []
    for name, found in looks.items():
        cells = [name]
        for values in (found.peak_to_peak, found.deviation):
            worst = values.max(1)
            spread = ", ".join(f"{q:.2f}" for q in np.quantile(worst, (0.05, 0.5, 0.95)))
            cells += [f"{worst.mean():.2f}", spread, ", ".join(f"{v:.2f}" for v in values.mean(0))]
        rows.append((*cells, percent(found.share()), "yes" if found.uniform else "no"))
    return header, tuple(rows)
