"""The time that a whole command may take, from loading to the report, and how it is shared out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch

from brittlestar.models.base import Model
from brittlestar.models.checks import answer_time

CHECKS = 0.05
"""Part of a budget for each of the questions at the start: the contract, near chance, who normalises, tuning."""

REPORT, REPORT_MOST = 0.1, 10.0
"""Part of a budget, and the most seconds, that are kept for the report."""

LOADING = 0.5
"""Part of the time that loading took that is kept for it at least: a machine that was busy then may still be so."""

EXPLANATION = 0.05
"""Part of a budget that is kept for explaining."""

EXAMPLES = 0.1
"""Part of a budget that is kept for choosing examples, where they take so long."""


@dataclass(frozen=True)
class Budget:
    """So many seconds for everything that was asked.

    Fields:
        seconds: In all.
        began: ``time.monotonic()`` when the command began.
        report: Whether an explanation and a report follow the session.
        loading: Seconds that it took to load libraries, data and models.
    """

    seconds: float
    began: float = field(default_factory=lambda: time.monotonic())
    report: bool = False
    loading: float = 0.0

    @property
    def end(self) -> float:
        """``time.monotonic()`` when all is to be over."""
        return self.began + self.seconds

    @property
    def for_checks(self) -> float:
        """Seconds for each of the questions that are put to the models at the start."""
        return CHECKS * self.seconds

    @property
    def end_of_explaining(self) -> float:
        """When only the report is left to be written."""
        return self.end - min(max(REPORT * self.seconds, LOADING * self.loading), REPORT_MOST) * self.report

    @property
    def end_of_examples(self) -> float:
        """When examples are chosen."""
        return self.end_of_explaining - EXPLANATION * self.seconds * self.report

    def end_of_filling(self, examples: float) -> float:
        """When the last cell is to be filled; ``examples`` are the seconds that choosing all of them would take."""
        return self.end_of_examples - min(examples, EXAMPLES * self.seconds)


class Patience:
    """How much of the questions at the start is asked of models that answer slowly.

    Args:
        seconds: For each question and model; ``None`` for as long as it takes.

    Attributes:
        a_pass: By model, seconds that an image takes; empty without a limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.a_pass: dict[str, float] = {}

    @property
    def slowest(self) -> float | None:
        """Seconds an image of the slowest model; ``None`` where nothing was measured."""
        return max(self.a_pass.values(), default=None)

    def contract(self, model: Model, images: torch.Tensor, probe: int) -> int:
        """On how many of the images there is time to check the contract: all, or fewer than ``probe``, at least one.

        Args:
            model: One or two passes over a single image are made to measure it.
            images: (n, channel, height, width) float32 in [0, 1] on its device.
            probe: How many images the check asks more than once.
        """
        if self.seconds is None:
            return len(images)
        most = _passes(model, min(probe, len(images))) + max(len(images) - probe, 0)
        pace = answer_time(model, images[:1])
        if pace * most > self.seconds:
            # The first pass may have waited for much that the others need not.
            pace = answer_time(model, images[:1])
        self.a_pass[model.name] = pace
        if pace * most <= self.seconds:
            return len(images)
        count = min(probe, len(images))
        while count > 1 and pace * _passes(model, count) > self.seconds:
            count //= 2
        return count

    def allows(self, passes: int) -> bool:
        """Whether every model can make so many passes in time."""
        return self.seconds is None or passes * (self.slowest or 0.0) <= self.seconds


def _passes(model: Model, images: int) -> int:
    """Forward passes of a check of the contract: twice, some alone, and some with gradients, which count thrice."""
    return 2 * images + min(images, 4) * (4 if model.differentiable else 1)
