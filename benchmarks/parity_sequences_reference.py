"""Run by the reference's own interpreter: frames of its sequences, and MNIST-C's functions.

    python parity_sequences_reference.py cifar-p make_cifar_p.py IMAGES.npy OUT NAME...
    python parity_sequences_reference.py imagenet-p make_imagenet_p.py FILES.txt OUT NAME...
    python parity_sequences_reference.py mnist-c corruptions.py IMAGES.npy OUT NAME...

IMAGES is (n, h, w[, 3]) uint8; FILES names a picture a line. OUT, a folder, gets ``NAME-i.npz`` for every image i:
``frames`` and ``draw_k``, the k-th array drawn; from pictures also ``pictures/<0 or 1>/i.png``, resized but not
cropped. The scripts keep each sequence as a commented block, which is taken out and run; what newer libraries have
renamed is put back at run time.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from parity_reference import Recorder, namespace


def block(script: Path, name: str) -> str:
    """The code of one sequence, without its last lines, which make a video."""
    title = name.replace("_", " ").title()
    text = script.read_text(encoding="utf-8")
    found = re.search(rf"/ {title} Code /+\n(.*?)\n[^\n]*/ End {title} Code", text, re.DOTALL)
    assert found is not None, f"{script} has no {title}"
    lines = found.group(1).splitlines()
    if all(re.match(r"\s*(#|$)", line) for line in lines):
        lines = [re.sub(r"^(\s*)# ?", r"\1", line) for line in lines]
    code = textwrap.dedent("\n".join(lines))
    return re.split(r"\nsave_dir = ", code)[0]


def affine(image: Image.Image, angle: float, translate: Any, scale: float, shear: float, resample: int = 0) -> Any:
    """``torchvision.transforms.functional.affine`` under its old argument names."""
    import torchvision.transforms.functional as functional

    modes = {0: functional.InterpolationMode.NEAREST, 2: functional.InterpolationMode.BILINEAR}
    return functional.affine(image, float(angle), list(translate), scale, [float(shear), 0.0], modes[resample])


def sequence_space(script: Path) -> dict[str, Any]:
    """What the blocks need."""
    import tempfile

    import skimage.color
    import torch
    import torchvision.transforms as transforms

    space = namespace(script)
    space |= {
        "os": os, "torch": torch, "trn": transforms, "trn_F": types.SimpleNamespace(affine=affine),
        "skcolor": skimage.color, "gettempdir": tempfile.gettempdir, "rmtree": shutil.rmtree,
    }  # fmt: skip
    return space


def keep(out: Path, name: str, place: int, frames: Any, recorder: Recorder) -> None:
    """Write one image's frames and draws."""
    drawn: dict[str, Any] = {f"draw_{k}": v for k, v in enumerate(recorder.taken)}
    np.savez(out / f"{name}-{place}.npz", frames=np.asarray(frames, np.uint8), **drawn)


def recording(space: dict[str, Any], real: Any, text: str) -> Recorder:
    """Put a numpy whose draws are kept into the namespace."""
    recorder = Recorder(zlib.crc32(text.encode()))
    proxy = types.ModuleType("numpy")
    proxy.__dict__.update(vars(real))
    proxy.random = recorder  # type: ignore[attr-defined]
    space["np"] = proxy
    return recorder


def sequences(script: Path, source: str, out: Path, names: list[str]) -> None:
    """Frames of sequences."""
    space = sequence_space(script)
    real = space["np"]
    if source.endswith(".npy"):
        images: list[Any] = list(np.load(source))
    else:
        files = Path(source).read_text(encoding="utf-8").split("\n")
        images = [space["trn"].Resize(256)(Image.open(file)).convert("RGB") for file in files if file]
        for place, image in enumerate(images):
            folder = out / "pictures" / str(place % 2)
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"{place}.png")
    for name in names:
        code = compile(block(script, name), name, "exec")
        for place, image in enumerate(images):
            recorder = recording(space, real, f"{name}-{place}")
            space |= {"img": image, "seq": []}
            exec(code, space)
            frames = space["seq"]
            if "tmp" in space:
                folder = Path(space.pop("tmp"))
                count = len(list(folder.iterdir()))
                frames = [np.asarray(Image.open(folder / f"img{i}.png").convert("RGB")) for i in range(count)]
                shutil.rmtree(folder)
            keep(out, name, place, frames, recorder)


def functions(script: Path, source: str, out: Path, names: list[str]) -> None:
    """MNIST-C's functions; their results are rounded, as when they were saved."""
    space = namespace(script)
    space["resource_filename"] = lambda _, name: str(script.parent / name)
    real = space["np"]
    for name in names:
        for place, pixels in enumerate(np.load(source)):
            recorder = recording(space, real, f"{name}-{place}")
            result: Any = space[name](Image.fromarray(pixels))  # type: ignore[operator]
            keep(out, name, place, np.rint(result), recorder)


def main() -> None:
    """See the module."""
    kind, script, source, out = sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3], Path(sys.argv[4])
    out.mkdir(parents=True, exist_ok=True)
    (functions if kind == "mnist-c" else sequences)(script, source, out, sys.argv[5:])


if __name__ == "__main__":
    main()
