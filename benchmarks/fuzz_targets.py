"""What is fuzzed: every reader of files that others made, as a function of bytes.

A target takes the bytes of one file and reads it the way a run does, in a folder of its own. Only errors that are
meant for the person may come out (``BrittlestarError``); anything else is a crash. Meanwhile nothing may be written
outside of that folder, no process started, no connection opened and nothing unpickled: a hook of the interpreter
watches.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brittlestar.core.errors import BrittlestarError

Target = Callable[[bytes, Path], object]

_FORBIDDEN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "pickle.find_class",
)
_watched: list[Path] = []


class Escaped(BaseException):
    """A reader did what no reader may; no ``Exception``, so that nothing in between takes it for a damaged file."""


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event in _FORBIDDEN:
        raise Escaped(f"{event}: {args[:1]}")
    if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        mode, flags = args[1], args[2]
        writes = any(c in "wax+" for c in mode) if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
        path = Path(os.fsdecode(args[0])).absolute()
        if writes and path != Path(os.devnull) and not path.is_relative_to(_watched[0]):
            raise Escaped(f"writes {path}")


_hooked = False


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Raise ``Escaped`` where something is started, connected, unpickled, or written outside the folder."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)  # it can never be taken off again
        _hooked = True
    _watched.append(folder)
    try:
        yield
    finally:
        _watched.clear()


def run_target(name: str, content: bytes, folder: Path) -> str:
    """Read the content by one target; ``"read"`` or the text of the error that a person would see.

    Raises:
        Escaped, Exception: What must not happen.
    """
    try:
        with watched(folder):
            TARGETS[name](content, folder)
    except BrittlestarError as error:
        return str(error)
    return "read"


def images(content: bytes, folder: Path) -> object:
    """A picture of any format, whole and cut to 16 pixels."""
    from brittlestar.core.preparation import Preparation
    from brittlestar.data.decode import decode, read_header

    with contextlib.suppress(BrittlestarError):
        read_header(content, "picture")
    with contextlib.suppress(BrittlestarError):
        decode(content, "picture")
    return decode(content, "picture", Preparation(resize=16, crop=16, channels=3))


def _loaded(path: Path) -> object:
    from brittlestar.data import open_source

    source = open_source(str(path), resize=16, crop=16)
    return source.load(source.order(0)[:8])


def parquet(content: bytes, folder: Path) -> object:
    """A Parquet file of pictures."""
    (folder / "data.parquet").write_bytes(content)
    return _loaded(folder / "data.parquet")


def npz(content: bytes, folder: Path) -> object:
    """An archive of arrays."""
    (folder / "data.npz").write_bytes(content)
    return _loaded(folder / "data.npz")


def classes(content: bytes, folder: Path) -> object:
    """A list of class names."""
    read_classes = _read_classes()
    (folder / "classes.txt").write_bytes(content)
    return read_classes(folder / "classes.txt")


def _read_classes() -> Callable[[Path], object]:
    try:
        from brittlestar.cli.classes import read_classes  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from brittlestar.cli.run import read_classes  # type: ignore[attr-defined,unused-ignore]
    return read_classes  # type: ignore[no-any-return,unused-ignore]


def safetensors(content: bytes, folder: Path) -> object:
    """Weights: the header of a safetensors file and what it points to."""
    from brittlestar.models.files import state_dict

    (folder / "model.safetensors").write_bytes(content)
    return state_dict(folder / "model.safetensors")


def checkpoint(content: bytes, folder: Path) -> object:
    """Weights in torch's own form, of which nothing may be unpickled but tensors."""
    from brittlestar.models.files import state_dict

    (folder / "model.pth").write_bytes(content)
    return state_dict(folder / "model.pth")


def run_folder(content: bytes, folder: Path) -> object:
    """A run folder of which one file, chosen by the first byte, has the rest as its content; a report is made of it."""
    from brittlestar.report import build

    run = folder / "run"
    shutil.copytree(_golden(), run)
    files = sorted(p for p in run.rglob("*") if p.is_file() and "report" not in p.parts)
    if content:
        files[content[0] % len(files)].write_bytes(content[1:])
    return build([run], out=folder / "out")


_made: list[Path] = []


