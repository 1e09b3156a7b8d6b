"""What makes a model the same model: its files, and how it behaves.

A fingerprint covers what a model's own files hold. What they load from elsewhere it cannot see: weights that a
function reads, a helper module, external data of an ONNX program, another version of a library. So the logits on the
first images of the seeded order are kept in the run folder, and compared by every later session, by every worker and by
the audit.

The *key* of a model is what its rows are stored under: its fingerprint for the first behaviour that was seen with these
files, and a digest of fingerprint and logits for any other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import StoreError, UsageError, require
from brittlestar.core.options import option
from brittlestar.core.sealed import Damaged, read_arrays, write_arrays
from brittlestar.data.base import Source
from brittlestar.models.base import Model, ModelInfo
from brittlestar.models.checks import Checked
from brittlestar.models.wrap import TorchModel
from brittlestar.runs.environment import versions
from brittlestar.store import RunStore
from brittlestar.store.manifest import is_run

FOLDER = "identities"

TOLERANCES = {"float32": 1e-4, "tf32": 5e-3, "float16": 5e-3, "bfloat16": 2e-2}
"""How far logits of one model may lie apart, as a share of the largest (of 1, if that is less), by what it computes in.

float32: sums in another order (another batch, number of threads, library version) moved the logits of four networks by
1e-7 to 4e-7 of the largest, one step of training at usual rates by 4e-4 to 2e-2. TF32, which CUDA's convolutions may
round to, has 11 bits as float16 has, and bfloat16 has 8: it moved logits by 4e-3 to 6e-3, and two ways may differ by
twice that."""

ELSEWHERE = 1e-3
"""The same in float32 where one answer comes from another kind of device: other algorithms, not only other orders."""


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What a model answered to the first images of the seeded order.

    Fields:
        fingerprint: Of its files, code and preprocessing.
        ids: (n,) of the samples.
        logits: (n, classes) float32 of the untuned model.
        precision: What it computes in, a key of ``TOLERANCES``.
        device: ``cpu``, ``cuda`` or the like.
        random: How far two passes over the same images lay apart, as a share of the largest logit, where that is more
            than rounding (``models.checks.REPEATS``); otherwise 0.
        spread: How far its answers depend on how images are batched, as a share of the largest logit.
        versions: Of what it was computed with.
    """

    fingerprint: str
    ids: npt.NDArray[np.str_]
    logits: npt.NDArray[np.float32]
    precision: str
    device: str
    random: float = 0.0
    spread: float = 0.0
    versions: dict[str, str] = dataclasses.field(default_factory=versions)

    @classmethod
    def of(cls, model: Model, ids: npt.NDArray[np.str_], checked: Checked) -> Behaviour:
        """What the check of the contract saw of a model; ``ids`` are those of the first images, n or more."""
        logits = checked.logits.cpu().numpy().astype(np.float32)
        kind, random, spread = model.device.type, checked.random, checked.spread
        return cls(model.fingerprint(), ids[: len(logits)], logits, precision_of(model), kind, random, spread)

    def asked_again(self, model: Model, source: Source, most: int | None = None) -> Behaviour:
        """What this model, loaded again, answers to the same images in one batch. It must not have been tuned yet.

        Args:
            model: Loaded from the same specification.
            source: The data; images that they lack by now are not asked about.
            most: About so many of the images; all otherwise.
        """
        device, ids, logits = model.device, self.ids, self.logits
        if not self.random:
            places = source.present(np.flatnonzero(np.isin(source.ids, self.ids[:most])))
            # Of copies one is asked: there may be thousands of a blank image.
            places = places[np.sort(np.unique(source.ids[places], return_index=True)[1])]
            ids, logits = source.ids[places], logits[: len(places)]
            if len(places):
                images = torch.from_numpy(source.load(places)).to(device, torch.float32) / 255
                with torch.inference_mode():
                    logits = model.logits(images).to(torch.float32).cpu().numpy()
        return dataclasses.replace(
            self,
            ids=ids,
            fingerprint=model.fingerprint(),
            logits=logits,
            precision=precision_of(model),
            device=device.type,
            versions=versions(),
        )

    def tolerance(self, other: Behaviour) -> float:
        """How far the logits of both may lie apart for one model."""
        share = max(TOLERANCES[self.precision], TOLERANCES[other.precision], 2 * self.spread, 2 * other.spread)
        if self.device != other.device:
            share = max(share, ELSEWHERE)
        return share * max(1.0, float(np.abs(self.logits).max(initial=0)))

    def apart(self, other: Behaviour) -> float | None:
        """The largest distance of two logits on the images that both have; ``None`` where there are none.

        Models of different numbers of classes are infinitely far apart.
        """
        _, own, others = np.intersect1d(self.ids, other.ids, return_indices=True)
        if not len(own):
            return None
        if self.logits.shape[1] != other.logits.shape[1]:
            return float("inf")
        return float(np.abs(self.logits[own] - other.logits[others]).max())

    def agrees(self, other: Behaviour) -> bool:
        """Whether both may be one model; random models are compared by nothing but their being random."""
        if self.random or other.random:
            return bool(self.random) == bool(other.random)
        apart = self.apart(other)
        return apart is None or apart <= self.tolerance(other)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        ids, logits = fields.pop("ids"), fields.pop("logits")
        tolerance = np.array(self.tolerance(self))  # for people: it follows from the rest
        write_arrays(
            path, {"ids": ids, "logits": logits, "tolerance": tolerance, "about": np.array(json.dumps(fields))}
        )

    @classmethod
    def load(cls, path: Path) -> Behaviour:
        """Read it.

        Raises:
            Damaged: The file is not what was written.
        """
        kept = read_arrays(path)
        try:
            return cls(ids=kept["ids"], logits=kept["logits"], **json.loads(str(kept["about"])))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(path, str(error)) from error


