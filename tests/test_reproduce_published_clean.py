"""Published models with clean accuracies: the two measures, papers, layouts, and where clean ones come from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from brittlestar.core.errors import DataError, UsageError
from brittlestar.population.published_models import adversarially_trained, matched, paper_of
from brittlestar.reproduce import PublishedFiles, Reproduction
from brittlestar.reproduce.published import PublishedTable, against_base, beside, papers, read_published
from brittlestar.reproduce.published_layouts import read_clean
from conftest import shared_path

NAMES = ("fog", "contrast", "gaussian_noise", "impulse_noise")


def table_of(folder: Path, models: dict[str, tuple[float, float, float]], name: str = "cifar10.csv") -> Path:
    """RobustBench's layout with the same accuracy at all severities, under fog, contrast and noise."""
    rows = [["", *(n for n in NAMES for _ in range(5))], ["", *(str(s + 1) for _ in NAMES for s in range(5))]]
    for model, levels in models.items():
        rows.append([model, *(str(v) for v in (*levels, levels[2]) for _ in range(5))])
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def clean_of(folder: Path, text: str) -> Path:
    path = folder / "clean.csv"
    path.write_text(text)
    return path


def verdict_of(table: PublishedTable) -> tuple[str, str]:
    (verdict,) = beside(
        Reproduction(name="fog", title="t", paper="p", conditions=(), verdicts=(), tables=()), table
    ).verdicts
    return verdict.state, verdict.measured


def test_the_two_measures_are_those_of_the_formulas() -> None:
    found = against_base(0.46, 0.70, 0.80, 0.90, 0.1)
    assert found.raw == pytest.approx(-0.24)
    assert found.added == pytest.approx((0.46 - 0.80) - (0.70 - 0.90))
    assert found.kept == pytest.approx((0.36 / 0.70) / (0.60 / 0.80))
    assert found.sensitivity == found.text == "more sensitive"


@pytest.mark.parametrize(
    ("shifted", "clean", "told"),
    [
        (0.703, 0.90, "no difference shown"),
        (0.10 + 0.75 * 0.5, 0.60, "depends on the scale"),  # diluted: keeps as much above chance, loses fewer points
        (0.55, 0.60, "less sensitive"),
        (0.45, 0.90, "more sensitive"),
        (0.15, 0.18, "undefined (near chance)"),
    ],
)
def test_a_verdict_needs_both_measures(shifted: float, clean: float, told: str) -> None:
    assert against_base(shifted, 0.70, clean, 0.90, 0.1).sensitivity == told


def test_worse_but_not_more_sensitive_has_its_own_words() -> None:
    found = against_base(0.55, 0.70, 0.60, 0.90, 0.1)
    assert found.raw < 0 and found.sensitivity == "less sensitive" and found.text == "worse, not more sensitive"
    assert against_base(0.75, 0.70, 0.80, 0.90, 0.1).text == "less sensitive"


@pytest.mark.parametrize(("clean", "base"), [(None, 0.9), (0.9, None)])
def test_without_a_clean_accuracy_nothing_is_decomposed(clean: float | None, base: float | None) -> None:
    found = against_base(0.2, 0.7, clean, base, 0.1)
    assert (found.added, found.kept, found.sensitivity) == (None, None, "clean unknown")


def robust(count: int) -> dict[str, tuple[float, float, float]]:
    """A base, and one model of each of so many papers that is truly more sensitive to fog and contrast."""
    return {"Standard": (0.85, 0.80, 0.50), **{f"Author{2000 + i}Paper_Linf": (0.40, 0.30, 0.75) for i in range(count)}}


def clean_text(models: Iterable[str]) -> str:
    return "name,clean\n" + "".join(f"{m},{0.95 if m == 'Standard' else 0.85}\n" for m in models)


@pytest.mark.parametrize(("count", "state"), [(6, "confirmed"), (5, "not confirmed")])
def test_enough_papers_confirm(tmp_path: Path, count: int, state: str) -> None:
    models = robust(count)
    files = PublishedFiles(table=table_of(tmp_path, models), clean=clean_of(tmp_path, clean_text(models)))
    found, measured = verdict_of(read_published(files))
    assert found == state and f"in {count} of {count} models" in measured
    assert ("fewer than 6 papers" in measured) == (count < 6)


def test_models_near_chance_are_neither_counted_for_nor_against(tmp_path: Path) -> None:
    models = robust(6) | {"Weak2019Paper_Linf": (0.10, 0.10, 0.12)}
    text = clean_text(m for m in models if m[0] != "W") + "Weak2019Paper_Linf,0.15\n"
    files = PublishedFiles(table=table_of(tmp_path, models), clean=clean_of(tmp_path, text))
    state, measured = verdict_of(read_published(files))
    assert state == "confirmed" and "both measures known for 6 of 7" in measured
    few = PublishedFiles(table=table_of(tmp_path, {k: v for k, v in models.items() if k[0] in "SW"}), clean=files.clean)
    assert verdict_of(read_published(few))[0] == "not tested"
    assert verdict_of(read_published(few))[1].startswith("undefined, near chance")


