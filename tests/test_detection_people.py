"""A real detector on a real film: OpenCV's people detector on the street video that Debian's opencv-doc carries."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import called

FILM = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
EXAMPLE = Path(__file__).resolve().parents[1] / "examples/opencv_hog.py"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Eight frames, and as their objects what the detector itself sees in them: clean precision is 1 by definition."""
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless (the extra `detect`)")
    film = Path(os.environ.get("BRITTLESTAR_FILM", FILM))
    if not film.exists():
        pytest.skip("the street video is not here: apt install opencv-doc, or set BRITTLESTAR_FILM to its vtest.avi")
    reader = cv2.VideoCapture(str(film))
    (tmp_path / "frames").mkdir()
    for number in range(8):
        reader.set(cv2.CAP_PROP_POS_FRAMES, 60 * number)
        read, image = reader.read()
        assert read
        Image.fromarray(image[:, :, ::-1]).save(tmp_path / f"frames/{number}.png")
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(sys.platform != "linux", reason="the film is of a Debian package")
def test_people_are_lost_under_corruptions_and_change_when_something_is_pasted_elsewhere(frames: Path) -> None:
    import torch

    from brittlestar.models.detector import load_detector

    people = load_detector(f"{EXAMPLE}:people")
    lines = ["file,x,y,width,height,label"]
    for number in range(8):
        image = np.asarray(Image.open(frames / f"frames/{number}.png"))
        seen = people.detect(torch.from_numpy(image.copy()).permute(2, 0, 1) / 255)
        for (left, top, right, bottom), score in zip(seen.boxes.tolist(), seen.scores.tolist(), strict=True):
            left, top, right, bottom = max(left, 0), max(top, 0), min(right, 768), min(bottom, 576)
            if score >= 0.5:
                lines.append(f"{number}.png,{left},{top},{right - left},{bottom - top},person")
    assert len(lines) > 16, "two people a frame at the least"
    (frames / "boxes.csv").write_text("\n".join(lines))
    (frames / "objects/square").mkdir(parents=True)
    disc = np.hypot(*(np.mgrid[:60, :60] - 29.5)) <= 29.5
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[disc] = (200, 60, 40, 255)
    Image.fromarray(pixels, "RGBA").save(frames / "objects/square/disc.png")
    words = (
        f"--detector {EXAMPLE}:people --data {frames}/frames --boxes {frames}/boxes.csv --suite noise "
        f"--objects {frames}/objects --grid 3 --size .15 --out {frames}/out"
    )
    done = called("detect", *words.split())
    assert done.returncode == 0, done.stderr
    with (frames / "out/report/detection.csv").open() as file:
        values = {(r["condition"].split("/content")[0], r["measure"]): float(r["value"]) for r in csv.DictReader(file)}
    assert values["clean", "ap50"] > 0.9  # boxes are cut off at the edge of the picture, which costs overlap
    strong = min(v for (_, measure), v in values.items() if measure == "ap50")
    assert strong < 0.5 * values["clean", "ap50"]
    donor = next(c for c, _ in values if "treatment=donor" in c)
    assert values[donor, "transplant_recall"] == 0 and 0 <= values[donor, "non_local_change"] < 0.5
