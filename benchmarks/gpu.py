"""Shifts on a GPU: are the draws the same bits as on the CPU, the pixels the same values, and how fast is it.

python benchmarks/gpu.py [--size 224] [--batch 256]
"""

from __future__ import annotations

import argparse
import time

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Shift
from brittlestar.suites import get_suite


def seconds(function: object, device: torch.device, rounds: int = 5) -> float:
    """Best of several rounds, the device waited for."""
    best = float("inf")
    for _ in range(rounds + 1):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        function()  # type: ignore[operator]
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--check", type=int, default=32, help="images compared with the CPU")
    options = parser.parse_args()
    device = torch.device("cuda")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.batch} images of side {options.size}")
    shape = (3, options.size, options.size)
    pixels = torch.randint(0, 256, (options.batch, *shape), generator=torch.Generator().manual_seed(0))
    images = pixels.to(torch.float32) / 255
    keys = SampleKeys.of(0, [str(i) for i in range(options.batch)])
    there, keys_there = images.to(device), keys.to(device)

    here, keys_here = images[: options.check], keys[: options.check]
    draws = {
        "bits64": lambda k, x: k.bits64(4097),
        "uniform": lambda k, x: k.uniform(shape),
        "normal": lambda k, x: k.normal(shape),
        "signs": lambda k, x: k.signs(shape),
        "integers": lambda k, x: k.integers((1000,), -3, 4),
        "poisson": lambda k, x: k.poisson(x, 60.0),
    }
    for name, draw in draws.items():
        same = torch.equal(draw(keys_here, here), draw(keys_here.to(device), here.to(device)).cpu())
        print(f"draws of {name:<9} {'identical to the CPU' if same else 'DIFFER FROM THE CPU'}")

    print(f"{'condition':<44} {'largest difference':>18} {'equal values':>13} {'ms a batch':>11}")
    seen: set[tuple[str, str]] = set()
    for condition in reversed(get_suite("broad").conditions(shape)):
        shift, info = condition.definition, condition.info
        if not isinstance(shift, Shift) or (info.shift, info.series) in seen:
            continue
        seen.add((info.shift, info.series))
        cpu = shift.compute(here, keys_here)
        gpu = shift.compute(here.to(device), keys_here.to(device)).cpu()
        apart = float((cpu - gpu).abs().max())
        equal = float((cpu == gpu).double().mean())
        rounds = 1 if info.shift in ("jpeg_compression", "pixelate") else 5
        spent = seconds(lambda s=shift: s.compute(there, keys_there), device, rounds)
        print(f"{info.id:<44} {apart:>18.2e} {100 * equal:>12.3f}% {1000 * spent:>11.2f}", flush=True)

    try:
        from torchvision.models import resnet50
    except (ImportError, RuntimeError):
        return
    model = resnet50().eval().to(device, torch.bfloat16, memory_format=torch.channels_last)
    given = there.to(torch.bfloat16, memory_format=torch.channels_last)
    with torch.inference_mode():
        spent = seconds(lambda: model(given), device, 10)
    print(f"{'for comparison: ResNet-50 forward, bf16':<77} {1000 * spent:>11.2f}")


if __name__ == "__main__":
    main()
