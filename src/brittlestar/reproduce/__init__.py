"""Experiments of the papers, on anyone's data: claimed, measured here, under which conditions."""

from brittlestar.reproduce.engine import Outcome, Setting, Verdict
from brittlestar.reproduce.experiments import EXPERIMENTS, reproduce
from brittlestar.reproduce.published import PublishedFiles

__all__ = ["EXPERIMENTS", "Outcome", "PublishedFiles", "Setting", "Verdict", "reproduce"]
