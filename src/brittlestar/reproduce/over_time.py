"""What hundreds of published models say of time: two findings of Gu et al. over the ImageNet testbed's table.

Is robustness to a change of colours a proxy for holding from one frame to the next, beyond what clean accuracy tells?
Does a way of training help against time, beyond the line of ordinary models? Models of one architecture are relatives,
so intervals are those of a bootstrap over architectures, and Holm's correction holds for all questions of a kind.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.text import readable
from brittlestar.measures.compare import holm
from brittlestar.population.families import architecture_root
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, State, Table

PAPER = "Gu et al. 2019, https://arxiv.org/abs/1904.10076; Shankar et al., ICCV 2021, https://arxiv.org/abs/1906.02168"
WHERE = "the ImageNet testbed's table: github.com/modestyachts/imagenet-testbed"

SETS = {"imagenet-vid-robust": 1109, "ytbb-robust": 2030}
"""Anchors of each. The testbed's list of settings has 2,530 for the second, of which 2,030 were found good."""

FAMILIES = {
    "colour": ("brightness", "contrast", "saturate"),
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("snow", "frost", "fog", "spatter"),
    "digital": ("elastic_transform", "pixelate", "jpeg_compression"),
}
"""The testbed's corruptions as stored on disk, five severities each."""

STANDARD = "STANDARD"
KINDS = {
    "ROBUST_INTV": "trained with a robustness technique",
    "LP_ADV": "trained for robustness within a norm",
    "MORE_DATA": "trained on more data",
}
NOT_ON_THE_LINE = ("aws", "batch64", "subsample")
"""Models whose names hold one of these are not those that the testbed fits lines to."""

RESAMPLES, SEED = 2000, 20190424
FEWEST = 20
"""Models that a correlation needs."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Testbed:
    """The table: names, what kind of training each model had, architectures, accuracies in [0, 1] (NaN: none)."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    columns: Mapping[str, Values]

    @property
    def architectures(self) -> npt.NDArray[np.int64]:
        """(n,) numbers, equal for models of one architecture, as far as the beginnings of their names tell."""
        roots = [architecture_root(name) for name in self.names]
        return np.unique(roots, return_inverse=True)[1].astype(np.int64)

    def of(self, column: str) -> Values:
        """A column.

        Raises:
            DataError: There is none.
        """
        require(column in self.columns, f"the table has no column {column}; wanted is {WHERE}", DataError)
        return self.columns[column]

    def family(self, name: str) -> Values:
        """Mean accuracy over a family's corruptions and severities; NaN where one is missing."""
        wanted = [f"imagenet-c.{c}.{s}_on-disk" for c in FAMILIES[name] for s in range(1, 6)]
        return np.asarray(np.mean([self.of(column) for column in wanted], axis=0), np.float64)


