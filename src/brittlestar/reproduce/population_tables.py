"""Published populations: the testbed's lines and robustness (Taori et al.), and CLIP on timm's line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.measures.base import Estimate
from brittlestar.measures.lines import FittedLine, fit_line
from brittlestar.measures.robustness import (
    effective_robustness,
    mean_beyond_dilution,
    mean_effective_robustness,
    relative_robustness,
)
from brittlestar.measures.scales import SCALES
from brittlestar.population import Population, analysed, open_clip_results, read_population, testbed, timm_results
from brittlestar.population.table import Flags, Floats, PopulationSetting
from brittlestar.population.words import CLAIM, standing_sentence
from brittlestar.reproduce.points_picture import points_picture
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, Table, points

TAORI = "Taori et al., NeurIPS 2020, https://arxiv.org/abs/2007.00644"
V2, SKETCH, IMAGENET_R = "imagenetv2-matched-frequency-format-val", "imagenet-sketch", "imagenet-r"
CORRUPTED = "all corruptions"
FITS = (
    *(("val", V2, scale) for scale in ("logit", "probit", "raw")),
    *(("val", "imagenetv2-matched-frequency", scale) for scale in ("logit", "raw")),
    ("val", SKETCH, "logit"),
    ("val", IMAGENET_R, "logit"),
    ("val", "objectnet-1.0-beta", "logit"),
    ("val-on-objectnet-classes", "objectnet-1.0-beta", "logit"),
    ("imagenet-vid-robust_pm0", "imagenet-vid-robust_pm10", "logit"),
    ("ytbb-robust_pm0", "ytbb-robust_pm10", "logit"),
    ("val-on-vid-robust-classes", "imagenet-vid-robust_pm0", "logit"),
    ("val-on-ytbb-robust-classes", "ytbb-robust_pm0", "logit"),
    ("val", CORRUPTED, "logit"),
)
"""The testbed's published lines: held against, setting, scale."""

SHOWN = (
    *("alexnet", "vgg19", "resnet50", "resnet152", "resnet50_augmix", "resnet50_cutmix", "resnet50_deepaugment_augmix"),
    *("resnet50_trained_on_SIN", "resnet50_linf_eps4_robust", "resnet50_l2_eps3_robust", "resnet50_swsl"),
    *(
        "resnext101_32x8d_swsl",
        "instagram-resnext101_32x48d",
        "FixResNeXt101_32x48d_v2",
        "efficientnet-l2-noisystudent",
    ),
    "vit_b_32_clip_zeroshot",
)


def with_corrupted(population: Population) -> Population:
    """The same with the testbed's mean over its corruptions: stored and made ones, Stylized ImageNet and greyscale.

    Severities are averaged first; a model that lacks one of the 39 has none.
    """
    names = [s.name for s in population.settings if s.members] + ["stylized_imagenet", "greyscale"]
    mean = np.stack([population.column(n) for n in names]).mean(axis=0)
    made = PopulationSetting(name=CORRUPTED, title=CORRUPTED, kind="other", key=CORRUPTED)
    images = np.where(np.isnan(mean), np.nan, 50_000.0)
    return population.with_columns([made], mean[:, None], images[:, None])


def line_of(population: Population, against: str, setting: str, scale: str = "logit") -> FittedLine:
    """The line of the models that the table's own rule fits."""
    x, y, fitted = _pair(population, against, setting)
    return fit_line(x[fitted], y[fitted], scale)


def _pair(population: Population, against: str, setting: str) -> tuple[Floats, Floats, Flags]:
    x, y = population.column(against), population.column(setting)
    fitted = population.fitted & np.isfinite(x) & np.isfinite(y) & (x > 0) & (x < 1) & (y > 0) & (y < 1)
    return x, y, fitted


def _file(folder: Path, names: tuple[str, ...], where: str) -> Path:
    found = [folder / name for name in names if (folder / name).exists()]
    require(bool(found), f"{folder} has no {' or '.join(names)}; it is had from {where}", DataError)
    return found[0]


