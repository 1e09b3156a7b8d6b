"""Which devices the workers of a run compute on."""

from __future__ import annotations

from collections.abc import Callable

import torch

from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option


def devices_of(device: str, workers: int, count: Callable[[], int] | None = None) -> tuple[str, ...]:
    """The devices that workers take in turn; this process computes on the first.

    ``cuda`` with several workers means all GPUs that are visible, one for one worker where there are enough; several
    devices may be named (``cuda:0,cuda:1``). Workers may outnumber the devices, which they then share.

    Args:
        device: As on the command line.
        workers: Processes.
        count: Tells how many GPUs are visible; torch by default.

    Raises:
        UsageError: Devices of several kinds, whose rows would differ in their last digits; or a list with a gap.
    """
    named = [one.strip() for one in device.split(",")]
    told = f"{option('device', device)} names devices of one kind, such as cuda:0,cuda:1"
    require(all(named) and len({one.partition(":")[0] for one in named}) == 1, told, UsageError)
    if named == ["cuda"] and workers > 1:
        # Without an index each process would take the first one.
        named = [f"cuda:{place}" for place in range(min((count or torch.cuda.device_count)(), workers))] or named
    require(
        len(named) == 1 or workers > 1,
        f"{option('device', device)} names {len(named)} devices for one worker: {option('workers', len(named))}",
        UsageError,
    )
    return tuple(named)
