"""Every file of a run folder held against its digest; damaged ones moved aside, so that they are made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from brittlestar.core.errors import StoreError
from brittlestar.core.files import write_atomic
from brittlestar.core.sealed import Damaged, read_bytes, read_json, read_sealed
from brittlestar.store.damage import AGAIN, FROM_ROWS, Damage, set_aside
from brittlestar.store.example_files import FOLDER, LIST, check_picture, read_list
from brittlestar.store.manifest import COPY, NAME
from brittlestar.store.store import RunStore

WRITTEN_AGAIN = "the same `brittlestar run` command writes it again and keeps all rows"
CHOSEN_AGAIN = "the next run chooses examples again"
ASKED_AGAIN = "the next `brittlestar fourier` with the same half-width asks again"
EXPLAINED_AGAIN = "the next run explains again"
COMPARED_AGAIN = "the next run keeps the model's first answers again"


def examined(store: RunStore) -> list[Damage]:
    """Read every file of a run folder but those of its report; what is damaged, in the order of the paths."""
    _examine_samples(store)
    for listing in sorted((store.path / "groups").glob("*.json")):
        store.conditions_of_group(listing.stem)
    for model in store.stored_models():
        store.check_rows(model)
    for error, effect in _others(store.path, store.manifest.sealed):
        store.note(Damage(error.path, error.why, effect))
    return [store.damage[path] for path in sorted(store.damage)]


def _examine_samples(store: RunStore) -> None:
    try:
        store.samples()
        store.names()
    except Damaged as error:
        store.note(Damage(error.path, error.why, WRITTEN_AGAIN))
    except StoreError:
        pass  # nothing was run in it yet


def _others(folder: Path, sealed: bool) -> Iterator[tuple[Damaged, str]]:
    """Examples, explanation, surveys and first answers that are damaged, each with what becomes of it."""
    for error in _examples(folder / FOLDER, sealed):
        yield error, CHOSEN_AGAIN
    explanation = folder / "explain.json"
    if explanation.is_file():
        try:
            read_json(explanation, required=sealed)
        except Damaged as error:
            yield error, EXPLAINED_AGAIN
    for pattern, effect in (("surveys/*/*/*.np[yz]", ASKED_AGAIN), ("identities/*.npz", COMPARED_AGAIN)):
        for path in sorted(folder.glob(pattern)):
            try:
                read_sealed(path, required=sealed)
            except Damaged as error:
                yield error, effect


def _examples(folder: Path, sealed: bool) -> Iterator[Damaged]:
    if not (folder / LIST).is_file():
        return
    try:
        _, pictures = read_list(folder, required=sealed)
    except Damaged as error:
        yield error
        return
    for name in pictures or ():
        try:
            check_picture(folder / name, read_bytes(folder / name), pictures)
        except Damaged as error:
            yield error


def repaired(store: RunStore) -> list[str]:
    """Move damaged files into ``damaged/`` and write again what other files tell; call it while the folder is locked.

    Returns:
        A line for each file, for people.
    """
    lines = [_mended(store, damage) for damage in examined(store)]
    store.forget()
    return lines


def _mended(store: RunStore, damage: Damage) -> str:
    inside = damage.path.relative_to(store.path)
    told = f"{inside} is damaged ({damage.why})"
    # Both were written again as soon as the folder was locked.
    if damage.path.name in (NAME, COPY):
        return f"{told}: {damage.effect}"
    moved = set_aside(store.path, damage.path)
    told += f": moved to {moved.relative_to(store.path)}" if moved else ""
    if damage.model:
        return f"{told}; its cells are computed again"
    if damage.effect == FROM_ROWS:
        write_atomic(damage.path, json.dumps(store.conditions_of_group(damage.path.stem)))
        return f"{told}; written again from the row files"
    if damage.effect == CHOSEN_AGAIN:
        # Without the list they are chosen again, and the whole folder is written anew.
        (store.path / FOLDER / LIST).unlink(missing_ok=True)
    if damage.effect == ASKED_AGAIN and damage.path.suffix == ".npz":
        # What was answered belongs to the cells that the stage names, and is in no other file.
        for answers in damage.path.parent.glob(f"{damage.path.stem}-*.npy"):
            set_aside(store.path, answers)
    return told + ("" if damage.effect == AGAIN else f"; {damage.effect}")
