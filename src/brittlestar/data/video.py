"""Video files: their frames by number, decoded exactly, through PyAV (extra ``video``).

Frames are numbered in the order in which they are shown. Opening a file decodes it once: its frames are counted, each
is known to be whole, and a digest of every frame's pixels is kept, so that a frame that is fetched later by jumping to
the nearest key frame is known to be the same one to the last bit. Where a jump lands otherwise (open groups of
pictures, time stamps that repeat), the file is decoded from its beginning.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation
from brittlestar.data.base import Changed, Unreadable
from brittlestar.data.decode import Pixels, prepared

FORMATS = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".avi": "avi",
    ".mpg": "mpeg",
    ".mpeg": "mpeg",
    ".ogv": "ogg",
}
"""The container by the file's ending. It is never guessed from the content: playlists would open other files."""

LACKING = "reading video needs PyAV: pip install 'brittlestar[video]'"

_TURNS = {90: 1, 180: 2, 270: 3}


def pyav() -> Any:
    """The module ``av``.

    Raises:
        DataError: It is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DataError(LACKING) from error
    return av


@dataclass(frozen=True)
class VideoClip:
    """A video file whose frames are known.

    Fields:
        path: Where it is.
        name: For people: relative to the data's root.
        content: Digest of the file.
        stamp: (size, time of the last change in ns) of the file when its digest was taken.
        times: (n,) presentation time stamps of the frames, in order; empty where they do not rise.
        marks: (n,) uint64, of each frame's pixels.
        keys: (k,) numbers of the key frames, ascending.
        size: (width, height) of the upright frames.
        rate: Frames a second, on average; ``None`` where the file does not say it.
    """

    path: Path
    name: str
    content: bytes
    stamp: tuple[int, int]
    times: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint64]
    keys: npt.NDArray[np.int64]
    size: tuple[int, int]
    rate: float | None
    turned: bool = False
    _checked: list[tuple[int, int]] = field(default_factory=list, compare=False, repr=False)

    channels = 3
    jpeg = False

    @property
    def count(self) -> int:
        """How many frames it has."""
        return len(self.marks)

    def digest(self, number: int) -> bytes:
        """16 bytes that stand for a frame: of the file's content and the frame's number."""
        return hashlib.blake2b(self.content + number.to_bytes(8, "little"), digest_size=16).digest()

    def frame_name(self, number: int) -> str:
        """``bikes.mp4#124``."""
        return f"{self.name}#{number}"

    @classmethod
    def read(cls, path: Path, name: str) -> VideoClip:
        """Decode a file once.

        Raises:
            Unreadable: It is damaged, truncated, or holds no video.
        """
        content, stamp = _content(path, name)
        times: list[int | None] = []
        marks: list[int] = []
        keys: list[int] = []
        sizes: set[tuple[int, int]] = set()
        turned = False
        with _decoding(path, name, lambda: len(marks)) as (container, stream):
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise _damaged(name, f"frame {len(marks)} is corrupt")
                pixels = _pixels(frame)
                if frame.key_frame:
                    keys.append(len(marks))
                times.append(frame.pts)
                marks.append(_mark(pixels))
                sizes.add((pixels.shape[2], pixels.shape[1]))
                turned = turned or frame.rotation % 360 != 0
            told, rate = int(stream.frames or 0), stream.average_rate or stream.guessed_rate
        if not marks:
            raise _damaged(name, "it holds no frame")
        if len(marks) < told:
            raise _damaged(name, f"it has {len(marks)} of the {told} frames that its header tells of")
        if len(sizes) > 1:
            raise Unreadable(f"{name} changes its size, {_listed(sizes)}", _remedy())
        known = [time for time in times if time is not None]
        rising = len(known) == len(times) and bool((np.diff(known) > 0).all())
        return cls(
            path,
            name,
            content,
            stamp,
            np.array(known if rising else [], np.int64),
            np.array(marks, np.uint64),
            np.array(keys, np.int64),
            next(iter(sizes)),
            _rate(rate),
            turned,
        )

    def frames(self, numbers: Sequence[int], how: Preparation) -> Iterator[Pixels]:
        """(channel, height, width) uint8 of these frames, which ascend.

        Raises:
            Changed: The file is not what it was.
            DataError: A frame cannot be decoded, or comes out otherwise than before.
        """
        self._check_file()
        with _decoding(self.path, self.name, lambda: numbers[0]) as (container, stream):
            decoded: Iterator[tuple[int | None, Any]] = iter(())
            at = -1
            for number in numbers:
                key = int(self.keys[np.searchsorted(self.keys, number, side="right") - 1]) if len(self.keys) else 0
                if len(self.times) and (at < 0 or at < key):
                    container.seek(int(self.times[key]), stream=stream)
                    decoded = self._numbered(container.decode(stream))
                elif at < 0:
                    decoded = enumerate(container.decode(stream))
                pixels = self._upto(decoded, number)
                if pixels is None:
                    container.seek(0, stream=stream)
                    decoded = enumerate(container.decode(stream))
                    pixels = self._upto(decoded, number)
                if pixels is None:
                    raise DataError(
                        f"frame {number} of {self.name} is decoded otherwise than when this session began: PyAV or the "
                        "kind of processor differs between the machines"
                    )
                at = number
                yield prepared(pixels, self.frame_name(number), how)

    def _numbered(self, decoded: Iterator[Any]) -> Iterator[tuple[int | None, Any]]:
        """Frames after a jump with their numbers, as their time stamps tell."""
        for frame in decoded:
            place = int(np.searchsorted(self.times, frame.pts)) if frame.pts is not None else len(self.times)
            yield (place if place < len(self.times) and self.times[place] == frame.pts else None), frame

    def _upto(self, decoded: Iterator[tuple[int | None, Any]], number: int) -> Pixels | None:
        """The pixels of a frame; ``None`` where it does not come, or is not what it was."""
        for place, frame in decoded:
            if place is None or place > number:
                return None
            if place == number:
                pixels = _pixels(frame)
                return pixels if _mark(pixels) == int(self.marks[number]) else None
        return None

    def _check_file(self) -> None:
        """Once a process and state of the file: hash it only where size or time differ from what they were."""
        try:
            stamp = _stamp(self.path)
        except OSError:
            raise Changed(f"{self.name} is gone since this session began") from None
        if stamp != self.stamp and stamp not in self._checked:
            if _content(self.path, self.name)[0] != self.content:
                raise Changed.of(self.name)
            self._checked.append(stamp)


