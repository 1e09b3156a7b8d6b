"""What a run gives from Python: tables of its numbers, and its report. Needs no torch."""

from __future__ import annotations

import dataclasses
import functools
import html
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brittlestar import measures
from brittlestar.core.places import place
from brittlestar.core.text import readable
from brittlestar.store import RunStore, stopping_rule

if TYPE_CHECKING:
    from brittlestar.analyses.estimate import ModelEstimate
    from brittlestar.runs.request import Outcome

LEVEL = 0.95

ABOUT_CONDITIONS = ("kind", "family", "shift", "title", "label", "table", "severity", "strength")
"""What ``Run.frame`` says of a condition: fields of ``ConditionInfo``."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder that was just worked on, or opened again with ``Run(path)``.

    Fields:
        path: The folder.
        outcome: How the last session ended; ``None`` for a folder opened again.
        notes: What was said of the preparation of the images, and must stand beside the numbers.
    """

    path: Path
    outcome: Outcome | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", place(self.path))

    def table(self) -> Table:
        """Accuracy of every model under every condition but single Fourier frequencies, worst first."""
        candidates = self._candidates()
        rows = [_row(model, name, one(LEVEL)) for model, named in candidates.items() for name, one in named.items()]
        return Table(sorted(rows, key=lambda row: row["accuracy"]), self.worst())

    def worst(self) -> list[dict[str, Any]]:
        """Each model's condition with the lowest accuracy but clean, its interval for the lowest of them all.

        The interval allows for the condition having been chosen by its number (``measures.lowest``); ``of`` says of
        how many.
        """
        clean = {info.id for info in RunStore.open(self.path).manifest.conditions.values() if info.kind == "clean"}
        rows = []
        for model, named in self._candidates().items():
            shifted = {name: one for name, one in named.items() if name not in clean}
            if shifted:
                name, interval = measures.lowest(shifted, LEVEL)
                rows.append(_row(model, name, interval) | {"of": len(shifted)})
        return rows

    def _candidates(self, fourier: bool = False) -> dict[str, dict[str, measures.Candidate]]:
        """By model and condition the accuracy at a level; single Fourier frequencies only if asked for."""
        store = RunStore.open(self.path)
        rule = stopping_rule(store.manifest.sessions).rule
        wanted = [info for info in store.manifest.conditions.values() if fourier or info.kind != "fourier"]
        candidates: dict[str, dict[str, measures.Candidate]] = {}
        if not store.manifest.data.get("labelled", True):
            # How often answers are right is not known: the report says how steady they are.
            return candidates
        for name, model in store.manifest.models.items():
            rows = store.read(model["fingerprint"], [info.fingerprint for info in wanted], detail=False)
            # As functions of the level: an interval for the worst of many takes a stricter one.
            candidates[name] = {
                info.id: functools.partial(measures.accuracy, rows[info.fingerprint], rule)
                for info in wanted
                if info.fingerprint in rows
            }
        for damage in store.damage.values():
            warnings.warn(f"DAMAGED: {damage}", stacklevel=4)
        return candidates

    def frame(self, *, fourier: bool = False) -> Any:
        """The run's accuracies, a row a model and condition, in the order of the suites.

        Columns: ``model``; ``condition`` (its id), ``kind``, ``family``, ``shift``, ``title``, ``label`` (the strength
        in words), ``table`` (of parameters), ``severity`` (published, 1 to 5), ``strength`` (the number on the curve's
        axis), these two missing where there is none; ``accuracy``, and ``low`` and ``high`` of its 95 % interval, in
        [0, 1]; ``n`` (images).

        Args:
            fourier: With the single frequencies of a Fourier map, of which there may be thousands.

        Returns:
            A pandas ``DataFrame`` where pandas is installed, else a ``Table`` of dictionaries with the same columns.
        """
        infos = {info.id: info for info in RunStore.open(self.path).manifest.conditions.values()}
        rows = []
        for model, named in self._candidates(fourier).items():
            for name, one in named.items():
                row, info = _row(model, name, one(LEVEL)), infos[name]
                about = {column: getattr(info, column) for column in ABOUT_CONDITIONS}
                rows.append({"model": model, "condition": name} | about | row)
        try:
            import pandas
        except ImportError:
            return Table(rows)
        # Named, so that a run without rows has its columns all the same.
        return pandas.DataFrame(rows, columns=["model", "condition", *ABOUT_CONDITIONS, "accuracy", "low", "high", "n"])

    def estimate(
        self,
        data: Any,
        *,
        model: str | None = None,
        samples: int | None = None,
        level: float | None = None,
        trust: bool = False,
        models: Mapping[str, Any] | None = None,
        own: Any = None,
        **preparation: Any,
    ) -> tuple[ModelEstimate, ...]:
        """How accurate the run's models are on images without labels, estimated, with an interval; or why not.

        Args:
            data: A folder of pictures, flat or not, Parquet, ``.npz`` or ``.npy``, or images as an array, a tensor or a
                list; labels that they have are not read.
            model: The one model that is wanted; all by default.
            samples: How many of the images; all by default.
            level: Of the intervals; by default 0.9, or n / (n + 1) where the run has n < 9 families of shifts.
            trust: Whether code that the run folder names may be run to build its models.
            models: By name, the models that the run was given as Python objects.
            own: The run's own data, where they were given as Python objects.
            preparation: ``resize``, ``crop``, ``filter``, ``rounding``, ``prepare``, ``skip_bad``, ``image_column``; as
                the run's images were prepared by default.

        Raises:
            UsageError: The run has measured too little to test an estimate on.
            DataError, StoreError: Images of another shape; models or data that are not what they were.
        """
        from brittlestar.analyses.estimate import estimate
        from brittlestar.data import open_source

        how = RunStore.open(self.path).manifest.data.get("how") or {}
        keys = ("resize", "crop", "filter", "rounding", "prepare")
        prepared: dict[str, Any] = {key: how.get(key) for key in keys}
        opened = None if own is None else open_source(own, **prepared, one_class=True)
        return estimate(
            self.path,
            data,
            only=model,
            samples=samples,
            level=level,
            preparation=preparation,
            trust=trust,
            models=models,
            own=opened,
        ).models

    def _repr_html_(self) -> str:
        """The first screen of the report, for notebooks."""
        from brittlestar.report import first_screen_html

        return first_screen_html([self.path])

    def report(self, path: str | Path | None = None) -> Path:
        """Write the HTML report (with ``summary.json``, ``results.csv``, ``results.md`` beside it); give its path.

        Args:
            path: The folder, or the name of the page if it ends in ``.html``; ``RUN/report/`` by default. An earlier
                report on the same run is replaced there.

        Raises:
            UsageError: Other files would be lost, those of a report on something else included.
        """
        from brittlestar.report import build

        return build([self.path], out=path)


