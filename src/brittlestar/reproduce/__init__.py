"""Experiments of the papers, on anyone's data: claimed, measured here, under which conditions."""

from brittlestar.reproduce.experiments import EXPERIMENTS, reproduce
from brittlestar.reproduce.published import PublishedFiles
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, Setting

__all__ = ["EXPERIMENTS", "ClaimVerdict", "PublishedFiles", "Reproduction", "Setting", "reproduce"]
