"""Sampling images between pixels."""
