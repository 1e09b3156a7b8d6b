"""From encoded bytes to uint8 pixels, with nothing silently wrong."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation, crop_start

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""The only formats that are decoded, whatever a file is called: others start other programs (EPS runs Ghostscript)."""

_SIXTEEN_BIT = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class ImageHeader:
    """What a file says before its pixels are decoded.

    Fields:
        size: (width, height) of the upright image.
        channels: 1 or 3.
        jpeg: Whether it is one.
        turned: Whether an EXIF tag turns or mirrors it.
    """

    size: tuple[int, int]
    channels: int
    jpeg: bool
    turned: bool = False


def read_header(content: bytes, name: str) -> ImageHeader:
    """The header of an encoded image; ``DataError`` names the file where it cannot be used."""
    with _opened(content, name) as image:
        try:
            # The tag Orientation; 5 to 8 lay the picture on its side, so that width and height change places.
            turn = image.getexif().get(0x0112, 1)
        except Exception as error:
            raise damaged(name, error) from error
        size = image.size[::-1] if turn in (5, 6, 7, 8) else image.size
        grey = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _grey_palette(image))
        # MPO: what Pillow calls a JPEG with further pictures behind it, as cameras write them.
        return ImageHeader(size, 1 if grey else 3, image.format in ("JPEG", "MPO"), turn in range(2, 9))


def damaged(name: str, error: Exception) -> DataError:
    """What to say of a file that cannot be decoded."""
    return DataError(
        f"{name} is damaged or truncated ({error}); mend it or leave it out with {option('skip_bad', True)}"
    )


def looks_whole(content: bytes) -> bool:
    """Whether a JPEG or PNG has its end marker near its end; other formats are not judged by their end."""
    if content[:2] == b"\xff\xd8":
        # Near the end, as some programs write more behind it.
        return b"\xff\xd9" in content[-4096:]
    return content[:4] == b"\x89PNG" and b"IEND" in content[-4096:]


def decode(content: bytes, name: str, how: Preparation | None = None) -> Pixels:
    """(channel, height, width) uint8 pixels of an encoded image, upright, prepared.

    Palettes, CMYK and 1-bit images become RGB or grey; EXIF rotation is applied; of an animation the first frame
    counts. Images that are partly transparent are composited on white.

    Raises:
        DataError: Unreadable or truncated; 16-bit or floating point (their range is not known: convert them first);
            smaller than the crop.
    """
    how = how or Preparation()
    with _opened(content, name) as image:
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
        except Exception as error:
            raise damaged(name, error) from error
        grey = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _grey_palette(image))
        plain = _opaque(upright).convert("L" if (how.channels or (1 if grey else 3)) == 1 else "RGB")
    plain = _prepared(plain, name, how)
    pixels = np.asarray(plain, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


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


def _opened(content: bytes, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow only warns of pictures that are suspiciously large; here they are refused.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # It advises a conversion to RGBA, which _opaque makes.
            warnings.filterwarnings("ignore", message="Palette images with Transparency")
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(
            f"{name} is no image that can be read ({', '.join(FORMATS)}); mend it or leave it out with "
            f"{option('skip_bad', True)}"
        ) from None
    except Exception as error:
        raise DataError(
            f"{name} cannot be read ({error}); mend it or leave it out with {option('skip_bad', True)}"
        ) from error
    require(
        image.mode not in _SIXTEEN_BIT,
        f"{name} has more than 8 bits a channel (mode {image.mode}); convert it to 8 bits first, or use "
        f"{option('skip_bad', True)}",
        DataError,
    )
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """The image without transparency: composited on white where it is partly transparent."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        return rgba.convert("RGB")
    return image


def _grey_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette("RGB") or [], dtype=int).reshape(-1, 3)
    return bool(len(palette) and (palette == palette[:, :1]).all())