def test_many_models_of_one_paper_are_one_paper(tmp_path: Path) -> None:
    models = robust(1) | {f"Gowal2020Uncovering_{i}_Linf": (0.40, 0.30, 0.75) for i in range(30)}
    files = PublishedFiles(table=table_of(tmp_path, models), clean=clean_of(tmp_path, clean_text(models)))
    state, measured = verdict_of(read_published(files))
    assert state == "not confirmed" and "31 of 31 models" in measured and "in 2 of 2 papers" in measured


def test_models_that_are_only_worse_confirm_nothing(tmp_path: Path) -> None:
    models = {"Standard": (0.85, 0.80, 0.50)}
    for i in range(20):  # the base's answers, a third of them replaced by guesses, and raised under noise
        models[f"Author{2000 + i}Paper_Linf"] = (0.6, 0.567, 0.9)
    text = "Standard,0.95\n" + "".join(f"{m},0.667\n" for m in models if m != "Standard")
    files = PublishedFiles(table=table_of(tmp_path, models), clean=clean_of(tmp_path, text))
    state, measured = verdict_of(read_published(files))
    assert state == "not confirmed" and "in both measures, in 0 of 20 models" in measured
    assert "raw differences, which decide nothing: as claimed in 20 of 20" in measured


def test_a_paper_counts_where_all_of_its_models_do() -> None:
    models = ["Gowal2020Uncovering_a", "Gowal2020Uncovering_b", "Rebuffi2021Fixing_c"]
    share = papers(models, lambda m: not m.endswith("_a"))
    assert (share.value, share.n) == (0.5, 2) and share.method == "Clopper-Pearson"


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("Gowal2020Uncovering_70_16_extra_L2", "Gowal2020Uncovering"),
        ("Hendrycks2020AugMixWRN", "Hendrycks2020Aug"),
        ("Hendrycks2020Many", "Hendrycks2020Many"),
        ("Geirhos2018_SIN_IN", "Geirhos2018"),
        ("Standard_R50", "Standard_R50"),
        ("resnet50_l2_eps3_robust", "Engstrom2019"),
        ("resnet50_linf_eps8_robust", "Engstrom2019"),
        ("resnet101_cutmix", "resnet101_cutmix"),
    ],
)
def test_names_tell_papers(name: str, paper: str) -> None:
    assert paper_of(name) == paper


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("Kireev2021Effectiveness_RLATAugMixNoJSD", True),
        ("Kireev2021Effectiveness_AugMixNoJSD", False),
        ("Kireev2021Effectiveness_Gauss50percent", False),
        ("Somebody2025New_WRN28_Linf", True),
        ("Linfield2019Networks", False),
        ("resnet50_adv-train-free", True),
        ("efficientnet-b3-advprop-autoaug", False),
        ("resnet50-randomized_smoothing_noise_0.50", True),
        ("resnet50-randomized_smoothing_noise_0.00", False),
    ],
)
def test_names_tell_training_for_lp_robustness(name: str, trained: bool) -> None:
    assert adversarially_trained(name) is trained


def test_given_beginnings_replace_what_is_recognised() -> None:
    assert adversarially_trained("Own_net", ["Own"]) and not adversarially_trained("Gowal2020_Linf", ["Own"])


def test_names_are_matched_exactly_or_but_for_capitals_and_marks() -> None:
    known = {"alexnet": 0.5, "ResNet-50": 0.7, "resnet_50": 0.6, "VGG16": 0.65}
    assert matched(["AlexNet", "VGG16", "ResNet50", "other"], known) == ({"AlexNet": 0.5, "VGG16": 0.65}, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("model,clean\na,0.9\nb,0.1\n", {"a": 0.9, "b": 0.1}),
        ("a,90\nb,1.5\n", {"a": 0.9, "b": 0.015}),
        ("model,greyscale,val\na,1,90\nb,2,\n", {"a": 0.9}),
    ],
)
def test_clean_accuracies_are_read(tmp_path: Path, text: str, found: dict[str, float]) -> None:
    assert read_clean(clean_of(tmp_path, text)) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("a,b,c\nd,1,2\n", "needs a column 'val'"),
        ("a,90\na,91\n", "row 2: a is there twice"),
        ("a,90\nb,191\n", "row 2, clean: accuracies are percent from 0 to 100, got '191'"),
        ("name,clean\na,x\n", "got 'x'"),
        ("a,90\nb,0.85\n", r"mixes percent and shares \(b 0.85\)"),
        ("name,clean\n,0.5\n", "row 2 names no model"),
        ("name,clean\na,\n", "gives no model's clean accuracy"),
    ],
)
def test_what_is_wrong_with_clean_accuracies_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_clean(clean_of(tmp_path, text))


