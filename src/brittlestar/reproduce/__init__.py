"""Experiments of the papers, on anyone's data: claimed, measured here, under which conditions."""

from brittlestar.reproduce.experiments import EXPERIMENTS, reproduce
from brittlestar.reproduce.from_tables import FROM_TABLES, reproduce_from
from brittlestar.reproduce.published import PublishedFiles
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, Setting

__all__ = [
    "EXPERIMENTS",
    "FROM_TABLES",
    "ClaimVerdict",
    "PublishedFiles",
    "Reproduction",
    "Setting",
    "reproduce",
    "reproduce_from",
]