def _row(model: str, condition: str, interval: measures.Estimate) -> dict[str, Any]:
    return {
        "model": model,
        "condition": condition,
        "accuracy": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
    }


class Table(list[dict[str, Any]]):
    """Rows as dictionaries, each with an interval of its own; prints as aligned text.

    ``worst``: see ``Run.worst``; printed below the rows.
    """

    def __init__(self, rows: Sequence[dict[str, Any]], worst: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(rows)
        self.worst = tuple(worst)

    def __str__(self) -> str:
        head = f"{'model':<20} {'condition':<44} {'accuracy':>8}  {'interval':<16} {'n':>6}"
        lines = [
            f"{readable(r['model']):<20} {r['condition']:<44} {100 * r['accuracy']:>7.1f}%  "
            f"[{100 * r['low']:5.1f}, {100 * r['high']:5.1f}]   {r['n']:>6}"
            for r in self
        ]
        below = [
            f"{readable(r['model'])}: worst of {r['of']} is {r['condition']}, {100 * r['accuracy']:.1f}% "
            f"[{100 * r['low']:.1f}, {100 * r['high']:.1f}] (interval for the worst of them all)"
            for r in self.worst
            if r["of"] > 1
        ]
        return "\n".join([head, *lines, *below])

    def _repr_html_(self) -> str:
        """A table of the rows, for notebooks."""
        columns = list(self[0]) if self else []
        head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(_shown(row[column]))}</td>' for column in columns)}</tr>" for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else readable(str(value))
