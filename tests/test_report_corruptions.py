"""The published sets in the report: their numbers, names and normalisers, and sequences that stay out of the rest."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest

import synthetic
from brittlestar import measures
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.rows import Rows
from brittlestar.measures.stability import compare_of
from brittlestar.report import build
from brittlestar.report.stored import storage_words
from brittlestar.report.words import spaced
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from report_tools import PARTS, Seen, seen
from synthetic_sets import moving, published
from test_report_html import Page

Infos = list[tuple[ConditionInfo, float]]


def made(path: Path, infos: Infos, models: int = 2, samples: int = 120, **how: object) -> RunStore:
    return synthetic.make_run(path, models=models, samples=samples, examples=0, infos=infos, **how)


def imagenet(path: Path, infos: Infos, **how: object) -> RunStore:
    return made(path, infos, classes=1000, shape=(3, 224, 224), **how)


def rows_of(store: RunStore, model: str, **wanted: str) -> dict[tuple[str, int | None], Rows]:
    """Rows by (shift, severity)."""
    found = store.read(store.manifest.models[model]["fingerprint"], None)
    return {
        (i.shift, i.severity): found[i.fingerprint]
        for i in store.manifest.conditions.values()
        if all(getattr(i, k) == v for k, v in wanted.items())
    }


def said(content: Seen, model: str) -> str:
    verdict = next(v for v in content.verdicts if v.model is not None and v.model.name == model)
    return spaced(" ".join(f"{s.lead} {s.text}" for s in verdict.findings))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    folder = tmp_path_factory.mktemp("sets") / "imagenet"
    return imagenet(folder, published("imagenet-c", "jpeg85", "procedural") + moving("imagenet-p", extra=True))


@pytest.fixture(scope="module")
def content(run: RunStore) -> Seen:
    return seen([run])


def test_imagenet_c_is_normalised_by_alexnet(run: RunStore, content: Seen) -> None:
    (found,) = content.corruptions
    assert found.title == "ImageNet-C" and len(found.rows) == 15 and found.why == ""
    assert [row.group for row in found.rows[::4]] == ["Noise", "Blur", "Weather", "Digital"]
    assert found.storage == "stored as 8 bits and JPEG quality 85, as published"
    assert spaced(found.basis).replace("\u00a0", " ") == "all 15 corruptions at 5 severities, n = 120"
    for place, name in enumerate(("natural", "gaussian")):
        rows = rows_of(run, name, kind="shift")
        clean = rows_of(run, name, kind="clean")["clean", None]
        entry = found.models[place]
        assert entry.mce == measures.mce(rows) and entry.mce is not None and entry.mce.name == "mCE"
        assert entry.relative == measures.relative_mce(rows, clean)
        assert entry.mean == measures.mean_corruption_error(rows, "imagenet-c")
        for row in found.rows:
            cell = row.cells[place]
            assert cell is not None and cell.ce == measures.ce(rows, row.corruption).estimate
            assert [p.x for p in cell.curve] == [1, 2, 3, 4, 5]
            errors = [1 - rows[row.corruption, s].correct.mean() for s in range(1, 6)]
            assert [p.estimate.value for p in cell.curve] == pytest.approx(errors)
            assert cell.error.value == pytest.approx(sum(errors) / 5)


def test_numbers_with_procedural_frost_are_marked(run: RunStore, content: Seen) -> None:
    (found,) = content.corruptions
    assert [row.corruption for row in found.rows if row.marked] == ["frost"]
    assert all(m.marked for m in found.models) and found.key == "imagenet-c/jpeg85/procedural-frost"
    note = "not comparable with published ImageNet-C"
    assert any(note in n for n in found.notes)
    text = said(content, "natural")
    assert "mCE†" in text and "relative mCE†" in text and "mean corruption error†" in text and note in text
    assert "AlexNet (published errors)" in text and "JPEG quality 85" in text
    assert "mCE†" in (build([run]).parent / "results.md").read_text()


def test_marks_stay_away_from_the_references_textures(tmp_path: Path) -> None:
    content = seen([imagenet(tmp_path / "a", published("imagenet-c", "jpeg85"), models=1)])
    (found,) = content.corruptions
    assert not found.notes and "†" not in content.html() and found.key == "imagenet-c/jpeg85"


def described(suite: str, shape: tuple[int, int, int]) -> Infos:
    """The real suites' descriptions; sequences made short."""
    infos = [c.info for c in get_suite(suite).conditions(shape) if c.info.kind != "clean"]
    short = [dataclasses.replace(i, config={**i.config, "count": 5}) if i.kind == "sequence" else i for i in infos]
    return [(info, 0.5) for info in short]


