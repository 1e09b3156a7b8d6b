"""The experiments: which recipes, which versions of the test images, which claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.core.files import make_folder
from brittlestar.measures.effects import Part
from brittlestar.reproduce import features, figure_1, maps, published, surface_statistics
from brittlestar.reproduce.claims import Change, Direction, against_clean, between, judge
from brittlestar.reproduce.engine import Bench, Outcome, Setting, Table, Verdict
from brittlestar.reproduce.page import write_page
from brittlestar.shifts import (
    BandNoise,
    Contrast,
    Fog,
    GaussianNoise,
    SaltAndPepper,
    Shift,
    UniformNoise,
)
from brittlestar.suites.fourier import map_norm
from brittlestar.training import (
    Adversarial,
    AugMix,
    CorruptionAugmentation,
    GaussianAugmentation,
    Natural,
    Recipe,
    UniformNoiseAugmentation,
)

ARTICLE = "Gilmer and Hendrycks, Distill 2019, https://doi.org/10.23915/distill.00019.1"
YIN = "Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988"


@dataclass(frozen=True)
class Experiment:
    """One experiment: what people type, what it shows, what runs it."""

    name: str
    title: str
    paper: str
    run: Callable[[Bench], Outcome]


def robust_recipes(channels: int) -> dict[str, Recipe]:
    """Natural, Gaussian and adversarial training, of the strengths usual for grey digits or small colour images."""
    if channels == 1:
        return {
            "natural": Natural(),
            "gaussian": GaussianAugmentation(sigma=0.3),
            "adversarial": Adversarial(epsilon=0.15, steps=4),
        }
    return {
        "natural": Natural(),
        "gaussian": GaussianAugmentation(sigma=0.1),
        "adversarial": Adversarial(epsilon=8 / 255, steps=5),
    }


def _figure_1(bench: Bench) -> Outcome:
    verdicts, tables, facts, pictures = figure_1.compare(bench)
    return _with(_outcome("figure-1", bench, verdicts, pictures, tables), facts)


def _figure_2(bench: Bench) -> Outcome:
    bench.train({**robust_recipes(bench.shape[0]), "augmix": AugMix()})
    bench.measure({"clean": None})
    directions, tables, pictures = maps.compare(bench, gained=("adversarial", "gaussian"))
    return _outcome("figure-2", bench, judge(bench, directions), pictures, tables)


def _fog(bench: Bench) -> Outcome:
    channels, height, width = bench.shape
    norm = round(map_norm(height, width) * channels**0.5, 4)
    table = "cifar-c" if max(height, width) <= 45 else "tiny-c"
    versions: dict[str, Shift | None] = {"clean": None}
    versions |= {f"fog {s}": Fog.at(s, table) for s in (1, 3, 5)}
    versions |= {f"contrast {s}": Contrast.at(s, table) for s in (1, 3, 5)}
    versions |= {f"low-pass noise {b}": BandNoise(band="low", bandwidth=b, norm=norm) for b in (3, 5)}
    versions |= {"high-pass noise 15": BandNoise(band="high", bandwidth=15, norm=norm)}
    bench.train(robust_recipes(channels))
    bench.measure(versions)
    tables = (against_clean(bench, "natural", [v for v in versions if v != "clean"]),)
    return _outcome("fog", bench, judge(bench, fog_directions(bench)), tables=tables)


def fog_directions(bench: Bench, recipe: str = "adversarial", base: str = "natural") -> list[Direction]:
    """What the article says adversarial training does to shifts of low and of high frequencies."""
    claims = (
        ("fog 5", "more", "85.7 % to 55.3 % under fog (all severities, CIFAR-10-C; clean accuracies not stated)"),
        ("contrast 5", "more", "degrades (no figure)"),
        ("low-pass noise 3", "more", "degrades (no figure)"),
        ("high-pass noise 15", "less", "helps at high frequencies (no figure)"),
    )
    return [
        Direction(
            claim=f"{recipe.capitalize()} training makes models {more} sensitive to {version}",
            claimed=claimed,
            sign=-1 if more == "more" else 1,
            changes=between(bench, recipe, base, version),
        )
        for version, more, claimed in claims
    ]


def _surface_statistics(bench: Bench) -> Outcome:
    verdicts, tables, facts = surface_statistics.compare(bench)
    return dataclasses.replace(_with(_outcome("surface-statistics", bench, verdicts), facts), tables=tables)


def _transfer(bench: Bench) -> Outcome:
    strong = bench.shape[0] == 1
    sigma, half, amount = (0.4, 0.7, 0.3) if strong else (0.15, 0.26, 0.1)
    versions: dict[str, Shift | None] = {
        "clean": None,
        "gaussian": GaussianNoise(sigma=sigma),
        "uniform": UniformNoise(half_width=half),
        "salt and pepper": SaltAndPepper(amount=amount),
        "contrast": Contrast.at(5, "cifar-c"),
    }
    bench.train(
        {
            "clean": Natural(),
            "gaussian": GaussianAugmentation(sigma=sigma),
            "uniform": UniformNoiseAugmentation(half_width=half),
            "contrast": CorruptionAugmentation(members="contrast"),
        }
    )
    bench.measure(versions)
    tables = (against_clean(bench, "clean", [v for v in versions if v != "clean"]),)
    return _outcome("transfer", bench, judge(bench, transfer_directions(bench)), tables=tables)


def transfer_directions(
    bench: Bench, recipes: Sequence[str] = ("gaussian", "uniform"), base: str = "clean"
) -> list[Direction]:
    """Training on a noise helps against it, and less than half as much against salt-and-pepper noise."""
    directions = []
    for recipe in recipes:
        own = between(bench, recipe, base, recipe)
        other = between(bench, recipe, base, "salt and pepper")
        directions += [
            Direction(
                claim=f"Training on {recipe} noise makes models less sensitive to it",
                claimed="super-human accuracy on the noise that was trained on",
                sign=1,
                changes=own,
            ),
            Direction(
                claim="... and helps less than half as much against salt-and-pepper noise (the gain there, less half "
                f"of that against {recipe} noise)",
                claimed="little or no transfer from uniform to salt-and-pepper noise (16-class ImageNet)",
                sign=-1,
                changes=partial(_less_half, other, own),
                follows=True,
            ),
        ]
    return directions


def _less_half(other: Callable[[Part], list[Change]], own: Callable[[Part], list[Change]], part: Part) -> list[Change]:
    return [a.less(b, 0.5) for a, b in zip(other(part), own(part), strict=True)]


def _features(bench: Bench) -> Outcome:
    verdicts, facts, tables = features.compare(bench)
    return _with(_outcome("features", bench, verdicts, tables=tables), facts)


def _outcome(
    name: str,
    bench: Bench,
    verdicts: list[Verdict],
    pictures: tuple[tuple[str, str], ...] = (),
    tables: tuple[Table, ...] = (),
) -> Outcome:
    experiment = EXPERIMENTS[name]
    header, rows = bench.matrix("trained on / tested on")
    return Outcome(
        name=name,
        title=experiment.title,
        paper=experiment.paper,
        conditions=bench.conditions(),
        verdicts=tuple(verdicts),
        tables=(("Accuracy, with 95 % intervals over images", header, rows), *tables),
        pictures=pictures,
    )


def _with(found: Outcome, facts: tuple[str, ...]) -> Outcome:
    return dataclasses.replace(found, conditions=(*found.conditions, *facts))


EXPERIMENTS: dict[str, Experiment] = {
    e.name: e
    for e in (
        Experiment("figure-1", "Models learn from images that look uniform", f"{ARTICLE}; {YIN}", _figure_1),
        Experiment("figure-2", "What training recipes do to the Fourier map", f"{ARTICLE}; {YIN}", _figure_2),
        Experiment("fog", "Adversarial training costs accuracy at low frequencies", f"{ARTICLE}; {YIN}", _fog),
        Experiment(
            "surface-statistics",
            "Surface statistical regularities",
            "Jo and Bengio 2017, https://arxiv.org/abs/1711.11561",
            _surface_statistics,
        ),
        Experiment(
            "transfer",
            "Training on one noise does not transfer to another",
            "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750",
            _transfer,
        ),
        Experiment(
            "features",
            "Robust and non-robust features",
            "Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175",
            _features,
        ),
    )
}


def reproduce(
    name: str,
    setting: Setting,
    folder: Path,
    say: Callable[[str], None],
    beside: published.PublishedFiles | None = None,
) -> tuple[Outcome, Path]:
    """Run an experiment; killed and called again, finished models are used again.

    Args:
        name: Of ``EXPERIMENTS``.
        setting: On what, how long, where.
        folder: Gets models, pictures and the pages ``NAME.html`` and ``NAME.md``.
        say: Told one line at a time.
        beside: Published accuracies to stand beside those of ``fog``.

    Returns:
        The outcome and the HTML page.

    Raises:
        UsageError: Unknown name or architecture, published accuracies for another experiment than ``fog``, or several
            architectures for another than ``surface-statistics``.
        DataError: Unusable data.
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    require(beside is None or name == "fog", f"published accuracies stand beside fog only, not {name}", UsageError)
    several = len(surface_statistics.architectures(setting.architecture)) > 1
    require(
        not several or name == "surface-statistics",
        f"several architectures go with surface-statistics only, {name} takes one, got {setting.architecture}",
        UsageError,
    )
    require(not several or setting.start is None, "fine-tuning has the one architecture of its model", UsageError)
    known = None if beside is None else published.read_published(beside)
    make_folder(folder)
    outcome = EXPERIMENTS[name].run(Bench(setting, folder, say))
    outcome = outcome if known is None else published.beside(outcome, known)
    return outcome, write_page(outcome, folder)
