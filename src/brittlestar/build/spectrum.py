"""The mean amplitudes of a data set's spectra, which power equalisation gives to every picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.data.base import Source
from brittlestar.shifts.geirhos import grey

_BATCH = 64


def mean_amplitudes(source: Source, order: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(height, width) mean of the absolute spectra of grey images in [0, 1], the mean frequency in the middle.

    Args:
        source: Images of one size.
        order: Which of them; at least one.
    """
    total: npt.NDArray[np.float64] | None = None
    for start in range(0, len(order), _BATCH):
        images = torch.from_numpy(source.load(order[start : start + _BATCH])).to(torch.float64) / 255
        amplitudes = torch.fft.fft2(grey(images)[:, 0]).abs().sum(0)
        total = amplitudes.numpy() if total is None else total + amplitudes.numpy()
    assert total is not None
    return np.fft.fftshift(total / len(order))
