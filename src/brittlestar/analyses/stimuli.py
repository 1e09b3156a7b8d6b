"""Pictures for people, from conditions of a run: the very pixels that its models saw, on 8 bits."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.attacks.base import Attack
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import StoreError, UsageError, require, unknown
from brittlestar.core.keys import SampleKeys
from brittlestar.core.options import option
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.models import map_labels
from brittlestar.models.base import Model
from brittlestar.runs.cell import perturbed
from brittlestar.runs.reopen import condition_of, reopened
from brittlestar.runs.skipped import reopened_as_recorded
from brittlestar.shifts.conditions import Condition
from brittlestar.shifts.geirhos_spectral import typical_amplitudes
from brittlestar.store import RunStore
from brittlestar.store.people import Export, Stimulus

SCALES = ("true", "unit", "both")
MOST_CLASSES = 36
"""Classes that people can choose among: one key each."""

PRACTICE = 8
MASKS = 8
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """An export with its pictures, PNG.

    Fields:
        export: What is in it.
        pictures: In the order of its stimuli.
        practice: Clean pictures and their classes.
        masks: Noise to follow each picture.
        shape: Of the pictures: height and width.
    """

    export: Export
    pictures: tuple[bytes, ...]
    practice: tuple[tuple[bytes, int], ...]
    masks: tuple[bytes, ...]
    shape: tuple[int, int]


def show(
    run: Path,
    conditions: Sequence[str],
    *,
    trials: int = 64,
    scale: str = "true",
    seed: int = 0,
    model: str | None = None,
    trust: bool = False,
) -> Exhibit:
    """Choose pictures of a run and make them again.

    Classes are about equally many under each condition, and no picture is shown under two: people would know it.

    Args:
        run: Run folder whose data can be opened again.
        conditions: Ids of its conditions.
        trials: Pictures a condition (and scale).
        scale: ``true``: as the models see them, cut off to [0, 1]; ``unit``: stretched to one spread about middle grey,
            as filtered pictures are shown in papers; ``both``.
        seed: Of masks and choice.
        model: Whose attacks, where a condition is one.
        trust: Whether code that the folder names may be run for it (``runs.reopen``).

    Raises:
        UsageError: An unknown condition or scale, one that cannot be shown, too many classes or trials.
        StoreError: The data are not what they were.
    """
    require(scale in SCALES, f"{option('scale')} is {', '.join(SCALES)}, got {scale!r}", UsageError)
    require(trials >= 1, f"{option('trials')} must be at least 1, got {trials}", UsageError)
    require(len(conditions) > 0, f"no condition was named: {option('conditions', 'ID')}", UsageError)
    require(len({*conditions}) == len(conditions), f"a condition is named twice: {', '.join(conditions)}", UsageError)
    store = RunStore.open(run)
    infos = {info.id: info for info in store.manifest.conditions.values()}
    for name in conditions:
        if name not in infos:
            raise unknown("condition", name, infos)
        require(
            infos[name].kind != "sequence", f"{name} is a sequence of frames; people are shown pictures", UsageError
        )
    titles = [readable(str(c)) for c in store.manifest.data.get("titles") or store.manifest.data.get("classes") or ()]
    require(
        2 <= len(titles) <= MOST_CLASSES,
        f"people choose among 2 to {MOST_CLASSES} classes, and this run has {len(titles)}: evaluate with a label "
        "space of fewer",
        UsageError,
    )
    chosen = [condition_of(infos[name]) for name in conditions]
    attacks = any(isinstance(one.definition, Attack) for one in chosen)
    source, attacked = _opened(store, attacks, model, trust)
    require(
        source.truths is None,
        "the images of this run have several right classes each; people are compared on one",
        UsageError,
    )
    order = source.order(store.manifest.seed)
    to = np.asarray(map_labels(source.info.classes, tuple(store.manifest.data["classes"])), np.int32)
    labels = to[source.labels][order]
    scales = ["true", "unit"] if scale == "both" else [scale]
    cells = [(condition, one) for condition in chosen for one in scales]
    common = _answered(store, [c.info for c in chosen])
    listed, practice = _chosen(common, labels, len(cells), trials)
    device = attacked.device if attacked is not None else torch.device("cpu")
    maker = _Maker(source, order, labels, store.manifest.seed, device)
    stimuli: list[Stimulus] = []
    pictures: list[bytes] = []
    for (condition, one), positions in zip(cells, listed, strict=True):
        for position, pixels in zip(positions, maker.pixels(condition, positions, attacked), strict=True):
            stimuli.append(
                Stimulus(
                    number=len(stimuli),
                    position=int(position),
                    condition=condition.info.id,
                    scale=one,
                    label=int(labels[position]),
                )
            )
            pictures.append(png(stretched(pixels) if one == "unit" else pixels))
    clean = Condition(next(iter(chosen)).info, None)
    practised = [
        (png(pixels), int(labels[p])) for p, pixels in zip(practice, maker.pixels(clean, practice, None), strict=True)
    ]
    height, width = source.info.shape[1:]
    masks = [png(mask) for mask in masks_of(height, width, seed)]
    content = hashlib.sha256()
    for stimulus, picture in zip(stimuli, pictures, strict=True):
        content.update(repr(stimulus).encode() + hashlib.sha256(picture).digest())
    content.update(repr(titles).encode())
    export = Export(
        digest=content.hexdigest(),
        classes=names_of(titles),
        stimuli=tuple(stimuli),
        model=model if attacks and model else "",
    )
    return Exhibit(
        export=export, pictures=tuple(pictures), practice=tuple(practised), masks=tuple(masks), shape=(height, width)
    )


def names_of(titles: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes as people and tables see them: distinct, and none that a spreadsheet takes for a formula."""
    plain = len(set(titles)) == len(titles) and all(t.strip() == t and t and t[0] not in "=+-@" for t in titles)
    return tuple(titles) if plain else tuple(f"{place}: {title}" for place, title in enumerate(titles))


