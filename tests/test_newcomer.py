"""Adding something is one file and one line: what ``docs/adding.md`` says is done in a copy, and the checks run there.

The short part uses everything that was added; the long one (``slow``) runs each kind's contract tests.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from newcomer_tools import ROOT, Copy, patched, recipes

RECIPES = recipes()
KINDS = ["A shift", "A measure", "A section of the report", "A source", "A form of data", "A verb"]
CONTRACTS = {
    "A shift": [
        "tests/test_shifts_contract.py",
        "tests/test_shifts_rules.py",
        "tests/test_suites.py",
        "tests/test_fast_start.py",
        "tests/test_show.py",
    ],
    "A measure": ["tests/test_measures_contract.py", "tests/test_report_measured.py"],
    "A section of the report": ["tests/test_report_html.py"],
    "A source": ["tests/test_data_contract.py"],
    "A form of data": ["tests/test_data_contract.py", "tests/test_data_sources.py"],
    "A verb": ["tests/test_cli_failures.py", "-k", "every_verb or conditions"],
}
MODEL = """
import torch

class Stripes(torch.nn.Module):
    def forward(self, x):
        lying, standing = (x.diff(dim=d).abs().mean((1, 2, 3)) for d in (2, 3))
        return torch.stack([lying, standing], 1) * 20

