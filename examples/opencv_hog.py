"""OpenCV's detector of people (Dalal and Triggs 2005) for ``brittlestar detect``: real, and without a download.

    pip install 'brittlestar[detect]'
    brittlestar detect --detector examples/opencv_hog.py:people --data frames/ --boxes boxes.csv --suite imagenet-c

A support vector machine gives distances from its border, not probabilities; ``1 / (1 + exp(-distance))`` brings them
into [0, 1], where .5 is the border.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class People:
    """Boxes around upright people of at least 64 x 128 pixels."""

    def __init__(self) -> None:
        try:
            import cv2
        except ImportError as error:
            raise ImportError("OpenCV is not installed: pip install 'opencv-python-headless<5'") from error
        # With several threads, boxes come in another order and are grouped otherwise.
        cv2.setNumThreads(1)
        self._cv2 = cv2
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def __call__(self, images: Sequence[torch.Tensor]) -> list[dict[str, Any]]:
        """One dictionary an image: boxes (left, top, right, bottom), scores, labels."""
        return [self._one(image) for image in images]

    def _one(self, image: torch.Tensor) -> dict[str, Any]:
        levels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        found, distances = self._hog.detectMultiScale(
            self._cv2.cvtColor(levels, self._cv2.COLOR_RGB2BGR), winStride=(8, 8), padding=(8, 8), scale=1.05
        )
        corners = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in found], dtype=torch.float32).reshape(-1, 4)
        scores = torch.sigmoid(torch.tensor([float(d) for d in distances], dtype=torch.float32).flatten())
        return {"boxes": corners, "scores": scores, "labels": ["person"] * len(corners)}


def people() -> People:
    """The detector."""
    return People()
