"""Shrinking and enlarging by areas, as Pillow's box filter does."""