def reproduce_testbed(folder: Path, out: Path) -> Reproduction:
    """The testbed's lines, effective and relative robustness, means over corruptions, and the article's claim."""
    path = _file(folder, ("testbed-top1.csv", "robustness_top1s.csv"), testbed.WHERE)
    population = with_corrupted(read_population([path]))
    require(bool(population.standard), f"{folder} has no testbed-model-types.json beside {path.name}", DataError)
    claims = analysed(population)
    natural = [c for c in claims.columns if c.column.setting.kind == "natural"]
    less = [c for c in natural if c.stand == "less robust"]
    fog = next(c for c in claims.columns if c.column.setting.name == "fog (on disk)")
    x, y, fitted = _pair(population, "val", V2)
    line = line_of(population, "val", V2)
    pairs = [(float(a), float(b)) for a, b in zip(x[fitted], y[fitted], strict=True)]
    picture = points_picture(out / "testbed.png", pairs, line, "ImageNet, %", "ImageNetV2, %")
    return Reproduction(
        name="testbed",
        title="Effective and relative robustness in the ImageNet testbed",
        paper=f"{TAORI}; Gilmer and Hendrycks, Distill 2019, https://doi.org/10.23915/distill.00019.1",
        conditions=(*(f"{note}." for note in population.notes), standing_sentence(claims)),
        verdicts=(
            ClaimVerdict(
                claim=f"Adversarial training {CLAIM}: beyond clean accuracy, on natural test sets",
                claimed="no figure",
                measured=f"less robust on {len(less)} of {len(natural)} natural columns, more robust on "
                f"{sum(c.stand == 'more robust' for c in natural)} ({fog.models} models, Holm over "
                f"{len(claims.columns)} columns)",
                state="confirmed" if less else "not confirmed",
            ),
            ClaimVerdict(
                claim="Adversarially trained models are less robust to fog beyond clean accuracy",
                claimed="85.7 % to 55.3 % (CIFAR-10-C, raw)",
                measured=f"{points(fog.beyond.estimate)} beyond the line, {points(fog.diluted.estimate)} beyond "
                f"dilution, {fog.below} of {fog.below + fog.above} families below it",
                state="confirmed" if fog.stand == "less robust" else "not confirmed",
            ),
        ),
        tables=(_fits(population), _robustness(population, line), _corrupted(population)),
        pictures=(("Standard models: ImageNetV2 by ImageNet, logit scale, line with its 95 % band", picture),),
    )


def _fits(population: Population) -> Table:
    rows = []
    for against, setting, scale in FITS:
        line = line_of(population, against, setting, scale)
        by = 100 if scale == "raw" else 1
        slope, _ = line.coefficients()
        rows.append(
            (
                f"{against} → {setting}",
                "raw, %" if scale == "raw" else scale,
                str(line.models),
                f"{slope.value:.6f} [{slope.low:.3f}, {slope.high:.3f}]",
                f"{by * line.intercept:.6f}",
                f"{line.r_squared:.6f}",
            )
        )
    return "Lines of standard models", ("columns", "scale", "models", "slope", "intercept", "R²"), tuple(rows)


def _robustness(population: Population, line: FittedLine) -> Table:
    x, y = population.column("val"), population.column(V2)
    base = float(y[population.models.index("resnet50")])
    rows = []
    for name in (m for m in SHOWN if m in population.models):
        i = population.models.index(name)
        rho = effective_robustness(float(x[i]), float(y[i]), line, 50_000, 10_000)
        tau = relative_robustness(float(y[i]), base, 10_000, 10_000)
        related = name.startswith("resnet50_")
        cells = (name, f"{100 * x[i]:.2f}", f"{100 * y[i]:.2f}", _three(rho), _three(tau) if related else "")
        rows.append(cells)
    header = ("model", "ImageNet, %", "ImageNetV2, %", "effective robustness", "relative to resnet50")
    return "Robustness on ImageNetV2, in points, with 95 % intervals over images and the line", header, tuple(rows)


def _three(e: Estimate) -> str:
    return f"{100 * e.value:+.3f} [{100 * e.low:+.1f}, {100 * e.high:+.1f}]"


