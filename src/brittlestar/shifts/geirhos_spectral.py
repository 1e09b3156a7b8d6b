"""Phases made noisy and amplitudes made alike: Geirhos et al.'s changes of the grey picture's spectrum."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images
from brittlestar.shifts.geirhos import GreyShift
from brittlestar.shifts.ops.spectrum import filtered, with_amplitudes


@final
@dataclass(frozen=True, kw_only=True)
class PhaseNoise(GreyShift):
    """Turn the phases of the grey picture's spectrum by random angles; the mean and unpaired frequencies stay.

    The published code means to turn a frequency and its conjugate by opposite angles but pairs them in the wrong order,
    so that its result is complex; the real part, which is kept, has lost contrast (up to 29 % of its standard
    deviation).

    Fields:
        width: Angles are uniform from minus to plus this many degrees; 0 to 180.
        faithful: Pair the angles as the published pictures have it; otherwise conjugates get opposite angles and all
            amplitudes stay.
    """

    name: ClassVar[str] = "phase_noise"
    title: ClassVar[str] = "Grey, phase noise"
    family: ClassVar[str] = "spectral"
    strength: ClassVar[str | None] = "width"
    strength_unit: ClassVar[str] = "degrees"
    random: ClassVar[bool] = True

    width: float
    faithful: bool = True

    def __post_init__(self) -> None:
        require(0 <= self.width <= 180, f"phase_noise.width must be from 0 to 180 degrees, got {self.width}")
        require(isinstance(self.faithful, bool), f"phase_noise.faithful must be true or false, got {self.faithful!r}")

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        # Even sides have one row or column without a partner, at the top or left of the shifted plane.
        rows, columns = height - 1 + height % 2, width - 1 + width % 2
        reach = math.radians(self.width)
        angles = keys.uniform((rows * columns // 2,), -reach, reach)
        turned = torch.polar(torch.ones_like(angles), angles)
        if self.faithful:
            # What is left of the factors at a frequency and at its partner once the imaginary part is dropped.
            turned = (turned + turned.flip(1)) / 2
        plane = torch.cat([turned, torch.ones_like(turned[:, :1]), turned.conj().flip(1)], 1)
        factors = torch.ones(len(x), height, width, dtype=turned.dtype, device=x.device)
        factors[:, height - rows :, width - columns :] = plane.view(-1, rows, columns)
        half = torch.fft.ifftshift(factors, dim=(1, 2))[:, :, : width // 2 + 1]
        return filtered(x, half[:, None].contiguous())


KNOTS = (1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 112, 158)
AMPLITUDES = (1917.6, 1005.4, 660.7, 342.2, 189.5, 98.6, 57.5, 31.5, 18.6, 10.7, 5.4, 2.3)
"""Mean amplitude of the grey spectra of 224 x 224 ImageNet photographs at distances from the mean, cycles per image."""

MEAN = 0.45448
"""Their mean grey."""


def typical_amplitudes(height: int, width: int) -> torch.Tensor:
    """(height, width // 2 + 1) amplitudes of a typical photograph, the same in all directions."""
    rows = np.fft.fftfreq(height, 1 / height)[:, None]
    columns = np.arange(width // 2 + 1)[None]
    distance = np.maximum(np.hypot(rows, columns), 1)
    log = np.interp(np.log(distance), np.log(KNOTS), np.log(AMPLITUDES))
    # A transform adds pixels up, so amplitudes grow with their number.
    amplitude = np.exp(log) * (height * width / 224**2)
    amplitude[0, 0] = MEAN * height * width
    return torch.from_numpy(amplitude.astype(np.float32))


@functools.lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int) -> Any:
    return np.load(path, allow_pickle=False)


@final
@dataclass(frozen=True, kw_only=True)
class PowerEqualisation(GreyShift):
    """Give the grey picture's spectrum the mean amplitudes of many pictures; its phases stay.

    The authors' amplitudes are the mean over ImageNet. Yours come from ``brittlestar build spectrum``; without them a
    typical photograph's are taken, equal in all directions, which is our approximation. Of a file only its content
    counts for the shift's identity.

    Fields:
        spectrum: Path of a .npy file with (height, width) mean amplitudes, the mean frequency in the middle
            (``fftshift``); empty for a typical photograph's.
    """

    name: ClassVar[str] = "power_equalisation"
    title: ClassVar[str] = "Grey, power equalised"
    family: ClassVar[str] = "spectral"

    spectrum: str = ""

    def __post_init__(self) -> None:
        if self.spectrum:
            self._given()

    def _given(self) -> Any:
        path = Path(self.spectrum)
        require(path.is_file(), f"power_equalisation.spectrum: no such file: {path}")
        try:
            found: Any = _read(str(path), path.stat().st_mtime_ns, path.stat().st_size)
        except (OSError, ValueError) as error:
            found = error
        right = isinstance(found, np.ndarray) and found.ndim == 2 and found.dtype.kind == "f"
        require(
            right and bool(np.isfinite(found).all()) and float(found.min()) >= 0,
            f"power_equalisation.spectrum must be a .npy file of (height, width) amplitudes, finite and at least 0, as "
            f"`brittlestar build spectrum` writes; got {path}: "
            + (f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else str(found)),
        )
        return found

    def fingerprint(self) -> str:
        """Of the file's content, if there is one."""
        if not self.spectrum:
            return super(GreyShift, self).fingerprint()
        digest = hashlib.sha256(np.ascontiguousarray(self._given(), dtype=np.float64).tobytes()).hexdigest()
        return fingerprint_of({"name": self.name, "version": self.version, "fields": {"spectrum": digest}})

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        if not self.spectrum:
            return with_amplitudes(x, typical_amplitudes(height, width).to(x.device))
        given = self._given()
        require(
            given.shape == (height, width),
            f"power_equalisation: images have {height} x {width} pixels and the amplitudes of {self.spectrum} are "
            f"{' x '.join(map(str, given.shape))}: make them from images of this size",
        )
        half = np.fft.ifftshift(given)[:, : width // 2 + 1].astype(np.float32)
        return with_amplitudes(x, torch.from_numpy(half).to(x.device))