def test_the_real_suites_fit_the_sections(tmp_path: Path) -> None:
    digits = seen([made(tmp_path / "a", described("mnist-c", (1, 28, 28)))])
    (found,) = digits.corruptions
    assert len(found.rows) == 15 and found.storage == "stored as 8 bits, rounded, as published"
    assert found.models[0].mean.name == "mean corruption error" and found.models[1].mce is not None
    for name, shape, storage in (
        ("imagenet-c", (3, 224, 224), "stored as 8 bits and JPEG quality 85, as published"),
        ("cifar-c", (3, 32, 32), "stored as 8 bits, as published"),
        ("tiny-c", (3, 64, 64), "stored as 8 bits and JPEG quality 85, as published"),
    ):
        (found,) = seen([made(tmp_path / name, described(name, shape), models=1, samples=20)]).corruptions
        assert len(found.rows) == 15 and found.storage == storage and found.models[0].mean.conditions == 75
    broad = [pair for pair in described("broad", (3, 32, 32)) if pair[0].kind == "shift"]
    assert seen([made(tmp_path / "broad", broad, models=1, samples=20)]).corruptions == ()


@pytest.mark.parametrize("size", [32, 64, 224])
def test_the_real_sequences_fit_the_sections(tmp_path: Path, size: int) -> None:
    infos = described("imagenet-p-hard", (3, size, size))
    (found,) = seen([made(tmp_path / "a", infos, models=1, samples=20)]).stability
    assert [row.counted for row in found.rows] == [True] * 10 + [False] * 4
    assert found.models[0].flips is not None and found.models[0].flips.name == "mean FP"
    assert found.rows[-1].title == "Shot noise, difficulty 3" and "8 bits" in found.storage and "H.264" in found.storage
    by_title = {row.title: row.cells[0] for row in found.rows}
    assert set(by_title["Tilt"].harder) == {2, 3} and not by_title["Shot noise"].harder
    titles = {32: "CIFAR-P, with the sequences of ImageNet-P", 64: "Tiny-ImageNet-P", 224: "ImageNet-P"}
    assert found.title == titles[size]


@pytest.mark.parametrize("corruptions", [9, 10])
def test_a_section_needs_ten_corruptions_and_never_says_mce(tmp_path: Path, corruptions: int) -> None:
    infos = published("imagenet-c", "float", corruptions=corruptions)
    content = seen([imagenet(tmp_path / "a", infos, models=1)])
    if corruptions == 9:
        assert content.corruptions == () and "id=corruptions" not in content.html().replace('"', "")
        return
    (found,) = content.corruptions
    entry = found.models[0]
    assert entry.mce is not None and entry.mce.name == "mean CE over 10 of 15"
    assert entry.mean.name == "mean corruption error over 10 of 15"
    assert found.storage == "in memory as floats: easier than the published images"
    assert " mCE " not in said(content, "natural")
    assert any(r.measure == "mean_ce_over_10_of_15_over_AlexNet (published errors)" for r in content.results)


def test_without_alexnet_the_first_model_is_the_named_baseline(tmp_path: Path) -> None:
    store = made(tmp_path / "a", published("cifar-c", "uint8"), models=3)
    (found,) = seen([store]).corruptions
    assert found.title == "CIFAR-C" and found.normaliser == "natural" and "never published" in found.why
    assert found.storage == "stored as 8 bits, as published"
    assert found.models[0].mce is None and found.rows[0].cells[0] is not None and found.rows[0].cells[0].ce is None
    rows = {name: rows_of(store, name, kind="shift") for name in ("natural", "gaussian")}
    clean = {name: rows_of(store, name, kind="clean")["clean", None] for name in rows}
    base = measures.RunErrors(name="natural", conditions=rows["natural"], clean=clean["natural"])
    assert found.models[1].mce == measures.mce(rows["gaussian"], base, table="cifar-c")
    assert found.models[1].relative == measures.relative_mce(rows["gaussian"], clean["gaussian"], base, table="cifar-c")
    (alone,) = seen([made(tmp_path / "b", published("cifar-c", "uint8"), models=1)]).corruptions
    assert alone.normaliser == "" and alone.models[0].mce is None


