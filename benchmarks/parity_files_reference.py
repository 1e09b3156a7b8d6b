"""Run by the reference's own interpreter: from the original photographs to the files that the reference stores.

    python parity_files_reference.py CREATE_C FILES.txt OUT JOBS.json

CREATE_C is the folder ImageNet-C/create_c of a checkout of hendrycks/robustness; FILES.txt names one photograph a line.
JOBS.json lists [corruption, severity, how many of the photographs]; severity 0 stores the prepared photograph itself,
without loss. Photographs are opened, resized (256, bilinear) and cut (224) by the reference's own functions, corrupted
by make_imagenet_c.py, and stored as it stores them: OUT/<corruption>/<severity>/<number>.jpg, quality 85. Files that
are there already are left alone.
"""

from __future__ import annotations

import ast
import json
import numbers
import os
import sys
import zlib
from pathlib import Path

from parity_reference import Recorder, corrupted, namespace


def preparation(script: Path) -> dict[str, object]:
    """The functions ``resize`` and ``center_crop`` of the script for Inception, torchvision's as it was then."""
    from PIL import Image

    space: dict[str, object] = {"Image": Image, "numbers": numbers}
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in ("resize", "center_crop")]
    exec(compile(tree, str(script), "exec"), space)
    return space


def main() -> None:
    create, listing, out, jobs = (Path(word).resolve() for word in sys.argv[1:5])
    from PIL import Image

    files = listing.read_text(encoding="utf-8").splitlines()
    space, how = namespace(create / "make_imagenet_c.py"), preparation(create / "make_imagenet_c_inception.py")
    os.chdir(create)
    prepared = []
    for file in files:
        with Path(file).open("rb") as stream:
            image = Image.open(stream).convert("RGB")
        prepared.append(how["center_crop"](how["resize"](image, 256), 224))  # type: ignore[operator]
    for name, severity, count in json.loads(jobs.read_text(encoding="utf-8")):
        folder = out / name / str(severity)
        folder.mkdir(parents=True, exist_ok=True)
        for place, image in enumerate(prepared[:count]):
            target = folder / f"{place}.{'jpg' if severity else 'png'}"
            if target.exists():
                continue
            beside = folder / f"{place}.part"
            if severity:
                recorder = Recorder(zlib.crc32(f"{name}-{severity}-{place}".encode()))
                stored = Image.fromarray(corrupted(space, name, severity, image.copy(), recorder))
                stored.save(beside, "JPEG", quality=85, optimize=True)
            else:
                image.save(beside, "PNG")
            beside.rename(target)
        print(name, severity, count, flush=True)


if __name__ == "__main__":
    main()
