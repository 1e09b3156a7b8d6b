"""Surface statistical regularities: Jo and Bengio's matrix of training and test versions."""

from __future__ import annotations

from brittlestar.reproduce.engine import Bench, Verdict, above, points
from brittlestar.training import FullyAugmented, Recipe


def compare(bench: Bench) -> list[Verdict]:
    """Train a model on each version of the images and one on all, test each on every version."""
    radius = 4.0 if bench.shape[0] == 1 else 8.0
    versions = FullyAugmented(radius=radius).versions()
    one_each: dict[str, Recipe] = {name: FullyAugmented(among=name, radius=radius) for name in versions}
    bench.train({**one_each, "all versions": FullyAugmented(radius=radius)})
    bench.measure(versions)
    gaps = {}
    for model in bench.files:
        found = {v: bench.accuracy(model, v).value for v in versions}
        best, worst = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
        gaps[model] = (bench.gap(model, best, worst), best, worst)
    plain, union = gaps["unfiltered"][0], gaps["all versions"][0]
    verdicts = [
        Verdict(
            claim=f"Trained on {m}: a gap between test versions (best {gaps[m][1]}, worst {gaps[m][2]})",
            claimed="up to 28 points (SVHN, CIFAR-10, ResNets)",
            measured=points(gaps[m][0]),
            state=above(gaps[m][0]),
        )
        for m in versions
    ]
    verdicts.append(
        Verdict(
            claim="Training on all versions reduces the gap of training on the unfiltered one",
            claimed="to a few points",
            measured=f"{points(plain)} to {points(union)}",
            state="confirmed" if union.high < plain.low else "not confirmed",
        )
    )
    return verdicts
