"""Run by the reference's own interpreter: corrupt images with its functions, and write down what it drew.

    python parity_reference.py SCRIPT IMAGES.npy OUT.npz NAME SEVERITY [--no-draws]

SCRIPT is make_imagenet_c.py or make_cifar_c.py of a checkout of hendrycks/robustness. IMAGES is (n, h, w, 3) uint8. OUT
gets ``images``, the same shape after truncation to 8 bits, and ``draw_<i>_<k>``, the k-th array drawn for image i.
Functions are taken from the script one by one; what newer libraries have renamed is put back at run time.
"""

from __future__ import annotations

import ast
import os
import sys
import types
import zlib
from pathlib import Path

import numpy as np

NAMES = {
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur", "glass_blur", "defocus_blur",
    "motion_blur", "zoom_blur", "fog", "frost", "snow", "spatter", "contrast", "brightness", "saturate",
    "jpeg_compression", "pixelate", "elastic_transform",
}  # fmt: skip
KEPT = NAMES | {"disk", "plasma_fractal", "clipped_zoom", "MotionImage"}


def namespace(script: Path) -> dict[str, object]:
    """The script's corruptions and what they need, with today's libraries."""
    import ctypes
    from io import BytesIO

    import cv2
    import skimage
    import skimage.color
    import skimage.filters
    import skimage.util
    from PIL import Image
    from scipy.ndimage import map_coordinates, zoom
    from wand.api import library
    from wand.image import Image as WandImage

    np.float_ = np.float64  # type: ignore[attr-defined]
    np.fromstring = np.frombuffer  # type: ignore[assignment]

    def gaussian(image: object, sigma: float, multichannel: bool = False, **more: object) -> object:
        return skimage.filters.gaussian(image, sigma=sigma, channel_axis=-1 if multichannel else None, **more)

    library.MagickMotionBlurImage.argtypes = (ctypes.c_void_p, ctypes.c_double, ctypes.c_double, ctypes.c_double)
    space: dict[str, object] = {
        "np": np, "sk": skimage, "cv2": cv2, "gaussian": gaussian, "BytesIO": BytesIO, "WandImage": WandImage,
        "wandlibrary": library, "PILImage": Image, "Image": Image, "scizoom": zoom, "ctypes": ctypes,
        "map_coordinates": map_coordinates,
    }  # fmt: skip
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name in KEPT]
    exec(compile(tree, str(script), "exec"), space)
    return space


class Recorder:
    """numpy's legacy generator with every array it gives kept."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)
        self.taken: list[np.ndarray] = []

    def __getattr__(self, name: str) -> object:
        real = getattr(self.random, name)

        def call(*args: object, **kwargs: object) -> object:
            value = real(*args, **kwargs)
            self.taken.append(np.asarray(value))
            return value

        return call


def corrupted(space: dict[str, object], name: str, severity: int, image: object, recorder: Recorder) -> np.ndarray:
    """(h, w, 3) uint8: one of the script's corruptions of a Pillow image, drawing from ``recorder``."""
    import skimage

    proxy = types.ModuleType("numpy")
    proxy.__dict__.update(vars(np))
    proxy.random = recorder  # type: ignore[attr-defined]
    space["np"], space["sk"] = proxy, skimage
    if name == "impulse_noise":
        seed = recorder.random.randint(2**31)
        util = types.SimpleNamespace(random_noise=lambda x, **k: skimage.util.random_noise(x, rng=seed, **k))
        space["sk"] = types.SimpleNamespace(util=util, color=skimage.color)
    return np.uint8(space[name](image, severity))  # type: ignore[operator, no-any-return]


def main() -> None:
    script, source, out, name, severity = (
        Path(sys.argv[1]),
        sys.argv[2],
        Path(sys.argv[3]),
        sys.argv[4],
        int(sys.argv[5]),
    )
    images = np.load(source)
    target = out.resolve()
    space = namespace(script)
    os.chdir(script.parent)
    from PIL import Image

    results, drawn = [], {}
    for place, pixels in enumerate(images):
        recorder = Recorder(zlib.crc32(f"{name}-{severity}-{place}".encode()))
        results.append(corrupted(space, name, severity, Image.fromarray(pixels), recorder))
        if "--no-draws" in sys.argv:
            continue
        if name == "glass_blur":
            drawn[f"draw_{place}_0"] = np.stack(recorder.taken).astype(np.int8)
        elif name not in ("gaussian_noise", "shot_noise", "speckle_noise"):
            drawn |= {f"draw_{place}_{k}": v for k, v in enumerate(recorder.taken)}
    (np.savez_compressed if drawn else np.savez)(target, images=np.stack(results), **drawn)


if __name__ == "__main__":
    main()
