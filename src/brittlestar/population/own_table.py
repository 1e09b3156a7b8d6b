"""A table of one's own: a row a model and setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.population.csvfile import MISSING, Row, header_of, number_or_nan
from brittlestar.population.families import base_of, family_of
from brittlestar.population.table import Kind, Population, PopulationSetting, with_means

NEEDED = ("model", "setting", "accuracy")
OPTIONAL = ("n", "type", "kind", "chance", "family", "base", "severity")
CLEAN_NAMES = ("clean", "val", "validation", "test", "imagenet", "original")
LAYOUT = "columns model, setting, accuracy, and where known n, type, kind, chance, family, base, severity"
_STANDARD = re.compile(r"standard|natural|none|baseline", re.IGNORECASE)


def is_own(header: Sequence[str]) -> bool:
    """Whether a header is that of a table of one's own."""
    return {c.lower() for c in header} >= set(NEEDED)


def read_own(path: Path, rows: list[Row], clean: str | None = None, standard: str | None = None) -> Population:
    """A row a model and setting.

    Columns: ``model``, ``setting``, ``accuracy`` (all shares, or all in percent); optional ``n`` (images), ``type`` (of
    training), ``kind`` (``clean``, ``synthetic``, ``natural``, ``adversarial``, ``other``), ``chance`` (accuracy of
    guessing, a share), ``family``, ``base`` (the model without the intervention), ``severity``: settings of one name
    that differ in it are averaged.

    Args:
        path: For messages.
        rows: Of the file.
        clean: The setting that others are held against; ``None``: the one of kind ``clean``, or named ``clean``.
        standard: The type that a line is fitted to; ``None``: the one named ``standard`` or ``natural``.

    Raises:
        DataError: Unknown columns, a (model, setting) twice, shares among percent, or another unusable cell.
    """
    header = [c.lower() for c in header_of(path, rows)]
    unknown = [c for c in header if c not in (*NEEDED, *OPTIONAL)]
    require(not unknown, f"{path} has a column {', '.join(unknown[:3])}; a table has the {LAYOUT}", DataError)
    at = {c: header.index(c) for c in header}
    body = rows[1:]

    def text(row: Row, column: str) -> str:
        return row[1][at[column]] if column in at else ""

    percent = _in_percent(path, [(n, row[at["accuracy"]]) for n, row in body])
    models = tuple(dict.fromkeys(text(r, "model") for r in body))
    names = tuple(dict.fromkeys(_setting(r, text) for r in body))
    require(all(models) and all(names), f"{path} has a row without a model or a setting", DataError)
    values, images = (np.full((len(models), len(names)), np.nan) for _ in range(2))
    place = {m: i for i, m in enumerate(models)}, {s: i for i, s in enumerate(names)}
    seen: set[tuple[int, int]] = set()
    for row in body:
        cell = place[0][text(row, "model")], place[1][_setting(row, text)]
        require(
            cell not in seen,
            f"{path} row {row[0]}: {models[cell[0]]} on {names[cell[1]]} is there twice: keep one",
            DataError,
        )
        seen.add(cell)
        most = 100.0 if percent else 1.0
        values[cell] = number_or_nan(path, row[0], "accuracy", text(row, "accuracy"), most) / most
        images[cell] = _images(path, row, text)
    _not_mixed(path, names, models, values, percent)
    types = _per_model(path, models, body, text, "type")
    own = _per_model(path, models, body, text, "family")
    bases = _per_model(path, models, body, text, "base")
    strange = sorted({b for b in bases if b and b not in models})
    require(not strange, f"{path} names a base that is no model of it: {', '.join(strange[:3])}", DataError)
    standing = _standard(path, types, standard)
    plain = [m for m, t in zip(models, types, strict=True) if t == standing]
    settings = _settings(path, names, body, text)
    held = _clean(path, settings, clean)
    population = Population(
        layout="own",
        models=models,
        types=types,
        families=tuple(f or family_of(m, t) for m, t, f in zip(models, types, own, strict=True)),
        bases=tuple(
            b or ("" if t == standing else base_of(m, plain)) for m, t, b in zip(models, types, bases, strict=True)
        ),
        settings=tuple(
            s
            if s.name != held
            else PopulationSetting(name=s.name, title=s.title, kind="clean", chance=s.chance, key=s.key)
            for s in settings
        ),
        accuracy=values,
        images=images,
        fitted=np.asarray([t == standing for t in types]),
        clean=held,
        standard=standing,
        claimed=_claimed(types, standing),
        notes=(
            f"{path.name}: a table of one's own, {len(models)} models on {len(names)} settings, read as "
            + ("percent" if percent else "shares"),
            *(() if "chance" in at else ("no column chance: guessing counts as an accuracy of 0",)),
            *(() if "kind" in at else ("no column kind: every setting but the clean one counts as natural",)),
            *(() if "family" in at else ("no column family: families are architecture and kind of training by name",)),
            *(() if "n" in at else ("no column n: single models have no intervals",)),
        ),
    )
    return with_means(population, lambda s: s.shift if s.severity is not None else "")