def model():
    return Stripes().eval()
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The project with everything of the page added."""
    made = Copy(tmp_path_factory.mktemp("newcomer") / "project")
    for recipe in RECIPES.values():
        made.add(recipe)
    return made


@pytest.fixture(scope="module")
def run(copy: Copy) -> Path:
    """A run of the new suite on the new source, with its report."""
    (copy.root / "model.py").write_text(MODEL)
    words = "brittlestar run --model torch:model.py:model --data stripes --suite fade --workers 1 --anyway --out out"
    copy.check(*words.split())
    return copy.root / "out"


def touched() -> list[str]:
    """The new files and the changed ones, but for templates."""
    paths = {path for recipe in RECIPES.values() for path in (*recipe.files, *recipe.lines)}
    return sorted(path for path in paths if path.endswith(".py"))


def test_the_page_has_every_kind_and_none_needs_more_than_two_files() -> None:
    assert list(RECIPES) == KINDS == list(CONTRACTS)
    for heading, recipe in RECIPES.items():
        stems = {Path(path).with_suffix("") for path in recipe.files}
        assert len(stems) == 1 and len(recipe.lines) == 1, f"{heading}: one file (a template beside it) and one list"
        assert all((ROOT / path).is_file() for path in recipe.lines)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    for recipe in RECIPES.values():
        (listed,) = recipe.lines
        assert listed.removeprefix("src/brittlestar/") in contributing, (
            f"CONTRIBUTING.md names another list than {listed}"
        )


def test_format_lint_and_imports(copy: Copy) -> None:
    files = touched()
    copy.check("ruff", "format", "--no-cache", "--check", *files)
    copy.check("ruff", "check", "--no-cache", *files)
    words = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    (copy.root / "lint_imports.py").write_text(words)
    assert " 0 broken" in copy.check("lint_imports")


@pytest.mark.slow
def test_types(copy: Copy) -> None:
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", copy.root / ".mypy_cache")
    copy.check("mypy", *touched())


def test_everything_is_listed(copy: Copy) -> None:
    for kind, names in {"shifts": ["fade"], "suites": ["fade"], "measures": ["confident_error"]}.items():
        told = copy.check("brittlestar", "list", kind)
        assert all(re.search(f"^{name} ", told, re.MULTILINE) for name in names)
    assert "lower" in copy.check("brittlestar", "list", "measures").split("confident_error")[1].splitlines()[0]
    told = copy.check("brittlestar", "list", "data")
    assert "200 drawn pictures" in told and "FOLDER/x.npy" in told
    assert re.search("conditions +Name the conditions of a run", copy.check("brittlestar", "--help"))


def test_a_run_holds_everything(copy: Copy, run: Path) -> None:
    with (run / "report" / "results.csv").open() as file:
        measures = {(row["condition"], row["measure"]) for row in csv.DictReader(file)}
    faded = {f"fade/fade-{severity}" for severity in range(1, 6)}
    assert {(condition, "confident_error") for condition in ("clean", *faded)} <= measures
    assert ("clean", "favourite_share") in measures
    summary = json.loads((run / "report" / "summary.json").read_text())
    assert "confident_error" in [one["name"] for one in summary["measures"]]
    (favourite,) = summary["favourites"].values()
    assert favourite["class"] in ("lying", "standing") and favourite["n"] == 200
    words = (run / "report" / "results.md").read_text()
    assert "| confident_error | lower |" in words.replace("\\_", "_") and "most often answers" in words
    page = (run / "report" / "report.html").read_text()
    assert 'href="#favourites"' in page and re.search('id="favourites"', page) and ">Favourites<" in page
    assert ">confident_error</th>" in page and "stripes" in page and "Fade" in page
    told = copy.check("brittlestar", "conditions", str(run)).split()
    assert set(told) == {"clean", *faded}


# ------------------------------------------------------------------ the checks see what is wrong

WRONG: dict[str, tuple[str, str, tuple[str, str], str, str]] = {
    "a shift without a docstring": (
        "A shift",
        "fade.py",
        ('    """Mix', '    # """Mix'),
        "brittlestar list shifts",
        "Fade cannot be listed: give it a docstring",
    ),
    "a suite without a table": (
        "A shift",
        "fade.py",
        ('suite: ClassVar[str] = "fade"', 'suite: ClassVar[str] = "fading"'),
        "brittlestar list suites",
        "`suite` is 'fading' and `severities` has no table of that name",
    ),
    "a measure without better": (
        "A measure",
        "confident_error.py",
        ('    better: ClassVar = "lower"\n', ""),
        "brittlestar list measures",
        "ConfidentError cannot be listed: say which way is `better: ClassVar`: higher, lower, neither",
    ),
    "a measure that needs what there is not": (
        "A measure",
        "confident_error.py",
        ('"prediction", "top_logit"', '"predictions", "top_logit"'),
        "brittlestar list measures",
        "and should be a tuple of columns of Rows: position, ",
    ),
    "a section without a title": (
        "A section of the report",
        "favourites.py",
        ('    title: ClassVar[str] = "Which class is answered most"\n', ""),
        "brittlestar report out",
        "Favourites cannot be listed: give it a `title: ClassVar[str]`, the heading",
    ),
    "a verb without a docstring": (
        "A verb",
        "conditions.py",
        ('    """Name the conditions of a run, one a line."""\n', ""),
        "brittlestar --help",
        "conditions has no help: give conditions in cli/conditions.py a docstring",
    ),
    "a verb by another name": (
        "A verb",
        "conditions.py",
        ("def conditions(", "def named("),
        "brittlestar --help",
        "VERBS lists conditions as 'conditions:conditions', and cli/conditions.py has no conditions",
    ),
    "a named set without a text": (
        "A source",
        "stripes.py",
        ('    text="200 drawn pictures of lying and standing stripes",\n', ""),
        "brittlestar list data",
        "missing 1 required keyword-only argument: 'text'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_what_to_write(copy: Copy, case: str) -> None:
    heading, file, (right, wrong), words, message = WRONG[case]
    (path,) = (path for path in RECIPES[heading].files if path.endswith(f"/{file}"))
    text = (copy.root / path).read_text()
    changed = text.replace(right, wrong)
    if wrong.startswith("    #"):
        changed = re.sub(r'    # """Mix.*?"""\n', "", changed, flags=re.DOTALL)
    assert changed != text
    try:
        copy.change(path, changed)
        ran = copy.run(*words.split())
    finally:
        copy.change(path, text)
    assert ran.returncode != 0 and message in ran.stderr, ran.stderr[-3000:]


def test_a_section_without_its_template_is_said(copy: Copy) -> None:
    template = copy.root / "src/brittlestar/report/sections/favourites.html"
    aside = template.rename(template.with_suffix(".aside"))
    try:
        ran = copy.run("brittlestar", "report", "out")
    finally:
        aside.rename(template)
    assert ran.returncode == 2 and "write its template, report/sections/favourites.html" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_page_that_no_longer_fits_the_code_is_seen() -> None:
    with pytest.raises(AssertionError, match="stand 0 times"):
        patched("one\ntwo\n", " three\n+four\n")
    with pytest.raises(AssertionError, match="stand 2 times"):
        patched("one\none\n", " one\n+four\n")
    assert patched("one\ntwo\nthree\n", " one\n+1\n two\n...\n three\n+3\n") == "one\n1\ntwo\nthree\n3\n"


# ------------------------------------------------------------------ the long part


@pytest.mark.slow
@pytest.mark.parametrize("heading", KINDS)
def test_contract_tests_of_each_kind(copy: Copy, heading: str) -> None:
    copy.check("pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *CONTRACTS[heading])
