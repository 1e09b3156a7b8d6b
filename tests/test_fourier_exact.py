"""The Fourier map of models whose sensitivity is known in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from brittlestar import api, measures
from brittlestar.measures.fourier import FourierMap
from brittlestar.shifts.ops.spectrum import basis_vector
from brittlestar.store import RunStore
from brittlestar.suites.fourier import map_norm

SIDE, COUNT = 16, 200


class Linear(nn.Module):
    """Class 1 where the product with a direction is above a threshold."""

    def __init__(self, direction: torch.Tensor, threshold: float) -> None:
        super().__init__()
        self.direction = nn.Parameter(direction)
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (x * self.direction).sum((1, 2, 3)) - self.threshold
        return torch.stack([-score, score], 1)


def mapped(direction: torch.Tensor, folder: Path) -> tuple[FourierMap, np.ndarray]:
    """The map of a linear model on images whose labels are its own answers, and the images' margins."""
    images = torch.randint(0, 256, (COUNT, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    scores = (images / 255 * direction).sum((1, 2, 3))
    threshold = float(scores.sort().values[COUNT // 2 - 1 : COUNT // 2 + 1].mean())
    labels = (scores > threshold).long().numpy()
    data = (images.to(torch.uint8).numpy(), labels)
    run = api.evaluate(Linear(direction, threshold).eval(), data, suite="fourier", out=folder)
    store = RunStore.open(run.path)
    (model,) = store.manifest.models.values()
    infos = [i for i in store.manifest.conditions.values() if i.kind == "fourier"]
    cells = store.read(model["fingerprint"], [i.fingerprint for i in infos], detail=False)
    rows = {(int(i.config["row"]), int(i.config["column"])): cells[i.fingerprint] for i in infos}
    return measures.fourier_map(rows, SIDE, SIDE), (scores - threshold).abs().numpy()


def test_a_model_of_one_frequency_errs_at_that_frequency_only(tmp_path: Path) -> None:
    found, margins = mapped(basis_vector(SIDE, SIDE, 2, 3), tmp_path)
    reached = float((margins < map_norm(SIDE, SIDE)).mean())
    assert reached > 0.9
    for frequency, error in zip(found.frequencies, found.error, strict=True):
        if frequency == (2, 3):
            assert abs(error - reached / 2) < 0.12, "the random sign points to the other side half of the time"
        else:
            assert error == 0, frequency


def test_a_linear_model_errs_where_the_wave_outweighs_the_margin(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    direction = 0.02 * torch.randn(SIDE, SIDE, generator=generator) + 0.2 * basis_vector(SIDE, SIDE, 0, 4)
    found, margins = mapped(direction, tmp_path)
    reach = [
        map_norm(SIDE, SIDE) * abs(float((basis_vector(SIDE, SIDE, *f) * direction).sum())) for f in found.frequencies
    ]
    for frequency, push, error in zip(found.frequencies, reach, found.error, strict=True):
        within = float((margins < push + 1e-4).mean())
        assert error <= within, frequency
        if within > 0.3:
            assert abs(error - within / 2) < 0.13, frequency
    assert np.corrcoef(reach, found.error)[0, 1] > 0.8
