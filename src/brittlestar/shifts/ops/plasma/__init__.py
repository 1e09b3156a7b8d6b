"""Clouds by the diamond-square method."""
