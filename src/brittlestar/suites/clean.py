"""The suite of nothing but the unchanged images."""

from brittlestar.shifts.conditions import clean
from brittlestar.suites.base import Suite

CLEAN = Suite("clean", "the unchanged images only", lambda shape, storage: (clean(),))
