"""The measures, each listed once: what ``results.csv``, ``summary.json``, ``results.md`` and ``list measures`` show.

To add one: a file with its class, and here its import and its place in ``LISTED``.
"""

from __future__ import annotations

from brittlestar.core.definition import Catalogue
from brittlestar.measures.accuracy import Accuracy, ErrorRate, TopKError
from brittlestar.measures.brier import BrierScore
from brittlestar.measures.calibration_error import CalibrationError, RmsCalibrationError
from brittlestar.measures.log_loss import LogLoss
from brittlestar.measures.measure import Measure
from brittlestar.measures.recall import Recall
from brittlestar.measures.retrieval import Aurra, SoftF1

LISTED: tuple[type[Measure], ...] = (
    Accuracy,
    ErrorRate,
    TopKError,
    BrierScore,
    LogLoss,
    CalibrationError,
    RmsCalibrationError,
    Aurra,
    SoftF1,
    Recall,
)

MEASURES: Catalogue[Measure] = Catalogue("measure", LISTED)

WIDE = frozenset({"top_classes", "top_logits", "logits"})
"""The columns of ``Rows`` that hold several numbers a sample."""


def wide_columns(kind: str) -> frozenset[str]:
    """The wide columns that some measure may read under conditions of a kind: what a reader of rows must read."""
    return WIDE & {column for measure in MEASURES.values() if kind in measure.kinds for column in measure.columns()}
