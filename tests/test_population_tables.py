"""Tables of populations: layouts told by their columns, and what is refused in them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import DataError
from brittlestar.population import analysed, read_population
from brittlestar.population.timm_results import type_of
from conftest import shared_path
from tiny import called

OWN = "model,setting,accuracy,n,type\n"


def own(folder: Path, text: str, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def whole(percent: bool = False, models: int = 14, seed: int = 0) -> str:
    g = np.random.default_rng(seed)
    lines = []
    for i in range(models):
        kind = "standard" if i < 10 else "adversarial"
        clean = g.uniform(0.6, 0.9) if i < 10 else g.uniform(0.6, 0.8)
        shifted = {"fog": clean * 0.6 - 0.2 * (i >= 10), "v2": clean - 0.1}
        for name, value in {"clean": clean, **shifted}.items():
            value = round(value + g.normal(0, 0.004), 4)
            lines.append(f"m{i},{name},{100 * value if percent else value:.4f},10000,{kind}")
    return OWN + "\n".join(lines) + "\n"


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    shares, percent = (read_population([own(tmp_path, whole(p), f"{p}.csv")]) for p in (False, True))
    assert np.allclose(shares.accuracy, percent.accuracy)
    assert shares.clean == "clean" and shares.standard == "standard" and shares.claimed == "adversarial"
    assert shares.images[0, 0] == 10_000 and shares.families[0] == "m, standard"
    found = {c.column.title: c for c in analysed(shares).columns}
    assert set(found) == {"fog", "v2"} and found["fog"].stand == "less robust" and found["v2"].stand != "less robust"


def test_severities_are_averaged(tmp_path: Path) -> None:
    lines = [
        f"m{i},{s},{0.9 - 0.01 * i - d},{k},{v}"
        for i in range(3)
        for s, k, v, d in (("val", "clean", "", 0), ("fog", "synthetic", "1", 0.1), ("fog", "synthetic", "2", 0.3))
    ]
    table = own(tmp_path, "model,setting,accuracy,kind,severity\n" + "\n".join(lines))
    known = read_population([table])
    assert [s.name for s in known.settings] == ["val", "fog 1", "fog 2", "fog"]
    assert [s.part for s in known.settings] == [False, True, True, False]
    assert known.column("fog") == pytest.approx([0.7, 0.69, 0.68])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model,setting,accuracy,date\na,clean,0.5,x\n", "has a column date"),
        ("model,accuracy\na,0.5\n", "of no known layout: its columns are model, accuracy"),
        (OWN + "a,clean,0.5,10,s\na,clean,0.6,10,s\n", "a on clean is there twice"),
        (OWN + "a,clean,0.5,10,s\na,v2,x,10,s\n", "an accuracy from 0 to 100 is due, got 'x'"),
        (OWN + "a,clean,80,10,s\na,v2,0.7,10,s\n", "nothing on v2 is above 1 percent"),
        (OWN + "a,clean,80,10,s\nb,clean,0.7,10,s\n", "nothing on b is above 1 percent"),
        (OWN + "a,clean,0.5,10,s\na,v2,120,10,s\n", "got '120'"),
        (OWN + "a,clean,0.5,-3,s\n", "n counts images, got '-3'"),
        (OWN + "a,clean,0.5,10,s\na,v2,0.4,10,t\n", "has the type 't' here and 's' before"),
        (OWN + "a,x,0.5,10,s\na,y,0.4,10,s\n", "does not say which setting the others are held against"),
        (OWN + "a,clean,,10,s\n", "gives no accuracy"),
        (OWN, "has no rows below a header"),
        (OWN + "a,clean,0.5,10\n", "row 2 has 4 cells, the header 5"),
        ("model,setting,accuracy,kind\na,clean,0.5,nature\n", "kind is clean, synthetic"),
        ("model,setting,accuracy,base\na,clean,0.5,b\n", "names a base that is no model of it: b"),
    ],
)
def test_unusable_tables_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told.replace("(", r"\(")):
        read_population([own(tmp_path, text)])


def test_missing_tables_say_where_they_are_had(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"modestyachts/imagenet-testbed.*pytorch-image-models.*open_clip"):
        read_population([tmp_path / "none.csv"])
    with pytest.raises(DataError, match="a folder without timm's results"):
        read_population([tmp_path])


def rows_of_testbed(folder: Path, rows: list[list[str]], extra: tuple[str, ...] = ()) -> Path:
    header = ["model", "val", "imagenet-c.fog.1_on-disk", "imagenet-c.fog.2_on-disk", "imagenet-r", *extra]
    path = folder / "top1.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_the_testbeds_layout(tmp_path: Path) -> None:
    rows = [["resnet50", "76.1", "60", "50", "36"], ["alexnet_aws", "56", "30", "", "20"]]
    path = rows_of_testbed(tmp_path, rows)
    kinds = own(tmp_path, json.dumps({"resnet50": "STANDARD", "alexnet_aws": "STANDARD"}), "testbed-model-types.json")
    known = read_population([path])
    assert known.typed() == {"STANDARD": 2} and list(known.fitted) == [True, False]
    assert known.column("fog (on disk)")[0] == pytest.approx(0.55) and np.isnan(known.column("fog (on disk)")[1])
    assert known.images[0, known.place("imagenet-r")] == 30_000
    kinds.unlink()
    assert "testbed-model-types.json" in read_population([path]).notes[0]
    with pytest.raises(DataError, match="resnet50 more than once"):
        read_population([rows_of_testbed(tmp_path, [rows[0], rows[0]])])
    with pytest.raises(DataError, match="val is in percent"):
        read_population([rows_of_testbed(tmp_path, [["a", "0.7", "0.6", "0.5", "0.4"]])])
    with pytest.raises(DataError, match="imagenet-r: an accuracy from 0 to 100 is due, got '370'"):
        read_population([rows_of_testbed(tmp_path, [["a", "70", "60", "50", "370"]])])


def test_timms_tables(tmp_path: Path) -> None:
    for name, drop in (("imagenet", 0), ("sketch", 40)):
        lines = [f"a.in1k,224,{80 - drop},x", f"a.in1k,288,{81 - drop},x", f"b.fb_in22k_ft_in1k,224,{85 - drop},x"]
        own(tmp_path, "model,img_size,top1,top5\n" + "\n".join(lines) + "\n", f"results-{name}.csv")
    known = read_population([tmp_path])
    assert known.models == ("a.in1k", "b.fb_in22k_ft_in1k") and known.types == ("IN1K", "MORE_DATA")
    assert known.accuracy.tolist() == [[0.8, 0.4], [0.85, 0.45]]
    assert "1 more rows at larger image sizes" in known.notes[0]
    with pytest.raises(DataError, match="give the folder that holds them all"):
        read_population([tmp_path / "results-sketch.csv"])
    own(tmp_path, "model,size,top1\na,2,3\n", "results-imagenet.csv")
    with pytest.raises(DataError, match="has no column img_size"):
        read_population([tmp_path])
    assert type_of("vit.openai_ft_in1k") == "CLIP_FT" and type_of("b7.ap_in1k") == "ADV" and type_of("x") == ""
    assert type_of("y.snap_dist_in1k") == "IN1K"


def test_the_published_tables_are_read() -> None:
    folder = shared_path("data/published")
    testbed = read_population([folder / "testbed-top1.csv"])
    assert len(testbed.models) == 338 and testbed.typed()["LP_ADV"] == 16 and int(testbed.fitted.sum()) == 85
    assert not [s.name for s in testbed.settings if s.kind == "other"]
    timm = read_population([folder / "timm"])
    assert len(timm.models) == 1266 and timm.clean == "imagenet"
    both = read_population([folder / "testbed-top1.csv", folder / "open_clip" / "openclip_results.csv"])
    assert len(both.models) == 338 + 121 and both.setting("imagenet-sketch").kind == "natural"
    zero_shot = both.of_type("ZERO_SHOT")
    assert np.isfinite(both.column("imagenet-sketch")[zero_shot]).sum() > 110


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    table = own(tmp_path, whole())
    done = called("population", table, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    assert "What stands of" in done.stdout and "page:" in done.stdout
    page = (tmp_path / "page" / "population.html").read_text()
    assert "Where adversarial models stand among 14 models" in page and page.count("<svg") >= 3
    rows = list(csv.DictReader((tmp_path / "page" / "population.csv").read_text().splitlines()))
    assert [r["column"] for r in rows] == ["fog", "v2"] and float(rows[0]["beyond_line_high"]) < 0
    facts = json.loads((tmp_path / "page" / "population.json").read_text())
    assert facts["columns"][0]["beyond_line"]["n"] == 4 and facts["claimed"] == "adversarial"
    bad = called("population", table, "--type", "nope", "--out", tmp_path / "x")
    assert bad.returncode == 2 and "unknown type 'nope'" in bad.stderr
    assert "scale is raw, probit, logit" in called("population", table, "--scale", "x", "--out", tmp_path / "x").stderr


def test_names_are_escaped(tmp_path: Path) -> None:
    text = whole().replace("m0,", "<script>alert(1)</script>,")
    done = called("population", own(tmp_path, text), "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    assert "<script>alert" not in (tmp_path / "page" / "population.html").read_text()
