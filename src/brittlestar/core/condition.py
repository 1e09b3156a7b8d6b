"""What a stored condition says about itself: plain data that opens without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

TIME = "time"
"""The kind of the condition that shows each sample together with the frames around it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConditionInfo:
    """One column of the grid, described.

    Fields:
        id: Stable readable name, unique in a run: ``clean``, ``gaussian_noise/sigma=0.1``.
        fingerprint: Of everything that decides the pixels (and, for attacks, the procedure).
        kind: ``clean``, ``shift``, ``sequence``, ``time``, ``fourier`` or ``attack``.
        family: ``noise``, ``blur``, ``colour``, ``digital``, ``geometric``, ``spectral``, ``fourier``, ``attack``.
        shift: The definition's name (``gaussian_noise``); conditions that differ only in strength share it
            together with ``series``.
        series: Conditions with equal (shift, series) form one severity curve; usually empty.
        title: For people: ``Gaussian noise``.
        label: The strength for people: ``σ = 0.1``.
        strength: The number on the severity curve's axis, larger is stronger; ``None`` where there is one level only.
        strength_name: What ``strength`` is, with its unit: ``sigma``, ``degrees``, ``bandwidth (cycles)``.
        severity: Published level 1-5, or ``None``; ``table`` names the table.
        table: The parameter table used (``broad-28``, ``imagenet-c``).
        config: The definition's fields.
        paper: Source of the protocol.
        threat: For attacks, the threat model in one sentence; else empty.
        detail: ``full`` rows (top classes, logits) or ``outcome`` only.
    """

    id: str
    fingerprint: str
    kind: str
    family: str
    shift: str
    series: str = ""
    title: str
    label: str = ""
    strength: float | None = None
    strength_name: str = ""
    severity: int | None = None
    table: str = ""
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    paper: str = ""
    threat: str = ""
    detail: str = "full"
    storage: str = "float"

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``ConditionInfo(**value)`` takes them back."""
        return dataclasses.asdict(self)
