"""Run folders with made-up answers to the broad suite, as large and as odd as a test needs; seconds to write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.rows import FULL_LOGITS_UP_TO, Rows
from brittlestar.store import RunStore, SessionRecord
from brittlestar.store.example_files import write_list
from brittlestar.suites import get_suite
from synthetic_sets import frames_of

# per recipe: base margin, and sensitivity to noise, colour, blur, digital, geometric, low and high frequency, attack
RECIPES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("natural", (4.2, 5.0, 3.6, 3.4, 3.6, 4.4, 2.6, 5.2, 14.0)),
    ("gaussian", (4.1, 2.4, 4.2, 3.0, 2.8, 4.4, 3.0, 2.6, 8.0)),
    ("adversarial", (3.7, 1.9, 5.6, 2.4, 2.2, 4.5, 4.6, 1.2, 3.2)),
)
ORDER = ("noise", "colour", "blur", "digital", "geometric")


def described(shape: tuple[int, int, int], *kinds: str) -> list[tuple[ConditionInfo, float]]:
    """(description, strength from 0 to 1) of the broad suite's conditions of some kinds.

    For frequencies the number is the radius over the highest one along a side.
    """
    infos = [c.info for c in get_suite("broad").conditions(shape) if c.info.kind in kinds]
    curves: dict[tuple[str, str], list[ConditionInfo]] = {}
    for info in infos:
        curves.setdefault((info.shift, info.series), []).append(info)
    found = []
    for info in infos:
        if info.kind == "fourier":
            radius = np.hypot(info.config["row"] / shape[1], info.config["column"] / shape[2]) * 2
            found.append((info, float(radius)))
        else:
            curve = curves[info.shift, info.series]
            found.append((info, (curve.index(info) + 1) / len(curve)))
    return found


CLEAN = ConditionInfo(
    id="clean", fingerprint=fingerprint_of("clean"), kind="clean", family="clean", shift="clean", title="Clean"
)


def loss_of(info: ConditionInfo, strength: float, traits: Sequence[float]) -> float:
    """How much margin a condition takes from a model."""
    _, noise, colour, blur, digital, geometric, low, high, attack = traits
    if info.kind == "clean":
        return 0.0
    if info.kind == "attack":
        return attack * strength
    if info.kind == "fourier":
        return 1.6 * low * np.exp(-((strength - 0.12) ** 2) / 0.03) + high * 0.9 * strength**1.5 / (
            1 + np.exp(-(strength - 0.45) * 9)
        )
    if info.family == "spectral":
        bend = low if info.shift == "high_pass" or info.series == "low" else high
        return bend * strength**1.6
    families = dict(zip(ORDER, (noise, colour, blur, digital, geometric), strict=True)) | {"weather": colour}
    sense = families.get(info.family, noise)
    own = 0.6 + (int(info.fingerprint[:4], 16) % 3) * 0.1 if info.strength is None else 1.0
    spread = {
        "contrast": 1.35,
        "jpeg_compression": 0.35,
        "brightness": 0.75,
        "translation": 1.15,
        "scale": 0.9,
        "shear": 0.6,
    }
    return sense * 1.25 * own * spread.get(info.shift, 1.0) * strength**1.4


def answers(
    rng: np.random.Generator,
    labels: np.ndarray,
    difficulty: np.ndarray,
    classes: int,
    traits: Sequence[float],
    loss: float,
    full: bool,
) -> Rows:
    """Rows of one model under one condition; the same difficulty in all, so that comparisons are paired."""
    n = len(labels)
    margin = traits[0] - loss - 1.55 * difficulty + 0.9 * rng.standard_normal(n)
    k = min(classes, FULL_LOGITS_UP_TO)
    others = rng.standard_normal((n, k)).astype(np.float32)
    logits = (
        others
        if classes <= FULL_LOGITS_UP_TO
        else np.concatenate([others, np.full((n, 1), np.log(classes), np.float32)], 1)
    )
    place = labels % k
    others[np.arange(n), place] = -9.0
    rival = others.max(1)
    others[np.arange(n), place] = rival + margin.astype(np.float32) * 1.15
    wrong = margin <= 0
    prediction = np.where(wrong, np.argmax(np.where(np.arange(k) == place[:, None], -9, others), 1), labels)
    top = np.where(wrong, rival, others[np.arange(n), place])
    total = np.log(np.exp(logits.astype(np.float64)).sum(1))
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=labels.astype(np.int32),
        prediction=prediction.astype(np.int32),
        label_logit=others[np.arange(n), place],
        top_logit=top.astype(np.float32),
        log_sum_exp=np.maximum(total, top).astype(np.float32),
        logits=others if full and classes <= FULL_LOGITS_UP_TO else None,
    )


def recipes(count: int) -> list[tuple[str, tuple[float, ...]]]:
    """The three recipes, then mixtures of them."""
    found = list(RECIPES[:count])
    rng = np.random.default_rng(5)
    while len(found) < count:
        weights = rng.dirichlet((1.0, 1.0, 1.0))
        traits = tuple(float(w) for w in weights @ np.array([t for _, t in RECIPES]))
        found.append((f"resnet{18 + 8 * len(found)}-mix{len(found)}", traits))
    return found


def make_run(
    path: Path,
    *,
    models: int | Sequence[str] = 3,
    samples: int = 1000,
    classes: int | Sequence[str] = 10,
    shape: tuple[int, int, int] = (1, 28, 28),
    fourier: bool = True,
    attacks: bool = True,
    shifts: bool = True,
    examples: int = 2,
    rule: str = "fixed",
    name: str = "digits",
    seed: int = 0,
    infos: Sequence[tuple[ConditionInfo, float]] | None = None,
    partial: int | None = None,
    skipped: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> RunStore:
    """Write a run folder.

    Args:
        path: The folder, which does not exist yet.
        models: How many, or their names.
        samples: Images answered.
        classes: How many, or their names.
        shape: (channel, height, width).
        fourier, attacks, shifts: Which kinds of conditions.
        examples: Failing examples a model and condition.
        rule: ``fixed`` or ``anytime``.
        name: Of the data.
        seed: Of everything.
        infos: Conditions (with strength from 0 to 1) in place of the broad suite's.
        partial: Conditions after the first 40 have this many samples only.
        skipped, notes: Of the data.
    """
    names = tuple(f"{i}" for i in range(classes)) if isinstance(classes, int) else tuple(classes)
    count = models if isinstance(models, int) else len(models)
    listed = recipes(count)
    if not isinstance(models, int):
        listed = [(given, traits) for given, (_, traits) in zip(models, listed, strict=True)]
    conditions: list[tuple[ConditionInfo, float]] = [(CLEAN, 0.0)]
    kinds = [kind for kind, on in (("shift", shifts), ("attack", attacks), ("fourier", fourier)) if on]
    conditions += list(infos) if infos is not None else described(shape, *kinds)
    data: dict[str, Any] = {
        "name": name,
        "spec": name,
        "kind": "named",
        "fingerprint": fingerprint_of([name, samples, len(names), list(shape)]),
        "classes": list(names),
        "count": max(samples, 1000),
        "shape": list(shape),
        "preparation": "",
        "skipped": list(skipped),
        "notes": list(notes),
    }
    store = RunStore.start(path, data=data, seed=seed)
    rng = np.random.default_rng(seed)
    labels = (np.arange(samples) % len(names)).astype(np.int32)
    difficulty = rng.standard_normal(samples)
    with store.locked():
        for given, _ in listed:
            store.register_model(
                {
                    "name": given,
                    "spec": f"torch:zoo.py:{given}",
                    "fingerprint": fingerprint_of(["model", given, seed]),
                    "classes": len(names),
                    "input_shape": list(shape),
                    "preprocess": {
                        "channels": shape[0],
                        "resize": None,
                        "crop": None,
                        "mean": [0.1307],
                        "std": [0.3081],
                    },
                    "parameters": 105_866,
                    "differentiable": attacks,
                    "notes": [],
                }
            )
        store.register_conditions([info for info, _ in conditions])
        store.write_samples(np.array([fingerprint_of([name, i]) for i in range(samples)]), labels)
        store.begin_session(
            SessionRecord(
                started="2026-11-23T15:04:05+00:00",
                command=f"brittlestar run --model {listed[0][0]}=torch:zoo.py:net --data {name} --out {path.name}",
                suite="broad",
                rule=rule,
                samples=samples,
                precision=0.02 if rule == "anytime" else None,
                workers=2,
                batch=250,
                versions={"brittlestar": "0.1.0", "python": "3.11.2", "torch": "2.13.0+cpu"},
                hardware={"machine": "x86_64", "cores": 2},
            )
        )
        worst: list[tuple[str, ConditionInfo, Rows, Rows]] = []
        for place, (given, traits) in enumerate(listed):
            cells = []
            for turn, (info, strength) in enumerate(conditions):
                own = np.random.default_rng([seed, place, turn])
                if info.kind == "sequence":
                    rows = frames_of(own, labels, difficulty, len(names), traits, info, strength)
                else:
                    loss, full = loss_of(info, strength, traits), info.detail == "full"
                    rows = answers(own, labels, difficulty, len(names), traits, loss, full)
                cells.append(
                    (info.fingerprint, rows if partial is None or turn < 40 else rows.take(rows.position < partial))
                )
            for info, (_, rows) in zip([i for i, _ in conditions], cells, strict=True):
                if info.kind in ("shift", "attack"):
                    worst.append((given, info, rows, cells[0][1]))
            fingerprint = store.manifest.models[given]["fingerprint"]
            for first in range(0, len(cells), 100):
                chunk = cells[first : first + 100]
                for wide in (False, True):  # rows of different columns go into different files
                    for stop in {int(rows.position.max()) + 1 for _, rows in chunk}:
                        same = [c for c in chunk if c[1].position.max() + 1 == stop and (c[1].frame.any() == wide)]
                        if same:
                            store.write_cells(fingerprint, 0, stop, same)
        if examples:
            write_examples(path, worst, shape, examples, np.random.default_rng([seed, 99]))
        store.end_session(
            stop="precision" if rule == "anytime" else "complete", wall_s=83.4, images=len(conditions) * samples * count
        )
    return RunStore.open(path)


def write_examples(
    path: Path,
    worst: Sequence[tuple[str, ConditionInfo, Rows, Rows]],
    shape: tuple[int, int, int],
    count: int,
    rng: np.random.Generator,
) -> None:
    """Thumbnails that look a little like digits, or like photographs, and their list."""
    folder = path / "examples"
    folder.mkdir()
    listed = []
    for model, info, rows, clean in worst:
        before = clean.take(np.isin(clean.position, rows.position))
        wrong = np.flatnonzero(~rows.correct & before.correct)
        for index in wrong[np.argsort(-rows.confidence[wrong])][:count]:
            position = int(rows.position[index])
            plain, shifted = f"clean-{position}.png", f"{info.fingerprint}-{position}.png"
            picture = drawn(int(rows.label[index]), position, shape)
            if not (folder / plain).exists():
                save(folder / plain, picture)
            if not (folder / shifted).exists():
                noise = rng.standard_normal(picture.shape) * (60 if info.family in ("noise", "attack") else 20)
                save(folder / shifted, np.clip(picture * (0.5 if info.family == "colour" else 1.0) + noise, 0, 255))
            listed.append(
                {
                    "model": model,
                    "condition": info.id,
                    "position": position,
                    "sample_id": fingerprint_of(position),
                    "label": int(rows.label[index]),
                    "prediction": int(rows.prediction[index]),
                    "confidence": float(rows.confidence[index]),
                    "clean_prediction": int(before.prediction[index]),
                    "clean_confidence": float(before.confidence[index]),
                    "clean": plain,
                    "shifted": shifted,
                }
            )
    write_list(folder, listed)


def drawn(label: int, position: int, shape: tuple[int, int, int]) -> np.ndarray:
    """(height, width) or (height, width, 3) floats in 0..255."""
    channels, height, width = shape
    height, width = min(height, 112), min(width, 112)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    turn = label * 0.7 + position * 0.013
    stroke = np.abs(
        np.hypot(x - 0.5, (y - 0.5) * (0.6 + label % 3 * 0.2))
        - 0.27
        - 0.05 * np.sin(3 * np.arctan2(y - 0.5, x - 0.5) + turn)
    )
    grey = 255 * np.clip(1.4 - stroke / 0.06, 0, 1)
    if channels == 1:
        return grey
    sky = np.dstack([90 + 120 * y, 120 + 60 * y, 190 - 80 * y]) + 18 * np.sin(22 * x + turn)[..., None]
    return np.where(grey[..., None] > 90, np.array([196, 120, 60]) + 40 * np.sin(9 * y + turn)[..., None], sky)


def save(path: Path, picture: np.ndarray) -> None:
    """A PNG."""
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path)
