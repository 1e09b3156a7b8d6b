"""Frost: crystals on the window, from the published textures or from our own."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.core.errors import DataError, require
from brittlestar.core.frost import COMMAND, FILES, FOLDER_VARIABLE, texture_folder
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import blend, frosted

NOT_COMPARABLE = "frost drawn with procedural textures: not comparable with published ImageNet-C"


def available_textures() -> str:
    """``reference`` where the reference's textures are found, else ``procedural``."""
    return "procedural" if texture_folder() is None else "reference"


@functools.lru_cache(maxsize=16)
def textures(scale: float, height: int, width: int, channels: int = 3) -> tuple[torch.Tensor, ...]:
    """The reference's textures, (channels, rows, columns) float32 in [0, 1], scaled, and enlarged where an image of
    (height, width) would not fit into them; one channel is grey as OpenCV reads it."""
    folder = texture_folder()
    require(
        folder is not None,
        f"the frost textures of the ImageNet-C code are not here: `{COMMAND}` brings them; or name a folder with "
        f'them in {FOLDER_VARIABLE}, or use textures="procedural"',
        DataError,
    )
    # For the type checker: `require` has seen to it.
    assert folder is not None
    found = []
    for name in FILES:
        with Image.open(folder / name) as picture:
            levels = grey_levels(picture)[:, :, None] if channels == 1 else np.asarray(picture.convert("RGB"))
        texture = torch.from_numpy(levels.astype(np.float32)).permute(2, 0, 1).div_(255)
        fit = max(scale, (height + 1) / texture.shape[1], (width + 1) / texture.shape[2])
        found.append(texture.contiguous() if fit == 1 else _scaled(texture, fit))
    return tuple(found)


