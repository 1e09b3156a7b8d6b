"""The demo's three models: one network, one seed, three recipes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from brittlestar.core.definition import fingerprint_of
from brittlestar.data import open_source
from brittlestar.models.small_cnn import SmallCNN
from brittlestar.training.loop import save_weights, train
from brittlestar.training.recipes import Adversarial, GaussianAugmentation, Natural, Recipe

DATA = "digits:train"
EPOCHS = 12
RECIPES: tuple[Recipe, ...] = (Natural(), GaussianAugmentation(sigma=0.3), Adversarial(epsilon=0.2, steps=5))


def train_demo_models(folder: Path, say: Callable[[str], None], seed: int = 0) -> list[tuple[str, Path]]:
    """Train the three models into ``folder``, or use those that are there and were made the same way.

    Returns:
        (name, path of the weights) in the order natural, gaussian, adversarial.
    """
    source = open_source(DATA)
    wanted = {
        recipe.name: {
            "recipe": recipe.name,
            "fields": recipe.config(),
            "epochs": EPOCHS,
            "seed": seed,
            "data": source.info.fingerprint,
            "key": fingerprint_of([recipe.fingerprint(), EPOCHS, seed, source.info.fingerprint, 1]),
        }
        for recipe in RECIPES
    }
    paths = {recipe.name: folder / f"{recipe.name}.safetensors" for recipe in RECIPES}
    lacking = [
        recipe for recipe in reversed(RECIPES) if _facts(paths[recipe.name]).get("key") != wanted[recipe.name]["key"]
    ]
    for recipe in RECIPES:
        if recipe not in lacking:
            say(f"{recipe.name}: trained before, used again")
    if lacking:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            futures = {
                pool.submit(_train_one, recipe, seed, paths[recipe.name], wanted[recipe.name]): recipe.name
                for recipe in lacking
            }
            for future in as_completed(futures):
                say(f"{futures[future]}: trained, last loss {future.result():.3f}")
    return [(recipe.name, paths[recipe.name]) for recipe in RECIPES]


def _facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get("brittlestar", "{}"))
            return facts
    except (SafetensorError, ValueError):
        return {}


def _train_one(recipe: Recipe, seed: int, path: Path, facts: dict[str, Any]) -> float:
    torch.set_num_threads(1)
    source = open_source(DATA)
    order = source.order(seed)
    images = torch.from_numpy(source.load(order))
    labels = torch.from_numpy(source.labels[order]).to(torch.int64)
    torch.manual_seed(seed)
    module = SmallCNN()
    history = train(module, images, labels, recipe, epochs=EPOCHS, seed=seed)
    save_weights(module, path, facts)
    return history[-1]
