"""Digits on larger canvases, digits cut out, and two models of such scenes: transplanting without a download."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.files import make_folder, replacing, write_atomic
from brittlestar.core.sealed import write_arrays
from brittlestar.data import open_source
from brittlestar.models.scene_cnn import scene_cnn
from brittlestar.training.loop import Plan, save_weights, train
from brittlestar.training.recipes import Natural

SIDE, DIGIT = 64, 28
"""Sides of a canvas and of the digit on it, in pixels."""

OBJECTS = 20
"""Digits of each class that are cut out; the other held-out ones are hosts."""

INK = 60
"""From this level on a pixel is the digit's."""

EPOCHS, BATCH = 12, 64
FACTORY = "brittlestar.models.scene_cnn:scene_cnn"
VERSION = 1
"""Raised whenever the same data give other scenes or weights."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scenes:
    """Where the pieces of a scene lie.

    Fields:
        hosts: ``.npz`` of canvases with one digit each.
        masks: ``.npy`` of where these are.
        objects: Folder of digits with alpha channels.
    """

    hosts: Path
    masks: Path
    objects: Path


def make_scenes(folder: Path, seed: int = 0) -> Scenes:
    """Write hosts, their masks and objects, all of the 1,000 held-out digits; the same every time.

    Raises:
        DataError: The digits are not installed.
        StoreError: The folder cannot be written.
    """
    source = open_source("digits")
    order = source.order(seed)
    images, labels = source.load(order)[:, 0], source.labels[order]
    # The order is balanced: every class comes once in ten.
    cut = OBJECTS * len(source.info.classes)
    scenes = Scenes(folder / "hosts.npz", folder / "masks.npy", folder / "objects")
    make_folder(folder)
    canvases, masks = on_canvases(images[cut:], np.random.default_rng(seed))
    names = np.array([str(name) for name in source.info.classes])
    write_arrays(scenes.hosts, {"x": canvases[..., None], "y": labels[cut:].astype(np.int64), "classes": names})
    with replacing(scenes.masks) as beside, beside.open("wb") as file:
        np.save(file, masks)
    for place, (image, label) in enumerate(zip(images[:cut], labels[:cut], strict=True)):
        file_ = scenes.objects / names[label] / f"{place:03}.png"
        file_.parent.mkdir(parents=True, exist_ok=True)
        opacity = np.where(image >= INK, 255, 0).astype(np.uint8)
        with replacing(file_) as beside:
            Image.fromarray(np.dstack([image, image, image, opacity]), "RGBA").save(beside, "PNG")
    return scenes


def on_canvases(digits: Pixels, draws: np.random.Generator, clutter: int = 0) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """(n, 64, 64) canvases with each digit at a place of its own, and where it is.

    Args:
        digits: (n, 28, 28).
        draws: Of places.
        clutter: Fragments of other digits, 10 pixels a side, that lie around it.
    """
    canvases = np.zeros((len(digits), SIDE, SIDE), np.uint8)
    masks = np.zeros(canvases.shape, bool)
    small = 10
    for place, digit in enumerate(digits):
        for other in draws.integers(0, len(digits), clutter):
            (top, left), (y, x) = draws.integers(0, DIGIT - small + 1, 2), draws.integers(0, SIDE - small + 1, 2)
            under = canvases[place, y : y + small, x : x + small]
            np.maximum(under, digits[other, top : top + small, left : left + small], out=under)
        top, left = draws.integers(0, SIDE - DIGIT + 1, 2)
        here = (place, slice(top, top + DIGIT), slice(left, left + DIGIT))
        canvases[here] = np.maximum(canvases[here], digit) if clutter else digit
        masks[here] = digit >= INK
    return canvases, masks


def train_scene_models(
    folder: Path, say: Callable[[str], None], seed: int = 0, epochs: int = EPOCHS
) -> list[tuple[str, Path]]:
    """Two models of the scenes: one has seen digits alone, the other digits among fragments of others.

    Args:
        folder: Where the weights lie; those that were made the same way are used again.
        say: Called with one line at a time of what happens.
        seed: Of weights, places and order.
        epochs: Passes over the 4,000 digits to train on.

    Returns:
        (name, path of the weights); ``FACTORY`` builds their module.
    """
    source = open_source("digits:train")
    make_folder(folder)
    found = []
    for name, clutter in (("alone", 0), ("cluttered", 3)):
        path = folder / f"{name}.safetensors"
        facts: dict[str, Any] = {"clutter": clutter, "seed": seed, "epochs": epochs}
        facts |= {"arch": FACTORY, "data": source.info.fingerprint, "version": VERSION}
        key, beside = fingerprint_of(facts), path.with_suffix(".json")
        found.append((name, path))
        if path.is_file() and beside.is_file() and json.loads(beside.read_text()).get("key") == key:
            say(f"{name}: trained before, used again")
            continue
        order = source.order(seed)
        digits = source.load(order)[:, 0]
        canvases, _ = on_canvases(digits, np.random.default_rng(seed + 1), clutter)
        torch.manual_seed(seed)
        module = scene_cnn()
        # Shifting the canvases is what teaches places that no digit lay at.
        plan = Plan(epochs=epochs, batch=BATCH, jitter=4)
        labels = torch.from_numpy(source.labels[order]).to(torch.int64)
        done = train(module, torch.from_numpy(canvases)[:, None], labels, Natural(), plan, seed=seed)
        save_weights(module, path, facts)
        # Last: weights without it are trained again.
        write_atomic(beside, json.dumps({"key": key}).encode())
        say(f"{name}: trained, last loss {done[-1].loss:.3f}")
    return found