def _setting(row: Row, text: Callable[[Row, str], str]) -> str:
    severity = text(row, "severity")
    return f"{text(row, 'setting')} {severity}" if severity else text(row, "setting")


def _in_percent(path: Path, cells: list[tuple[int, str]]) -> bool:
    numbers = [number_or_nan(path, n, "accuracy", c, 100) for n, c in cells]
    known = [v for v in numbers if not np.isnan(v)]
    require(bool(known), f"{path} gives no accuracy", DataError)
    return max(known) > 1


def _not_mixed(path: Path, names: Sequence[str], models: Sequence[str], values: np.ndarray, percent: bool) -> None:
    """Refuse a setting, or a model, none of whose accuracies is above 1 percent, where others are: these are shares."""
    if not percent:
        return
    lines = [*zip(names, values.T, strict=True), *zip(models, values, strict=True)]
    small = [name for name, line in lines if 0 < np.nanmax(np.append(line, 0)) <= 0.01]
    require(
        not small,
        f"{path} is read as percent, and nothing on {', '.join(small[:3])} is above 1 percent: give all in percent, or "
        "all as shares",
        DataError,
    )


def _images(path: Path, row: Row, text: Callable[[Row, str], str]) -> float:
    written = text(row, "n").replace(",", "")
    if written.lower() in MISSING:
        return float("nan")
    require(written.isdigit() and int(written) > 0, f"{path} row {row[0]}: n counts images, got {written!r}", DataError)
    return float(written)


def _per_model(
    path: Path, models: Sequence[str], body: list[Row], text: Callable[[Row, str], str], column: str
) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for row in body:
        model, own = text(row, "model"), text(row, column)
        if own:
            require(
                found.get(model, own) == own,
                f"{path} row {row[0]}: {model} has the {column} {own!r} here and {found.get(model)!r} before",
                DataError,
            )
            found[model] = own
    return tuple(found.get(m, "") for m in models)


def _settings(
    path: Path, names: Sequence[str], body: list[Row], text: Callable[[Row, str], str]
) -> tuple[PopulationSetting, ...]:
    about: dict[str, Row] = {}
    for row in body:
        about.setdefault(_setting(row, text), row)
    found = []
    for name in names:
        row = about[name]
        kind, severity = text(row, "kind").lower() or "natural", text(row, "severity")
        require(
            kind in get_args(Kind), f"{path} row {row[0]}: kind is {', '.join(get_args(Kind))}, got {kind!r}", DataError
        )
        require(
            severity == "" or severity.isdigit(),
            f"{path} row {row[0]}: severity is a whole number, got {severity!r}",
            DataError,
        )
        known: Kind = kind  # type: ignore[assignment]  # checked above
        found.append(
            PopulationSetting(
                name=name,
                title=name,
                kind=known,
                chance=_chance(path, row, text(row, "chance")),
                key=name,
                shift=text(row, "setting"),
                severity=int(severity) if severity else None,
            )
        )
    return tuple(found)


def _chance(path: Path, row: Row, written: str) -> float:
    value = number_or_nan(path, row[0], "chance", written, 1)
    require(not value >= 1, f"{path} row {row[0]}: chance is a share under 1, got {written}", DataError)
    return 0.0 if np.isnan(value) else value


def _clean(path: Path, settings: Sequence[PopulationSetting], clean: str | None) -> str:
    names = [s.name for s in settings]
    if clean is not None:
        require(clean in names, f"{path} has no setting {clean!r}; there are {', '.join(names[:20])}", DataError)
        return clean
    said = [s.name for s in settings if s.kind == "clean"] or [n for n in names if n.lower() in CLEAN_NAMES]
    require(
        len(said) == 1,
        f"{path} does not say which setting the others are held against ({', '.join(said) or ', '.join(names[:20])}): "
        f"name it with {option('clean')}",
        DataError,
    )
    return said[0]


def _standard(path: Path, types: Sequence[str], standard: str | None) -> str:
    there = list(dict.fromkeys(t for t in types if t))
    if standard is not None:
        require(
            standard in there, f"{path} has no type {standard!r}; there are {', '.join(there) or 'none'}", DataError
        )
        return standard
    said = [t for t in there if _STANDARD.fullmatch(t)]
    return said[0] if len(said) == 1 else ""


def _claimed(types: Sequence[str], standard: str) -> str:
    there = list(dict.fromkeys(t for t in types if t and t != standard))
    lp = [t for t in there if re.search(r"adv|lp", t, re.IGNORECASE)]
    return lp[0] if len(lp) == 1 else there[0] if len(there) == 1 else ""
