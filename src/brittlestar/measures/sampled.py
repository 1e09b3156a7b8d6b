"""A Fourier map of which only some cells were looked at, chosen with known probabilities (``brittlestar.survey``)."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import StoreError, UsageError, require
from brittlestar.core.files import replacing
from brittlestar.measures.base import LEVEL, Estimate, Scores, check_level, enclosing
from brittlestar.measures.effective import effective_limits
from brittlestar.measures.fourier import FourierMap, Frequency

FOLDER, MAP = "surveys", "map.npz"
"""Where a run folder keeps surveys, one folder a model and design, and what the map is called there."""

_LEAN = 0.1
"""Standard errors of a wave's rate that means and differences allow for besides: later stages are sized by what earlier
ones showed, which biases all rates alike by about so much (``benchmarks/fourier_map.py`` measures it)."""

_PRIOR = 10.0


@final
@dataclasses.dataclass(frozen=True)
class SampledMap(FourierMap):
    """``wrong`` holds a stand-in for every outcome, whose expectation is the outcome: guesses, corrected where asked.

    A mean over samples of stand-ins, weighted over frequencies as one likes, is unbiased, and their spread over samples
    holds both kinds of chance: which samples there are and which cells were looked at.

    Fields:
        variance: (frequencies,) of the error rates.
        typical: (frequencies,) rate in (0, 1) that the variance goes with.
        freedom: (frequencies,) degrees of freedom of the variance.
        norm: L2 norm of the waves per channel, in units of the value range.
        passes: Cells that were looked at.
        fixed: Passes that the same number of samples for every frequency would take for the same widest interval.
    """

    variance: Scores
    typical: Scores
    freedom: Scores
    norm: float
    passes: int
    fixed: int

    complete: ClassVar[bool] = False

    @property
    def error(self) -> Scores:
        """(frequencies,) error rates, kept in [0, 1]."""
        return np.asarray(np.clip(self.wrong.mean(axis=1, dtype=np.float64), 0, 1))

    def limits(self, level: float = LEVEL, simultaneous: bool = False, rule: str = "fixed") -> tuple[Scores, Scores]:
        """(low, high) by frequency: exact for as many independent samples as give the same variance."""
        check_level(level)
        _fixed_only(rule)
        each = 1 - (1 - level) / len(self.frequencies) if simultaneous else level
        return effective_limits(self.error, self.typical, self.variance, self.freedom, each)

    def mean(self, scores: Scores, cap: float, rule: str, level: float) -> Estimate:
        """See ``FourierMap.mean``: exact for the effective number of samples."""
        _fixed_only(rule)
        n, value = len(scores), float(np.clip(scores.mean(), 0, 1))
        typical = (n * value + _PRIOR * 0.5) / (n + _PRIOR)
        freedom = np.array([max(n - 1, 1)], np.float64)
        low, high = effective_limits(
            np.array([value]), np.array([typical]), np.array([self._spread(scores)]), freedom, level
        )
        return enclosing(value, float(low[0]), float(high[0]), n, level, "Clopper-Pearson, effective n")

    def apart(self, scores: Scores, cap: float, rule: str, level: float, discordance: float | None = None) -> Estimate:
        """See ``FourierMap.apart``: Student's interval."""
        _fixed_only(rule)
        n, value = len(scores), float(np.clip(scores.mean(), -1, 1))
        half = float(special.stdtrit(max(n - 1, 1), 0.5 + level / 2)) * self._spread(scores) ** 0.5
        return enclosing(value, max(value - half, -1.0), min(value + half, 1.0), n, level, "Student's t")

    def _spread(self, scores: Scores) -> float:
        return _variance(scores) + _LEAN**2 * float(self.variance.mean())

    def cut(self, frequencies: tuple[Frequency, ...], samples: npt.NDArray[np.intp]) -> FourierMap:
        """See ``FourierMap.cut``; the variance of the rates grows as the samples become fewer."""
        index = {f: place for place, f in enumerate(self.frequencies)}
        chosen = [index[f] for f in frequencies]
        return SampledMap(
            self.height,
            self.width,
            frequencies,
            self.wrong[chosen][:, samples],
            self.positions[samples],
            self.variance[chosen] * self.samples / len(samples),
            self.typical[chosen],
            self.freedom[chosen],
            self.norm,
            self.passes,
            self.fixed,
        )


def _variance(scores: Scores) -> float:
    """Of the mean, with the spread of two opposite samples added so that it is never 0."""
    n = len(scores)
    squares = float(np.square(scores - scores.mean()).sum()) + 0.5
    return squares / max(n - 1, 1) / n


def _fixed_only(rule: str) -> None:
    require(rule == "fixed", "a sampled map has no intervals for a run that stopped at a precision", UsageError)


def sampled_map(run: Path, fingerprint: str) -> SampledMap | None:
    """The map that a survey of a run folder left for a model; of several the one with most passes."""
    found = [read_sampled(path) for path in sorted((run / FOLDER / fingerprint).glob(f"*/{MAP}"))]
    return max(found, key=lambda m: m.passes, default=None)


def write_sampled(found: SampledMap, path: Path) -> None:
    """Keep a map as ``.npz``, whole or not at all."""
    arrays: dict[str, Any] = {f.name: np.asarray(getattr(found, f.name)) for f in dataclasses.fields(found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_sampled(path: Path) -> SampledMap:
    """A map that ``write_sampled`` kept.

    Raises:
        StoreError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            height, width, passes, fixed = (int(kept[name]) for name in ("height", "width", "passes", "fixed"))
            frequencies = tuple((int(row), int(column)) for row, column in kept["frequencies"])
            wrong, positions = kept["wrong"], kept["positions"]
            variance, typical, freedom = kept["variance"], kept["typical"], kept["freedom"]
            norm = float(kept["norm"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path} is damaged ({error}); remove it and run `brittlestar fourier` again") from error
    return SampledMap(height, width, frequencies, wrong, positions, variance, typical, freedom, norm, passes, fixed)
