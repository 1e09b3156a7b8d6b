"""Published accuracies under corruptions beside an experiment's own: RobustBench's ``unaggregated_results.csv``."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, require
from brittlestar.measures import rate
from brittlestar.reproduce.engine import Outcome, Verdict, above, percent

BASE = "Standard"
ADVERSARIAL = ("Addepalli", "Gowal", "Rebuffi", "Salman")
"""How the names of those of RobustBench's models begin that are adversarially trained within an Lp norm."""

SEVERITIES = (1, 2, 3, 4, 5)
_NEEDED = ("fog", "contrast", "gaussian_noise", "impulse_noise")
_HEADER = (
    *("trained adversarially", "mean of {}", "fog mean", "fog s5", "contrast mean", "contrast s5"),
    *("gaussian noise", "impulse"),
)


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """Accuracies of published models.

    Fields:
        file: Its name.
        models: By name, accuracy in [0, 1] by (corruption, severity).
        base: The model that the others are held against: ``Standard``, or the first whose name begins so.
        beginnings: How the names of adversarially trained models begin.
    """

    file: str
    models: Mapping[str, Mapping[tuple[str, int], float]]
    base: str
    beginnings: tuple[str, ...]

    def mean(self, model: str, corruption: str | None = None) -> float:
        """Mean accuracy over severities, of one corruption or of all."""
        own = self.models[model]
        values = [v for (c, _), v in own.items() if corruption in (None, c)]
        return sum(values) / len(values)

    @property
    def adversarial(self) -> list[str]:
        """The adversarially trained models."""
        return [m for m in self.models if m.startswith(self.beginnings) and m != self.base]

    @property
    def others(self) -> list[str]:
        """Neither adversarially trained nor the base."""
        return [m for m in self.models if m not in self.adversarial and m != self.base]


