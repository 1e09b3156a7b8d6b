"""From encoded bytes to uint8 pixels, with nothing silently wrong."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation, crop_start
from brittlestar.data.base import Unreadable
from brittlestar.data.instead import what_it_is

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""The only formats that are decoded, whatever a file is called: others start other programs (EPS runs Ghostscript)."""

COLOURS = ("CMYK", "YCbCr", "LAB")
"""Modes of Pillow that are converted to RGB, without the colour profile that a file may hold."""

MEMORY = 1200 * 10**6
"""Bytes that the decoding of one picture may take."""

LARGEST = 4096 * 4096
"""Pixels that a picture may have once it is prepared: every shift holds several copies in float32."""

# Bytes a pixel at the worst moment: Pillow has 4 for RGB, and a turned or composited picture stands beside the first.
# Decoders of WebP hold two canvases and a copy of one, those of a progressive JPEG all coefficients.
_BYTES = 8
_BYTES_OF = {"WEBP": 18, "GIF": 12}
_PROGRESSIVE = 12

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageHeader:
    """What a file says before its pixels are decoded.

    Fields:
        size: (width, height) of the upright image.
        channels: 1 or 3.
        jpeg: Whether it is one.
        turned: Whether an EXIF tag turns or mirrors it.
        several: Whether it holds several pictures: an animation, pages.
        clear: Whether it is transparent everywhere.
        colours: What its colours are converted from (``CMYK``), where that is not RGB, grey or a palette.
    """

    size: tuple[int, int]
    channels: int
    jpeg: bool
    turned: bool = False
    several: bool = False
    clear: bool = False
    colours: str = ""


def read_header(content: bytes, name: str) -> ImageHeader:
    """The header of an encoded image; ``DataError`` names the file where it cannot be used."""
    with _quiet(), _opened(content, name) as image:
        try:
            several = bool(getattr(image, "is_animated", False))
            turn = _turn(image)
            size = image.size
            if image.format == "TIFF":
                # Pillow turns these itself, as they are loaded.
                image.load()
                size = image.size
            elif turn > 4:
                size = size[::-1]
            clear = _has_alpha(image) and _alpha(image)[1] == 0
            # Pillow reads the pixels for the palette too, and may fail at them.
            channels = 1 if _grey(image) else 3
        except Exception as error:
            raise damaged(name, error) from error
        # MPO: what Pillow calls a JPEG with further pictures behind it, as cameras write them.
        jpeg = image.format in ("JPEG", "MPO")
        colours = image.mode if image.mode in COLOURS else ""
        return ImageHeader(size, channels, jpeg, turn > 1, several, clear, colours)


def damaged(name: str, error: Exception) -> Unreadable:
    """What to say of a file that cannot be decoded."""
    return Unreadable(
        f"{name} is damaged or truncated ({error})", f"mend it or leave it out with {option('skip_bad', True)}"
    )


def looks_whole(content: bytes) -> bool:
    """Whether a JPEG or PNG has its end marker near its end; other formats are not judged by their end."""
    if content[:2] == b"\xff\xd8":
        # Near the end, as some programs write more behind it; behind the head, which may hold a whole thumbnail.
        return content.rfind(b"\xff\xd9", max(_scan(content), len(content) - 4096)) >= 0
    return content[:4] == b"\x89PNG" and b"IEND" in content[-4096:]


