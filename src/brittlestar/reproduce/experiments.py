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
from brittlestar.reproduce import (
    feature_families,
    features,
    features_transfer,
    figure_1,
    gaussian_features,
    maps,
    mnist_c,
    nico,
    published,
    surface_statistics,
    transfer_matrix,
)
from brittlestar.reproduce.architectures import architectures
from brittlestar.reproduce.claims import Change, Direction, against_clean, between, judge
from brittlestar.reproduce.page import write_page
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, Setting, Study, Table
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
    """One experiment: what people type, what it shows, what runs it, on which data unless others are given."""

    name: str
    title: str
    paper: str
    run: Callable[[Study], Reproduction]
    data: str = "digits:train"
    test: str = "digits"


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


def _figure_1(study: Study) -> Reproduction:
    verdicts, tables, facts, pictures = figure_1.compare(study)
    return _with(_reproduction("figure-1", study, verdicts, pictures, tables), facts)


def _figure_2(study: Study) -> Reproduction:
    study.train({**robust_recipes(study.shape[0]), "augmix": AugMix()})
    study.measure({"clean": None})
    directions, tables, pictures = maps.compare(study, gained=("adversarial", "gaussian"))
    return _reproduction("figure-2", study, judge(study, directions), pictures, tables)


def _fog(study: Study) -> Reproduction:
    channels, height, width = study.shape
    # map_norm is a channel's; band noise has one norm over all channels.
    norm = round(map_norm(height, width) * channels**0.5, 4)
    # 45 is midway between 32 and 64 pixels on a logarithmic scale.
    table = "cifar-c" if max(height, width) <= 45 else "tiny-c"
    versions: dict[str, Shift | None] = {"clean": None}
    versions |= {f"fog {s}": Fog.at(s, table) for s in (1, 3, 5)}
    versions |= {f"contrast {s}": Contrast.at(s, table) for s in (1, 3, 5)}
    versions |= {f"low-pass noise {b}": BandNoise(band="low", bandwidth=b, norm=norm) for b in (3, 5)}
    versions |= {"high-pass noise 15": BandNoise(band="high", bandwidth=15, norm=norm)}
    study.train(robust_recipes(channels))
    study.measure(versions)
    tables = (against_clean(study, "natural", [v for v in versions if v != "clean"]),)
    return _reproduction("fog", study, judge(study, fog_directions(study)), tables=tables)


def fog_directions(study: Study, recipe: str = "adversarial", base: str = "natural") -> list[Direction]:
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
            changes=between(study, recipe, base, version),
        )
        for version, more, claimed in claims
    ]


def _surface_statistics(study: Study) -> Reproduction:
    verdicts, tables, facts = surface_statistics.compare(study)
    return dataclasses.replace(_with(_reproduction("surface-statistics", study, verdicts), facts), tables=tables)


def _transfer(study: Study) -> Reproduction:
    strong = study.shape[0] == 1
    # Uniform noise of the same standard deviation as the normal one: its half-width is sigma times the root of 3.
    sigma, half, amount = (0.4, 0.7, 0.3) if strong else (0.15, 0.26, 0.1)
    versions: dict[str, Shift | None] = {
        "clean": None,
        "gaussian": GaussianNoise(sigma=sigma),
        "uniform": UniformNoise(half_width=half),
        "salt and pepper": SaltAndPepper(amount=amount),
        "contrast": Contrast.at(5, "cifar-c"),
    }
    study.train(
        {
            "clean": Natural(),
            "gaussian": GaussianAugmentation(sigma=sigma),
            "uniform": UniformNoiseAugmentation(half_width=half),
            "contrast": CorruptionAugmentation(members="contrast"),
        }
    )
    study.measure(versions)
    tables = (against_clean(study, "clean", [v for v in versions if v != "clean"]),)
    return _reproduction("transfer", study, judge(study, transfer_directions(study)), tables=tables)


def transfer_directions(
    study: Study, recipes: Sequence[str] = ("gaussian", "uniform"), base: str = "clean"
) -> list[Direction]:
    """Training on a noise helps against it, and less than half as much against salt-and-pepper noise."""
    directions = []
    for recipe in recipes:
        own = between(study, recipe, base, recipe)
        other = between(study, recipe, base, "salt and pepper")
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


def _features(study: Study) -> Reproduction:
    verdicts, facts, tables = features.compare(study)
    return _with(_reproduction("features", study, verdicts, tables=tables), facts)


def _features_transfer(study: Study) -> Reproduction:
    verdicts, tables, facts = features_transfer.compare(study)
    return _alone("features-transfer", (*study.conditions(), *facts), verdicts, tables)


def _feature_families(study: Study) -> Reproduction:
    verdicts, tables, facts, pictures = feature_families.compare(study)
    found = _alone("feature-families", (*study.conditions(), *facts), verdicts, tables)
    return dataclasses.replace(found, pictures=pictures)


