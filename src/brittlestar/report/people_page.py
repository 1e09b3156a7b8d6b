"""The page that shows pictures to people: one offline file, which saves a file of trials."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from brittlestar.report.policy import policy
from brittlestar.report.render import asset, environment, json_for_script
from brittlestar.store.people import Export
from brittlestar.store.trials import COLUMNS

KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
"""The keys of the answers, in order."""

_SMALL = 64
"""Pictures up to this size are shown with their pixels as squares, as smoothing would be one more change."""

_A_TRIAL = 2.5
"""Seconds that a trial takes, about."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long things are shown.

    Fields:
        fixation, picture, mask: Milliseconds of the cross, the picture and the noise after it.
        limit: Seconds to answer in, after which the answer is none; 0 for as long as it takes.
        block: Trials from pause to pause.
        feedback: Milliseconds that practice tells what was right.
    """

    fixation: int = 300
    picture: int = 200
    mask: int = 200
    limit: float = 0.0
    block: int = 40
    feedback: int = 900


def people_page(
    export: Export,
    pictures: Sequence[bytes],
    practice: Sequence[tuple[bytes, int]],
    masks: Sequence[bytes],
    shape: tuple[int, int],
    timing: Timing,
) -> str:
    """The page.

    Args:
        export: What is shown.
        pictures: PNG files of its stimuli, in order.
        practice: PNG files and classes of pictures to practise with.
        masks: PNG files of noise.
        shape: Height and width of all of them.
        timing: How long things are shown.
    """
    height, width = shape
    css, js, keys = asset("people.css"), asset("people.js"), keys_of(export.classes)
    values = {
        "short": export.short,
        "columns": list(COLUMNS),
        "classes": list(export.classes),
        "keys": keys,
        "fixation": timing.fixation,
        "duration": timing.picture,
        "mask": timing.mask,
        "limit": timing.limit,
        "block": timing.block,
        "feedback": timing.feedback,
        "masks": [_address(mask) for mask in masks],
        "practice": [{"picture": _address(picture), "label": label} for picture, label in practice],
        "stimuli": [
            {"number": s.number, "label": s.label, "condition": s.shown_as, "picture": _address(picture)}
            for s, picture in zip(export.stimuli, pictures, strict=True)
        ],
    }
    return (
        environment()
        .get_template("people.html")
        .render(
            policy=policy([css], [js]),
            css=Markup(css),
            js=Markup(js),
            data=Markup(json_for_script(values)),
            count=len(export.stimuli),
            classes=export.classes,
            keys=keys,
            duration=timing.picture,
            minutes=math.ceil((len(export.stimuli) + len(practice)) * _A_TRIAL / 60),
            short=export.short,
            width=width,
            height=height,
            small=max(height, width) <= _SMALL,
        )
    )


def keys_of(classes: Sequence[str]) -> list[str]:
    """A key for each class: its own name where all are single letters or digits, as the digits are."""
    own = [name.lower() for name in classes]
    return own if len({*own}) == len(own) and all(name in KEYS and len(name) == 1 for name in own) else [*KEYS]


def _address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
