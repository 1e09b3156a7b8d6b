"""Whatever a name in the data holds, it neither turns nor hides text, begins no formula, and runs nothing."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import re
from pathlib import Path

import pytest

import brittlestar
import synthetic
from brittlestar.api.progress import Screen, drawn_by
from brittlestar.cli.say import say
from brittlestar.core.text import readable, readable_lines, table_cell
from brittlestar.report import build
from brittlestar.report.policy import policy

TURNED, ESCAPE, NUL, RETURN = "\u202e", "\x1b[2J", "\x00", "\r"
HOSTILE = f"=HYPERLINK(1){TURNED}{ESCAPE}\nerror: all is well{RETURN}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = synthetic.make_run(
        tmp_path_factory.mktemp("names") / "run",
        models=[HOSTILE, "+1"],
        classes=[f"cat{TURNED}tac", "@SUM(A1)", "dog\n# heading"],
        notes=[f"a note{TURNED}{ESCAPE}"],
        name=f"-data{TURNED}\n| x |",
        samples=60,
        shape=(1, 8, 8),
    )
    return build([store]).parent


@pytest.mark.parametrize("file", ["report.html", "results.csv", "results.md"])
def test_nothing_that_turns_or_moves_text_is_written(folder: Path, file: str) -> None:
    text = (folder / file).read_bytes().decode()
    assert "HYPERLINK" in text  # it is there, and written out
    for character in (TURNED, "\x1b", NUL, RETURN):
        assert character not in text
    assert "\\u202e" in text


def test_no_cell_of_the_table_begins_a_formula(folder: Path) -> None:
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"'" + readable(HOSTILE), "'+1"}
    for row in rows:
        assert "\n" not in row["model"] + row["data"]
        for column in ("model", "data", "condition", "measure", "status"):
            assert not row[column].startswith(("=", "+", "-", "@", "\t"))


def test_a_name_makes_no_line_of_its_own_in_markdown(folder: Path) -> None:
    lines = (folder / "results.md").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line.startswith(("error:", "# heading", "| x |"))]


def test_names_that_need_nothing_stay_as_they_are() -> None:
    for name in ("ResNet-50", "Übergröße 日本語", "12\u202f%", "a\u00a0b", "🐙"):
        assert readable(name) == name
    assert readable("a\nb") == "a\\nb" and readable_lines("a\nb\x07") == "a\nb\\x07"
    assert readable("\udcff") == "\\udcff"
    assert [table_cell(x) for x in ("=1", "-x", "a=1", "\t=1")] == ["'=1", "'-x", "a=1", "\\t=1"]


def test_the_page_may_run_its_own_scripts_and_no_other(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    meta = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert meta is not None and "unsafe" not in meta[1]
    allowed = dict(part.strip().split(" ", 1) for part in html.unescape(meta[1]).split(";"))
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        own = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        assert set(allowed[kind].split()) == {
            f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in own
        }
    # A policy without unsafe-inline forbids style attributes as well, and they would be lost in silence.
    assert not re.search(r"<[^>]* style=", re.sub(r"<script.*?</script>", "", page, flags=re.S))
    assert not re.search(r"<[^>]* on\w+=", re.sub(r"<script.*?</script>", "", page, flags=re.S))


def test_without_scripts_none_may_run() -> None:
    assert "script-src 'none'" in policy(["p {}"])


def test_nothing_is_printed_past_the_one_place_that_makes_names_harmless() -> None:
    source = Path(brittlestar.__file__).parent
    for path in source.rglob("*.py"):
        name, text = path.relative_to(source).as_posix(), path.read_text(encoding="utf-8")
        assert name == "cli/say.py" or not re.search(r"\btyper\.(echo|secho)\(|\bclick\.echo\(", text), name
        assert name != "api/progress.py" or text.count("Text(") == 1


def test_the_terminal_is_not_moved_by_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"error: {HOSTILE}", err=True)
    assert capsys.readouterr().err == f"error: {readable(HOSTILE)}\n"
    say("2 problems:\n  one\n  two")
    assert capsys.readouterr().out == "2 problems:\n  one\n  two\n"
    screen = Screen()
    screen.console.file = io.StringIO()
    with drawn_by(screen) as watch:
        watch.note(HOSTILE)
        watch.warn(HOSTILE)
    shown = screen.console.file.getvalue()
    assert shown.count("HYPERLINK") == 2 and not set(shown) & {TURNED, "\x1b", RETURN}
    assert not [line for line in shown.splitlines() if line.startswith("error:")]
