"""How far a layer's outputs move under each Fourier wave (the layer variant of Yin et al.'s map)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import special

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import StoreError, require
from brittlestar.core.files import write_atomic
from brittlestar.core.keys import SampleKeys
from brittlestar.core.sealed import Damaged, read_arrays, read_sealed, write_arrays, write_sealed
from brittlestar.core.text import table_cell
from brittlestar.data import Source
from brittlestar.measures.fourier import FourierMap
from brittlestar.models.base import Model
from brittlestar.models.layers import Layer
from brittlestar.runs.identity import TOLERANCES, precision_of
from brittlestar.shifts.spectral import FourierBasis
from brittlestar.store.damage import set_aside
from brittlestar.suites.base import Suite

_BLOCK = 100

_FIRST = 4
"""Images whose outputs are kept, to know the model again."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LayerMap:
    """Euclidean distances of a layer's outputs, shifted minus clean.

    Fields:
        layer: Its name in the model.
        distance: (waves, samples).
        waves: Places each distance in the plane; its ``matrix`` draws values.
    """

    layer: str
    distance: Floats
    waves: FourierMap

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """(waves,) over samples."""
        return np.asarray(self.distance.mean(1, dtype=np.float64))

    def half_width(self, level: float = 0.95) -> npt.NDArray[np.float64]:
        """(waves,) of Student's intervals, each by itself."""
        n = self.distance.shape[1]
        # One image says nothing of the spread.
        spread = self.distance.std(1, ddof=1, dtype=np.float64) if n > 1 else np.full(len(self.distance), np.inf)
        return np.asarray(float(special.stdtrit(max(n - 1, 1), 0.5 + level / 2)) * spread / n**0.5)


def _check_same(model: Model, read: Layer, source: Source, order: npt.NDArray[np.int64], folder: Path) -> None:
    """Hold the layer's outputs for the first images against those that the pieces in the folder began with."""
    images = torch.from_numpy(source.load(order[:_FIRST])).to(model.device, torch.float32) / 255
    with torch.inference_mode():
        outputs = read(images).to(torch.float32).cpu().numpy()
    path = folder / "first.npz"
    if not path.is_file():
        write_arrays(path, {"outputs": outputs})
        return
    kept = read_arrays(path).get("outputs", np.empty(0))
    if kept.shape != outputs.shape:
        raise Damaged(path, f"it holds {kept.shape} outputs, not {outputs.shape}", f"remove {folder} to measure again")
    largest = max(1.0, float(np.abs(kept).max(initial=0)))
    apart = float(np.abs(outputs - kept).max(initial=0))
    require(
        apart <= TOLERANCES[precision_of(model)] * largest,
        f"{read.name} of model {model.name} gives other outputs than when {folder} was begun, by up to {apart:.2g}, "
        f"with the same files: remove {folder} to measure it as it is now",
        StoreError,
    )


def layer_map(
    model: Model,
    source: Source,
    suite: Suite,
    layer: str,
    samples: int,
    folder: Path,
    *,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> LayerMap:
    """Measure it; finished pieces are kept in ``folder`` and used again.

    Args:
        model: A torch model.
        source: Labelled images (the labels are not used).
        suite: Holds the waves.
        layer: As in ``module.named_modules()``, or ``penultimate``.
        samples: How many images of the seeded order.
        folder: For the pieces.
        seed: Of the order and the signs.
        say: Told how far it is.

    Raises:
        ModelError: No such layer, or no torch model.
        StoreError: The pieces in the folder are of a model that answered otherwise, with the same files.
    """
    read = Layer(model, layer)
    waves = [c for c in suite.conditions(source.info.shape) if isinstance(c.definition, FourierBasis)]
    shifts = [c.definition for c in waves if isinstance(c.definition, FourierBasis)]
    order = source.order(seed)[:samples]
    # Everything that moves a distance, so that pieces of another model, seed or wave are never taken for these.
    identity = [seed, read.name, model.fingerprint(), source.info.fingerprint]
    made = fingerprint_of([*identity, *(c.fingerprint for c in waves)])
    (folder / made).mkdir(parents=True, exist_ok=True)
    _check_same(model, read, source, order, folder / made)
    parts = []
    for start in range(0, len(order), _BLOCK):
        places = order[start : start + _BLOCK]
        path = folder / made / f"{start:06d}-{len(places)}.npy"
        distances = _kept(path, (len(shifts), len(places)), folder, say)
        if distances is None:
            x = torch.from_numpy(source.load(places)).to(model.device, torch.float32) / 255
            keys = SampleKeys.of(seed, [str(i) for i in source.ids[places]]).to(model.device)
            with torch.inference_mode():
                clean = read(x)
                moved = [(read(shift.compute(x, keys)) - clean).norm(dim=1).cpu().numpy() for shift in shifts]
            distances = np.stack(moved)
            file = io.BytesIO()
            np.save(file, distances)
            write_sealed(path, file.getvalue())
        parts.append(distances)
        say(f"{model.name}, {read.name}: {min(start + _BLOCK, len(order)):,} of {len(order):,} images")
    distance = np.concatenate(parts, axis=1)
    _, height, width = source.info.shape
    frequencies = tuple((s.row, s.column) for s in shifts)
    plane = FourierMap(height, width, frequencies, distance, np.arange(len(order), dtype=np.int32))
    return LayerMap(read.name, distance, plane)


def _kept(path: Path, shape: tuple[int, int], folder: Path, say: Callable[[str], None]) -> Floats | None:
    """The distances of a piece; ``None`` where it is not there, or was damaged and is set aside."""
    if not path.is_file():
        return None
    try:
        # Those of earlier versions have no seal.
        distances: Floats = np.load(io.BytesIO(read_sealed(path, required=False)), allow_pickle=False)
        if distances.shape == shape and np.issubdtype(distances.dtype, np.floating):
            return distances
        told = f"it holds {distances.dtype} of {distances.shape}, not of {shape}"
    except Damaged as error:
        told = error.why
    # What numpy raises for files that are none of its own.
    except (OSError, ValueError, EOFError) as error:
        told = str(error)
    say(f"{path} is damaged ({told}): moved to {set_aside(folder, path)}; measured again")
    return None


def write_layer_maps(maps: Sequence[tuple[str, LayerMap]], path: Path) -> None:
    """One row a model and wave: mean distance, its 95 % interval, and the mean over the largest of the map."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["model", "layer", "row", "column", "mean_l2", "low", "high", "relative", "n"])
    for name, one in maps:
        mean, half = one.mean, one.half_width()
        for (row, column), value, h in zip(one.waves.frequencies, mean, half, strict=True):
            # A layer that no wave moves has means of 0.
            numbers = [f"{v:.6g}" for v in (value, max(value - h, 0.0), value + h, value / max(mean.max(), 1e-12))]
            writer.writerow([table_cell(name), table_cell(one.layer), row, column, *numbers, one.distance.shape[1]])
    write_atomic(path, text.getvalue())