def test_alexnets_errors_are_for_models_of_1000_classes(tmp_path: Path) -> None:
    (found,) = seen([made(tmp_path / "a", published("imagenet-c", "jpeg85"), classes=12)]).corruptions
    assert "1,000 classes" in found.why and found.normaliser == "natural"


def test_mnist_c(tmp_path: Path) -> None:
    content = seen([made(tmp_path / "a", published("mnist-c"))])
    (found,) = content.corruptions
    assert found.title == "MNIST-C" and len(found.rows) == 15 and not found.curved
    assert found.models[0].mce is None and found.models[1].mce is not None
    assert found.models[1].mce.normaliser == "natural" and found.models[1].mce.name == "mCE"
    assert "Divided by natural: mCE" in said(content, "gaussian")
    assert content.grid is not None and len(content.grid.rows) == 15
    Page(content.html())


def test_the_same_set_in_two_storages_is_two_sections(tmp_path: Path) -> None:
    content = seen([made(tmp_path / "a", published("cifar-c", "uint8") + published("cifar-c"), models=1)])
    assert [found.key for found in content.corruptions] == ["cifar-c/uint8", "cifar-c"]
    assert content.grid is not None and len(content.grid.rows) == 30
    assert storage_words("cifar-c", "jpeg85") == (
        "stored as 8 bits and JPEG quality 85, where the published images are stored as 8 bits"
    )


def test_a_run_that_stopped_at_a_precision_has_sequences_of_intervals(tmp_path: Path) -> None:
    content = seen([made(tmp_path / "a", published("cifar-c", "uint8") + moving("cifar-p"), rule="anytime")])
    (found,), (flicker,) = content.corruptions, content.stability
    for number in (found.models[1].mce, found.models[1].mean, flicker.models[1].rate, flicker.models[1].flips):
        assert number is not None and number.estimate is not None
        assert number.estimate.method == "confidence sequence"


def test_sequences_are_in_no_other_section(tmp_path: Path) -> None:
    """A run with sequences says, but for them, what the same run without them says."""
    infos = published("cifar-c", "uint8")
    without = seen([made(tmp_path / "without", infos)])
    both = seen([made(tmp_path / "with", infos + moving("cifar-p"))])
    differing = {"stability", "missing", "not_asked", "provenance", "commands", "sessions"}
    for name in (*PARTS, "calibration", "statuses", "title", "interval_text"):
        if name not in differing:
            assert getattr(both, name) == getattr(without, name), name
    plain = {(r.model, r.condition, r.measure): r.estimate for r in without.results}
    more = {(r.model, r.condition, r.measure): r.estimate for r in both.results}
    assert plain.items() <= more.items()
    assert all("cifar-p" in condition for _, condition, _ in more.keys() - plain.keys())
    for before, after in zip(without.verdicts, both.verdicts, strict=True):
        assert [f for f in after.findings if "Changes its answer" not in f.lead] == list(before.findings)
        assert len(after.findings) == len(before.findings) + (after.model is not None)
    assert both.facts == ("120 images", "76 conditions", "10 sequences", "95 % intervals")
    assert [m.samples for m in both.models] == [120, 120]
    assert "Video and stability over time" in [m.title for m in without.missing]
    assert "Real video" in [m.title for m in both.missing]


def test_stability_holds_the_rows_numbers(run: RunStore, content: Seen) -> None:
    (found,) = content.stability
    assert found.title == "ImageNet-P" and "H.264" in found.storage and found.normaliser == "natural"
    assert [row.counted for row in found.rows] == [True] * 10 + [False] and found.rows[-1].title == "Shear"
    for place, name in enumerate(("natural", "gaussian")):
        rows = {shift: r for (shift, _), r in rows_of(run, name, kind="sequence").items()}
        for row in found.rows:
            shift = row.condition.split("/")[0]
            cell = row.cells[place]
            assert cell is not None and row.frames == 11 and row.compared == compare_of(shift)
            assert cell.flips == measures.flip_probability(rows[shift], compare_of(shift))
            assert cell.distance == measures.top5_distance(rows[shift], compare_of(shift))
            assert cell.zipf is None
        entry = found.models[place]
        assert entry.flips == measures.mean_flip_probability(rows, "imagenet-p")
        assert entry.distance == measures.mean_top5_distance(rows, "imagenet-p")
        assert entry.remembered is not None and "remembered" in entry.remembered.normaliser
    assert found.models[0].rate is None and found.models[1].rate is not None
    assert found.models[1].rate.normaliser == "natural" and found.models[1].rate.name == "mFR"
    text = said(content, "gaussian")
    assert "over natural" in text and "not verified against the paper" in text and "Mean T5D" in text
    assert any("in no mean" in note for note in found.notes)


