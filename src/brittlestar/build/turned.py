"""Images that a shift turned into another class, under the class they were turned into.

A model that learns from them what holds on clean images has learnt features that the shift put there by chance, as
``d_rand`` has those that an attack put there. The control keeps the new labels and takes the images as they were: what
is learnt from it is in the labels alone (which classes are taken for which).

Reference:
    After Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175, and the discussion of it in Distill 2019,
    https://doi.org/10.23915/distill.00019
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.build.features import Built
from brittlestar.core.errors import UsageError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.core.version import VERSION
from brittlestar.models.base import Model
from brittlestar.shifts import SHIFTS
from brittlestar.shifts.base import Shift

FEWEST = 50
"""Turned images that a set must have: fewer say nothing."""

_BATCH = 250


def parse_shift(text: str) -> Shift:
    """``NAME:field=number,...`` or ``NAME:table=TABLE,severity=1..5``; ``noise`` is Gaussian noise of .3.

    Raises:
        UsageError: Unknown name or field, or a value that does not fit.
    """
    name, _, rest = ("gaussian_noise:sigma=0.3" if text == "noise" else text).partition(":")
    fields = dict(part.partition("=")[::2] for part in rest.split(",") if part)
    kind: Any = SHIFTS[name]
    if set(fields) == {"table", "severity"}:
        require(fields["severity"].isdigit(), f"severity is 1 to 5, got {fields['severity']!r}", UsageError)
        made: Shift = kind.at(int(fields["severity"]), fields["table"])
        return made
    values: dict[str, Any] = {}
    for field, value in fields.items():
        try:
            values[field] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            values[field] = value
    given: Shift = kind.from_config(values)
    return given


def turned(
    shift: Shift,
    model: Model,
    images: torch.Tensor,
    labels: torch.Tensor,
    ids: npt.NDArray[np.str_],
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Built, Built]:
    """The set, and its control.

    Args:
        shift: What turns images.
        model: Whose answers; in evaluation mode.
        images: (n, channel, height, width) uint8.
        labels: (n,) int64.
        ids: (n,) sample ids; draws depend on them and the seed.
        seed: Of the draws.
        say: Told how far it is.

    Returns:
        The images as the shift left them (rounded to 8 bits), of those that the model answers rightly without it and
        wrongly with it, under the wrong answer; and the same images unshifted, under the same labels.

    Raises:
        UsageError: Fewer than 50 images are turned.
    """
    keys = SampleKeys.of(seed, [str(i) for i in ids])
    shifted, answers, before = torch.empty_like(images), torch.empty_like(labels), torch.empty_like(labels)
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            part = slice(start, start + _BATCH)
            x = images[part].to(torch.float32) / 255
            shifted[part] = (shift(x, keys[part]) * 255).round().to(torch.uint8)
            # Of the image as it is stored, as whoever trains on it will see it.
            answers[part] = model.logits(shifted[part].to(torch.float32) / 255).argmax(1).to(labels.device)
            before[part] = model.logits(x).argmax(1).to(labels.device)
            say(f"{min(start + _BATCH, len(images)):,} of {len(images):,} images")
    known = before == labels
    chosen = (known & (answers != labels)).nonzero()[:, 0]
    require(
        len(chosen) >= FEWEST,
        f"{shift.name} turns {len(chosen)} of the {int(known.sum()):,} images that {model.name} answers rightly (of "
        f"{len(images):,}), and a set needs {FEWEST}: take a stronger shift or more images",
        UsageError,
    )
    new = answers[chosen].cpu().numpy().astype(np.int32)
    facts: dict[str, Any] = {
        "set": {"kind": "turned", "shift": shift.name, "fields": shift.config(), "seed": seed},
        "model": {"name": model.name, "fingerprint": model.fingerprint()},
        "version": VERSION,
        "turned": len(chosen) / max(int(known.sum()), 1),
        "of": int(known.sum()),
        "labels": np.bincount(new, minlength=int(labels.max()) + 1).tolist(),
    }
    own = facts | {"set": {**facts["set"], "kind": "turned, control: the images as they were"}}
    return (
        Built(shifted[chosen].cpu().numpy(), new, facts),
        Built(images[chosen].cpu().numpy(), new.copy(), own),
    )
