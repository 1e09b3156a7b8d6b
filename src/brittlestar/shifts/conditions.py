"""Conditions: the columns of the grid, each a definition with its description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brittlestar.core.condition import TIME, ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.shifts.base import Perturbation

CLEAN_ID = "clean"


@dataclass(frozen=True)
class Condition:
    """One column: what is done to the images and how it is described.

    ``definition`` is ``None`` where nothing is done to them: for clean images, and for the frames around them.
    """

    info: ConditionInfo
    definition: Perturbation | None

    @property
    def fingerprint(self) -> str:
        """Identity of the pixels (and for attacks of the procedure)."""
        return self.info.fingerprint


def clean() -> Condition:
    """The unchanged images."""
    info = ConditionInfo(
        id=CLEAN_ID, fingerprint=fingerprint_of(CLEAN_ID), kind="clean", family="clean", shift=CLEAN_ID, title="Clean"
    )
    return Condition(info, None)


def around() -> Condition:
    """The frames around each sample, and the sample itself: what a clip shows a moment before and after."""
    info = ConditionInfo(
        id=TIME,
        fingerprint=fingerprint_of(TIME),
        kind=TIME,
        family=TIME,
        shift=TIME,
        title="Time",
        label="the frames around each image",
        table=TIME,
        paper="Shankar et al., ICCV 2021, https://arxiv.org/abs/1906.02168",
    )
    return Condition(info, None)


def condition(
    definition: Perturbation,
    *,
    shown: Sequence[str],
    label: str,
    strength: float | None = None,
    strength_name: str = "",
    series: str = "",
    severity: int | None = None,
    table: str = "",
    threat: str = "",
    detail: str = "full",
    title: str = "",
    storage: str = "float",
) -> Condition:
    """Describe a definition as a condition.

    Args:
        definition: The shift or attack with its fields set.
        shown: The fields that tell it from its siblings; they form the id, ``name/field=value/...``.
        label: The strength for people.
        strength: Place on the severity curve's axis, larger is stronger.
        strength_name: What the strength is, with its unit.
        series: Which curve of the shift it lies on, if there are several (``up`` and ``down`` for brightness).
        severity: Published level, with ``table``.
        table: The parameter table used.
        threat: Threat model in one sentence, for attacks.
        detail: ``full`` rows or ``outcome`` only.
        title: Overrides the definition's title.
        storage: How the images are kept (``storage.STORAGES``); part of the id if not ``float``.
    """
    config = definition.config()
    parts = [definition.name, *([f"{table}-{severity}"] if severity is not None else [])]
    parts += [f"{field}={_short(config[field])}" for field in shown]
    parts += [storage] if storage != "float" else []
    info = ConditionInfo(
        id="/".join(parts),
        fingerprint=fingerprint_with(definition, storage),
        kind=definition.kind,
        family=definition.family,
        shift=definition.name,
        series=series,
        title=title or definition.title,
        label=label,
        strength=strength,
        strength_name=strength_name,
        severity=severity,
        table=table,
        config=config,
        paper=definition.paper,
        threat=threat,
        detail=detail,
        storage=storage,
    )
    return Condition(info, definition)


def fingerprint_with(definition: Perturbation, storage: str) -> str:
    """Identity of a definition together with its storage."""
    own = definition.fingerprint()
    return own if storage == "float" else fingerprint_of({"definition": own, "storage": storage})


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