def test_chance_is_told_by_the_path_or_must_be_given(tmp_path: Path) -> None:
    models = robust(1)
    clean = clean_of(tmp_path, clean_text(models))
    known = {"cifar10-c.csv": 0.1, "CIFAR-100.csv": 0.01, "imagenet.csv": 0.001, "robustbench-imagenetc.csv": 0.001}
    for name, chance in known.items():
        assert read_published(PublishedFiles(table=table_of(tmp_path, models, name), clean=clean)).chance == chance
    plain = table_of(tmp_path, models, "table.csv")
    assert read_published(PublishedFiles(table=plain)).chance is None, "not needed without clean accuracies"
    for name in ("table.csv", "tiny-imagenet-c.csv", "imagenet100.csv", "imagenette.csv"):
        with pytest.raises(UsageError, match=r"PublishedFiles\(classes=\.\.\.\)"):
            read_published(PublishedFiles(table=table_of(tmp_path, models, name), clean=clean))
    assert read_published(PublishedFiles(table=plain, clean=clean, classes=20)).chance == 0.05
    with pytest.raises(UsageError, match="at least 2 classes, got 1"):
        read_published(PublishedFiles(table=plain, clean=clean, classes=1))


def bed_of(folder: Path, storage: str = "on-disk") -> Path:
    columns = [f"imagenet-c.{n}.{s}_{storage}" for n in NAMES for s in range(1, 6)]
    rows = [["model", *columns, "val"]]
    for name, levels, clean in (
        ("resnet50", (60, 60, 50, 50), "76"),
        ("a_l2_eps3_robust", (10, 10, 50, 50), "60"),
        ("odd", (20, 20, 50, 50), "60"),
        ("missing", ("", "", "", ""), "70"),
    ):
        rows.append([name, *(str(v) for v in levels for _ in range(5)), clean])
    path = folder / "testbed.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize("storage", ["on-disk", "in-memory"])
def test_the_testbeds_layout_brings_its_clean_accuracies(tmp_path: Path, storage: str) -> None:
    table = read_published(PublishedFiles(table=bed_of(tmp_path, storage)))
    assert list(table.models) == ["resnet50", "a_l2_eps3_robust", "odd"] and table.base == "resnet50"
    assert table.chance == 0.001 and table.clean["odd"] == 0.6 and table.adversarial == ("a_l2_eps3_robust",)
    assert any("3 of the 4 models of testbed.csv have accuracies" in n and storage in n for n in table.notes)
    assert "in both measures, in 1 of 1 models" in verdict_of(table)[1]


def test_types_say_who_is_trained_for_lp_robustness(tmp_path: Path) -> None:
    types = tmp_path / "types.json"
    types.write_text(json.dumps({"odd": "LP_ADV", "a_l2_eps3_robust": "STANDARD"}))
    assert read_published(PublishedFiles(table=bed_of(tmp_path), types=types)).adversarial == ("odd",)
    types.write_text("[1]")
    with pytest.raises(DataError, match="must hold an object"):
        read_published(PublishedFiles(table=bed_of(tmp_path), types=types))


def test_another_base_can_be_named(tmp_path: Path) -> None:
    assert read_published(PublishedFiles(table=bed_of(tmp_path), base="odd")).base == "odd"
    with pytest.raises(DataError, match=r"no model 'even'.*PublishedFiles\(base=\.\.\.\), of resnet50"):
        read_published(PublishedFiles(table=bed_of(tmp_path), base="even"))


def test_the_testbeds_own_table() -> None:
    table = shared_path("data/published/testbed-top1.csv")
    types = shared_path("data/published/testbed-model-types.json")
    by_type = read_published(PublishedFiles(table=table, types=types))
    assert len(by_type.models) == 200 and len(by_type.adversarial) == 16 and len(by_type.clean) == 200
    assert by_type.clean["resnet50"] == pytest.approx(0.7613, abs=1e-5)
    assert set(read_published(PublishedFiles(table=table)).adversarial) == set(by_type.adversarial), "by names alone"
    state, measured = verdict_of(by_type)
    assert "fog: 16 more sensitive; contrast: 16 more sensitive" in measured
    assert state == "not confirmed" and "of 5 papers" in measured


def test_robustbench_gets_clean_accuracies_from_the_testbed() -> None:
    files = PublishedFiles(
        table=shared_path("data/published/robustbench-imagenetc.csv"),
        clean=shared_path("data/published/testbed-top1.csv"),
        base="AlexNet",
    )
    table = read_published(files)
    assert table.clean == {"AlexNet": pytest.approx(0.56522)} and table.chance == 0.001
    assert any("of 1 of 12 models; 0 names are the same, 1 but for capitals" in note for note in table.notes)
    assert verdict_of(table)[1].startswith("clean unknown for the others")


def test_shares_where_percent_are_due_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"val is in percent, and none is above 0\.76: give percent"):
        read_clean(clean_of(tmp_path, "model,val\nresnet50,0.76\nresnet18,0.70\n"))
    assert read_clean(clean_of(tmp_path, "model,val\nresnet50,76\nrandom,0.1\n"))["random"] == 0.001
    header = ["model", "val", *(f"imagenet-c.{c}.{s}_on-disk" for c in NAMES for s in range(1, 6))]
    path = tmp_path / "testbed.csv"
    path.write_text("\n".join(",".join(row) for row in (header, ["resnet50", *("0.7" for _ in header[1:])])))
    with pytest.raises(DataError, match="give percent"):
        read_published(PublishedFiles(table=path, adversarial=("resnet",)))
