"""A Fourier map of which only some cells were asked, chosen with known probabilities (``analyses.sampling``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.sealed import Damaged, read_arrays, write_arrays
from brittlestar.measures.base import LEVEL, Estimate, Scores, check_level, enclosing
from brittlestar.measures.effective import effective_limits
from brittlestar.measures.fourier import FourierMap, Frequency, designed
from brittlestar.measures.samples import Samples, units_of

FOLDER, MAP = "surveys", "map.npz"
"""Where a run folder keeps what was asked, one folder a model and design, and what the map is called there."""

_LEAN = 0.1
"""Standard errors of a wave's rate that means and differences allow for besides: later stages are sized by what earlier
ones showed, which biases all rates alike by about so much (``benchmarks/fourier_map.py`` measures it)."""

# The weight that guesses have in the rates of single waves (``analyses.sampling.estimate``).
_PRIOR = 10.0
_DESIGN = ("group", "weight", "unseen", "label")


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
        return np.asarray(np.clip(super().error, 0, 1))

    def limits(self, level: float = LEVEL, simultaneous: bool = False, rule: str = "fixed") -> tuple[Scores, Scores]:
        """(low, high) by frequency: exact for as many independent samples as give the same variance."""
        check_level(level)
        _fixed_only(rule)
        each = 1 - (1 - level) / len(self.frequencies) if simultaneous else level
        low, high = effective_limits(self.error, self.typical, self.variance, self.freedom, each)
        unseen = self.drawn.unseen
        return (1 - unseen) * low, (1 - unseen) * high + unseen

    def mean(self, scores: Scores, cap: float, rule: str, level: float) -> Estimate:
        """See ``FourierMap.mean``: exact for the effective number of samples."""
        _fixed_only(rule)
        samples = self.drawn
        mean, variance, n = _moments(samples, scores)
        value, variance = float(np.clip(mean, 0, 1)), self._with_lean(variance)
        # Drawn towards one half: a rate of 0 or 1 would imply no variance to hold the estimated one against.
        typical = (n * value + _PRIOR * 0.5) / (n + _PRIOR)
        freedom = np.array([max(n - 1, 1)], np.float64)
        ends = effective_limits(np.array([value]), np.array([typical]), np.array([variance]), freedom, level)
        low, high = ((1 - samples.unseen) * float(end[0]) for end in ends)
        return enclosing(
            value, low, high + samples.unseen, len(scores), level, samples.words("Clopper-Pearson, effective n")
        )

    def apart(
        self,
        scores: Scores,
        cap: float,
        rule: str,
        level: float,
        discordance: float | None = None,
        of: Samples | None = None,
    ) -> Estimate:
        """See ``FourierMap.apart``: Student's interval."""
        _fixed_only(rule)
        samples = self.drawn if of is None else of
        mean, variance, n = _moments(samples, scores)
        value = float(np.clip(mean, -1, 1))
        half = float(special.stdtrit(max(n - 1, 1), 0.5 + level / 2)) * self._with_lean(variance) ** 0.5
        seen, room = 1 - samples.unseen, samples.unseen
        low, high = max(seen * (value - half) - room, -1.0), min(seen * (value + half) + room, 1.0)
        return enclosing(value, low, high, len(scores), level, samples.words("Student's t"))

    def _with_lean(self, variance: float) -> float:
        return variance + _LEAN**2 * float(self.variance.mean())

    def cut(self, frequencies: tuple[Frequency, ...], samples: npt.NDArray[np.intp]) -> FourierMap:
        """See ``FourierMap.cut``; the variance of the rates grows as the samples become fewer."""
        index = {f: place for place, f in enumerate(self.frequencies)}
        chosen = [index[f] for f in frequencies]
        design = designed(self.drawn.cut(samples))
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
            design=design,
        )

    def drawn_as(self, samples: Samples, sampling: Scores, value: Scores) -> SampledMap:
        """The map for samples that depend on each other or count unequally.

        All samples of a group are taken to agree, which they do at most; which cells were asked is chance by cell.

        Args:
            samples: How they were drawn.
            sampling: (frequencies,) the part of the variance that is of sampling cells, if samples counted alike.
            value: (frequencies,) the rates, if samples counted alike.
        """
        if samples.plain:
            return self
        found = dataclasses.replace(self, design=samples)
        weight: Scores = np.ones(self.samples) if samples.weight is None else samples.weight
        units = units_of(samples, np.zeros(self.samples))
        heavy = np.ones(len(units.scores)) if units.weights is None else units.weights
        size = float(heavy.sum() ** 2 / np.square(heavy).sum())
        uneven = self.samples * float(np.square(weight).sum() / weight.sum() ** 2)
        # Off 0 and 1, where no number of samples has the variance.
        typical = np.clip(self.typical + found.error - value, 1e-4, 1 - 1e-4)
        variance = sampling * uneven + typical * (1 - typical) / size
        freedom = np.minimum(self.freedom, max(size - 1, 1))
        return dataclasses.replace(found, variance=variance, typical=typical, freedom=freedom)


