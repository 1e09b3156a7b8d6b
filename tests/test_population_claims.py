"""A type of models against standard ones: golden numbers, and placebos that must give no claim."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from scipy import special

from brittlestar.core.errors import BrittlestarError, DataError
from brittlestar.population import Population, analysed, read_population
from brittlestar.population.families import architecture_root, base_of, family_of
from brittlestar.population.prediction import predictions
from brittlestar.population.table import PopulationSetting, joined
from brittlestar.population.words import sentences, standing_sentence
from conftest import shared_path

Floats = npt.NDArray[np.float64]

GOLDEN = {
    "fog (on disk)": -17.678,
    "contrast (on disk)": -12.706,
    "gaussian noise (on disk)": 25.010,
    "imagenetv2-matched-frequency-format-val": 0.218,
    "objectnet-1.0-beta": 1.949,
    "imagenet-sketch": 7.323,
    "imagenet-r": 14.263,
    "imagenet-vid-robust_pm10": 9.387,
    "ytbb-robust_pm10": 9.490,
}


def world(seed: int = 0, standard: int = 40, typed: int = 12, columns: int = 6) -> Population:
    """Standard models on a line, and a type that is worse on the same line; settings s0, s1 ... under ``clean``."""
    g = np.random.default_rng(seed)
    z = np.concatenate([g.uniform(0.0, 1.8, standard), g.uniform(0.1, 1.2, typed)])
    shifted = [0.9 * z - 0.3 * (i + 1) + g.normal(0, 0.08, len(z)) for i in range(columns)]
    names = [f"m{i}" for i in range(len(z))]
    kinds = ("synthetic", "natural")
    settings = [PopulationSetting(name="clean", title="clean", kind="clean", key="clean")]
    settings += [PopulationSetting(name=f"s{i}", title=f"s{i}", kind=kinds[i % 2], key=f"s{i}") for i in range(columns)]  # type: ignore[arg-type]
    types = ("standard",) * standard + ("lp",) * typed
    accuracy = special.expit(np.stack([z, *shifted], axis=1))
    return Population(
        layout="own",
        models=tuple(names),
        types=types,
        families=tuple(f"f{i % 13}{t}" for i, t in enumerate(types)),
        bases=("",) * len(names),
        settings=tuple(settings),
        accuracy=accuracy,
        images=np.full(accuracy.shape, 10_000.0),
        fitted=np.asarray([t == "standard" for t in types]),
        clean="clean",
        standard="standard",
        claimed="lp",
    )


def changed(population: Population, accuracy: Floats) -> Population:
    return dataclasses.replace(population, accuracy=accuracy)


def stands(population: Population) -> list[str]:
    return [c.stand for c in analysed(population).columns]


@pytest.mark.slow
def test_the_testbeds_adversarial_models_stand_where_they_stood() -> None:
    claims = analysed(read_population([shared_path("data/published/testbed-top1.csv")]))
    found = {c.column.setting.name: c for c in claims.columns if c.column.own}
    for name, value in GOLDEN.items():
        assert 100 * found[name].beyond.estimate.value == pytest.approx(value, abs=6e-4), name
        assert found[name].models == 16 and found[name].extrapolated == 5
    assert len(claims.columns) == 65 and len(claims.parts) == 185 and not claims.left_out
    less = {c.column.title for c in claims.columns if c.stand == "less robust"}
    assert less == {f"{s} ({w})" for s in ("fog", "contrast") for w in ("on disk", "in memory")}
    assert found["imagenet-r"].stand == "more robust" and found["imagenet-sketch"].stand == "depends on the scale"
    assert {c.below + c.above for c in claims.columns} == {5}
    told = standing_sentence(claims)
    assert "lose on 17 of 22 natural columns" in told and "no loss is shown on any" in told and "fog (on disk)" in told


def test_a_merely_worse_type_gets_no_claim() -> None:
    for seed in range(3):
        assert not {"more robust", "less robust"} & set(stands(world(seed)))


def test_a_merely_diluted_type_gets_no_claim() -> None:
    population = world(1)
    typed, accuracy = population.of_type("lp"), population.accuracy.copy()
    share = np.linspace(0.2, 0.6, int(typed.sum()))[:, None]
    g = np.random.default_rng(5)
    accuracy[typed] = accuracy[g.choice(40, int(typed.sum()))] * (1 - share)
    claims = analysed(changed(population, accuracy))
    assert not {"more robust", "less robust"} & {c.stand for c in claims.columns}
    # The line alone would have been taken in.
    assert any(c.beyond.p < 0.001 and c.beyond.estimate.value > 0 for c in claims.columns)


def test_standard_models_split_at_random_get_no_claim() -> None:
    alarms = 0
    for seed in range(8):
        population = world(seed, 52, 0)
        g = np.random.default_rng(100 + seed)
        chosen = set(g.choice(52, 16, replace=False))
        types = tuple("lp" if i in chosen else "standard" for i in range(52))
        split = dataclasses.replace(population, types=types, fitted=np.asarray([t == "standard" for t in types]))
        alarms += bool({"more robust", "less robust"} & set(stands(split)))
    assert alarms <= 1


def test_a_type_off_the_line_is_told_and_not_where_only_extrapolated_models_are() -> None:
    population = world(2)
    typed, accuracy = population.of_type("lp"), population.accuracy.copy()
    accuracy[typed, 1] = special.expit(special.logit(accuracy[typed, 1]) - 1.0)
    found = analysed(changed(population, accuracy)).columns
    assert found[0].stand == "less robust" and found[0].p < 0.01
    assert all(c.stand not in ("less robust", "more robust") for c in found[1:])
    far = accuracy.copy()
    far[typed, 0] = np.linspace(0.2, 0.4, int(typed.sum()))
    beyond = analysed(changed(population, far)).columns[0]
    assert beyond.extrapolated == 12 and beyond.inside is None
    assert beyond.stand in ("depends on extrapolation", "no difference shown")


def test_what_cannot_be_compared_is_said() -> None:
    population = world(3)
    accuracy = population.accuracy.copy()
    accuracy[:36, 2] = np.nan
    claims = analysed(changed(population, accuracy))
    assert claims.left_out == ("s1: 4 standard models have both accuracies, a line needs 5",)
    assert len(claims.columns) == 5
    with pytest.raises(BrittlestarError, match="unknown type 'lpp'; did you mean lp"):
        analysed(population, claimed="lpp")
    with pytest.raises(DataError, match="name two types"):
        analysed(population, claimed="standard")
    nothing = dataclasses.replace(population, types=("",) * len(population.models))
    with pytest.raises(DataError, match="no model's kind of training is known"):
        analysed(nothing)
    zero = population.accuracy.copy()
    zero[0, 1] = 0.0
    assert analysed(changed(population, zero)).columns[0].line.models == 39


def test_sentences_count_what_they_say() -> None:
    population = world(2)
    typed, accuracy = population.of_type("lp"), population.accuracy.copy()
    accuracy[typed, 2] = special.expit(special.logit(accuracy[typed, 2]) - 1.0)
    claims = analysed(changed(population, accuracy))
    told = sentences(claims)
    assert "less robust on 1 (s1)" in told[0] and "3 natural columns" in told[0]
    assert "it stands on s1 alone" in told[-1] and "12 lp models" in told[-1]
    only = dataclasses.replace(claims, columns=tuple(c for c in claims.columns if c.column.setting.kind == "synthetic"))
    assert "no natural column" in standing_sentence(only)


def test_a_synthetic_column_that_carries_something_predicts_and_noise_does_not() -> None:
    population = world(4, 60, 20)
    g = np.random.default_rng(9)
    accuracy = population.accuracy.copy()
    hidden = g.normal(0, 0.5, len(accuracy))
    accuracy[:, 1] = special.expit(special.logit(accuracy[:, 1]) + hidden)
    accuracy[:, 2] = special.expit(special.logit(accuracy[:, 2]) + 0.8 * hidden)
    found = {
        (p.natural.setting.name, p.synthetic.name): p for p in predictions(analysed(changed(population, accuracy)))
    }
    assert len(found) == 9 and found["s1", "s0"].helps and found["s1", "s0"].gain.low > 0.02
    assert [key for key, p in found.items() if p.helps] == [("s1", "s0")]
    assert found["s1", "s0"].gain.n == len(set(population.families))
    one = found["s1", "s0"]
    assert one.gain.value == pytest.approx(one.without - one.miss)


def test_families_left_out_are_predicted_as_by_a_fit_without_them() -> None:
    population = world(4)
    claims = analysed(population)
    one = next(p for p in predictions(claims) if p.natural.setting.name == "s1" and p.synthetic.name == "s2")
    z = special.logit(population.accuracy)
    family = np.asarray(population.families)
    missed = []
    for name in dict.fromkeys(population.families):
        rest, own = family != name, family == name
        design = np.stack([np.ones(len(z)), z[:, 0], z[:, 3]], axis=1)
        weights = np.linalg.lstsq(design[rest], z[rest, 2], rcond=None)[0]
        missed.append(np.abs(population.accuracy[own, 2] - special.expit(design[own] @ weights)).mean())
    assert one.miss == pytest.approx(np.mean(missed), abs=1e-9)


def test_families_and_bases_by_name() -> None:
    assert family_of("resnet50_linf_eps4_robust", "LP_ADV") == "Engstrom2019"
    assert family_of("FixResNet50CutMix", "ROBUST_INTV") == "resnet, ROBUST_INTV"
    assert architecture_root("tf_efficientnet_b7.ap_in1k") == "efficientnet"
    assert architecture_root("se_resnext101_32x4d") == "resnext" and architecture_root("vgg16_bn") == "vgg"
    assert base_of("vgg16_bn_lpf3", ["vgg16", "vgg16_bn", "resnet50"]) == "vgg16_bn"
    assert base_of("resnet501_x", ["resnet50"]) == ""


def test_tables_stand_beside_one_another() -> None:
    first, second = world(5), world(6)
    second = dataclasses.replace(second, layout="b", types=("clip",) * 52, standard="", claimed="clip")
    both = joined([first, second])
    assert len(both.models) == 104 and both.models[52] == "m0 (b)"
    assert both.standard == "standard" and int(both.fitted.sum()) == 40
    assert analysed(both, claimed="clip").columns[0].models == 52
