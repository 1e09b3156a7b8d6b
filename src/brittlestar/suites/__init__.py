"""Suites: ordered lists of conditions. To add one, write a file with a ``Suite`` in it and list it here."""

from brittlestar.core.errors import unknown
from brittlestar.suites.bands import BANDS
from brittlestar.suites.base import Suite
from brittlestar.suites.broad import BROAD, NOISE
from brittlestar.suites.clean import CLEAN
from brittlestar.suites.corruptions import CORRUPTIONS
from brittlestar.suites.fourier import FOURIER
from brittlestar.suites.imagenet_p import SEQUENCE_SUITES
from brittlestar.suites.mnist_c import MNIST_C, MNIST_C_EXTRA

__all__ = ["SUITES", "Suite", "get_suite"]

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        BROAD,
        CLEAN,
        NOISE,
        FOURIER,
        BANDS,
        *CORRUPTIONS.values(),
        *SEQUENCE_SUITES.values(),
        MNIST_C,
        MNIST_C_EXTRA,
    )
}


def get_suite(name: str) -> Suite:
    """A suite by name; a UsageError names the nearest one."""
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    return SUITES[name]
