"""Drops made to look like water."""