def _mnist_c(study: Study) -> Reproduction:
    verdicts, tables, facts = mnist_c.compare(study)
    return _with(_reproduction("mnist-c", study, verdicts, tables=tables), facts)


def _transfer_matrix(study: Study) -> Reproduction:
    verdicts, tables, facts = transfer_matrix.compare(study)
    return _with(_reproduction("transfer-matrix", study, verdicts, tables=tables), facts)


def _gaussian_features(study: Study) -> Reproduction:
    known = EXPERIMENTS["gaussian-features"]
    return gaussian_features.reproduced(
        known.name, known.title, known.paper, study.setting.seed, gaussian_features.WORLDS * study.setting.seeds
    )


def _nico(study: Study) -> Reproduction:
    verdicts, tables, facts = nico.compare(study)
    return _alone("nico", facts, verdicts, tables)


def _alone(
    name: str, facts: tuple[str, ...], verdicts: Sequence[ClaimVerdict], tables: tuple[Table, ...]
) -> Reproduction:
    """Without the matrix of everything that was trained on everything that was tested."""
    experiment = EXPERIMENTS[name]
    return Reproduction(
        name=name,
        title=experiment.title,
        paper=experiment.paper,
        conditions=facts,
        verdicts=tuple(verdicts),
        tables=tables,
    )


def _reproduction(
    name: str,
    study: Study,
    verdicts: list[ClaimVerdict],
    pictures: tuple[tuple[str, str], ...] = (),
    tables: tuple[Table, ...] = (),
) -> Reproduction:
    experiment = EXPERIMENTS[name]
    header, rows = study.matrix("trained on / tested on")
    return Reproduction(
        name=name,
        title=experiment.title,
        paper=experiment.paper,
        conditions=study.conditions(),
        verdicts=tuple(verdicts),
        tables=(("Accuracy, with 95 % intervals over images", header, rows), *tables),
        pictures=pictures,
    )


def _with(found: Reproduction, facts: tuple[str, ...]) -> Reproduction:
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
            "transfer-matrix",
            "Every training on every degradation",
            "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750",
            _transfer_matrix,
        ),
        Experiment(
            "features",
            "Robust and non-robust features",
            "Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175",
            _features,
        ),
        Experiment(
            "features-transfer",
            "Features that architectures share, and adversarial examples that transfer",
            "Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175",
            _features_transfer,
        ),
        Experiment(
            "feature-families",
            "Families of features: useful, robustly useful, visible",
            f"after Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175; {ARTICLE}",
            _feature_families,
        ),
        Experiment(
            "mnist-c",
            "Defences and the corruptions of MNIST-C",
            "Mu and Gilmer 2019, https://arxiv.org/abs/1906.02337",
            _mnist_c,
        ),
        Experiment(
            "gaussian-features",
            "Robust training between two Gaussians",
            "Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175, section 4",
            _gaussian_features,
        ),
        Experiment(
            "nico",
            "Accuracy falls as contexts shift",
            "He, Shen and Cui, Pattern Recognition 2021, https://arxiv.org/abs/1906.02899",
            _nico,
            data="synthetic-contexts:all",
            test="synthetic-contexts",
        ),
    )
}

SEVERAL = ("surface-statistics", "features-transfer")
"""Experiments that compare architectures."""


def reproduce(
    name: str,
    setting: Setting,
    folder: Path,
    say: Callable[[str], None],
    beside: published.PublishedFiles | None = None,
) -> tuple[Reproduction, Path]:
    """Run an experiment; killed and called again, finished models are used again.

    Args:
        name: Of ``EXPERIMENTS``.
        setting: On what, how long, where.
        folder: Gets models, pictures and the pages ``NAME.html`` and ``NAME.md``.
        say: Told one line at a time.
        beside: Published accuracies to stand beside those of ``fog``.

    Returns:
        The reproduction and the HTML page.

    Raises:
        UsageError: Unknown name or architecture, published accuracies for another experiment than ``fog``, or several
            architectures for another than those of ``SEVERAL``.
        DataError: Unusable data.
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    require(beside is None or name == "fog", f"published accuracies stand beside fog only, not {name}", UsageError)
    several = len(architectures(setting.architecture)) > 1
    require(
        not several or name in SEVERAL,
        f"several architectures go with {' and '.join(SEVERAL)} only, {name} takes one, got {setting.architecture}",
        UsageError,
    )
    require(not several or setting.start is None, "fine-tuning has the one architecture of its model", UsageError)
    require(
        name != "features-transfer" or setting.start is None,
        "features-transfer trains architectures from nothing: leave the model to fine-tune out",
        UsageError,
    )
    known = None if beside is None else published.read_published(beside)
    make_folder(folder)
    reproduction = EXPERIMENTS[name].run(Study(setting, folder, say))
    reproduction = reproduction if known is None else published.beside(reproduction, known)
    return reproduction, write_page(reproduction, folder)
