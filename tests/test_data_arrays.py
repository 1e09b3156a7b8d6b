"""Arrays in files: whose arrays are meant, what labels may be, and files that are not what they say or were."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import brittlestar as bs
from brittlestar.core.errors import DataError
from brittlestar.data import npz as module
from brittlestar.data import open_source
from brittlestar.data.base import Changed
from brittlestar.data.labels import MOST_CLASSES, checked_classes, checked_labels
from brittlestar.data.stored import MOST_IN_MEMORY, read_header
from brittlestar.store import RunStore

COUNT = 12
X = np.random.default_rng(0).integers(0, 256, (COUNT, 10, 12, 3), dtype=np.uint8)
Y = np.arange(COUNT) % 3


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def other_pixels(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(X[5].tobytes()) + 7] ^= 4
    path.write_bytes(content)


def larger(path: Path) -> None:
    npz(path, x=np.concatenate([X[::-1], X]), y=np.concatenate([Y, Y]))


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(900)


REWRITTEN: dict[str, Callable[[Path], None]] = {
    "the same size": other_pixels,
    "larger": larger,
    "truncated": truncated,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("way", REWRITTEN)
@pytest.mark.parametrize("worker", [False, True])
@pytest.mark.parametrize("scale", [1, 255])
def test_an_archive_rewritten_in_place_is_noticed(tmp_path: Path, way: str, worker: bool, scale: int) -> None:
    """Neither a crash nor another image under the id of the one that was there."""
    if scale > 1 and way == "the same size":
        pytest.skip("looks for the bytes of uint8 pixels")
    path = npz(tmp_path / "d.npz", x=X if scale == 1 else (X / scale).astype(np.float32), y=Y)
    source = open_source(path)
    assert (source.load(np.arange(COUNT)) == X.transpose(0, 3, 1, 2)).all()
    content = pickle.dumps(source)
    REWRITTEN[way](path)
    source = pickle.loads(content) if worker else source
    with pytest.raises(Changed, match=r"d\.npz(: image 5 has changed| is gone)"):
        source.load(np.array([5, 5]))
    with pytest.raises(Changed, match=r"d\.npz"):
        source.pictures(np.array([5]))


def test_an_array_rewritten_in_memory_is_noticed() -> None:
    x = X.copy()
    source = open_source((x, Y))
    x[5, 0, 0, 0] ^= 1
    assert len(source.load(np.array([4, 6]))) == 2
    with pytest.raises(Changed, match="image 5"):
        source.load(np.array([4, 5]))


def test_an_archive_written_while_it_is_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "d.npz", x=X, y=Y)

    def and_write(*given: object, **options: object) -> object:
        other_pixels(path)
        return source_of(*given, **options)

    source_of = module.ArraySource
    monkeypatch.setattr(module, "ArraySource", and_write)
    with pytest.raises(DataError, match=r"damaged|was written"):
        open_source(path)


def test_a_flipped_bit_of_an_archive_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = npz(tmp_path / "d.npz", x=X, y=Y)
    other_pixels(path)
    with pytest.raises(DataError, match=r"d\.npz: x is damaged .*CRC-32"):
        open_source(path)
    content = bytearray(npz(path, x=X, y=Y).read_bytes())
    content[content.index(Y.tobytes()) + 8] ^= 2
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"d\.npz: y .*CRC-32"):
        open_source(path)


def bomb(path: Path, shape: tuple[int, ...], pixel: str = "|u1") -> Path:
    """An archive that says it holds an array of this shape; what is compressed in it is a few zeros."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": pixel, "fortran_order": False, "shape": shape})
    size = len(head.getvalue()) + int(np.prod(shape, dtype=object)) * np.dtype(pixel).itemsize
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", head.getvalue() + bytes(1000))
        with archive.open("y.npy", "w") as file:
            np.save(file, Y)
        # The directory is written from this when the archive is closed.
        archive.getinfo("x.npy").file_size = size % 2**32
    return path


