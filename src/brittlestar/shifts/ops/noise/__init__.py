"""Noise that every pixel draws for itself."""