def precision_of(model: Model) -> str:
    """What a model computes in, a key of ``TOLERANCES``."""
    tensors = model.module.state_dict().values() if isinstance(model, TorchModel) else ()
    if getattr(model, "dtype", "float32") == "bf16" or any(t.dtype == torch.bfloat16 for t in tensors):
        return "bfloat16"
    if any(t.dtype == torch.float16 for t in tensors):
        return "float16"
    return "float32" if model.device.type == "cpu" else "tf32"


def identified(
    store: RunStore | None, infos: Sequence[ModelInfo], seen: Sequence[Behaviour]
) -> tuple[list[ModelInfo], dict[str, Behaviour]]:
    """The models with the keys that their rows are stored under, and the behaviours that the folder does not hold yet.

    Nothing is written.

    Args:
        store: The run folder, with the same data and seed; ``None`` where there is none yet.
        infos: One a model.
        seen: What each of them answers now.

    Raises:
        StoreError: A model that the folder knows by this name has other files or another behaviour.
        UsageError: Two of the models are the same.
    """
    known = _Identities(store)
    found = [known.keyed(info, own) for info, own in zip(infos, seen, strict=True)]
    same = len({info.fingerprint for info in found}) == len(found)
    require(same, f"two of the models are the same: {[info.name for info in found]}", UsageError)
    return found, known.lacking


def refuse_changed(folder: Path, data: str, seed: int, infos: Sequence[ModelInfo], seen: Sequence[Behaviour]) -> None:
    """``identified`` where there is a run folder with these data (by fingerprint) and this seed, for its errors."""
    store = None
    # What is damaged is mended by the session, which asks once more.
    with contextlib.suppress(Damaged):
        store = RunStore.open(folder) if is_run(folder) else None
    # Of a folder with other data the session tells that.
    if store is not None and (store.manifest.data.get("fingerprint"), store.manifest.seed) != (data, seed):
        store = None
    with contextlib.suppress(Damaged):
        identified(store, infos, seen)


def keep_behaviours(store: RunStore, lacking: dict[str, Behaviour]) -> None:
    """Write the behaviours that the folder does not hold yet, by key."""
    for key, behaviour in lacking.items():
        behaviour.save(_path(store.path, key))


def _path(folder: Path, key: str) -> Path:
    return folder / FOLDER / f"{key}.npz"


def kept_behaviour(folder: Path, key: str) -> Behaviour | None:
    """What a model answered when its identity was recorded; ``None`` in folders of old versions.

    A damaged file counts as none: the next session records it again, once the stored rows have agreed.
    """
    path = _path(folder, key)
    try:
        return Behaviour.load(path) if path.is_file() else None
    except Damaged:
        return None


class _Identities:
    """The identities of a run folder, and those that a session adds to them."""

    def __init__(self, store: RunStore | None) -> None:
        self._store = store
        self.lacking: dict[str, Behaviour] = {}

    def keyed(self, info: ModelInfo, seen: Behaviour) -> ModelInfo:
        """The model with its key (see ``identified``)."""
        recorded = None if self._store is None else self._store.manifest.models.get(info.name)
        if self._store is None or recorded is None:
            key = self._key(seen)
        else:
            key = str(recorded["fingerprint"])
            check_same(info.name, self._store, key, str(recorded.get("files") or key), seen)
        if self._kept(key) is None:
            self.lacking[key] = seen
        return dataclasses.replace(info, fingerprint=key, files=seen.fingerprint)

    def _kept(self, key: str) -> Behaviour | None:
        return self.lacking.get(key) or (None if self._store is None else kept_behaviour(self._store.path, key))

    def _key(self, seen: Behaviour) -> str:
        """Of a model that the folder does not know by name: that of another one which is the same, or a new one."""
        first = self._kept(seen.fingerprint)
        if first is None:
            apart = None if self._store is None else rows_apart(self._store, seen.fingerprint, seen)
            if apart is None or apart <= _of_rows(seen):
                return seen.fingerprint
        elif first.agrees(seen):
            return seen.fingerprint
        stored = [] if self._store is None else sorted((self._store.path / FOLDER).glob("*.npz"))
        for key in [*self.lacking, *(path.stem for path in stored)]:
            other = self._kept(key)
            if other is not None and other.fingerprint == seen.fingerprint and other.agrees(seen):
                return key
        digest = hashlib.sha256(np.ascontiguousarray(seen.logits).tobytes()).hexdigest()
        return fingerprint_of([seen.fingerprint, "behaviour", digest])


