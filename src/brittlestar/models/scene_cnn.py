"""The small network for scenes of 64 pixels. A file of its own: a model is told by the whole file of its factory."""

from __future__ import annotations

from brittlestar.models.small_cnn import SmallCNN


def scene_cnn(classes: int = 10, channels: int = 1) -> SmallCNN:
    """Grey scenes of 64 x 64 pixels, twice as wide as the network of the demo; in evaluation mode."""
    return SmallCNN(classes, channels, 64, 32).eval()
