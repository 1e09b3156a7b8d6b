"""The figure of Fourier maps: in every format, the same bytes again, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import synthetic
from brittlestar.core.errors import UsageError
from brittlestar.report.figure import draw, fourier_maps

pytest.importorskip("matplotlib", reason="figures need the extra plots")


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_figure(models: int, ending: str, tmp_path: Path) -> None:
    maps = fourier_maps(synthetic.make_run(tmp_path / "run", models=models, samples=40, attacks=False))
    assert len(maps) == models
    path = tmp_path / f"maps{ending}"
    draw(maps, path)
    assert path.stat().st_size > 5000
    if ending == ".png":
        with Image.open(path) as picture:
            assert picture.width > picture.height * 0.9
    if ending == ".svg":
        assert "<dc:date>" not in path.read_text()
    before = path.read_bytes()
    draw(maps, path)
    assert path.read_bytes() == before


def test_refusals(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", models=1, samples=40, attacks=False)
    with pytest.raises(UsageError, match=r"ends on \.png"):
        draw(fourier_maps(store), tmp_path / "maps.jpg")
