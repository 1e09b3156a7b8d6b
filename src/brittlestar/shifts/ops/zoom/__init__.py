"""Zooming into the centre."""
