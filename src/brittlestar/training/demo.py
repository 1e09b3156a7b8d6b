"""The demo's three models: one network, one seed, three recipes."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import BrittlestarError
from brittlestar.core.files import make_folder
from brittlestar.data import open_source
from brittlestar.models.files import METADATA
from brittlestar.models.small_cnn import small_cnn
from brittlestar.training.adversarial import Adversarial
from brittlestar.training.loop import Epoch, Plan, save_weights, train
from brittlestar.training.recipes import GaussianAugmentation, Natural, Recipe

DATA = "digits:train"
EPOCHS = 14
BATCH = 64
JITTER = 1
RECIPES: tuple[Recipe, ...] = (Natural(), GaussianAugmentation(sigma=0.3), Adversarial(epsilon=0.15, steps=4))
FACTORY = "brittlestar.models.small_cnn:small_cnn"
VERSION = 2
"""Raised whenever the same recipe, data and seed give other weights."""

_TOLD_EVERY = 5.0


def train_demo_models(
    folder: Path, say: Callable[[str], None], seed: int = 0, epochs: int = EPOCHS
) -> list[tuple[str, Path]]:
    """Train the three models into ``folder``, or use those that are there and were made the same way.

    They are trained side by side, a process with one torch thread each, so that the weights do not depend on the number
    of cores. A file appears when its model is finished: stopped and called again, only what is lacking is trained.

    Args:
        folder: Where the weights lie; made if need be.
        say: Called with one line at a time of what happens.
        seed: Of the initial weights, the order and every draw.
        epochs: Passes over the data.

    Returns:
        (name, path of the weights) in the order natural, gaussian, adversarial; ``FACTORY`` builds their module.

    Raises:
        DataError: The digits are not installed.
        StoreError: The folder cannot be made or written.
        BrittlestarError: A training process died.
    """
    fingerprint = open_source(DATA).info.fingerprint
    paths = {recipe.name: folder / f"{recipe.name}.safetensors" for recipe in RECIPES}
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    processes: dict[str, BaseProcess] = {}
    for recipe in RECIPES:
        facts = _facts(recipe, seed, epochs, fingerprint)
        if _stored(paths[recipe.name]).get("key") == facts["key"]:
            say(f"{recipe.name}: trained before, used again")
        else:
            arguments = (recipe, seed, epochs, paths[recipe.name], facts, news)
            processes[recipe.name] = context.Process(target=_train_one, args=arguments, daemon=True)
    make_folder(folder)
    try:
        for process in processes.values():
            process.start()
        _follow(processes, news, epochs, say)
    finally:
        for process in processes.values():
            # Without a pid it was never started, and ending it would be an error.
            if process.pid is not None:
                process.terminate()
                process.join()
    return [(recipe.name, paths[recipe.name]) for recipe in RECIPES]


def _facts(recipe: Recipe, seed: int, epochs: int, data: str) -> dict[str, Any]:
    """What the file says about its weights; ``key`` is the same only where everything is."""
    facts = {
        "recipe": recipe.name,
        "fields": recipe.config(),
        "epochs": epochs,
        "batch": BATCH,
        "jitter": JITTER,
        "seed": seed,
        "arch": FACTORY,
        "data": data,
    }
    return facts | {"key": fingerprint_of([facts, recipe.fingerprint(), VERSION])}


def _stored(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return facts if isinstance(facts, dict) else {}
    except (SafetensorError, ValueError, OSError):
        return {}


def _follow(processes: Mapping[str, BaseProcess], news: Any, epochs: int, say: Callable[[str], None]) -> None:
    """Tell how far the processes are until each has said that its file is written."""
    done = dict.fromkeys(processes, 0)
    open_ones, began, told = set(processes), time.monotonic(), time.monotonic()
    while open_ones:
        try:
            name, epoch, loss, error = news.get(timeout=1)
        except Empty:
            dead = [name for name in sorted(open_ones) if processes[name].exitcode is not None]
            # A process may be gone while its last word is still in the queue.
            if dead and news.empty():
                raise BrittlestarError(
                    f"training {dead[0]} ended without an answer (exit code {processes[dead[0]].exitcode}; killed, or "
                    "out of memory?); run the same command again to go on with what is lacking"
                ) from None
            continue
        if error:
            raise BrittlestarError(f"training {name} failed: {error}")
        done[name] = epoch
        if epoch > epochs:
            open_ones.discard(name)
            say(f"{name}: trained in {time.monotonic() - began:.0f} s, last loss {loss:.3f}")
        elif time.monotonic() - told > _TOLD_EVERY and all(done.values()):
            told = time.monotonic()
            left = max((told - began) / done[name] * (epochs - done[name]) for name in open_ones)
            far = ", ".join(f"{name} {min(count, epochs)} of {epochs}" for name, count in done.items())
            say(f"epochs: {far}; about {left:.0f} s left")


def _train_one(recipe: Recipe, seed: int, epochs: int, path: Path, facts: dict[str, Any], news: Any) -> None:
    """In a process of its own. Sends (name, epochs done, loss, error); one epoch too many says: the file is written."""
    # Ctrl-C reaches all processes of the terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    name, losses = recipe.name, [0.0]

    def progress(epoch: Epoch) -> None:
        losses.append(epoch.loss)
        news.put((name, epoch.number, epoch.loss, ""))

    try:
        source = open_source(DATA)
        order = source.order(seed)
        images = torch.from_numpy(source.load(order))
        labels = torch.from_numpy(source.labels[order]).to(torch.int64)
        torch.manual_seed(seed)
        module = small_cnn()
        plan = Plan(epochs=epochs, batch=BATCH, jitter=JITTER)
        train(module, images, labels, recipe, plan, seed=seed, progress=progress)
        save_weights(module, path, facts)
        news.put((name, epochs + 1, losses[-1], ""))
    except BrittlestarError as error:
        news.put((name, 0, 0.0, str(error)))
