"""Hue, saturation, value and brightness of single pixels."""
