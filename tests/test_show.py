"""``brittlestar show suite`` and ``show sequence``: what they write, and what they say when they cannot."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tiny import called


def show(*words: object) -> subprocess.CompletedProcess[str]:
    return called("show", *words)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "cat <script>&.png"
    Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 40).convert("RGB").save(path)
    return path


def test_a_suite_is_drawn_as_picture_and_page(photograph: Path, tmp_path: Path) -> None:
    done = show("suite", "imagenet-c", "--image", photograph, "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "new" / "imagenet-c.png") as sheet:
        assert sheet.size == (190 + 6 * 156 + 6, 64 + 30 + 15 * 156 + 6)
        assert sheet.convert("L").getextrema() != (0, 0)
    page = (tmp_path / "new" / "imagenet-c.html").read_text()
    assert "<script>" not in page
    assert "cat &lt;script&gt;&amp;.png" in page
    assert page.count("<tr") == 16
    assert page.count("data:image/png") == 75 + 15
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert "60 x 60 pixels" in page
    assert "JPEG of quality 85" in page


def test_grey_suites_are_drawn_grey_and_ladders_by_their_labels(photograph: Path, tmp_path: Path) -> None:
    done = show("suite", "mnist-c", "--image", photograph, "--out", tmp_path, "--size", 28)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mnist-c.html").read_text().count("<figcaption>") == 15
    done = show("suite", "broad", "--image", photograph, "--out", tmp_path, "--size", 16)
    assert done.returncode == 0, done.stderr
    assert "Fourier vectors, sequences and attacks are not drawn" in (tmp_path / "broad.html").read_text()


def test_a_grey_picture_says_what_it_leaves_out(photograph: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    with Image.open(photograph) as opened:
        opened.convert("L").save(grey)
    words = ("suite", "imagenet-c-extra", "--image", grey, "--out", tmp_path, "--size", 32)
    sentence = "left out, for they need colour (--channels 3): Saturation."
    done = show(*words)
    assert done.returncode == 0, done.stderr
    assert sentence in done.stdout
    page = (tmp_path / "imagenet-c-extra.html").read_text()
    assert sentence in page
    assert page.count("<figcaption>") == 15
    done = show(*words, "--channels", 3)
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stdout
    done = show("shift", "saturate", "--image", grey)
    assert done.returncode == 2
    assert "saturate needs 3 colour channels, the picture has 1" in done.stderr
    assert "Warning" not in done.stderr


def test_a_sequence_is_animated(photograph: Path, tmp_path: Path) -> None:
    for name, kind in (("tilt.webp", "WEBP"), ("snow.gif", "GIF")):
        done = show("sequence", name.split(".")[0], "--image", photograph, "--out", tmp_path / name, "--size", 48)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / name) as animation:
            assert animation.format == kind
            assert getattr(animation, "n_frames", 1) >= 30
            assert animation.size == (192, 192)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("suite", "imagenet-d", "--out", "."), "imagenet-c"),
        (("suite", "imagenet-c", "--image", "missing.png"), "no such image"),
        (("suite", "imagenet-p", "--out", "."), "show sequence"),
        (("suite", "mnist-c", "--out", ".", "--channels", 3), "needs 1 channels"),
        (("suite", "broad", "--out", ".", "--storage", "uint8"), "keeps its images as float"),
        (("sequence", "tild"), "tilt"),
        (("sequence", "tilt", "--out", "tilt.mp4"), "use .webp or .gif"),
        (("sequence", "tilt", "--table", "mnist-p"), "has no table"),
    ],
)
def test_mistakes_are_explained(
    words: tuple[object, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = show(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def shown(*words: object) -> subprocess.CompletedProcess[str]:
    return called("show", "filter", *words)


def test_show_filter_draws_what_is_left(tmp_path: Path) -> None:
    found = shown("--high", 3, "--high", 6, "--out", tmp_path)
    assert found.returncode == 0, found.stderr
    text = (tmp_path / "filter.html").read_text()
    assert "without 0 to 3 cycles" in text and "without 0 to 6 cycles" in text and "at unit variance" in text
    with Image.open(tmp_path / "filter.png") as drawn:
        assert min(drawn.size) > 300
    spreads = [float(v) for v in re.findall(r"<figcaption>standard deviation ([\d.]+)", text)]
    assert len(spreads) == 2 and spreads[0] > spreads[1] > 0
    shown("--keep", "inside", "--window", "radial", "--high", 4, "--out", tmp_path)
    assert "only 0 to 4 cycles" in (tmp_path / "filter.html").read_text()
    wrong = shown("--keep", "both", "--out", tmp_path)
    assert wrong.returncode == 2 and "inside or outside" in wrong.stderr