def grey_levels(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """(rows, columns) grey of an opened JPEG or 8-bit PNG as OpenCV's ``IMREAD_GRAYSCALE`` has it.

    The JPEG library gives the luma that is stored. libpng mixes the colours with weights in 1/32768 that are not
    rounded; in linear light, through tables of 8 bits, where the file names a gamma, and else cutting off.
    """
    picture.draft("L", picture.size)
    if picture.mode == "L":
        return np.asarray(picture)
    colours = np.asarray(picture.convert("RGB"))
    red, green = (weight * 32768 // 1000 for weight in (299, 587))
    # Blue gets what is left, so that the weights add up to 1.
    weights = np.array([red, green, 32768 - red - green])
    if "gamma" not in picture.info:
        return np.asarray(colours.astype(np.int64) @ weights >> 15, np.uint8)
    gamma = round(picture.info["gamma"] * 100_000)
    linear, back = _gamma_table(round(1e10 / gamma)), _gamma_table(gamma)
    mixed = back[(linear[colours].astype(np.int64) @ weights + 16384) >> 15]
    # libpng does not convert pixels whose three colours are equal.
    return np.asarray(np.where((colours == colours[:, :, :1]).all(2), colours[:, :, 0], mixed))


def _gamma_table(exponent: int) -> npt.NDArray[np.uint8]:
    """Of 256 levels, for an exponent in 1/100,000."""
    return np.asarray(np.floor(255 * (np.arange(256) / 255) ** (exponent / 100_000) + 0.5), np.uint8)


def _scaled(texture: torch.Tensor, factor: float) -> torch.Tensor:
    """Bilinear, without smoothing before, 8 bits after: as OpenCV scales by a factor."""
    rows, columns = (round(side * factor) for side in texture.shape[1:])
    out = texture
    for dim, size in ((1, rows), (2, columns)):
        place = ((torch.arange(size, dtype=torch.float64) + 0.5) / factor - 0.5).clamp_(0, texture.shape[dim] - 1)
        first = place.floor().to(torch.int64)
        share = (place - first).to(torch.float32).view([-1 if d == dim else 1 for d in range(3)])
        second = (first + 1).clamp_(max=texture.shape[dim] - 1)
        out = out.index_select(dim, first) * (1 - share) + out.index_select(dim, second) * share
    return out.mul_(255).round_().div_(255)


@final
@dataclass(frozen=True, kw_only=True)
class Frost(Shift):
    """Lay a random cut of a frost texture over the image: ``image * x + texture * frost``.

    Fields:
        image, texture: Weights of the image and of the texture; at least 0.
        scale: Of the texture: 1 for photographs, 0.2 at 32 pixels, 0.3 at 64. Where an image would not fit into the
            texture, the texture is enlarged just enough.
        textures: ``reference`` (the six pictures of the ImageNet-C code) or ``procedural`` (our own crystals; results
            are then not comparable with published ImageNet-C).
        sixth: Draw the sixth texture too; the published code never does.

    Grey images get the textures as OpenCV reads them in grey.
    """

    name: ClassVar[str] = "frost"
    # 1 made grey of the textures in another way than OpenCV; rows of it are not used again.
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Frost"
    family: ClassVar[str] = "weather"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    strength: ClassVar[str | None] = "texture"
    random: ClassVar[bool] = True
    uneven: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(image=(1.0, 0.8, 0.7, 0.65, 0.6), texture=(0.4, 0.6, 0.7, 0.7, 0.75)),
        "cifar-c": levels(image=(1.0, 1.0, 0.9, 0.85, 0.75), texture=(0.2, 0.3, 0.4, 0.4, 0.45), scale=(0.2,) * 5),
        "tiny-c": levels(image=(1.0, 0.9, 0.8, 0.75, 0.7), texture=(0.3, 0.4, 0.45, 0.5, 0.55), scale=(0.3,) * 5),
    }
    severities["imagenet-c-299"] = severities["imagenet-c"]

    image: float
    texture: float
    scale: float = 1.0
    textures: str = "procedural"
    sixth: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.image <= 10, f"frost.image must be in [0, 10], got {self.image}")
        require(0 <= self.texture <= 10, f"frost.texture must be in [0, 10], got {self.texture}")
        require(0.01 <= self.scale <= 10, f"frost.scale must be in [0.01, 10], got {self.scale}")
        require(
            self.textures in ("reference", "procedural"),
            f"frost.textures must be reference or procedural, got {self.textures!r}",
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        if self.textures == "procedural":
            # Photographs have finer crystals than small images, whose textures are scaled down.
            decay = 1.6 if self.scale >= 1 else 1.9
            return frosted(x, keys, decay, self.image, self.texture)
        choice = textures(self.scale, height, width, x.shape[1])[: 6 if self.sixth else 5]
        which, down, right = keys.uniform((3,)).unbind(1)
        number = (which * len(choice)).to(torch.int64)
        room = torch.tensor([(t.shape[1] - height, t.shape[2] - width) for t in choice], device=x.device)[number]
        frost = cuts(choice, number, (down * room[:, 0]).to(torch.int64), (right * room[:, 1]).to(torch.int64), x)
        return blend(x, frost, self.image, self.texture)


def cuts(
    choice: tuple[torch.Tensor, ...], number: torch.Tensor, top: torch.Tensor, left: torch.Tensor, like: Images
) -> Images:
    """The parts of textures that cover images.

    Args:
        choice: Textures, (c, rows, columns) each.
        number, top, left: (n,) int64: which texture, and where its cut begins.
        like: (n, c, h, w): the images.

    Returns:
        (n, c, h, w).
    """
    _, channels, height, width = like.shape
    if like.is_cuda:
        # All cuts in one gather: a loop would have to wait until the device tells where each begins.
        sheet = torch.zeros(len(choice), channels, *(max(t.shape[i] for t in choice) for i in (1, 2)))
        for place, texture in enumerate(choice):
            sheet[place, :, : texture.shape[1], : texture.shape[2]] = texture
        rows = (top[:, None] + torch.arange(height, device=like.device))[:, :, None]
        columns = (left[:, None] + torch.arange(width, device=like.device))[:, None]
        found = sheet.to(like.device)[number[:, None, None], :, rows, columns].permute(0, 3, 1, 2)
    else:
        places = zip(number.tolist(), top.tolist(), left.tolist(), strict=True)
        parts = [choice[k][:, row : row + height, column : column + width] for k, row, column in places]
        found = torch.stack(parts) if parts else torch.empty(0, channels, height, width)
    return found
