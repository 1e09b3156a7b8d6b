"""Time: each frame of a clip together with those around it (Shankar et al. 2021; Gu et al. 2019)."""

from brittlestar.shifts.conditions import around, clean
from brittlestar.suites.base import Suite

TIME = Suite(
    "time",
    "frames of clips and the frames around them; needs a video or folders of frames",
    lambda shape, storage: (clean(), around()),
)
