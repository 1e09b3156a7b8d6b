"""Descriptions of the published sets as their suites give them, and made-up answers to sequences of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.rows import FULL_LOGITS_UP_TO, Rows
from brittlestar.measures import SEQUENCE_SETS

GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    "mnist": (
        *("shear", "scale", "rotate", "translate", "stripe", "spatter", "dotted_line", "zigzag", "canny_edges"),
        *("shot_noise", "impulse_noise", "glass_blur", "motion_blur", "brightness", "fog"),
    ),
}


def published(
    table: str, storage: str = "float", textures: str = "reference", corruptions: int = 15
) -> list[tuple[ConditionInfo, float]]:
    """(description, strength) of a published corruption set, as its suite describes it."""
    found = []
    for family, names in GROUPS.items():
        if (family == "mnist") != (table == "mnist-c"):
            continue
        for name in names[:corruptions]:
            for severity in (None,) if table == "mnist-c" else (1, 2, 3, 4, 5):
                parts = [
                    name,
                    table if severity is None else f"{table}-{severity}",
                    *([storage] * (storage != "float")),
                ]
                config = {"textures": textures} if name == "frost" else {}
                info = ConditionInfo(
                    id="/".join(parts),
                    fingerprint=fingerprint_of(parts),
                    kind="shift",
                    family=family,
                    shift=name,
                    title=name.replace("_", " ").replace("jpeg", "JPEG").capitalize().replace("Jpeg", "JPEG"),
                    label="" if severity is None else f"severity {severity}",
                    strength=None if severity is None else float(severity),
                    strength_name="" if severity is None else f"severity ({table})",
                    severity=severity,
                    table=table,
                    config=config,
                    paper="Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261",
                    storage=storage,
                )
                found.append((info, 0.6 if severity is None else severity / 5))
    listed = {info.shift for info, _ in found}
    kept = set(list(dict.fromkeys(info.shift for info, _ in found))[:corruptions])
    return [pair for pair in found if pair[0].shift in (kept if corruptions < len(listed) else listed)]


def moving(table: str, storage: str = "float", extra: bool = False) -> list[tuple[ConditionInfo, float]]:
    """(description, strength) of a published set of sequences."""
    names = list(SEQUENCE_SETS[table]) + (["shear"] if extra else [])
    found = []
    for place, name in enumerate(names):
        parts = [name, table, *([storage] * (storage != "float"))]
        info = ConditionInfo(
            id="/".join(parts),
            fingerprint=fingerprint_of(["sequence", *parts]),
            kind="sequence",
            family="sequence",
            shift=name,
            title=name.replace("_", " ").capitalize(),
            table=table,
            config={"compare": "first" if "noise" in name else "previous", "count": 11},
            paper="Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261",
            storage=storage,
        )
        found.append((info, 0.15 + 0.06 * (place * 7 % 5)))
    return found


def frames_of(
    rng: np.random.Generator,
    labels: np.ndarray,
    difficulty: np.ndarray,
    classes: int,
    traits: Sequence[float],
    info: ConditionInfo,
    strength: float,
) -> Rows:
    """Rows of a sequence: one margin a sample, and a step of its own in every frame."""
    k, parts = min(classes, FULL_LOGITS_UP_TO), []
    base = rng.standard_normal((len(labels), k)).astype(np.float32)
    base[np.arange(len(labels)), labels % k] += (traits[0] - 1.3 * difficulty).astype(np.float32)
    walk = np.zeros_like(base)
    for frame in range(int(info.config["count"])):
        step = rng.standard_normal(base.shape).astype(np.float32) * np.float32(strength * (traits[1] + 2) / 4)
        walk = step if info.config["compare"] == "first" else walk + step * 0.6
        logits = base + (walk if frame else 0)
        order = np.argsort(-logits, axis=1, kind="stable")
        sorted_logits = np.take_along_axis(logits, order, axis=1)
        full = classes <= FULL_LOGITS_UP_TO
        parts.append(
            Rows(
                position=np.arange(len(labels), dtype=np.int32),
                frame=np.full(len(labels), frame, np.int16),
                label=labels.astype(np.int32),
                prediction=order[:, 0].astype(np.int32),
                label_logit=logits[np.arange(len(labels)), labels % k],
                top_logit=sorted_logits[:, 0],
                log_sum_exp=np.log(np.exp(logits).sum(1)),
                logits=logits if full else None,
                top_classes=None if full else order[:, :5].astype(np.int32),
                top_logits=None if full else sorted_logits[:, :5],
            )
        )
    return Rows.concatenate(parts).sorted()