@contextlib.contextmanager
def _decoding(path: Path, name: str, at: Any) -> Iterator[tuple[Any, Any]]:
    """An opened file and its first video stream; whatever the decoder says against it names file and frame."""
    av = pyav()
    try:
        with path.open("rb") as file, av.open(file, format=FORMATS[path.suffix.lower()]) as container:
            if not container.streams.video:
                raise _damaged(name, "it holds no video")
            stream = container.streams.video[0]
            # Where a decoder mends errors in silence, pixels would be those of nobody.
            stream.codec_context.options = {"err_detect": "explode"}
            stream.codec_context.flags |= int(av.codec.context.Flags.bitexact)
            stream.codec_context.thread_count = 1
            yield container, stream
    except av.error.FFmpegError as error:
        raise _damaged(name, f"near frame {at()}: {error.strerror}") from error
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror or error}") from error


def _pixels(frame: Any) -> Pixels:
    """(3, height, width) uint8 RGB of a decoded frame, upright."""
    array: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    # The angle is counterclockwise, as rot90 counts.
    array = np.rot90(array, _TURNS.get(round(frame.rotation) % 360, 0))
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _mark(pixels: Pixels) -> int:
    return int.from_bytes(hashlib.blake2b(pixels.data, digest_size=8).digest(), "little")


def _rate(rate: Fraction | None) -> float | None:
    return float(rate) if rate else None


def _stamp(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns


def _content(path: Path, name: str) -> tuple[bytes, tuple[int, int]]:
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest(), stamp
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror or error}") from error


def _damaged(name: str, why: str) -> Unreadable:
    return Unreadable(f"{name} is damaged or no video ({why})", _remedy())


def _remedy() -> str:
    return f"mend it or leave it out with {option('skip_bad', True)}"


def _listed(sizes: set[tuple[int, int]]) -> str:
    return " and ".join(f"{width} x {height}" for width, height in sorted(sizes)[:3])
