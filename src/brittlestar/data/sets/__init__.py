"""Named readers of published test sets: each verifies layout and counts, and says where to get what is missing.

To add one, define it in a file of this folder and list it in ``SETS``.
"""

from __future__ import annotations

from brittlestar.data.published_set import PublishedSet
from brittlestar.data.sets.annotated import IMAGENET_REAL, IMAGENET_X
from brittlestar.data.sets.contexts import CINIC_10, NICO, NICO_PLUS
from brittlestar.data.sets.corrupted import IMAGENET_3DCC, IMAGENET_C, IMAGENET_C_BAR
from brittlestar.data.sets.imagenet import (
    IMAGENET_A,
    IMAGENET_O,
    IMAGENET_R,
    IMAGENET_SKETCH,
    IMAGENET_V2,
    IMAGENET_VAL,
    OBJECTNET,
    STYLIZED_IMAGENET,
)
from brittlestar.data.sets.small import (
    CIFAR_10_1,
    CIFAR_10_BINARY,
    CIFAR_10_C,
    CIFAR_10_C_BAR,
    CIFAR_100_BINARY,
    CIFAR_100_C,
    MNIST,
    MNIST_C_PUBLISHED,
)
from brittlestar.data.sets.table import WILDS

SETS: tuple[PublishedSet, ...] = (
    IMAGENET_VAL,
    IMAGENET_REAL,
    IMAGENET_X,
    IMAGENET_V2,
    IMAGENET_A,
    IMAGENET_O,
    IMAGENET_R,
    IMAGENET_SKETCH,
    STYLIZED_IMAGENET,
    OBJECTNET,
    IMAGENET_C,
    IMAGENET_C_BAR,
    IMAGENET_3DCC,
    CIFAR_10_BINARY,
    CIFAR_100_BINARY,
    CIFAR_10_1,
    CIFAR_10_C,
    CIFAR_100_C,
    CIFAR_10_C_BAR,
    CINIC_10,
    MNIST,
    MNIST_C_PUBLISHED,
    NICO,
    NICO_PLUS,
    WILDS,
)
"""What may stand before a path, ``NAME:PATH``."""
