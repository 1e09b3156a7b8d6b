"""The peer's side of corruptions.py, run by the peer's own interpreter: answers ``NAME SEVERITY`` lines with seconds.

python corruptions_peer.py imagecorruptions CHECKOUT IMAGES.npy
python corruptions_peer.py reference CHECKOUT IMAGES.npy
python corruptions_peer.py pillow - IMAGES.npy
"""

from __future__ import annotations

import io
import sys
import time
import types
from pathlib import Path

import numpy as np
from PIL import Image

PILLOW = {"pixelate": (0.6, 0.5, 0.4, 0.3, 0.25), "jpeg_compression": (25, 18, 15, 10, 7)}


def imagecorruptions(checkout: Path) -> object:
    """bethgelab/imagecorruptions at the checkout, with today's setuptools."""
    if "pkg_resources" not in sys.modules:
        stand_in = types.ModuleType("pkg_resources")
        stand_in.resource_filename = lambda _, name: str(checkout / "imagecorruptions" / name)  # type: ignore[attr-defined]
        sys.modules["pkg_resources"] = stand_in
    sys.path.insert(0, str(checkout))
    from imagecorruptions import corrupt

    return lambda image, name, severity: corrupt(image, corruption_name=name, severity=severity)


def reference(checkout: Path) -> object:
    """make_cifar_c.py of hendrycks/robustness."""
    import os

    from parity_reference import namespace

    script = checkout / "ImageNet-C" / "create_c" / "make_cifar_c.py"
    space = namespace(script)
    os.chdir(script.parent)
    return lambda image, name, severity: np.uint8(space[name](Image.fromarray(image), severity))  # type: ignore[operator]


def pillow(checkout: Path) -> object:
    """Pillow alone: uint8 with the channels last in and out, as it has them itself."""

    def change(image: np.ndarray, name: str, severity: int) -> np.ndarray:
        value = PILLOW[name][severity - 1]
        picture = Image.fromarray(image)
        if name == "pixelate":
            small = (int(picture.width * value), int(picture.height * value))
            return np.asarray(picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=value)
        return np.asarray(Image.open(buffer))

    return change


def main() -> None:
    kind, checkout, images = sys.argv[1], Path(sys.argv[2]).resolve(), np.load(sys.argv[3])
    corrupt = {"imagecorruptions": imagecorruptions, "reference": reference, "pillow": pillow}[kind](checkout)
    for line in sys.stdin:
        name, severity = line.split()
        began, cpu = time.perf_counter(), time.process_time()
        for image in images:
            corrupt(image, name, int(severity))  # type: ignore[operator]
        print(time.perf_counter() - began, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
