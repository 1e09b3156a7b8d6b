"""Headless Chromium, where there is one: pages to PDF and to pictures. It sees local files and no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from brittlestar.core.errors import BrittlestarError, UsageError, require
from brittlestar.core.files import replacing

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
"""Commands and programs that are looked for, in this order, unless ``CHROME_PATH`` names one."""

FLAGS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-extensions", "--disable-quic"),
    # --disable-dev-shm-usage: containers often have a /dev/shm that is too small for a large page.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    # Whatever a page may name, no address is ever looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

PATIENCE = 180.0
"""Seconds that a page may take; the largest report took 6 on a busy machine."""


def chromium() -> str | None:
    """The program: what the environment variable ``CHROME_PATH`` names, else the first known one that is installed."""
    named = os.environ.get("CHROME_PATH")
    return shutil.which(named) if named else next((path for name in NAMES if (path := shutil.which(name))), None)


def check_chromium(purpose: str) -> str:
    """The program, for a purpose such as ``a PDF``.

    Raises:
        UsageError: There is none.
    """
    program = chromium()
    named = os.environ.get("CHROME_PATH")
    missing = f"CHROME_PATH is {named!r}, which is no program" if named else "none was found"
    require(
        program is not None,
        f"{purpose} is made by Chromium or Chrome, and {missing}: install it (apt-get install chromium, or "
        "https://www.google.com/chrome), or set CHROME_PATH to the program",
        UsageError,
    )
    assert program is not None
    return program


def print_pdf(page: Path, path: Path) -> None:
    """Print an HTML page to a PDF of the size that its ``@page`` rule asks for, without headers and footers.

    Raises:
        UsageError: There is no Chromium.
        BrittlestarError: It failed, or took longer than ``PATIENCE``.
    """
    # The second flag is the first one's name in versions before 112.
    _run(page, path, "--no-pdf-header-footer", "--print-to-pdf-no-header", "--print-to-pdf={}")


def picture(page: Path, path: Path, size: tuple[int, int], scale: float) -> None:
    """Write what a window of ``size`` (width, height in CSS pixels) shows as a PNG, ``scale`` dots a pixel.

    Raises:
        UsageError, BrittlestarError: See ``print_pdf``.
    """
    window = f"--window-size={size[0]},{size[1]}"
    _run(page, path, window, f"--force-device-scale-factor={scale:g}", "--screenshot={}")


def _run(page: Path, path: Path, *flags: str) -> None:
    program = check_chromium(f"{path.suffix[1:].upper() or 'this'} output")
    with tempfile.TemporaryDirectory(prefix="brittlestar-chromium-", ignore_cleanup_errors=True) as folder:
        # Made elsewhere and copied: Chromium writes in place, and half a file must not be left at ``path``.
        made = Path(folder) / f"made{path.suffix}"
        # A profile of its own: with the user's, a Chromium that is open already would take the page over.
        command = [program, *FLAGS, f"--user-data-dir={folder}/profile", *(flag.format(made) for flag in flags)]
        if (
            getattr(os, "geteuid", lambda: 1)() == 0
        ):  # Chromium's sandbox refuses to start for root, as in most containers.
            command.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(
                [*command, page.resolve().as_uri()], capture_output=True, text=True, errors="replace", timeout=PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            raise BrittlestarError(f"{program} did not finish {page} within {PATIENCE:.0f} seconds") from error
        # Chromium may end with 0 and have written nothing.
        if done.returncode or not made.exists():
            last = " / ".join(done.stderr.strip().splitlines()[-3:]) or "no message"
            raise BrittlestarError(f"{program} could not make {path} (exit code {done.returncode}): {last}")
        with replacing(path) as beside:
            shutil.copyfile(made, beside)
