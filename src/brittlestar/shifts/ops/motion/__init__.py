"""Blurs along a line."""