def read_table(table: Path, types: Path) -> Testbed:
    """The table and the kinds of training.

    Raises:
        DataError: They cannot be read, or hold no percentages.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        kinds = json.loads(types.read_text(encoding="utf-8"))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read {readable(str(table))} with {types.name} beside it: {error}; it is {WHERE}"
        ) from error
    require(
        bool(rows) and "model" in rows[0], f"{readable(str(table))} has no column model; wanted is {WHERE}", DataError
    )
    require(isinstance(kinds, dict), f"{readable(str(types))} gives no kind of training by model", DataError)
    columns = {}
    for name in (name for name in rows[0] if name != "model"):
        try:
            values = np.array([float(row[name]) if row[name] else np.nan for row in rows]) / 100
        except (TypeError, ValueError) as error:
            raise DataError(f"{readable(str(table))}: column {name} holds {error}") from error
        inside = np.isnan(values) | ((values >= 0) & (values <= 1))
        require(bool(inside.all()), f"{readable(str(table))}: {name} is not in percent", DataError)
        columns[name] = values
    names = tuple(row["model"] for row in rows)
    found = Testbed(names, tuple(str(kinds.get(name, "")) for name in names), columns)
    for name, anchors in SETS.items():
        for k in (0, 10):
            counts = found.of(f"{name}_pm{k}") * anchors
            whole = np.nanmax(np.abs(counts - np.round(counts)), initial=0) < 1e-6
            require(bool(whole), f"{name}_pm{k} are not shares of {anchors:,} anchors; wanted is {WHERE}", DataError)
    return found


def reproduce_time(folder: Path, out: Path) -> Reproduction:
    """Both findings over the models of ``testbed-top1.csv`` and ``testbed-model-types.json`` in a folder."""
    testbed = read_table(folder / "testbed-top1.csv", folder / "testbed-model-types.json")
    verdicts: list[ClaimVerdict] = []
    tables: list[Table] = []
    for name in SETS:
        proxy, shown = _proxies(testbed, name)
        helps, lines = _recipes(testbed, name)
        verdicts += [*proxy, *helps]
        tables += [shown, lines]
    return Reproduction(
        name="time",
        title="Time, over published models",
        paper=PAPER,
        conditions=(
            f"{len(testbed.names)} models of the ImageNet testbed; accuracies on {', '.join(SETS)} as published "
            f"(shares of {' and '.join(f'{n:,}' for n in SETS.values())} anchors).",
            "Correlations and lines are on the logit scale. Intervals are 95 % of a bootstrap over architectures, as "
            "models of one architecture are relatives; verdicts are corrected by Holm for all of one table.",
            "These are other models and other videos than those of Gu et al.: agreement is about the claims, not about "
            "their numbers.",
        ),
        verdicts=tuple(verdicts),
        tables=tuple(tables),
    )


def logit(p: Values) -> Values:
    """Natural logarithm of the odds; NaN at 0 and 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(p) - np.log1p(-p)
    return np.where(np.isfinite(found), found, np.nan)


def line(x: Values, y: Values) -> tuple[float, float, float]:
    """Slope, intercept and R squared of least squares."""
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept), float(np.corrcoef(x, y)[0, 1] ** 2)


def partial(x: Values, y: Values, given: Values) -> float:
    """Correlation of x and y beyond what a line on ``given`` tells of either."""
    left = [v - np.polyval(np.polyfit(given, v, 1), given) for v in (x, y)]
    return float(np.corrcoef(left[0], left[1])[0, 1])


