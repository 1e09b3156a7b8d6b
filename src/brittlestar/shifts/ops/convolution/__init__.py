"""Blurs by symmetric kernels."""