def _corrupted(population: Population) -> Table:
    line = line_of(population, "val", CORRUPTED)
    groups = {
        "on disk": [s.name for s in population.settings if s.members and "on disk" in s.name],
        "in memory": [s.name for s in population.settings if s.members and "in memory" in s.name],
        "PGD": [s.name for s in population.settings if s.kind == "adversarial"],
    }
    x, mean = population.column("val"), population.column(CORRUPTED)
    rows = []
    for name in ("alexnet", "vgg16", "resnet18", "densenet121", *SHOWN[2:10]):
        if name not in population.models:
            continue
        i = population.models.index(name)
        own = [np.mean([population.column(c)[i] for c in columns]) for columns in groups.values()]
        beyond = mean[i] - float(line.predict(x[i]))
        cells = [f"{100 * v:.3f}" for v in (x[i], mean[i], *own)]
        rows.append((name, *cells, f"{100 * beyond:+.3f}"))
    header = (
        "model",
        "ImageNet",
        "all 39",
        *(f"{g} ({len(c)})" for g, c in groups.items()),
        "effective robustness, all",
    )
    return "Mean accuracy under corruptions and attacks, %", header, tuple(rows)


def reproduce_clip(folder: Path, out: Path) -> Reproduction:
    """CLIP models, fine-tuned and zero-shot, on the line of models trained on ImageNet alone."""
    timm = folder if timm_results.is_timm(folder) else folder / "timm"
    require(timm_results.is_timm(timm), f"{folder} has no folder timm of {timm_results.WHERE}", DataError)
    table = _file(folder, ("open_clip/openclip_results.csv", "openclip_results.csv"), open_clip_results.WHERE)
    population = read_population([timm, table])
    rows, verdicts = [], []
    zero_shot = population.of_type(open_clip_results.ZERO_SHOT) & (population.column("imagenet") > 0.2)
    kinds = {
        "fine-tuned CLIP": population.of_type(timm_results.CLIP),
        "zero-shot CLIP, clean over 20 %": zero_shot,
        "more data than ImageNet-1k": population.of_type(timm_results.MORE_DATA),
    }
    settings = ("imagenetv2-matched-frequency", "sketch", "imagenet-r", "imagenet-a")
    for setting in settings:
        line = line_of(population, "imagenet", setting)
        x, y, fitted = _pair(population, "imagenet", setting)
        chances = (1 / 1000, population.setting(setting).chance)
        for kind, flags in kinds.items():
            there = flags & np.isfinite(x) & np.isfinite(y)
            if there.sum() < 2:
                continue
            rho = mean_effective_robustness(x[there], y[there], line).estimate
            diluted = mean_beyond_dilution(x[there], y[there], x[fitted], y[fitted], chances=chances).estimate
            rows.append((population.setting(setting).title, kind, str(rho.n), points(rho), points(diluted)))
            if setting == "sketch" and kind.startswith("zero"):
                verdicts.append(
                    ClaimVerdict(
                        claim="Zero-shot CLIP models are more robust on ImageNet-Sketch than clean accuracy predicts",
                        claimed="large effective robustness",
                        measured=f"{points(rho)} beyond the line, {points(diluted)} beyond dilution ({rho.n} models)",
                        state="confirmed" if rho.low > 0 and diluted.low > 0 else "not confirmed",
                    )
                )
    line = line_of(population, "imagenet", settings[0])
    x, y, fitted = _pair(population, "imagenet", settings[0])
    pairs = [(float(a), float(b)) for a, b in zip(x[fitted], y[fitted], strict=True)]
    picture = points_picture(out / "clip.png", pairs, line, "ImageNet, %", "ImageNetV2, %")
    fits = tuple(
        (population.setting(s).title, *_fit_cells(line_of(population, "imagenet", s, scale), scale))
        for s in settings
        for scale in SCALES
    )
    return Reproduction(
        name="clip",
        title="CLIP on the line of models trained on ImageNet alone",
        paper="Radford et al., ICML 2021, https://arxiv.org/abs/2103.00020; " + TAORI,
        conditions=tuple(f"{note}." for note in population.notes),
        verdicts=tuple(verdicts),
        tables=(
            (
                "Lines of models trained on ImageNet-1k alone",
                ("set", "scale", "models", "slope", "intercept", "R²"),
                fits,
            ),
            (
                "Mean over models, with 95 % intervals over models",
                ("set", "models of", "models", "beyond the line", "beyond dilution"),
                tuple(rows),
            ),
        ),
        pictures=(("ImageNet-1k models: ImageNetV2 by ImageNet, logit scale", picture),),
    )


def _fit_cells(line: FittedLine, scale: str) -> tuple[str, ...]:
    by = 100 if scale == "raw" else 1
    return (
        "raw, %" if scale == "raw" else scale,
        str(line.models),
        f"{line.slope:.6f}",
        f"{by * line.intercept:.6f}",
        f"{line.r_squared:.6f}",
    )