def check_same(name: str, store: RunStore, key: str, files: str, seen: Behaviour, remedy: str = "") -> None:
    """Refuse a model that is not the one of this name in the folder.

    Args:
        name: The model's.
        store: The run folder.
        key: What its rows there are stored under.
        files: Fingerprint that it had then.
        seen: What it answers now.
        remedy: What to do, where that is not to run it under another name or into another folder.

    Raises:
        StoreError: How far its logits are from those then, what may be the reason, and what to do.
    """
    kept = kept_behaviour(store.path, key)
    if kept is not None:
        apart, allowed = kept.apart(seen), kept.tolerance(seen)
        same = kept.agrees(seen)
    else:
        apart, allowed = rows_apart(store, key, seen), _of_rows(seen)
        same = apart is None or apart <= allowed
    if files == seen.fingerprint and same:
        return
    if kept is not None and bool(kept.random) != bool(seen.random):
        then, now = ("differed", "do not") if kept.random else ("did not differ", "do")
        distance = f"two passes over the same images {then} then and {now} now"
    elif apart is None or seen.random:
        distance = "its logits cannot be compared with those then"
    elif same:
        distance = "it answers the first images as it did then"
    else:
        count = len(seen.ids) if kept is None else len(np.intersect1d(kept.ids, seen.ids))
        distance = (
            f"its logits on the first {count} images lie up to {apart:.2g} from those then, allowed is {allowed:.1g}"
        )
    if files != seen.fingerprint:
        reason = "Its weights, code or preprocessing are others" + (
            ", so it may answer other images otherwise" if same and apart is not None else ""
        )
    else:
        reason = (
            "Its own files are the same, so look at what they load: weights that lie elsewhere, a helper module, "
            f"external data of an ONNX program, {_other_versions(kept, seen)}"
        )
    remedy = remedy or (
        f"Its rows are kept: give it another name ({option('model', 'NEWNAME=...')}) or use another {option('out')}"
    )
    raise StoreError(f"model {name} has changed since {store.path} was made: {distance}. {reason}. {remedy}")


def _other_versions(kept: Behaviour | None, seen: Behaviour) -> str:
    then = {} if kept is None else kept.versions
    other = [
        f"{name} {v} then, {seen.versions.get(name)} now" for name, v in then.items() if v != seen.versions.get(name)
    ]
    return "a library of another version" + (f" ({', '.join(other)})" if other else "")


def rows_apart(store: RunStore, key: str, seen: Behaviour) -> float | None:
    """How far the highest and the label's logit lie from those in the stored clean rows; ``None`` where there are none.

    For folders of old versions, which hold rows and no identities; costs no forward pass.
    """
    clean = [info.fingerprint for info in store.manifest.conditions.values() if info.kind == "clean"]
    if seen.random or not clean or key not in store.stored_models():
        return None
    rows = store.read(key, clean[:1], detail=False).get(clean[0])
    if rows is None:
        return None
    # By id: samples that were skipped leave gaps among the positions.
    _, own, others = np.intersect1d(store.samples()[0][rows.position], seen.ids, return_indices=True)
    rows, logits = rows.take(own), seen.logits[others]
    if not len(rows):
        return None
    if rows.label.max() >= logits.shape[1]:
        return float("inf")
    of_labels = np.abs(logits[np.arange(len(rows)), rows.label] - rows.label_logit).max()
    return float(max(of_labels, np.abs(logits.max(1) - rows.top_logit).max()))


def _of_rows(seen: Behaviour) -> float:
    """Twice as far: rows are mostly those of a tuned model (``models.tune``), which may differ by as much again."""
    return 2 * seen.tolerance(seen)


def check_loaded(name: str, first: Behaviour, model: Model, source: Source) -> None:
    """Refuse a model that a worker has loaded otherwise than the session that it works for.

    Args:
        name: The model's.
        first: What it answered there.
        model: As loaded here, not tuned yet.
        source: The data.

    Raises:
        StoreError: It has changed in between.
    """
    again = first.asked_again(model, source)
    apart = first.apart(again)
    same_files = again.fingerprint == first.fingerprint
    if same_files and first.agrees(again):
        return
    told = (
        "its weights, code or preprocessing are others" if not same_files else "what its files load is something else"
    )
    raise StoreError(
        f"model {name} changed while the run was going on: loaded again by a worker, its logits on the first "
        f"{len(first.ids)} images lie up to {apart or 0.0:.2g} from those at the start ({told}). Nothing was stored of "
        f"what it is now; what was finished before is kept. Run the same command again, with another name "
        f"({option('model', 'NEWNAME=...')}) or another {option('out')} if it is to stay as it is now"
    )


def random_text(name: str, random: float) -> str:
    """What must be known of a model that differs from itself."""
    return (
        f"{name} is random: two passes over the same images differ by {random:.1e} of the largest logit. Its rows are "
        "one draw of its answers: computing them again gives others, and whether it is still the same model cannot be "
        "compared. Switch off what is random in it (dropout, test-time augmentation) if that is not meant"
    )
