"""Suites: ordered lists of conditions. To add one, write a file with a ``Suite`` in it and list it here.

A suite of a single shift needs neither: it is declared in the shift's class (``Shift.suite``).
"""

from collections.abc import Iterable

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.suites.bands import BANDS
from brittlestar.suites.base import Suite
from brittlestar.suites.broad import BROAD, NOISE
from brittlestar.suites.clean import CLEAN
from brittlestar.suites.corruptions import CORRUPTIONS
from brittlestar.suites.fourier import FOURIER
from brittlestar.suites.geirhos import GEIRHOS
from brittlestar.suites.imagenet_p import SEQUENCE_SUITES
from brittlestar.suites.mnist_c import MNIST_C, MNIST_C_EXTRA
from brittlestar.suites.own import own_suites
from brittlestar.suites.time import TIME

__all__ = ["SUITES", "Suite", "get_suite"]


def _by_name(suites: Iterable[Suite]) -> dict[str, Suite]:
    named: dict[str, Suite] = {}
    for suite in suites:
        require(suite.name not in named, f"two suites are named {suite.name!r}: rename one of them", UsageError)
        named[suite.name] = suite
    return named


SUITES: dict[str, Suite] = _by_name(
    (
        BROAD,
        CLEAN,
        NOISE,
        FOURIER,
        BANDS,
        *CORRUPTIONS.values(),
        *SEQUENCE_SUITES.values(),
        MNIST_C,
        MNIST_C_EXTRA,
        TIME,
        GEIRHOS,
        *own_suites(),
    )
)


def get_suite(name: str) -> Suite:
    """A suite by name; a UsageError names the nearest one."""
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    return SUITES[name]
