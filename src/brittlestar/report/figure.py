"""The Fourier maps of a run as one figure for a paper: maps on one scale, differences, radial profiles (matplotlib)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar import measures
from brittlestar.core.errors import StoreError, UsageError, require
from brittlestar.core.files import replacing
from brittlestar.core.options import option
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sampled import sampled_map
from brittlestar.report.panels import Matrix
from brittlestar.store import RunStore

FORMATS = (".png", ".svg", ".pdf")


def fourier_maps(store: RunStore) -> dict[str, FourierMap]:
    """The map of every model of a run that has one, by its name.

    Raises:
        UsageError: The run has no Fourier conditions.
    """
    found = {}
    infos = [i for i in store.manifest.conditions.values() if i.kind == "fourier"]
    for name, model in store.manifest.models.items():
        done = store.tallies(model["fingerprint"])
        mine = [i for i in infos if i.fingerprint in done]
        sampled = sampled_map(store.path, model["fingerprint"], sealed=store.manifest.sealed)
        if mine:
            cells = store.read(model["fingerprint"], [i.fingerprint for i in mine], detail=False)
            rows = {(int(i.config["row"]), int(i.config["column"])): cells[i.fingerprint] for i in mine}
            told = f"{store.path}: the shape of the images is missing in the manifest"
            require("shape" in store.manifest.data, told, StoreError)
            height, width = store.manifest.data["shape"][1:]
            found[name] = measures.fourier_map(rows, height, width)
        # A map that was asked in full needs no estimate from a part of it.
        elif sampled is not None:
            found[name] = sampled
    require(
        bool(found),
        f"{store.path} has no Fourier map: make one with `brittlestar fourier`, or run it with "
        f"{option('suite', 'fourier')}",
        UsageError,
    )
    return found


def map_rule(rule: str, *maps: FourierMap) -> str:
    """``fixed`` where one of the maps was asked in part: its number of samples is a design of its own."""
    return rule if all(found.complete for found in maps) else "fixed"


def draw(maps: Mapping[str, FourierMap], path: Path, rule: str = "fixed") -> None:
    """Write the figure: above, error by frequency on one scale; below, minus the first model's; right, radial profiles.

    The profile is the mean error over rings of frequencies with its 95 % interval.

    Args:
        maps: By name; the first is what the others are compared with.
        path: Ends on ``.png``, ``.svg`` or ``.pdf``.
        rule: ``fixed`` or ``anytime``, for the intervals.

    Raises:
        UsageError: Another ending, or matplotlib is not installed (the extra ``plots``).
    """
    check_figure(path)
    # Without pyplot, which would choose a backend and may want a screen.
    from matplotlib.figure import Figure

    names = list(maps)
    rows = 1 if len(names) == 1 else 2
    figure = Figure(figsize=(2.4 * len(names) + 3.6, 2.5 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, len(names) + 1, width_ratios=[*[1.0] * len(names), 1.35])
    matrices, extent = cropped({name: 100 * found.matrix() for name, found in maps.items()})
    most = max(float(np.nanmax(m)) for m in matrices.values())
    above = []
    for place, name in enumerate(names):
        axes = figure.add_subplot(grid[0, place])
        drawn = axes.imshow(matrices[name], cmap="magma_r", vmin=0, vmax=most, extent=extent, interpolation="nearest")
        _named(axes, name, place == 0)
        above.append(axes)
    _scaled(figure, drawn, above, "error, %")
    if rows == 2:
        _differences(figure, grid, matrices, extent)
    _profiles(figure.add_subplot(grid[:, -1]), maps, rule)
    _write(figure, path)


def draw_planes(planes: Mapping[str, Matrix], path: Path, label: str) -> None:
    """A figure of (height, width) matrices on one scale from 0, the mean frequency at [height // 2, width // 2].

    Args:
        planes: By name.
        path: Ends on ``.png``, ``.svg`` or ``.pdf``.
        label: Of the scale.

    Raises:
        UsageError: See ``check_figure``.
    """
    check_figure(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.4 * len(planes) + 0.8, 2.5), layout="constrained")
    planes, extent = cropped(planes)
    most = max(float(np.nanmax(m)) for m in planes.values())
    every = []
    for place, (name, plane) in enumerate(planes.items()):
        axes = figure.add_subplot(1, len(planes), place + 1)
        drawn = axes.imshow(plane, cmap="magma_r", vmin=0, vmax=most, extent=extent, interpolation="nearest")
        _named(axes, name, place == 0)
        every.append(axes)
    _scaled(figure, drawn, every, label)
    _write(figure, path)


def cropped(planes: Mapping[str, Matrix]) -> tuple[dict[str, Matrix], tuple[float, float, float, float]]:
    """Planes of one size down to the smallest part that has all their numbers, and its edges in cycles.

    Args:
        planes: (height, width) each, the mean frequency at [height // 2, width // 2], NaN where nothing was measured.

    Returns:
        The parts, and their left, right, lower and upper edge as matplotlib's ``extent``.
    """
    known = np.any([np.isfinite(plane) for plane in planes.values()], axis=0)
    (top, bottom), (left, right) = (np.flatnonzero(known.any(axis=axis))[[0, -1]] for axis in (1, 0))
    # A frequency stands in the middle of its pixel, so edges lie half a cycle further out.
    rows, columns = (size // 2 + 0.5 for size in known.shape)
    extent = (left - columns, right + 1 - columns, bottom + 1 - rows, top - rows)
    parts = {name: plane[top : bottom + 1, left : right + 1] for name, plane in planes.items()}
    return parts, tuple(map(float, extent))  # type: ignore[return-value]


def check_figure(path: Path) -> None:
    """Whether a figure can be written there, found out before work begins.

    Raises:
        UsageError: Another ending, or matplotlib is not installed (the extra ``plots``).
    """
    require(path.suffix.lower() in FORMATS, f"{path}: a figure ends on {', '.join(FORMATS)}", UsageError)
    require(
        importlib.util.find_spec("matplotlib") is not None,
        "figures need matplotlib: pip install 'brittlestar[plots]'",
        UsageError,
    )


def _differences(figure: Any, grid: Any, matrices: Mapping[str, Any], extent: tuple[float, ...]) -> None:
    names = list(matrices)
    base = matrices[names[0]]
    # Equal maps differ nowhere, and a scale needs two ends.
    reach = max(float(np.nanmax(np.abs(m - base))) for m in matrices.values()) or 1.0
    below = []
    for place, name in enumerate(names[1:], 1):
        axes = figure.add_subplot(grid[1, place])
        drawn = axes.imshow(
            matrices[name] - base, cmap="RdBu_r", vmin=-reach, vmax=reach, extent=extent, interpolation="nearest"
        )
        _named(axes, f"{name} minus {names[0]}", place == 1)
        below.append(axes)
    _scaled(figure, drawn, below, "points")


def _scaled(figure: Any, drawn: Any, axes: Any, label: str) -> None:
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _named(axes: Any, title: str, labelled: bool) -> None:
    # A dollar would start a formula; names come from data.
    axes.set_title(title.replace("$", r"\$"), fontsize=9)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("cycles per width", fontsize=7)
    if labelled:
        axes.set_ylabel("cycles per height", fontsize=7)


def _profiles(axes: Any, maps: Mapping[str, FourierMap], rule: str) -> None:
    for name, found in maps.items():
        rings = measures.radial_profile(found, rule=map_rule(rule, found))
        radius = [r.radius for r in rings]
        values = [100 * r.estimate.value for r in rings]
        (line,) = axes.plot(radius, values, label=name.replace("$", r"\$"), linewidth=1.4)
        low, high = [100 * r.estimate.low for r in rings], [100 * r.estimate.high for r in rings]
        axes.fill_between(radius, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
    axes.set_xlabel("radius, share of the Nyquist frequency", fontsize=8)
    axes.set_ylabel("error, % (95 % interval)", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, frameon=False)


def _write(figure: Any, path: Path) -> None:
    """The same run gives the same bytes; letters are TrueType in a PDF (many venues refuse Type 3), outlines in SVG."""
    from matplotlib import rc_context

    with replacing(path) as beside, rc_context({"svg.hashsalt": "brittlestar", "pdf.fonttype": 42}):
        figure.savefig(beside, format=path.suffix[1:].lower(), dpi=200, metadata=_undated(path))


def _undated(path: Path) -> dict[str, Any]:
    """No dates: the same run gives the same bytes."""
    return {} if path.suffix.lower() == ".png" else {"Date" if path.suffix.lower() == ".svg" else "CreationDate": None}
