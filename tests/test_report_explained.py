"""The section on what explains a failure: from a run that was explained, never from a file that does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from brittlestar import api
from brittlestar.analyses.explain import explain, keep
from brittlestar.data import open_source
from brittlestar.report.build import build
from brittlestar.report.explained import NAME
from brittlestar.shifts.ops.spectrum import basis_vector
from brittlestar.store import RunStore
from report_tools import seen
from test_fourier_exact import Linear

HOSTILE = "<b>low</b>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    images = torch.randint(0, 256, (60, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    low, high = basis_vector(16, 16, 1, 1), basis_vector(16, 16, 6, 7)
    scores = ((images / 255) * low).sum((1, 2, 3))
    middle = float(scores.sort().values[29:31].mean())
    np.savez(folder / "d.npz", x=images.to(torch.uint8).numpy(), y=(scores > middle).long().numpy())
    models = {HOSTILE: Linear(low, middle).eval(), "high": Linear(high, 0.0).eval()}
    made = api.evaluate(models, str(folder / "d.npz"), suite=["fourier", "bands"], out=folder / "run")
    store = RunStore.open(made.path)
    keep(explain(store, open_source(str(folder / "d.npz")), samples=60), store)
    return made.path


def test_the_section_holds_every_case_and_shift(run: Path) -> None:
    found = seen([run]).explained
    kept = json.loads((run / NAME).read_text())
    assert found is not None and found.bandwidth == 8 and found.images == 60
    assert sum(len(m.cases) for m in found.models) == len(kept["cases"])
    assert {s.condition for s in found.spectra} == {s["condition"] for s in kept["spectra"]}
    assert [s.high for s in found.spectra] == sorted(s.high for s in found.spectra)
    shares = {s.title: s.high for s in found.spectra if s.strongest}
    assert min(shares.values()) < 0.3 < 0.7 < max(shares.values())
    first, second = found.models
    assert first.cases[0].against is None and second.cases[0].against is not None
    own = {c["condition"]: c for c in kept["cases"] if c["model"] == "high"}
    assert len(second.cases) == len(own)


def test_the_page_shows_it_with_names_escaped(run: Path) -> None:
    page = build([run]).read_text()
    assert 'id="explained"' in page and "What explains a failure" in page
    assert HOSTILE not in page and "&lt;b&gt;low&lt;/b&gt;" in page
    section = page[page.index('id="explained"') : page.index("What each shift changes")]
    assert section.count("<svg") == 3, "one scatter a model, one for the difference"


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: None,
        lambda kept: kept | {"schema": 99},
        lambda kept: kept | {"identity": "another"},
        lambda kept: kept | {"cases": "nonsense"},
        lambda kept: kept | {"spectra": [{"condition": "x", "high": 0.1, "plane": [1, 2]}]},
        lambda kept: [1, 2],
    ],
)
def test_a_file_that_does_not_fit_is_left_out(run: Path, tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    changed = change(json.loads((run / NAME).read_text()))
    (copy / NAME).write_text("{broken" if changed is None else json.dumps(changed))
    assert seen([copy]).explained is None
    assert 'id="explained"' not in build([copy]).read_text()
