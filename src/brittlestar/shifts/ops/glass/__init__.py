"""Pixels that change places with their neighbours."""
