"""Brittlestar tells where an image classifier is brittle, and why."""

from __future__ import annotations

__version__ = "0.1.0"
