"""Procedural frost: bright veins where two clouds of the same smoothness cross."""
