"""How many passes a sharper Fourier map saves, and whether its intervals cover. One torch thread.

From maps that `exhaustive_map.py` measured in full. Ratio: passes of the fixed design (the same number N of images for
every wave, exact intervals, Bonferroni over waves) over those of the estimate, clean passes included, for the same
widest simultaneous interval. Coverage: samples are drawn with replacement, so that the exhaustive map is the truth of
the population that they come from; counted are intervals of single waves (95 %), maps with all simultaneous intervals
right, and bands.

    python benchmarks/fourier_map.py maps/resnet20.npz --repeats 40
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from brittlestar import measures
from brittlestar.analyses.sampling import ActiveEstimate, Field, Stage, active_estimate, auxiliary_of_map, fixed_passes
from brittlestar.measures.effective import exact_limits
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sampled import SampledMap

LEVEL = 0.95


class Exhaustive(Field):
    """Every outcome is known already."""

    def __init__(self, margins: np.ndarray) -> None:
        self.all = margins

    def margins(self, name: str, stage: Stage) -> np.ndarray:
        return self.all[stage.condition, stage.sample]


class World:
    def __init__(self, path: Path) -> None:
        with np.load(path) as kept:
            self.margins, self.clean, self.labels = kept["margins"], kept["clean"], kept["labels"]
            self.signs, self.images = kept["signs"], kept["images"]
            self.frequencies = [(int(r), int(c)) for r, c in kept["frequencies"]]
            _, self.height, self.width = (int(v) for v in kept["shape"])
        self.truth = (self.margins < 0).mean(1)
        wrong = (self.margins < 0).astype(np.float32)
        positions = np.arange(wrong.shape[1], dtype=np.int32)
        self.whole = FourierMap(self.height, self.width, tuple(self.frequencies), wrong, positions)

    def half_width(self, samples: int) -> float:
        """The widest interval of a fixed design."""
        low, high = exact_limits(self.truth * samples, samples, 1 - (1 - LEVEL) / len(self.frequencies))
        return float((high - low).max() / 2)

    def estimate(self, pick: np.ndarray, half_width: float, seed: int) -> ActiveEstimate:
        auxiliary = auxiliary_of_map(
            self.frequencies,
            self.height,
            self.width,
            self.clean[pick],
            self.labels[pick],
            self.signs[:, pick],
            self.images[pick],
        )
        return active_estimate(auxiliary, Exhaustive(self.margins[:, pick]), half_width, level=LEVEL, seed=seed)

    def sampled(self, found: ActiveEstimate) -> SampledMap:
        r = found.rates
        positions = np.arange(r.samples, dtype=np.int32)
        plane = (self.height, self.width, tuple(self.frequencies), found.stand_ins, positions)
        return SampledMap(*plane, r.variance, r.typical, r.freedom, 1.0, r.passes, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("map", type=Path, help="written by exhaustive_map.py")
    parser.add_argument("--samples", type=int, nargs="+", default=[500, 1000, 2000], help="N of the fixed designs")
    parser.add_argument("--seeds", type=int, default=3, help="estimates for each ratio")
    parser.add_argument("--repeats", type=int, default=20, help="populations for the coverage")
    parser.add_argument("--at", type=int, default=1000, help="N of the coverage")
    options = parser.parse_args()
    torch.set_num_threads(1)
    world = World(options.map)
    waves, count = world.margins.shape
    print(
        f"{options.map.stem}: {waves} waves, {count} images, error {world.truth.min():.3f} to {world.truth.max():.3f}"
    )
    for n in options.samples:
        half_width, ratios, widths = world.half_width(n), [], []
        for seed in range(options.seeds):
            found = world.estimate(np.random.default_rng(seed).permutation(count), half_width, seed)
            ratios.append(fixed_passes(world.truth, half_width) / (found.rates.passes + count))
            widths.append(found.rates.half_width(LEVEL).max())
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"N = {n:5}: half-width {half_width:.4f} (sampled {max(widths):.4f}), {waves * n:,} passes fixed, "
            f"ratio {np.mean(ratios):.2f} ({spread}, {options.seeds} seeds)",
            flush=True,
        )
    if not options.repeats:
        return
    half_width, began = world.half_width(options.at), time.time()
    single, together, bands, inside_z = 0, 0, [], []
    for repeat in range(options.repeats):
        pick = np.random.default_rng(1000 + repeat).integers(0, count, count)
        found = world.estimate(pick, half_width, repeat)
        low, high = found.rates.limits(LEVEL, simultaneous=False)
        single += int(((world.truth >= low) & (world.truth <= high)).sum())
        low, high = found.rates.limits(LEVEL)
        together += bool(np.all((world.truth >= low) & (world.truth <= high)))
        sampled = world.sampled(found)
        for _, near, far in measures.BANDS:
            band, truth = measures.band_error(sampled, near, far), measures.band_error(world.whole, near, far).value
            bands.append(band.low <= truth <= band.high)
        inside_z.append(np.mean((found.rates.value - world.truth) / np.sqrt(found.rates.variance)))
    total = options.repeats * waves
    exact = stats.binomtest(together, options.repeats).proportion_ci(LEVEL)
    print(f"coverage at N = {options.at}, {options.repeats} populations of {count} images drawn with replacement:")
    print(f"  single waves, 95 %: {100 * single / total:.2f} % of {total:,} intervals")
    print(
        f"  simultaneous, 95 %: {together} of {options.repeats} maps [{100 * exact.low:.1f}, {100 * exact.high:.1f}] %"
    )
    print(f"  bands, 95 %: {sum(bands)} of {len(bands)} intervals")
    print(f"  mean error over its standard error: {np.mean(inside_z):+.3f}")
    print(f"  {(time.time() - began) / max(options.repeats, 1):.0f} s an estimate beyond its passes")


if __name__ == "__main__":
    main()