def resampled(groups: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Places of a bootstrap over groups."""
    chance = np.random.default_rng(SEED)
    members = [np.flatnonzero(groups == own) for own in np.unique(groups)]
    count = len(members)
    return [np.concatenate([members[i] for i in chance.integers(0, count, count)]) for _ in range(RESAMPLES)]


def _two_sided(draws: Values) -> float:
    """The p-value of 0 by a bootstrap: never less than what so many draws can tell."""
    beyond = min((draws <= 0).sum(), (draws >= 0).sum()) + 1
    return float(min(1.0, 2 * beyond / (len(draws) + 1)))


def _proxies(testbed: Testbed, name: str) -> tuple[list[ClaimVerdict], Table]:
    """Each family of corruptions as a proxy of pm-10, beyond clean accuracy."""
    y, clean = logit(testbed.of(f"{name}_pm10")), logit(testbed.of("val"))
    families = {family: logit(testbed.family(family)) for family in FAMILIES}
    known = np.all(np.isfinite([y, clean, *families.values()]), axis=0)
    require(
        int(known.sum()) >= FEWEST, f"only {int(known.sum())} models have all columns; {FEWEST} are needed", DataError
    )
    y, clean = y[known], clean[known]
    families = {family: values[known] for family, values in families.items()}
    draws: dict[str, list[float]] = {family: [] for family in families}
    for places in resampled(testbed.architectures[known]):
        for family, values in families.items():
            draws[family].append(partial(values[places], y[places], clean[places]))
    value = {family: partial(values, y, clean) for family, values in families.items()}
    rows = []
    for family, values in families.items():
        low, high = np.quantile(draws[family], [0.025, 0.975])
        raw = float(np.corrcoef(values, y)[0, 1])
        rows.append((family, f"{raw:.3f}", f"{value[family]:+.3f} [{low:+.3f}, {high:+.3f}]"))
    others = [family for family in families if family != "colour"]
    apart = {family: np.array(draws["colour"]) - np.array(draws[family]) for family in others}
    adjusted = dict(zip(others, holm([_two_sided(apart[family]) for family in others]), strict=True))
    ahead = [f for f in others if adjusted[f] < 0.05 and value["colour"] > value[f]]
    behind = [f for f in others if adjusted[f] < 0.05 and value["colour"] < value[f]]
    useful = float(np.quantile(draws["colour"], 0.025)) > 0
    state: State = "confirmed" if useful and len(ahead) == len(others) else "not confirmed"
    measured = f"partial correlation {rows[0][2]} over {int(known.sum())} models; "
    measured += f"shown to be above {_named(ahead)} and below {_named(behind)}"
    verdict = ClaimVerdict(
        claim=f"Colour corruptions tell more of {name} pm-10 beyond clean accuracy than the other families do",
        claimed="robustness to colour distortion is a good proxy for natural robustness",
        measured=measured,
        state=state,
    )
    head = ("corruptions", "correlation with pm-10", "beyond clean accuracy")
    return [verdict], (f"{name}: which corruptions are a proxy for time", head, tuple(rows))


def _recipes(testbed: Testbed, name: str) -> tuple[list[ClaimVerdict], Table]:
    """Points of pm-10 beyond the line of ordinary models on pm-0, by kind of training."""
    x, y = testbed.of(f"{name}_pm0"), testbed.of(f"{name}_pm10")
    plain = np.array([not any(word in model for word in NOT_ON_THE_LINE) for model in testbed.names])
    known = np.isfinite(logit(x)) & np.isfinite(logit(y)) & plain
    kind = np.array(testbed.kinds)
    on_line = known & (kind == STANDARD)
    require(int(on_line.sum()) >= FEWEST, f"only {int(on_line.sum())} ordinary models; {FEWEST} are needed", DataError)
    slope, intercept, r2 = line(logit(x[on_line]), logit(y[on_line]))

    def beyond(places: npt.NDArray[np.int64], fit: tuple[float, float]) -> Values:
        return 100 * (y[places] - 1 / (1 + np.exp(-(fit[0] * logit(x[places]) + fit[1]))))

    chosen = {which: np.flatnonzero(known & (kind == which)) for which in KINDS}
    chosen = {which: places for which, places in chosen.items() if len(places) > 1}
    draws: dict[str, list[float]] = {which: [] for which in chosen}
    every = np.flatnonzero(known)
    for drawn in resampled(testbed.architectures[every]):
        places = every[drawn]
        own = places[kind[places] == STANDARD]
        if len(np.unique(own)) < FEWEST:
            continue
        fit = line(logit(x[own]), logit(y[own]))[:2]
        for which in chosen:
            members = places[kind[places] == which]
            if len(members):
                draws[which].append(float(beyond(members, fit).mean()))
    adjusted = holm([_two_sided(np.array(draws[which])) for which in chosen])
    rows, verdicts = [], []
    for (which, places), p in zip(chosen.items(), adjusted, strict=True):
        own = beyond(places, (slope, intercept))
        low, high = np.quantile(draws[which], [0.025, 0.975])
        outside = int((x[places] < x[on_line].min()).sum() + (x[places] > x[on_line].max()).sum())
        shown = f"{own.mean():+.1f} points [{low:+.1f}, {high:+.1f}]"
        rows.append((KINDS[which], str(len(places)), shown, f"{int((own > 0).sum())} of {len(own)}", str(outside)))
        state: State = "confirmed" if p < 0.05 and own.mean() > 0 else "not confirmed"
        verdicts.append(
            ClaimVerdict(
                claim=f"Models {KINDS[which]} hold better on {name} than ordinary ones of their accuracy",
                claimed="no robustness technique helps systematically",
                measured=f"{shown} of pm-10 beyond the line, {len(places)} models, Holm p = {p:.3f}",
                state=state,
            )
        )
    caption = (
        f"{name}: pm-10 beyond the line of {int(on_line.sum())} ordinary models, logit pm-10 = {slope:.4f} logit pm-0 "
        f"{intercept:+.4f}, R2 = {r2:.4f}"
    )
    head = ("models", "n", "beyond the line", "above it", "beyond its ends (extrapolated)")
    return verdicts, (caption, head, tuple(rows))


def _named(families: Sequence[str]) -> str:
    return ", ".join(families) if families else "none"