def test_sequences_alone_make_a_report(tmp_path: Path) -> None:
    content = seen([made(tmp_path / "a", moving("cifar-p", "uint8"))])
    (found,) = content.stability
    assert content.corruptions == () and content.grid is None and found.key == "cifar-p/uint8"
    assert found.models[0].remembered is None and found.rows[0].cells[0] is not None
    assert found.rows[0].cells[0].zipf is not None
    Page(content.html())


def test_the_page_and_the_files(run: RunStore) -> None:
    page = build([run])
    text = page.read_text()
    parsed = Page(text)
    anchors = {a.get("id") for a in parsed.all("section")}
    assert {"corruptions", "stability"} <= anchors and 'href="#stability"' in text
    assert len([a for a in parsed.all("svg") if a.get("class") == "chart spark"]) == 15
    assert len([a for a in parsed.all("svg") if a.get("class") == "chart dots"]) == 11
    found = json.loads((page.parent / "summary.json").read_text())
    summary = found["corruptions"][0]["models"][0]["summaries"]
    assert [s["name"] for s in summary] == ["mean corruption error†", "mCE†", "relative mCE†"]
    assert summary[1]["normaliser"] == "AlexNet (published errors)" and summary[1]["n"] == 120
    assert found["stability"][0]["models"][1]["summaries"][2]["normaliser"] == "natural"
    with (page.parent / "results.csv").open() as file:
        lines = {(r["model"], r["condition"], r["measure"]): float(r["value"]) for r in csv.DictReader(file)}
    key = "imagenet-c/jpeg85/procedural-frost"
    over = "over_AlexNet (published errors)"
    assert lines["natural", key, f"mce_{over}"] == pytest.approx(summary[1]["value"], rel=1e-5)
    assert ("natural", f"{key}/fog", f"relative_ce_{over}") in lines
    assert ("gaussian", "tilt/imagenet-p", "flip_probability") in lines
    assert ("gaussian", "imagenet-p", "mfr_over_natural") in lines
    assert not any(c == "tilt/imagenet-p" and m == "accuracy" for _, c, m in lines)
    assert "## ImageNet-P" in (page.parent / "results.md").read_text()


def test_a_ratio_over_a_model_of_the_run_stands_beside_two_measures_against_clean(tmp_path: Path) -> None:
    store = made(
        tmp_path / "run", published("cifar-c", "uint8", "photographs"), models=3, samples=200, shape=(3, 32, 32)
    )
    content = seen([store])
    (found,) = content.corruptions
    assert found.normaliser == "natural" and found.models[0].against is None
    claims = [m.against for m in found.models[1:]]
    for name, claim in zip(("gaussian", "adversarial"), claims, strict=True):
        rows, base = (rows_of(store, m, kind="shift") for m in (name, "natural"))
        clean, base_clean = (rows_of(store, m, kind="clean")["clean", None] for m in (name, "natural"))
        direct = measures.row_sensitivity([*rows.values()], [base[k] for k in rows], clean, base_clean, 0.1)
        assert claim is not None and claim.additive == direct.additive and claim.ratio == direct.ratio
        verdict = next(v for v in content.verdicts if v.model is not None and v.model.name == name)
        (sentence,) = [s for s in verdict.findings if "Divided by natural" in s.text]
        assert sentence.sensitivities == (claim,) and claim.additive in sentence.estimates
        assert "Against it beyond clean" in sentence.text and "kept above chance" in sentence.text
    assert [c.p_adjusted for c in claims if c] == pytest.approx(list(measures.holm([c.p for c in claims if c])))


def test_nothing_is_divided_by_a_model_near_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    infos = published("cifar-c", "uint8", "photographs") + moving("cifar-p")
    monkeypatch.setattr(synthetic, "RECIPES", (("blind", (-9.0,) * 9), *synthetic.RECIPES[:2]))
    content = seen([made(tmp_path / "run", infos, models=3, shape=(3, 32, 32))])
    assert any(s.kind == "near chance" and s.model is not None and s.model.name == "blind" for s in content.statuses)
    (corruptions,), (sequences,) = content.corruptions, content.stability
    assert corruptions.normaliser == sequences.normaliser == "natural"
    assert [m.model.name for m in corruptions.models] == ["natural", "gaussian", "blind"]
    assert "Divided by natural" in said(content, "gaussian") and "blind" not in said(content, "gaussian")