def _moments(samples: Samples, scores: Scores) -> tuple[float, float, float]:
    """The mean, its variance (two opposite samples are added, so that it is never 0), and how many samples count."""
    if samples.plain:
        n = len(scores)
        squares = float(np.square(scores - scores.mean()).sum()) + 0.5  # two at half a unit from the mean
        return float(scores.mean()), squares / max(n - 1, 1) / n, n
    units = units_of(samples, scores)
    count = len(units.scores)
    share = np.full(count, 1 / count) if units.weights is None else units.weights / units.weights.sum()
    size = 1 / float(np.square(share).sum())
    mean = float(share @ units.scores)
    squares = float(np.square(share * size * (units.scores - mean)).sum()) + 0.5
    return mean if units.mean is None else units.mean, squares * count / max(count - 1, 1) / size**2, size


def _fixed_only(rule: str) -> None:
    require(rule == "fixed", "a sampled map has no intervals for a run that stopped at a precision", UsageError)


def sampled_map(
    run: Path, fingerprint: str, *, sealed: bool = False, leave_out: Callable[[Damaged], None] | None = None
) -> SampledMap | None:
    """The sampled map that a run folder has for a model; of several the one with most passes.

    Args:
        run: The folder.
        fingerprint: Of the model.
        sealed: Whether a map without a digest is damaged.
        leave_out: Told of a damaged map, which is then left out.

    Raises:
        Damaged: A map is damaged, and ``leave_out`` is not given.
    """
    found = []
    for path in sorted((run / FOLDER / fingerprint).glob(f"*/{MAP}")):
        try:
            found.append(read_sampled(path, sealed=sealed))
        except Damaged as error:
            if leave_out is None:
                raise
            leave_out(error)
    return max(found, key=lambda m: m.passes, default=None)


def write_sampled(found: SampledMap, path: Path) -> None:
    """Keep a map as ``.npz``, whole or not at all."""
    held = {f.name: getattr(found, f.name) for f in dataclasses.fields(found) if f.name != "design"}
    drawn = {name: getattr(found.drawn, name) for name in _DESIGN}
    arrays: dict[str, Any] = {k: np.asarray(v) for k, v in (held | drawn).items() if v is not None}
    write_arrays(path, arrays)


def read_sampled(path: Path, *, sealed: bool = False) -> SampledMap:
    """A map that ``write_sampled`` kept; ``sealed``: one without a digest is damaged.

    Raises:
        Damaged: The file is missing, or not what was written.
    """
    kept = read_arrays(path, required=sealed)
    try:
        height, width, passes, fixed = (int(kept[name]) for name in ("height", "width", "passes", "fixed"))
        frequencies = tuple((int(row), int(column)) for row, column in kept["frequencies"])
        wrong, positions = kept["wrong"], kept["positions"]
        variance, typical, freedom = kept["variance"], kept["typical"], kept["freedom"]
        norm = float(kept["norm"])
        drawn = {name: kept[name] for name in _DESIGN if name in kept}
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(path, str(error), "give the same `brittlestar fourier` command again") from error
    unseen = float(drawn.pop("unseen", 0.0))
    design = designed(Samples(positions, unseen=unseen, **drawn))
    made = (wrong, positions, variance, typical, freedom, norm, passes, fixed)
    return SampledMap(height, width, frequencies, *made, design=design)
