"""The figure of Fourier maps: in every format, the same bytes again, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import synthetic
from brittlestar.core.errors import UsageError
from brittlestar.report.figure import cropped, draw, draw_planes, fourier_maps

pytest.importorskip("matplotlib", reason="figures need the extra plots")


@pytest.mark.parametrize("models", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", [".svg", *(pytest.param(e, marks=pytest.mark.slow) for e in (".png", ".pdf"))])
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


def test_a_region_is_cropped_to_what_was_measured(tmp_path: Path) -> None:
    planes = {name: np.full((32, 31), np.nan) for name in ("a", "b")}
    planes["a"][13:20, 12:19] = 0.25  # rows -3 to 3 around row 16, columns -3 to 3 around column 15
    planes["b"][16, 12:20] = 0.5
    parts, edges = cropped(planes)
    assert edges == (-3.5, 4.5, 3.5, -3.5)
    assert [part.shape for part in parts.values()] == [(7, 8), (7, 8)]
    assert np.nansum(parts["a"]) == 0.25 * 49 and np.isnan(parts["b"][0]).all()
    whole, edges = cropped({"a": np.zeros((4, 5))})
    assert whole["a"].shape == (4, 5) and edges == (-2.5, 2.5, 1.5, -2.5)
    draw_planes(planes, tmp_path / "layer.svg", "distance")
    assert (tmp_path / "layer.svg").stat().st_size > 5000


def test_refusals(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", models=1, samples=40, attacks=False)
    with pytest.raises(UsageError, match=r"ends on \.png"):
        draw(fourier_maps(store), tmp_path / "maps.jpg")