def _golden() -> Path:
    """A small whole run folder, made once a process."""
    if not _made:
        import brittlestar

        place = Path(tempfile.mkdtemp(prefix="brittlestar-fuzz-"))
        generator = np.random.default_rng(0)
        x, y = generator.integers(0, 255, (12, 8, 8), dtype=np.uint8), np.arange(12) % 3
        outside, _watched[:] = list(_watched), []
        brittlestar.evaluate(_tiny_model(), (x, y), suite="clean", out=place / "run", anyway=True)
        _watched[:] = outside
        _made.append(place / "run")
    return _made[0]


def _tiny_model() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()


TARGETS: dict[str, Target] = {
    "images": images,
    "parquet": parquet,
    "npz": npz,
    "classes": classes,
    "safetensors": safetensors,
    "checkpoint": checkpoint,
    "run_folder": run_folder,
}


def seeds(name: str) -> list[bytes]:
    """Small whole files of a target's kind, from which mutations begin."""
    return {
        "images": _image_seeds,
        "parquet": _parquet_seeds,
        "npz": _npz_seeds,
        "classes": lambda: [
            b"cat\ndog\n",
            b"0\tn01\tcat\n1\tn02\tdog\n",
            "\ufeffKäse\n".encode(),
            "a\nb".encode("utf-16"),
        ],
        "safetensors": _weight_seeds,
        "checkpoint": _checkpoint_seeds,
        "run_folder": _folder_seeds,
    }[name]()


def _pictures() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 255, (12, 12, 3), dtype=np.uint8)) for _ in range(4)]


def _encoded(picture: Image.Image, form: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **how)
    return buffer.getvalue()


def _image_seeds() -> list[bytes]:
    first, second, *_ = _pictures()
    exif = Image.Exif()
    exif[0x0112] = 6
    modes = [_encoded(first.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    forms = [_encoded(first, form) for form in ("JPEG", "WEBP", "BMP", "TIFF", "GIF")]
    return [
        *modes,
        *forms,
        _encoded(first, "JPEG", exif=exif, progressive=True),
        _encoded(first.convert("CMYK"), "JPEG"),
        _encoded(first, "GIF", save_all=True, append_images=[second]),
        _encoded(first, "MPO", save_all=True, append_images=[second]),
        _encoded(first, "TIFF", compression="tiff_lzw"),
    ]


def _parquet_seeds() -> list[bytes]:
    import duckdb

    found = []
    for image in ("{'bytes': b, 'path': NULL}", "b"):
        con = duckdb.connect()
        con.execute("CREATE TABLE t (b BLOB, l BIGINT)")
        con.executemany("INSERT INTO t VALUES (?, ?)", [(_encoded(p, "PNG"), i % 2) for i, p in enumerate(_pictures())])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "seed.parquet"
            con.execute(f"COPY (SELECT {image} AS image, l AS label FROM t) TO '{path}' (FORMAT parquet)")
            found.append(path.read_bytes())
    return found


def _npz_seeds() -> list[bytes]:
    x = np.stack([np.asarray(p) for p in _pictures()])
    found = []
    for save, arrays in (
        (np.savez, {"x": x, "y": np.arange(4) % 2}),
        (np.savez_compressed, {"x": x[..., 0], "y": np.arange(4) % 2, "classes": np.array(["a", "b"])}),
        (np.savez, {"x": x / 255, "y": np.arange(4) % 2}),
    ):
        buffer = io.BytesIO()
        save(buffer, **arrays)  # type: ignore[operator]
        found.append(buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8, 8), }"
        )
    return [*found, buffer.getvalue()]


def _weight_seeds() -> list[bytes]:
    from safetensors.numpy import save

    whole = save({"a.weight": np.zeros((2, 3), np.float32), "b": np.ones(2, np.float16)}, {"brittlestar": "{}"})
    return [whole, len(b"{}").to_bytes(8, "little") + b"{}"]


def _checkpoint_seeds() -> list[bytes]:
    import torch

    found = []
    for content in ({"a": torch.zeros(2)}, {"state_dict": {"module.a": torch.zeros(2)}, "epoch": 1}):
        for zipped in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
            found.append(buffer.getvalue())
    return found


def _folder_seeds() -> list[bytes]:
    run = _golden()
    files = sorted(p for p in run.rglob("*") if p.is_file() and "report" not in p.parts)
    whole = [bytes([place]) + path.read_bytes() for place, path in enumerate(files)]
    return [*whole, b"\x00" + json.dumps({"schema": 1}).encode()]
