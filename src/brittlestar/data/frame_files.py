"""Clips that are folders of frames: one image file a frame, in the natural order of the names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brittlestar.core.errors import DataError
from brittlestar.core.preparation import Preparation
from brittlestar.core.text import readable
from brittlestar.data.base import Changed
from brittlestar.data.decode import ImageHeader, Pixels, decode, looks_whole, read_header
from brittlestar.data.order import digest_of


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts ``frame-9`` before ``frame-10``."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    # The text settles 1, 01 and 001.
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)


@dataclass(frozen=True)
class FrameFiles:
    """A clip of image files.

    Fields:
        root: Folder of the data.
        name: For people: relative to the root.
        files: Paths relative to the root, one a frame.
        rate: Frames a second; ``None`` where unknown.
        digests: Of the contents of the frames that were looked at, by number.
        headers: What these frames' files say of themselves.
    """

    root: Path
    name: str
    files: tuple[str, ...]
    rate: float | None = None
    digests: dict[int, bytes] = field(default_factory=dict)
    headers: dict[int, ImageHeader] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many frames it has."""
        return len(self.files)

    def look(self, numbers: Sequence[int], how: Preparation, skip_bad: bool) -> Mapping[int, DataError]:
        """Hash some frames and read their headers; gives those that cannot be read.

        Raises:
            DataError: One cannot be read, and none may be skipped.
        """
        bad = {}
        for number in numbers:
            try:
                content = self._content(number)
                self.headers[number] = read_header(content, self.frame_name(number))
                if skip_bad or not looks_whole(content):
                    decode(content, self.frame_name(number), how)
                self.digests[number] = digest_of(content)
            except DataError as error:
                if not skip_bad:
                    raise
                bad[number] = error
        return bad

    def digest(self, number: int) -> bytes:
        """16 bytes that stand for a frame's content."""
        return self.digests[number]

    def frame_name(self, number: int) -> str:
        """The file."""
        return Path(self.files[number]).as_posix()

    def frames(self, numbers: Sequence[int], how: Preparation) -> Iterator[Pixels]:
        """(channel, height, width) uint8 of these frames.

        Raises:
            Changed: One is not what it was.
        """
        for number in numbers:
            content = self._content(number)
            if digest_of(content) != self.digests[number]:
                raise Changed.of(self.frame_name(number))
            yield decode(content, self.frame_name(number), how)

    def _content(self, number: int) -> bytes:
        try:
            return (self.root / self.files[number]).read_bytes()
        except FileNotFoundError:
            raise Changed(f"{self.frame_name(number)} is not in {readable(str(self.root))}") from None
        except OSError as error:
            raise DataError(f"cannot read {self.frame_name(number)}: {error.strerror or error}") from error
