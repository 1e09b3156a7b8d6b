"""What a report says, as plain frozen data: made once from runs, then rendered to HTML, JSON, CSV and Markdown.

Every number is an ``Estimate`` (value, interval, count). Shares are in [0, 1]; the renderers show points and percent.
``None`` means "not measured in these runs" and is shown as a dash, never as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from brittlestar.measures import BreakingPoint, Estimate, ReliabilityBin, Sensitivity

if TYPE_CHECKING:
    from brittlestar.report.corruptions import CorruptionSet
    from brittlestar.report.explained import Explained
    from brittlestar.report.spectrum_content import Spectrum
    from brittlestar.report.stability import StabilitySet
    from brittlestar.report.status import OpenCell, Status

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model in the report.

    Fields:
        key: ``m0``, ``m1`` ...: anchors, colours.
        place: Its number, from 0; decides the colour.
        name: Shown everywhere; unique in the report.
        data: Index of its data set in ``ReportContent.data``.
        samples: Images answered under the clean condition.
        about: The manifest's entry (specification, fingerprint, parameters, preprocessing, notes).
    """

    key: str
    place: int
    name: str
    data: int
    samples: int
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DataEntry:
    """A data set in the report; ``about`` is the manifest's entry, ``chance`` is ``measures.chance`` of its labels."""

    name: str
    classes: tuple[str, ...]
    count: int
    shape: tuple[int, int, int]
    about: Mapping[str, Any]
    chance: float


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One finding: a short lead, the rest with its numbers, the estimates it rests on, and a tone for its mark.

    ``tone`` is ``bad``, ``good`` or ``plain``; ``sensitivities`` are the claims that compare models.
    """

    lead: str
    text: str
    estimates: tuple[Estimate, ...] = ()
    tone: str = "plain"
    sensitivities: tuple[Sensitivity, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Findings on one model, or (``model`` is ``None``) on how the models compare."""

    model: ModelEntry | None
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """A column of the table of models. ``better`` is ``higher`` or ``lower``; ``help`` explains it in a sentence."""

    key: str
    title: str
    help: str
    better: str


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """A number in the table of models; ``note`` names the condition it came from, where that differs by row."""

    estimate: Estimate | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelTable:
    """The small table of models: one row a model, one cell a column."""

    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[ModelEntry, tuple[TableCell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """One condition for one group.

    Fields:
        condition: Its id.
        label: The strength for people.
        value: What is coloured: accuracy lost, or the difference in error between two models; positive is worse.
        accuracy: Accuracy under the condition, one a model concerned.
        shown: Whether a difference from zero is shown (interval, or corrected test).
        p: Corrected p value, where a test was made.
    """

    condition: str
    label: str
    value: Estimate
    accuracy: tuple[Estimate, ...]
    shown: bool = True
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class GridGroup:
    """The cells of one model, or of one pair of models, side by side."""

    title: str
    model: ModelEntry
    against: ModelEntry | None = None


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One severity curve as a row: per group the cells from weak to strong and their mean."""

    family: str
    title: str
    unit: str
    span: str
    cells: tuple[tuple[GridCell | None, ...], ...]
    means: tuple[Estimate | None, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows by columns of coloured numbers; ``limit`` is the end of the scale (both sides), ``steps`` the columns."""

    groups: tuple[GridGroup, ...]
    rows: tuple[GridRow, ...]
    steps: int
    limit: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a curve: place on the axis, its label, the estimate, the condition."""

    x: float
    label: str
    estimate: Estimate
    condition: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One model's curve; ``clean`` is its accuracy on unchanged images."""

    model: ModelEntry
    points: tuple[Point, ...]
    clean: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart of curves over strength."""

    family: str
    title: str
    axis: str
    lines: tuple[Line, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Break:
    """Where one severity curve breaks, one entry a model: breaking point and area under the curve; ``key`` names it."""

    key: str
    family: str
    title: str
    unit: str
    points: tuple[BreakingPoint | None, ...]
    areas: tuple[Estimate | None, ...]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How sure and how right under one condition; intervals are those of one chosen of many where it was chosen."""

    condition: str
    title: str
    ece: Estimate
    rms: Estimate
    confidence: float
    accuracy: Estimate
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, kw_only=True)
class ShiftedCalibration:
    """A model's calibration over shifted conditions.

    Fields:
        worst: The condition with the largest calibration error, its intervals those of one chosen of many.
        mean: The mean of the conditions' calibration errors.
        increase: That mean less the error on clean images, paired by image.
        conditions: How many.
    """

    worst: Reliability
    mean: Estimate
    increase: Estimate
    conditions: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Per model: on clean images, and over the shifted conditions (``None`` without shifts)."""

    rows: tuple[tuple[ModelEntry, Reliability, ShiftedCalibration | None], ...]
    shifted: int


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Robust accuracy over epsilon for one threat model."""

    title: str
    threat: str
    panel: Panel


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models on the same samples: error of ``model`` minus error of ``against``, over the conditions both have.

    ``sensitivity`` is that of the mean over shifts; ``families`` have (family, conditions, raw, against clean).
    """

    model: ModelEntry
    against: ModelEntry
    mean: Estimate | None
    conditions: int
    better: int
    worse: int
    families: tuple[tuple[str, int, Estimate, Sensitivity | None], ...]
    sensitivity: Sensitivity | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences between models and the grid of paired differences, corrected for the number of ``tests``.

    ``test`` is what each of them is, in words.
    """

    pairs: tuple[Pair, ...]
    grid: Grid
    tests: int
    test: str = "exact McNemar test"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failing example; images are data URIs."""

    model: ModelEntry
    condition: str
    title: str
    sample: str
    label: str
    prediction: str
    confidence: float
    clean_prediction: str
    clean_confidence: float
    clean: str
    shifted: str
    difference: str
    gain: float


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A family of tests that these runs lack, and why it matters or how to get it."""

    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A titled list of (name, value) facts on how it was measured."""

    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of ``results.csv``; ``status`` says what speaks against it (near chance, fewer images than asked)."""

    model: str
    data: str
    condition: str
    measure: str
    estimate: Estimate
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything a report shows, from top to bottom. Empty tuples and ``None`` are sections left out."""

    title: str
    subtitle: str
    statuses: tuple[Status, ...]
    facts: tuple[str, ...]
    created: str
    version: str
    interval_kind: str
    interval_text: str
    level: float
    models: tuple[ModelEntry, ...]
    data: tuple[DataEntry, ...]
    verdicts: tuple[Verdict, ...]
    not_asked: str
    not_here: str
    table: ModelTable
    corruptions: tuple[CorruptionSet, ...]
    grid: Grid | None
    curves: tuple[Panel, ...]
    breaks: tuple[Break, ...]
    stability: tuple[StabilitySet, ...]
    spectrum: Spectrum | None
    explained: Explained | None
    filters: tuple[Panel, ...]
    noise: Panel | None
    attacks: tuple[Attack, ...]
    calibration: Calibration | None
    comparison: Comparison | None
    failures: tuple[Failure, ...]
    failures_note: str
    missing: tuple[Missing, ...]
    pending: tuple[Missing, ...]
    pending_text: str
    open_cells: tuple[OpenCell, ...]
    notes: tuple[str, ...]
    provenance: tuple[Facts, ...]
    sessions: tuple[Mapping[str, Any], ...]
    commands: tuple[str, ...]
    worst: tuple[tuple[ModelEntry, tuple[tuple[str, Estimate], ...]], ...]
    results: tuple[Result, ...] = field(repr=False)
