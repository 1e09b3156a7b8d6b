"""Image files as people have them: read as a viewer shows them, or refused with what to do."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brittlestar.core.errors import DataError
from brittlestar.data import decode as decoding
from brittlestar.data import open_source
from brittlestar.data.decode import decode, looks_whole, read_header

RED = np.random.default_rng(1).integers(20, 90, (24, 16, 3)).astype(np.uint8) + np.array([120, 0, 0], np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colours: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def with_exif(payload: bytes) -> bytes:
    jpeg = saved(Image.fromarray(RED), "JPEG", quality=95)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def deep(samples: int, depth: int = 16, form: int = 1) -> bytes:
    """A TIFF of 8 x 8 with so many samples of so many bits."""
    tags = [(256, 8), (257, 8), (258, depth), (259, 1), (262, 2 if samples > 2 else 1), (273, 400), (277, samples)]
    tags += [(278, 8), (279, 64 * samples * depth // 8), (339, form)]
    body = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags))
    for tag, value in tags:
        many = tag in (258, 339) and samples > 2
        body += struct.pack(
            "<HHII",
            tag,
            3 if tag != 273 else 4,
            samples if many else 1,
            (300 if tag == 258 else 320) if many else value,
        )
    body += bytes(4)
    body = body.ljust(300, b"\0") + struct.pack("<4H", *[depth] * 4)
    return (body.ljust(320, b"\0") + struct.pack("<4H", *[form] * 4)).ljust(400, b"\0") + bytes(64 * samples * 4)


def rows(samples: int) -> bytes:
    return (b"\0" + bytes(range(8)) * 2 * samples) * 8


@pytest.mark.parametrize(
    "content",
    [png(8, 8, 16, colours, rows(samples)) for colours, samples in ((0, 1), (2, 3), (4, 2), (6, 4))]
    + [deep(1), deep(3), deep(4), saved(Image.fromarray(RED[..., 0].astype(np.float32)), "TIFF")],
)
def test_more_than_eight_bits_are_refused_in_every_mode(content: bytes) -> None:
    for read in (read_header, decode):
        with pytest.raises(DataError, match=r"deep has more than 8 bits a channel.*skip_bad=True"):
            read(content, "deep")


def test_eight_bits_are_not(tmp_path: Path) -> None:
    assert decode(png(8, 8, 8, 2, (b"\0" + bytes(24)) * 8), "plain").shape == (3, 8, 8)
    assert (decode(saved(Image.fromarray(RED), "TIFF"), "tiff") == RED.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    "payload",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage, not TIFF",
        b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x01\0",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, 9) + bytes(4),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI4s", 0x0112, 2, 4, b"top\0") + bytes(4),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 0xFFFFFF, 6) + bytes(4),
    ],
)
def test_broken_exif_turns_nothing(payload: bytes) -> None:
    content = with_exif(payload)
    plain = decode(saved(Image.fromarray(RED), "JPEG", quality=95), "plain")
    assert (decode(content, "odd") == plain).all()
    assert read_header(content, "odd").size == (16, 24) and not read_header(content, "odd").turned


@pytest.mark.parametrize("more", [(0x011A, 10, 1, -1, 0), (0x011A, 5, 1, 1, 0)])
def test_what_is_odd_elsewhere_in_exif_hinders_no_turning(more: tuple[int, ...]) -> None:
    """A negative rational over zero cannot be written again, which Pillow tries."""
    tag, kind, count, *value = more
    tags = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", tag, kind, count, 38) + bytes(4)
    content = with_exif(b"Exif\0\0II*\0\x08\0\0\0\x02\0" + tags + struct.pack("<ii", *value))
    plain = decode(saved(Image.fromarray(RED), "JPEG", quality=95), "plain")
    assert (decode(content, "odd") == np.rot90(plain, -1, (1, 2))).all()
    assert read_header(content, "odd").size == (24, 16) and read_header(content, "odd").turned


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP", "JPEG"])
def test_the_header_has_the_size_of_the_turned_picture(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    content = saved(Image.fromarray(RED), kind, exif=exif, **options)
    header, pixels = read_header(content, kind), decode(content, kind)
    assert header.turned and header.size == (24, 16) and pixels.shape == (3, 16, 24)
    if kind != "JPEG":
        assert (pixels == np.rot90(RED.transpose(2, 0, 1), -1, (1, 2))).all()


def test_what_is_cut_off_or_damaged_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(saved(Image.fromarray(RED), "PNG"))
    palette = saved(Image.fromarray(RED).quantize(200), "PNG")
    start = palette.index(b"IDAT")
    gif = saved(Image.fromarray(RED), "GIF")
    jpeg = saved(Image.fromarray(RED).resize((256, 256)), "JPEG", quality=90)
    for content in (
        palette[:600],
        palette[:600] + b"IEND" + palette[-4:],
        palette[: start + 30] + bytes([palette[start + 30] ^ 255]) + palette[start + 31 :],
        gif[: len(gif) * 2 // 3],
        jpeg[: len(jpeg) // 2],
        jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2),
        b"",
        b"<!DOCTYPE html>",
    ):
        with pytest.raises(DataError, match=r"odd\.img .*skip_bad=True"):
            decode(content, "odd.img")
        file = tmp_path / "b" / "odd.img.gif"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"odd\.img\.gif .*skip_bad=True"):
            open_source(tmp_path)
        assert open_source(tmp_path, skip_bad=True).info.skipped == ("b/odd.img.gif",)


def test_the_end_of_a_thumbnail_is_not_the_end() -> None:
    inner = saved(Image.fromarray(RED), "JPEG")
    whole = with_exif(b"Exif\0\0" + inner)
    assert looks_whole(whole) and looks_whole(whole + bytes(2000))
    assert not looks_whole(whole[:-200]) and b"\xff\xd9" in whole[-4096:-200]
    assert not looks_whole(whole[: len(inner)]) and not looks_whole(b"\xff\xd8") and not looks_whole(b"")


def test_what_a_reader_must_know_is_counted(tmp_path: Path) -> None:
    red = Image.fromarray(RED)
    clear = Image.fromarray(np.dstack([RED, np.zeros(RED.shape[:2], np.uint8)]))
    half = Image.fromarray(np.dstack([RED, np.full(RED.shape[:2], 128, np.uint8)]))
    files = {
        "a/clear.png": saved(clear, "PNG"),
        "a/clear.webp": saved(clear, "WEBP", lossless=True, exact=True),
        "a/half.png": saved(half, "PNG"),
        "a/film.gif": saved(red, "GIF", save_all=True, append_images=[red.rotate(180)]),
        "b/pages.tif": saved(red, "TIFF", save_all=True, append_images=[red.rotate(180)]),
        "b/apng.png": saved(red, "PNG", save_all=True, append_images=[red.rotate(180)]),
        "b/print.jpg": saved(red.convert("CMYK"), "JPEG"),
        "b/lab.tif": saved(Image.frombytes("LAB", red.size, RED.tobytes()), "TIFF"),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    source = open_source(tmp_path)
    told = "\n".join(source.info.notes)
    for words in (
        "2 images are wholly transparent, and so white",
        "3 images hold several pictures or frames: the first is taken",
        "1 image is stored as CMYK: converted to RGB without a colour profile",
        "1 image is stored as LAB",
    ):
        assert words in told
    place = source.names().index("b/pages.tif")  # type: ignore[attr-defined]
    assert (source.load(np.array([place]))[0] == RED.transpose(2, 0, 1)).all()


def test_pictures_are_bounded_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"huge is too large to be decoded .*skip_bad=True"):
        decode(png(60000, 60000, 8, 2, bytes(9)), "huge")
    monkeypatch.setattr(decoding, "MEMORY", 8 * 24 * 16)
    assert decode(saved(Image.fromarray(RED), "BMP"), "fits").shape == (3, 24, 16)
    for content in (
        saved(Image.fromarray(RED).resize((17, 24)), "BMP"),
        saved(Image.fromarray(RED), "JPEG", progressive=True),
        saved(Image.fromarray(RED), "WEBP"),
    ):
        with pytest.raises(DataError, match=r"many is .* pixels, of which .* scale it down"):
            decode(content, "many")


def test_prepared_pictures_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(saved(Image.fromarray(RED), "PNG"))
    monkeypatch.setattr("brittlestar.data.encoded.LARGEST", 200)
    with pytest.raises(DataError, match="16 x 24 are too large to be shifted; give resize= and crop="):
        open_source(tmp_path)
    assert open_source(tmp_path, resize=12, crop=8).info.count == 2


def test_text_that_unpacks_to_too_much_is_refused() -> None:
    bomb = (b"zTXt", b"comment\0\0" + zlib.compress(bytes(80 << 20)))
    with pytest.raises(DataError, match="bomb cannot be read"):
        decode(png(8, 8, 8, 2, (b"\0" + bytes(24)) * 8, bomb), "bomb")


HUGE = """
import io, sys
from pathlib import Path
from PIL import Image
from brittlestar.data.decode import Preparation, decode, read_header
content = open(sys.argv[1], "rb").read()
assert decode(content, "huge", Preparation(resize=64, crop=64)).shape[1:] == (64, 64)
read_header(content, "huge")
# ru_maxrss would hold the memory of the process that started this one.
(peak,) = (line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(peak)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("size", "mode"), [((80_000, 1_000), "RGB"), ((12_000, 12_000), "RGBA")])
def test_huge_pictures_take_less_than_two_gibibytes(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    Image.new(mode, size, (10, 20, 30, 40)[: len(mode)]).save(tmp_path / "huge.png", compress_level=1)
    words = [sys.executable, "-c", HUGE, str(tmp_path / "huge.png")]
    assert int(subprocess.run(words, check=True, capture_output=True, text=True).stdout) < 2 << 20


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty (0 bytes)"),
        (bytes(5000), "it is zeros only"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "fetch it with `git lfs pull`"),
        (b"\n<!DOCTYPE html><html>", "it is a web page: download it again"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(9), "it is a HEIC photograph"),
        (b"\x00\x00\x00\x1cftypavif" + bytes(9), "it is an AVIF image"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(9), "it is a video"),
        (b"nothing known", "mend it or leave it out"),
    ],
)
def test_what_is_no_image_is_told_by_what_it_is(content: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(content, "cat/0.jpg")
    assert "cat/0.jpg is no image that can be read" in str(caught.value)
    assert said in str(caught.value) and "skip_bad=True" in str(caught.value)
