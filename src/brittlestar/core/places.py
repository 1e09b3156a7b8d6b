"""Run folders on object storage (``s3://bucket/folder``, ``gs://...``): paths as everywhere, files through fsspec.

Object storage has no folders, no renaming and no locks of the operating system. What it has is enough: an object is
written whole or not at all, and is seen by the next who asks. ``core.files`` builds what a run folder needs of it.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import io
import os
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from brittlestar.core.errors import UsageError

SCHEMES = {"s3": "s3fs", "gs": "gcsfs", "memory": "fsspec"}
"""What an address may begin with, and the package that is needed for it."""

_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)}):/+(.*)", re.DOTALL)

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Path itself cannot be subclassed before Python 3.12


def place(path: str | Path) -> Path:
    """A path from what a person wrote: ``s3://bucket/folder`` is one on object storage, anything else one of here.

    An address that already went through ``Path``, which takes the second slash away, is one too.
    """
    if isinstance(path, ObjectPath):
        return path
    address = _ADDRESS.fullmatch(str(path))
    return Path(path) if address is None else ObjectPath(f"{address[1]}:/{address[2]}")


class ObjectPath(_Path):
    """A path on object storage. Names are put together and taken apart as of any path.

    Methods that it does not have raise ``TypeError`` where they would come to the local file system.
    """

    def __str__(self) -> str:
        scheme, colon, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest}" if colon else scheme  # a relative one has none

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __fspath__(self) -> str:
        raise TypeError(f"{self} lies on object storage, where this cannot be done")

    def __bytes__(self) -> bytes:
        return str(self).encode()

    @property
    def system(self) -> Any:
        """The fsspec file system."""
        return file_system(self.parts[0].rstrip(":"))

    @property
    def key(self) -> str:
        """The path as the file system has it, without the scheme."""
        return "/".join(self.parts[1:])

    def absolute(self) -> ObjectPath:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> ObjectPath:
        """Itself."""
        return self

    def exists(self, **_: Any) -> bool:
        """Whether there is an object of this name, or one below it."""
        return self._asked("exists") is True

    def is_file(self, **_: Any) -> bool:
        """Whether there is an object of this name."""
        return self._asked("isfile") is True

    def is_dir(self, **_: Any) -> bool:
        """Whether there are objects below it."""
        return self._asked("isdir") is True

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def _asked(self, question: str) -> Any:
        with told_as_oserror(self):
            return getattr(self.system, question)(self.key)

    def iterdir(self) -> Iterator[ObjectPath]:  # type: ignore[override]
        """What lies directly below it; nothing where a folder would be empty, which is not there at all."""
        names: list[str] = []
        with told_as_oserror(self), contextlib.suppress(FileNotFoundError):
            names = self.system.ls(self.key, detail=False, refresh=True)
        own = self.key.strip("/")
        # Some file systems list the folder's own marker too.
        yield from (self / name.rstrip("/").rpartition("/")[2] for name in names if name.strip("/") != own)

    def rglob(self, pattern: str, **_: Any) -> Iterator[ObjectPath]:  # type: ignore[override]
        """Objects at any depth below it, by name."""
        yield from (path for path in self._all() if path.match(pattern))

    def glob(self, pattern: str, **_: Any) -> Iterator[ObjectPath]:  # type: ignore[override]
        """Objects below it at the depth that the pattern has."""
        depth = len(self.parts) + len(Path(pattern).parts)
        yield from (path for path in self._all() if len(path.parts) == depth and path.match(pattern))

    def _all(self) -> list[ObjectPath]:
        names: list[str] = []
        with told_as_oserror(self), contextlib.suppress(FileNotFoundError):
            names = self.system.find(self.key)
        base = len(self.key.strip("/")) + 1
        return [self / name.strip("/")[base:] for name in sorted(names)]

    def read_bytes(self) -> bytes:
        """The object's content."""
        with told_as_oserror(self):
            content: bytes = self.system.cat_file(self.key)
        return content

    def read_text(self, encoding: str | None = None, errors: str | None = None, **_: Any) -> str:
        """The object's content as text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any) -> int:
        """Write the object, whole or not at all."""
        content = bytes(data)
        with told_as_oserror(self):
            self.system.pipe_file(self.key, content)
        return len(content)

    def write_text(self, data: str, encoding: str | None = None, *_: Any, **__: Any) -> int:
        """Write the object, whole or not at all."""
        return self.write_bytes(data.encode(encoding or "utf-8"))

    def open(  # type: ignore[override]
        self, mode: str = "r", *_: Any, encoding: str | None = None, **__: Any
    ) -> IO[Any]:
        """The object's content, for reading only."""
        if mode not in ("r", "rb", "rt"):
            raise TypeError(f"{self} lies on object storage, where objects are written whole")
        content = io.BytesIO(self.read_bytes())
        return content if "b" in mode else io.TextIOWrapper(content, encoding or "utf-8")

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Nothing: folders are there when something lies in them."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        with told_as_oserror(self), contextlib.suppress(*([FileNotFoundError] if missing_ok else [])):
            self.system.rm_file(self.key)

    def rename(self, target: Any) -> ObjectPath:
        """Copy the object, then remove it."""
        to = place(target)
        assert isinstance(to, ObjectPath)
        with told_as_oserror(self):
            self.system.copy(self.key, to.key)
            self.system.rm_file(self.key)
        return to

    replace = rename

    def stat(self, **_: Any) -> Any:
        """Size and time of the last writing, by the storage's clock; nothing else is known."""
        with told_as_oserror(self):
            told = self.system.info(self.key)
        written = next((told[key] for key in ("LastModified", "mtime", "updated", "created") if told.get(key)), None)
        if isinstance(written, str):
            written = datetime.datetime.fromisoformat(written)
        if isinstance(written, datetime.datetime):
            aware = written if written.tzinfo else written.replace(tzinfo=datetime.UTC)
            written = aware.timestamp()
        seconds = float(written or 0.0)
        return types.SimpleNamespace(st_size=told["size"], st_mtime=seconds, st_mtime_ns=int(seconds * 1e9))

    def remove_all(self) -> None:
        """Remove everything below it, the objects that list others last written first."""
        with told_as_oserror(self), contextlib.suppress(FileNotFoundError):
            self.system.rm(self.key, recursive=True)


@functools.lru_cache(maxsize=8)
def _file_system(scheme: str, process: int) -> Any:
    try:
        import fsspec

        # Listings are asked for anew each time: other machines write too.
        return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=scheme != "memory")
    except ImportError as error:
        raise UsageError(
            f"run folders at {scheme}:// need {SCHEMES[scheme]}: python -m pip install {SCHEMES[scheme]} ({error})"
        ) from error


def file_system(scheme: str) -> Any:
    """The file system of a scheme; addresses and keys of servers are found as its package finds them.

    Raises:
        UsageError: Its package is not installed.
    """
    # Connections do not survive a fork.
    return _file_system(scheme, os.getpid())


@contextlib.contextmanager
def told_as_oserror(path: Path) -> Iterator[None]:
    """Whatever a storage's client raises, as the ``OSError`` that the callers of a path expect."""
    try:
        yield
    except (OSError, UsageError, TypeError):
        raise
    except Exception as error:
        raise OSError(None, f"{type(error).__name__}: {error}", str(path)) from error