def _opened(store: RunStore, attacks: bool, model: str | None, trust: bool) -> tuple[Source, Model | None]:
    if attacks:
        names = list(store.manifest.models)
        require(model is not None, f"an attack is one model's: name it, {option('model', 'NAME')}", UsageError)
        if model not in names:
            raise unknown("model", str(model), names)
        bench, listed = reopened(store.path, trust=trust)
        return bench.spec.source, bench.models[listed.index(str(model))]
    data = store.manifest.data
    require(
        "resize" in (data.get("how") or {}),
        "the data of this run were given as Python objects, and cannot be opened again: run it on a file or folder",
        StoreError,
    )
    source = reopened_as_recorded(store)
    require(source.info.fingerprint == data["fingerprint"], f"the data at {data['spec']} have changed", StoreError)
    return source, None


def _answered(store: RunStore, infos: Sequence[ConditionInfo]) -> npt.NDArray[np.int64]:
    """Positions that every model has answered under every condition; one that answered nothing yet has no say."""
    common: npt.NDArray[np.int64] | None = None
    for name, about in store.manifest.models.items():
        rows = store.read(about["fingerprint"], [info.fingerprint for info in infos], detail=False)
        if not any(map(len, rows.values())):
            continue
        for info in infos:
            found = rows.get(info.fingerprint)
            require(found is not None and len(found) > 0, f"{name} has no answers under {info.id} yet", StoreError)
            assert found is not None
            here = np.unique(found.position).astype(np.int64)
            common = here if common is None else np.intersect1d(common, here)
    told = ", ".join(info.id for info in infos)
    require(common is not None, f"no model has answers under {told} yet", StoreError)
    assert common is not None
    require(len(common) > 0, "the models have no picture in common yet", StoreError)
    return common


def _chosen(
    positions: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], cells: int, trials: int
) -> tuple[list[list[int]], list[int]]:
    """Positions for each cell, classes in turn, and a few for practice; none twice."""
    needed = cells * trials + min(PRACTICE, trials)
    most = max(len(positions) // (cells + 1), (len(positions) - PRACTICE) // cells)
    require(
        needed <= len(positions),
        f"{cells} conditions of {trials} pictures and {min(PRACTICE, trials)} for practice are {needed:,}, and the "
        f"models have answered {len(positions):,}: at most {option('trials', most)}, or more images",
        UsageError,
    )
    queues: dict[int, list[int]] = {}
    for position in positions.tolist():
        queues.setdefault(int(labels[position]), []).append(position)
    # The run's own order is random; where the last round holds some classes only, it goes on with the others.
    turns = itertools.cycle(sorted(queues))

    def take(count: int) -> list[int]:
        taken: list[int] = []
        while len(taken) < count:
            if queue := queues[next(turns)]:
                taken.append(queue.pop(0))
        return taken

    return [take(trials) for _ in range(cells)], take(min(PRACTICE, trials))


class _Maker:
    """Makes pictures of samples again."""

    def __init__(
        self,
        source: Source,
        order: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int32],
        seed: int,
        device: torch.device,
    ) -> None:
        self.source, self.order, self.labels, self.seed, self.device = source, order, labels, seed, device

    def pixels(
        self, condition: Condition, positions: Sequence[int], model: Model | None
    ) -> list[npt.NDArray[np.float32]]:
        """(channel, height, width) float32 each, as a model sees them."""
        made: list[npt.NDArray[np.float32]] = []
        for start in range(0, len(positions), _BATCH):
            some = list(positions[start : start + _BATCH])
            places = self.order[some]
            images = torch.from_numpy(self.source.load(places)).to(self.device, torch.float32) / 255
            keys = SampleKeys.of(self.seed, [str(i) for i in self.source.ids[places]]).to(self.device)
            target = torch.from_numpy(self.labels[some]).to(self.device, torch.int64)
            made += list(perturbed(condition, images, target, keys, model).cpu().numpy())
        return made


def stretched(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An image as ``0.5 + 0.2 z``, z having mean 0 and variance 1 over its pixels and channels; even ones stay grey."""
    exact = pixels.astype(np.float64)
    spread = float(exact.std())
    centred = exact - exact.mean()
    return np.asarray(0.5 + 0.2 * (centred / spread if spread > 1e-6 else centred * 0), np.float32)


def png(pixels: npt.NDArray[np.float32]) -> bytes:
    """(channel, height, width) in [0, 1] as a PNG file; values outside are cut off, levels rounded."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)).save(file, "PNG", optimize=True)
    return file.getvalue()


def masks_of(height: int, width: int, seed: int) -> list[npt.NDArray[np.float32]]:
    """Noise with the amplitudes of a typical photograph, (1, height, width) each, at full contrast."""
    amplitude = typical_amplitudes(height, width).numpy().copy()
    amplitude[0, 0] = 0
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(MASKS):
        phases = np.exp(2j * np.pi * generator.random(amplitude.shape))
        noise = np.fft.irfft2(amplitude * phases, s=(height, width))
        found.append(np.asarray(0.5 + 0.2 * noise / max(float(noise.std()), 1e-12), np.float32)[None])
    return found