def _scan(content: bytes) -> int:
    """Where the pixels of a JPEG begin; its length where they never do."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        if content[place + 1] == 0xDA:
            return place
        # A marker may be padded, and is else followed by its length, which counts itself.
        place += 1 if content[place + 1] == 0xFF else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return len(content)


def decode(content: bytes, name: str, how: Preparation | None = None) -> Pixels:
    """(channel, height, width) uint8 pixels of an encoded image, upright, prepared.

    Palettes, CMYK and 1-bit images become RGB or grey; EXIF rotation is applied, and EXIF that cannot be read is none;
    of an animation the first frame counts. Images that are partly transparent are composited on white.

    Raises:
        DataError: Unreadable or truncated; more than 8 bits a channel (their range is not known: convert them first);
            too large to be decoded in ``MEMORY``; smaller than the crop.
    """
    how = how or Preparation()
    with _quiet(), _opened(content, name) as image:
        try:
            image.load()
            turn = _TURNS.get(_turn(image))
            grey = _grey(image)
            # One after the other, so that no more than two of them are held at once.
            plain: Image.Image = image if turn is None else image.transpose(turn)
            if turn is not None:
                image.im = None  # type: ignore[assignment]
            plain = _opaque(plain)
            mode = "L" if (how.channels or (1 if grey else 3)) == 1 else "RGB"
            plain = plain if plain.mode == mode else plain.convert(mode)
        except Exception as error:
            raise damaged(name, error) from error
        plain = _prepared(plain, name, how)
    pixels = np.asarray(plain, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def prepared(pixels: Pixels, name: str, how: Preparation) -> Pixels:
    """(3, height, width) uint8 pixels that were decoded elsewhere, prepared by the very code that files are."""
    if how.empty:
        return pixels
    image = _prepared(Image.fromarray(pixels.transpose(1, 2, 0)), name, how)
    return np.ascontiguousarray(np.asarray(image, np.uint8).transpose(2, 0, 1))


def decode_with_alpha(content: bytes, name: str) -> tuple[Pixels, bool]:
    """(4, height, width) uint8 colours and opacity of an encoded image, upright; and whether it has an alpha channel.

    Raises:
        DataError: As ``decode``.
    """
    with _quiet(), _opened(content, name) as image:
        try:
            image.load()
            turn, alpha = _TURNS.get(_turn(image)), _has_alpha(image)
            upright: Image.Image = image if turn is None else image.transpose(turn)
            pixels = np.asarray(upright.convert("RGBA"), dtype=np.uint8)
        except Exception as error:
            raise damaged(name, error) from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), alpha


def _prepared(image: Image.Image, name: str, how: Preparation) -> Image.Image:
    box = how.cut(*image.size)
    if box != (0, 0, *image.size):
        image = image.crop(box)
    size = how.resized(*image.size)
    if size != image.size:
        image = image.resize(size, Image.Resampling[how.filter.upper()])
    if how.crop is None:
        return image
    require(
        min(image.size) >= how.crop,
        f"{name} is {image.width} x {image.height}, smaller than {option('crop', how.crop)}; add "
        f"{option('resize', how.crop)}",
        DataError,
    )
    left, top = (crop_start(length, how.crop, how.rounding) for length in image.size)
    return image.crop((left, top, left + how.crop, top + how.crop))


def decode_image(given: Path | str | bytes) -> Pixels:
    """(channel, height, width) uint8 pixels of one image file or its bytes."""
    if isinstance(given, bytes):
        return decode(given, "the image")
    path = Path(given)
    require(path.is_file(), f"no such image: {path}", DataError)
    return decode(path.read_bytes(), str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Pillow's advice, which is for programmers; what is wrong with a file is told by errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _opened(content: bytes, name: str) -> Image.Image:
    leave = f"or leave it out with {option('skip_bad', True)}"
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        too_deep = _depth(image, content) > 8
    except UnidentifiedImageError:
        told = what_it_is(content)
        known = f"it is {told}," if told else "mend it"
        raise Unreadable(f"{name} is no image that can be read ({', '.join(FORMATS)})", f"{known} {leave}") from None
    except Image.DecompressionBombError as error:
        raise Unreadable(f"{name} is too large to be decoded ({error})", f"scale it down {leave}") from None
    except Exception as error:
        raise Unreadable(f"{name} cannot be read ({error})", f"mend it {leave}") from error
    if too_deep:
        bits = f"{name} has more than 8 bits a channel (mode {image.mode})"
        raise Unreadable(bits, f"convert it to 8 bits first, {leave}")
    width, height = image.size
    most = MEMORY // (_PROGRESSIVE if image.info.get("progressive") else _BYTES_OF.get(image.format or "", _BYTES))
    if width * height > most:
        raise Unreadable(
            f"{name} is {width:,} x {height:,}: {width * height:,} pixels, of which {most:,} can be decoded in the "
            "memory that one picture may take",
            f"scale it down {leave}",
        )
    return image


def _depth(image: Image.Image, content: bytes) -> int:
    """Bits a channel, as the file says: Pillow cuts the lower ones of some forms off without a word."""
    if image.format == "PNG":
        return content[24]
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, 1)  # type: ignore[attr-defined]
        return max(bits) if isinstance(bits, tuple) else int(bits)
    return 16 if image.mode.startswith(("I", "F")) else 8


def _turn(image: Image.Image) -> int:
    """The EXIF tag Orientation, 1 to 8; 1 where there is none, or none that can be read."""
    if image.format == "PNG":
        # It may stand behind the pixels; damage there is damage to the picture.
        image.load()
    try:
        turn = image.getexif().get(0x0112, 1)
    # Whatever is wrong with it: every viewer shows such a picture as it lies.
    except Exception:
        return 1
    return int(turn) if turn in _TURNS else 1


def _grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _grey_palette(image))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _alpha(image: Image.Image) -> tuple[int, int]:
    """The least and the largest opacity."""
    plain = image if image.mode in ("RGBA", "LA", "PA") else image.convert("RGBA")
    low, high = plain.getchannel("A").getextrema()
    return int(low), int(high)  # type: ignore[arg-type]


def _opaque(image: Image.Image) -> Image.Image:
    """The image without transparency: composited on white where it is partly transparent."""
    if not _has_alpha(image):
        return image
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB")
    white = Image.new("RGB", rgba.size, "white")
    # In strips, as whole pictures of this would stand beside each other.
    for top in range(0, rgba.height, 256):
        strip = rgba.crop((0, top, rgba.width, min(top + 256, rgba.height)))
        whole = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
        white.paste(whole.convert("RGB"), (0, top))
    return white


def _grey_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette("RGB") or [], dtype=int).reshape(-1, 3)
    return bool(len(palette) and (palette == palette[:, :1]).all())
