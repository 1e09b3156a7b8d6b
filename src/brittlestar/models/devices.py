"""Names of devices: each that cannot be used gets one line that says which can."""

from __future__ import annotations

import torch

from brittlestar.core.errors import ModelError, require
from brittlestar.core.options import option

_MEANT = {"gpu": "cuda", "nvidia": "cuda", "rocm": "cuda", "metal": "mps", "apple": "mps"}


def check_device(device: str) -> None:
    """Refuse a device that does not exist here, or that computes nothing.

    Args:
        device: As torch names it: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, ``xpu``.

    Raises:
        ModelError: With the devices that can be had.
    """
    try:
        known = torch.device(device)
    except Exception:  # torch raises what it likes, and so does decoding a name that is no text
        meant = _MEANT.get(device.strip().lower(), device.strip().lower())
        hint = f"did you mean {meant}? " if meant in ("cpu", "cuda", "mps") else ""
        raise ModelError(f"unknown device {device!a}: {hint}use {_here()}") from None
    require(known.type != "meta", f"the device meta computes nothing: use {_here()}", ModelError)
    cuda = torch.cuda.device_count() if known.type == "cuda" and torch.cuda.is_available() else 0
    require(known.type != "cuda" or cuda > 0, f"no CUDA device here: use {option('device', 'cpu')}", ModelError)
    require(
        known.type != "cuda" or known.index is None or known.index < cuda,
        f"there is no {device}: the CUDA devices here are {', '.join(f'cuda:{i}' for i in range(cuda))}",
        ModelError,
    )
    try:
        torch.zeros(1, device=known).add(1).cpu()
    except Exception as error:
        raise ModelError(f"torch has no device {device} here: use {_here()}") from error


def _here() -> str:
    """The devices that can be had here."""
    return " or ".join(["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