@pytest.mark.parametrize("pixel", ["|u1", "<f8"])
def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path: Path, pixel: str) -> None:
    path = bomb(tmp_path / "d.npz", (MOST_IN_MEMORY // 1000 + 1, 100, 10), pixel if pixel == "|u1" else "<f2")
    with pytest.raises(DataError, match=r"d\.npz: x would take 1\.3 GiB of memory.*np\.savez"):
        open_source(path)


def test_headers_that_lie_are_refused(tmp_path: Path) -> None:
    for shape in ((COUNT + 1, 10, 12, 3), (10**12, 10, 12, 3), (-1, 10, 12, 3), (2**40, 2**40, 2**40)):
        content = io.BytesIO()
        np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
            archive.writestr("x.npy", content.getvalue() + X.tobytes())
        with zipfile.ZipFile(tmp_path / "d.npz", "a") as archive, archive.open("y.npy", "w") as file:
            np.save(file, Y)
        with pytest.raises(DataError, match=r"d\.npz: x (is damaged or truncated|says that its shape)"):
            open_source(tmp_path / "d.npz")


@pytest.mark.parametrize(
    "head",
    [
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x03\x00\x10\x00\x00\x00" + b" " * 16,
        b"\x93NUMPY\x01\x00\x40\x00" + b"(" * 63 + b"\n",
        b"\x93NUMPY\x01\x00\x46\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(69) + b"\n",
        b"\x93NUMPY\x01\x00\x56\x00"
        + b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }".ljust(85)
        + b"\n0000",
        b"PK\x03\x04",
        b"",
    ],
)
def test_what_is_no_array_is_refused(head: bytes) -> None:
    with pytest.raises(DataError, match=r"f\.npy (is no array|holds Python objects|is a table)"):
        read_header(io.BytesIO(head), "f.npy", len(head))


def test_archives_as_they_come(tmp_path: Path) -> None:
    """Fortran order, other byte orders, wide labels, zip64 and entries with longer extra fields are one set."""
    want = open_source(npz(tmp_path / "d.npz", x=X, y=Y)).info.fingerprint
    ways = {
        "fortran": npz(tmp_path / "f.npz", x=np.asfortranarray(X), y=Y),
        "big-endian": npz(tmp_path / "b.npz", x=(X / 255).astype(">f4"), y=Y.astype(">i8")),
        "halves": npz(tmp_path / "h.npz", x=(X / 255).astype(np.float16), y=Y.astype(np.uint64)),
        "floats, compressed": tmp_path / "c.npz",
        "by zipfile": tmp_path / "z.npz",
    }
    np.savez_compressed(ways["floats, compressed"], x=X / 255, y=Y)
    with zipfile.ZipFile(ways["by zipfile"], "w") as archive:
        for name, array in (("x.npy", X), ("y.npy", Y)):
            content = io.BytesIO()
            np.save(content, array)
            entry = zipfile.ZipInfo(name)
            entry.extra = struct.pack("<HHI", 0xCAFE, 4, 1)
            archive.writestr(entry, content.getvalue())
    for way, path in ways.items():
        source = open_source(path)
        assert source.info.fingerprint == want, way
        assert (pickle.loads(pickle.dumps(source)).load(np.arange(COUNT)) == X.transpose(0, 3, 1, 2)).all(), way


def test_floats_stay_in_their_file(tmp_path: Path) -> None:
    x = np.random.default_rng(1).random((400, 32, 32, 3), dtype=np.float32)
    source = open_source(npz(tmp_path / "d.npz", x=x, y=np.arange(400) % 2))
    assert len(pickle.dumps(source)) < 60_000
    assert any("rounded to 8 bits" in note for note in source.info.notes)


MEDMNIST = {f"{s}_{k}": v for s in ("train", "val", "test") for k, v in (("images", X), ("labels", Y[:, None]))}
KERAS = {"x_train": X, "y_train": Y, "x_test": X[:6], "y_test": Y[:6, None]}
TAKEN: dict[str, tuple[dict[str, object], str, str]] = {
    "capitals": ({"X": X, "Y": Y}, "", ""),
    "mixed": ({"X": X, "y": Y}, "", ""),
    "images and labels": ({"images": X, "labels": Y, "ids": Y}, "", ""),
    "data and targets": ({"data": X, "targets": Y}, "", ""),
    "medmnist": (MEDMNIST, "", "test"),
    "medmnist, val": (MEDMNIST, ":val", "val"),
    "keras": (KERAS, "", "test"),
    "keras, train": (KERAS, ":train", "train"),
    "one split": ({"x_train": X, "y_train": Y}, "", "train"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_names_of_arrays(tmp_path: Path, case: str) -> None:
    arrays, part, split = TAKEN[case]
    path = npz(tmp_path / "d.npz", **arrays)
    source = open_source(f"{path}{part}")
    assert source.info.count == (6 if (case, split) == ("keras", "test") else COUNT)
    said = [note for note in source.info.notes if "split of d.npz" in note]
    assert bool(said) == bool(split) and all(f"the {split} split" in note for note in said)
    assert open_source(source.info.spec).info.fingerprint == source.info.fingerprint


AMBIGUOUS: dict[str, tuple[dict[str, object], str, str]] = {
    "two pairs": ({"x": X, "y": Y, "images": X, "labels": Y}, "", "images and x may both be the images"),
    "nothing named": ({"arr_0": X, "arr_1": Y}, "", r"holds arr_0, arr_1; it needs x .*np\.savez"),
    "no labels": ({"x": X, "fine_labels": Y}, "", "holds fine_labels, x; it needs"),
    "a pair and a split": ({"x": X, "y": Y} | KERAS, "", r"d\.npz:test"),
    "splits without test": ({"x_train": X, "y_train": Y, "x_val": X, "y_val": Y}, "", r"d\.npz:train or .*d\.npz:val"),
    "no such split": (KERAS, ":val", "no split 'val', only test and train"),
    "no splits": ({"x": X, "y": Y}, ":test", "no split 'test'; leave it out"),
    "a split of labels": ({"x_test": X, "y_train": Y}, "", "it needs"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_cannot_be_told_is_refused_with_what_there_is(tmp_path: Path, case: str) -> None:
    arrays, part, message = AMBIGUOUS[case]
    with pytest.raises(DataError, match=message):
        open_source(f"{npz(tmp_path / 'd.npz', **arrays)}{part}")


def test_a_name_with_a_colon_is_a_name(tmp_path: Path) -> None:
    path = npz(tmp_path / "d:test.npz", x=X, y=Y)
    (tmp_path / "d").mkdir()
    assert open_source(path).info.name == "d:test"
    with pytest.raises(DataError, match="no such data"):
        open_source(f"{tmp_path}/{'n' * 300}")
    folder = tmp_path / "set"
    folder.mkdir()
    with pytest.raises(DataError, match=r"has no parts: leave :test out"):
        open_source(f"{folder}:test")


LABELS: dict[str, tuple[object, list[int]]] = {
    "floats": (np.array([0.0, 2.0, 1.0]), [0, 2, 1]),
    "truth values": (np.array([True, False]), [1, 0]),
    "(n, 1)": (np.array([[1], [0]]), [1, 0]),
    "texts": (np.array(["b", "a", "b"]), [1, 0, 1]),
    "bytes": (np.array([b"b", b"a"]), [1, 0]),
    "wide": (np.array([1, 0], np.uint64), [1, 0]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_are_taken(case: str) -> None:
    given, want = LABELS[case]
    found = checked_labels(given, "d")
    assert found.numbers.dtype == np.int32 and found.numbers.tolist() == want
    assert len(found.classes) == max(want) + 1


REFUSED_LABELS: dict[str, tuple[object, str]] = {
    "one-hot": (np.eye(3, dtype=int)[Y], r"argmax\(1\)"),
    "one-hot floats": (np.eye(3)[Y], r"argmax\(1\)"),
    "shares": (np.full((4, 2), 0.5), r"argmax\(1\)"),
    "several": (np.array([[0, 1, 1], [1, 1, 0]]), "multi-label"),
    "halves": (np.array([0, 0.5]), r"label 0\.5 of image 1"),
    "NaN": (np.array([0, np.nan]), "label nan of image 1"),
    "negative": (np.array([0, -1]), "a label is -1"),
    "nine billion": (np.array([0, 9_000_000_000]), "label 9000000000 and at most 100,000 classes"),
    "uint64": (np.array([0, 2**64 - 1], np.uint64), "label 18446744073709551615"),
    "wrapping to 0": (np.array([1, 2**32], np.int64), "label 4294967296"),
    "floats beyond": (np.array([0, 1e300]), "and at most 100,000 classes"),
    "beyond any type": (np.array([0, 2**80], object), f"label {2**80}"),
    "just too many": (np.array([0, MOST_CLASSES]), "at most"),
    "complex": (np.array([1j, 0]), "complex"),
    "one number": (np.array(3), r"shape \(\)"),
    "mixed": (np.array(["a", 3], object), "object"),
}


@pytest.mark.parametrize("case", REFUSED_LABELS)
def test_labels_never_wrap(case: str) -> None:
    given, message = REFUSED_LABELS[case]
    with pytest.raises(DataError, match=message):
        checked_labels(given, "d")


def test_class_names(tmp_path: Path) -> None:
    source = open_source(npz(tmp_path / "d.npz", x=X, y=Y, classes=np.array([b"a", b"b", b"c"])))
    assert source.info.classes == ("a", "b", "c")
    named = open_source(npz(tmp_path / "d.npz", x=X, y=np.array(list("cab"))[Y], classes=np.array(list("abc"))))
    assert named.info.classes == ("a", "b", "c") and sorted(np.unique(named.labels)) == [0, 1, 2]
    for classes, message in (
        (["a", "b"], "label 2 and 2 classes"),
        (["a", "b", "b"], "'b' twice"),
        ([["a", "b", "c"]], "a list"),
        (["a" * 2000, "b", "c"], "2,000 characters"),
    ):
        with pytest.raises(DataError, match=message):
            open_source(npz(tmp_path / "d.npz", x=X, y=Y, classes=np.array(classes)))
    with pytest.raises(DataError, match="'z' is none of the 2"):
        checked_labels(np.array(["a", "z"]), "d", ("a", "b"))
    with pytest.raises(DataError, match="100,000 names"):
        checked_classes(np.arange(MOST_CLASSES + 1), "d")


def test_black_images_are_no_images() -> None:
    with pytest.raises(DataError, match="multiply by 255"):
        open_source(((X > 127).astype(np.uint8), Y))
    assert open_source((X > 127, Y)).load(np.array([0])).max() == 255


def test_pixels_of_other_kinds_are_refused_with_a_remedy(tmp_path: Path) -> None:
    for x, message in (
        (X.astype(np.int64), r"int64; .*astype\(np\.uint8\)"),
        (X.astype(np.float32), "divide them by 255"),
        ((X / 255 - 0.5) / 0.5, "mean and std"),
        (np.dstack([X, X, X, X])[:, :, :, :3].astype(complex), "complex"),
        (np.concatenate([X, X[..., :1]], 3), r"\.\.\., :3"),
    ):
        with pytest.raises(DataError, match=message):
            open_source(npz(tmp_path / "d.npz", x=x, y=Y))


@pytest.mark.parametrize("way", REWRITTEN)
def test_a_run_whose_file_is_rewritten_keeps_no_row_of_another_image(tmp_path: Path, way: str) -> None:
    """The model itself rewrites it, once rows are stored: no clock decides what happens."""
    x = np.random.default_rng(3).integers(0, 100, (40, 10, 12, 3), dtype=np.uint8)
    y = np.arange(40) % 2
    x[y == 1] += 120
    path = npz(tmp_path / "d.npz", x=x, y=y)
    done: list[str] = []

    def bright(images: np.ndarray) -> np.ndarray:
        if not done and any((tmp_path / "run" / "rows").rglob("*.parquet")):
            done.append(way)
            if way == "the same size":
                npz(path, x=255 - x, y=y)
            else:
                REWRITTEN[way](path)
        light = images.mean((1, 2, 3)) - 0.4
        return np.stack([-light, light], 1) * 100

    with pytest.raises(DataError, match=r"d\.npz"):
        bs.evaluate({"m": bright}, path, suite="clean", out=tmp_path / "run", progress=False)
    store = RunStore.open(tmp_path / "run")
    (rows,) = store.read(store.manifest.models["m"]["fingerprint"], None, detail=False).values()
    assert 0 < len(rows.correct) < 40 and rows.correct.all(), "no row may be of an inverted image"


def test_height_and_width_are_told_apart(tmp_path: Path) -> None:
    assert open_source(npz(tmp_path / "d.npz", x=X, y=Y)).info.shape == (3, 10, 12)
    assert open_source((X, Y)).info.shape == (3, 10, 12)