def read_published(path: Path, beginnings: Sequence[str] = ADVERSARIAL) -> PublishedTable:
    """Read a file of RobustBench's layout.

    The header names a corruption for every column (``fog`` five times, or ``fog``, ``fog.1`` ... ``fog.4``), the next
    row its severity, every further row a model: its name, then accuracies from 0 to 1. Empty rows are passed over.

    Args:
        path: The file.
        beginnings: How the names of its adversarially trained models begin.

    Raises:
        DataError: No such file, another layout, a corruption, the base or adversarially trained models missing, or a
            cell that is no accuracy.
    """
    require(path.is_file(), f"no such file: {path}", DataError)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, [c.strip() for c in row]) for number, row in enumerate(csv.reader(file), 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 ({error})") from None
    filled = [(number, row) for number, row in rows if any(row)]
    require(
        len(filled) >= 3, f"{path}: needs a header, a row of severities and models, got {len(filled)} rows", DataError
    )
    (_, header), (second, severities) = filled[:2]
    columns = _columns(path, header, second, severities)
    models: dict[str, dict[tuple[str, int], float]] = {}
    for number, row in filled[2:]:
        require(
            len(row) == len(header),
            f"{path} row {number} has {len(row)} cells, the header {len(header)}: give as many",
            DataError,
        )
        name = row[0]
        require(bool(name), f"{path} row {number} names no model in its first cell", DataError)
        require(name not in models, f"{path} row {number}: {name} is there twice", DataError)
        models[name] = {
            column: _accuracy(path, number, column, text) for column, text in zip(columns, row[1:], strict=True)
        }
    bases = sorted((m for m in models if m.startswith(BASE)), key=lambda m: m != BASE)
    require(
        bool(bases),
        f"{path} has no model {BASE!r}, which the others are held against; it has {', '.join(list(models)[:5])}",
        DataError,
    )
    table = PublishedTable(file=path.name, models=models, base=bases[0], beginnings=tuple(beginnings))
    require(
        bool(table.adversarial),
        f"no model of {path} begins with {', '.join(beginnings)}; name adversarially trained ones with "
        f"--published-adversarial, of {', '.join(table.others)}",
        DataError,
    )
    return table


def _columns(path: Path, header: Sequence[str], number: int, severities: Sequence[str]) -> list[tuple[str, int]]:
    names = [re.sub(r"\.\d+$", "", text) for text in header[1:]]
    levels = severities[1:]
    require(
        len(levels) == len(names) and all(s in {str(v) for v in SEVERITIES} for s in levels),
        f"{path} row {number} must give a severity from 1 to 5 for each of the header's {len(names)} columns, "
        f"got {', '.join(levels[:6])}",
        DataError,
    )
    columns = [(name, int(level)) for name, level in zip(names, levels, strict=True)]
    require(len(set(columns)) == len(columns), f"{path} has a corruption and severity twice", DataError)
    lacking = [f"{c} severity {s}" for c in _NEEDED for s in SEVERITIES if (c, s) not in columns]
    require(
        not lacking,
        f"{path} lacks {', '.join(lacking[:3])}{' ...' if len(lacking) > 3 else ''}; its corruptions are "
        f"{', '.join(dict.fromkeys(names))}",
        DataError,
    )
    return columns


def _accuracy(path: Path, number: int, column: tuple[str, int], text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    require(
        0 <= value <= 1,
        f"{path} row {number}, {column[0]} severity {column[1]}: accuracies are shares from 0 to 1, got {text!r}"
        + ("; divide percent by 100" if 1 < value <= 100 else ""),
        DataError,
    )
    return value


def beside(outcome: Outcome, table: PublishedTable) -> Outcome:
    """The outcome of ``fog`` with a verdict on the published models, and their table."""
    return dataclasses.replace(
        outcome,
        verdicts=(*outcome.verdicts, _verdict(table)),
        tables=(*outcome.tables, _rows(table)),
    )


def _changes(table: PublishedTable, model: str) -> dict[str, float]:
    """Accuracy less the base model's, mean over severities, in points."""
    return {c: 100 * (table.mean(model, c) - table.mean(table.base, c)) for c in ("fog", "contrast", "gaussian_noise")}


def _as_claimed(changes: Mapping[str, float]) -> bool:
    return changes["fog"] < 0 and changes["contrast"] < 0 and changes["gaussian_noise"] > 0


def _verdict(table: PublishedTable) -> Verdict:
    changes = [_changes(table, m) for m in table.adversarial]
    hits = sum(map(_as_claimed, changes))
    found = rate(hits, len(changes))
    ranges = ", ".join(
        f"{name} {min(c[key] for c in changes):+.1f} to {max(c[key] for c in changes):+.1f}"
        for key, name in (("fog", "fog"), ("contrast", "contrast"), ("gaussian_noise", "Gaussian noise"))
    )
    others = [_as_claimed(_changes(table, m)) for m in table.others]
    return Verdict(
        claim=f"Published models ({table.file}): most adversarially trained ones lose accuracy in fog and contrast and "
        f"gain it under Gaussian noise against {table.base} (mean of five severities; adversarially trained: names "
        f"that begin with {', '.join(table.beginnings)})",
        claimed="85.7 % to 55.3 % in fog; contrast degrades",
        measured=f"all three in {hits} of {len(changes)} ({percent(found)} of models); points: {ranges}; all three in "
        f"{sum(others)} of the {len(others)} other models",
        state=above(found, 0.5),
    )


def _rows(table: PublishedTable) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    adversarial = table.adversarial
    rows = []
    for model in (table.base, *adversarial, *table.others):
        own = table.models[model]
        numbers = (
            table.mean(model),
            table.mean(model, "fog"),
            own["fog", 5],
            table.mean(model, "contrast"),
            own["contrast", 5],
            table.mean(model, "gaussian_noise"),
            table.mean(model, "impulse_noise"),
        )
        rows.append((model, "yes" if model in adversarial else "", *(f"{100 * v:.2f}" for v in numbers)))
    caption = f"Published models ({table.file}): accuracy in %; the file has no counts of images, so no intervals"
    return caption, ("model", *(text.format(len(table.models[table.base])) for text in _HEADER)), tuple(rows)
