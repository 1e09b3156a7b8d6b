"""Detectors: the contract, average precision on paper, pasted objects, and a folder that is resumed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from brittlestar.core.errors import DataError, ModelError, StoreError, UsageError
from brittlestar.data.boxes import open_photographs
from brittlestar.measures import NoSamplesError
from brittlestar.measures.detection import SeenBoxes, TrueBoxes, average_precision, draws, matched, overlaps
from brittlestar.measures.pasted import (
    Placed,
    change_difference,
    distinct_labels,
    elsewhere,
    identity_entropy,
    non_local_change,
    score_drift,
    transplant_recall,
)
from brittlestar.models.detector import Detector, load_detector
from brittlestar.runs.detection import asked_of
from brittlestar.store.detections import DetectionStore
from brittlestar.suites import get_suite
from tiny import called

TOY = '''
import numpy as np
import torch

CLASSES = ["nothing", "red", "green", "blue"]

class Toy:
    """A box around all pixels of each pure colour. Where there is blue on the left, red is called green."""

    classes = CLASSES

    def __call__(self, images):
        return [self.one(image) for image in images]

    def one(self, image):
        boxes, labels = [], []
        for channel in range(3):
            others = [c for c in range(3) if c != channel]
            lit = (image[channel] > 0.8) & (image[others] < 0.2).all(0)
            if lit.any():
                rows, columns = lit.any(1).nonzero(), lit.any(0).nonzero()
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                boxes.append([float(v) for v in box])
                labels.append(channel + 1)
        if any(l == 3 and b[0] < image.shape[2] / 2 for b, l in zip(boxes, labels)):
            labels = [2 if l == 1 else l for l in labels]
        return {
            "boxes": torch.tensor(boxes).reshape(-1, 4), "scores": torch.full((len(boxes),), 0.9),
            "labels": torch.tensor(labels, dtype=torch.int64),
        }

def toy():
    return Toy()

def blind():
    return lambda images: [{"boxes": [], "scores": [], "labels": []} for _ in images]

class Moody:
    calls = 0
    def __call__(self, images):
        Moody.calls += 1
        return [{"boxes": [[0, 0, 9, 9]], "scores": [1 / (1 + Moody.calls)], "labels": ["red"]}]

def moody():
    return Moody()
'''


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Photographs with a red square on the right, one with none; a blue square as the object; the toy."""
    (tmp_path / "photographs").mkdir()
    lines = ["file,x,y,width,height,label"]
    for place in range(6):
        pixels = np.random.default_rng(place).integers(60, 120, (48, 64, 3), dtype=np.uint8)
        if place < 5:
            top, left = 4 + 3 * place, 48
            pixels[top : top + 10, left : left + 12] = (255, 0, 0)
            lines.append(f"{place}.png,{left},{top},12,10,red")
        Image.fromarray(pixels).save(tmp_path / f"photographs/{place}.png")
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    (tmp_path / "objects/blue").mkdir(parents=True)
    blue = np.zeros((14, 14, 4), np.uint8)
    blue[2:12, 2:12] = (0, 0, 255, 255)
    Image.fromarray(blue, "RGBA").save(tmp_path / "objects/blue/a.png")
    (tmp_path / "toy.py").write_text(TOY)
    return tmp_path


def seen(*found: tuple[tuple[float, ...], float, str]) -> SeenBoxes:
    return SeenBoxes(
        np.array([box for box, _, _ in found], float).reshape(-1, 4),
        np.array([score for _, score, _ in found], float),
        np.array([label for _, _, label in found], np.str_),
    )


def there(*objects: tuple[tuple[float, ...], str], crowd: int = 0) -> TrueBoxes:
    return TrueBoxes(
        np.array([box for box, _ in objects], float).reshape(-1, 4),
        np.array([label for _, label in objects], np.str_),
        np.arange(len(objects)) >= len(objects) - crowd,
    )


def test_overlaps_on_paper() -> None:
    a, b = np.array([[0.0, 0, 4, 4]]), np.array([[2.0, 0, 6, 4], [4, 0, 6, 4], [0, 0, 4, 4]])
    assert overlaps(a, b)[0].tolist() == pytest.approx([8 / 24, 0, 1])
    assert overlaps(a, b, np.array([True, True, True]))[0].tolist() == pytest.approx([0.5, 0, 1])


def test_average_precision_on_paper() -> None:
    """Two objects, three detections: right, wrong, right at an overlap of .8. Precision 1 up to recall .5, then 2/3."""
    truth = [there(((0, 0, 10, 10), "cat"), ((20, 0, 30, 10), "cat"))]
    found = [seen(((0, 0, 10, 10), 0.9, "cat"), ((50, 0, 60, 10), 0.8, "cat"), ((20, 0, 30, 8), 0.7, "cat"))]
    one = average_precision(matched(found, truth))
    at = [(51 * 1 + 50 * 2 / 3) / 101, 51 / 101]  # recalls 0 to .50, and .51 to 1
    assert one.ap50 == pytest.approx(at[0], abs=1e-12)
    assert one.ap == pytest.approx((7 * at[0] + 3 * at[1]) / 10, abs=1e-12)  # .8 is reached at .50, ..., .80


def test_classes_crowds_and_the_hundred_surest() -> None:
    truth = there(((0, 0, 10, 10), "cat"), ((20, 0, 30, 10), "dog"), ((40, 0, 60, 20), "dog"), crowd=1)
    both = average_precision(matched([seen(((0, 0, 10, 10), 0.9, "cat"))], [truth]))
    assert both.ap == pytest.approx(0.5)  # the dog is never found
    # In the crowd any number of detections is neither right nor wrong.
    crowd = seen(*(((40, 0, 50, 10), 0.99, "dog"),) * 3, ((20, 0, 30, 10), 0.5, "dog"), ((0, 0, 10, 10), 0.5, "cat"))
    assert average_precision(matched([crowd], [truth])).ap == pytest.approx(1.0)
    many = seen(*(((80, 80, 90, 90), 0.9, "dog"),) * 100, ((20, 0, 30, 10), 0.5, "dog"), ((0, 0, 10, 10), 0.5, "cat"))
    assert average_precision(matched([many], [truth])).ap == pytest.approx(0.5)
    with pytest.raises(NoSamplesError):
        matched([seen()], [there()])


def random_world(seed: int, images: int = 12, digits: int = 2) -> tuple[list[SeenBoxes], list[TrueBoxes]]:
    generator = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(images):
        count = int(generator.integers(0, 6))
        corner = generator.integers(0, 60, (count, 2)).astype(float)
        boxes = np.hstack([corner, corner + generator.integers(8, 40, (count, 2))])
        labels = generator.choice(["cat", "dog", "owl"], count).astype(np.str_)
        crowd = generator.random(count) < 0.15
        order = np.argsort(crowd, kind="stable")
        truth.append(TrueBoxes(boxes[order], labels[order], crowd[order]))
        kept = np.repeat(np.arange(count), 2)
        moved = boxes[kept] + generator.normal(0, 2.5, (len(kept), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        names = np.where(generator.random(len(kept)) < 0.8, labels[kept], "cat").astype(np.str_)
        found.append(SeenBoxes(moved, generator.random(len(kept)).round(digits), names))
    return found, truth


def test_precision_moves_with_its_draws_and_differences_are_paired() -> None:
    found, truth = random_world(0, digits=9)  # without ties, whose order the draw would decide
    one = average_precision(matched(found, truth))
    e = one.estimate("ap50")
    assert e.low < e.value < e.high and e.n == 12
    none = one.less(one)
    assert none.value == 0 and none.high == -none.low == pytest.approx(1 - 0.025 ** (1 / 12))
    # Drawing an image twice is the same as having it twice.
    weights = draws(12, seed=3, count=1)
    again = [i for i, n in enumerate(weights[0].astype(int)) for _ in range(n)]
    direct = average_precision(matched([found[i] for i in again], [truth[i] for i in again]))
    assert average_precision(matched(found, truth), weights).drawn_ap[0] == pytest.approx(direct.ap, abs=1e-12)


def test_images_that_agree_leave_an_interval() -> None:
    truth = [there(((0, 0, 10, 10), "cat"))] * 6
    for found, (low, high) in ((seen(), (0, 0.459)), (seen(((0, 0, 10, 10), 0.9, "cat")), (0.541, 1))):
        e = average_precision(matched([found] * 6, truth)).estimate()
        assert (e.low, e.high) == pytest.approx((low, high), abs=1e-3)  # Clopper and Pearson's of 0 and of 6 of 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_that_of_pycocotools(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools (./dev test --slow installs it)")
    from pycocotools.cocoeval import COCOeval

    found, truth = random_world(seed, 40)
    names = ["cat", "dog", "owl"]
    annotations, detections = [], []
    for place, (own, one) in enumerate(zip(truth, found, strict=True)):
        for box, label, crowd in zip(own.boxes, own.labels, own.crowd, strict=True):
            wide, high = box[2:] - box[:2]
            entry = {"id": len(annotations) + 1, "image_id": place + 1, "category_id": names.index(label) + 1}
            annotations.append(entry | {"bbox": [*box[:2], wide, high], "area": wide * high, "iscrowd": int(crowd)})
        for box, score, label in zip(one.boxes, one.scores, one.labels, strict=True):
            entry = {"image_id": place + 1, "category_id": names.index(label) + 1, "score": float(score)}
            detections.append(entry | {"bbox": [*box[:2], *(box[2:] - box[:2])]})
    whole = coco.COCO()
    whole.dataset = {
        "images": [{"id": i + 1} for i in range(len(truth))],
        "categories": [{"id": i + 1, "name": n} for i, n in enumerate(names)],
        "annotations": annotations,
    }
    whole.createIndex()
    judge = COCOeval(whole, whole.loadRes(detections), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    own = average_precision(matched(found, truth))
    assert own.ap == pytest.approx(judge.stats[0], abs=1e-12) and own.ap50 == pytest.approx(judge.stats[1], abs=1e-12)


def placed() -> Placed:
    """An owl at three places; a cat (touched at the first), a dog far away, a faint bird that never counts."""
    cat, dog, bird = ((0, 0, 10, 10), 0.9, "cat"), ((60, 0, 70, 10), 0.8, "dog"), ((90, 0, 99, 9), 0.4, "bird")
    boxes = np.array([[5, 0, 15, 10], [20, 0, 30, 10], [40, 0, 50, 10]], float)
    after = (
        seen(((5, 0, 15, 10), 0.9, "owl"), ((60, 0, 70, 10), 0.6, "dog")),
        seen(((21, 0, 31, 10), 0.7, "cat"), ((0, 0, 10, 10), 0.9, "dog"), ((60, 0, 70, 10), 0.8, "dog")),
        seen(((0, 0, 10, 10), 0.9, "cat"), ((60, 0, 70, 10), 0.45, "dog"), ((40, 0, 50, 10), 0.3, "owl")),
    )
    return Placed("owl", boxes, seen(cat, dog, bird), after, 100)


def test_pasted_objects_on_paper() -> None:
    one = placed()
    assert transplant_recall([one]).value == pytest.approx(1 / 3)
    assert identity_entropy([one]).value == pytest.approx(1.0) and distinct_labels([one]).value == 2  # owl, cat
    told = [(round(e.distance, 2), e.lost, e.relabelled) for e in elsewhere(one)]
    assert told == [
        (0.45, False, False),
        (0.1, False, True),
        (0.3, False, False),
        (0.3, False, False),
        (0.1, True, False),
    ]
    assert non_local_change([one]).value == pytest.approx(2 / 5)
    assert non_local_change([one], 0.1, 0.25).value == 1 and non_local_change([one], 0.25, 0.5).value == 0
    assert score_drift([one]).value == pytest.approx((0.2 + 0 + 0) / 3)
    assert change_difference([one], [one]).value == 0
    with pytest.raises(NoSamplesError):
        non_local_change([one], 0.5)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, "not a list of one dictionary"),
        ([{"boxes": []}], "must give a dictionary with boxes, scores, labels"),
        ([{"boxes": [[0, 0, 9, 9]], "scores": [1, 1], "labels": [1, 1]}], "boxes of shape"),
        ([{"boxes": [[0, 0, 9, 9]], "scores": [1.5], "labels": [1]}], "scores from 1.5"),
        ([{"boxes": [[9, 0, 0, 9]], "scores": [1], "labels": [1]}], "end before they begin"),
        ([{"boxes": [[0, 0, 0.5, 0.9]], "scores": [1], "labels": [1]}], "not in shares of the image"),
        ([{"boxes": [[0, 0, float("nan"), 9]], "scores": [1], "labels": [1]}], "not finite"),
        ([{"boxes": [[0, 0, 9, 9]], "scores": [1], "labels": [7]}], "names 2 classes"),
        ([{"boxes": [[0, 0, 9, 9]], "scores": [1], "labels": [0.5]}], "no whole number and no name"),
        ([{"boxes": [[0, 0, 9, 9]], "scores": [1], "labels": []}], "0 labels for 1 boxes"),
    ],
)
def test_an_answer_that_breaks_the_contract_is_refused(answer: Any, text: str) -> None:
    class Own:
        classes = ("a", "b")

        def __call__(self, images: list[torch.Tensor]) -> Any:
            return answer

    with pytest.raises(ModelError, match=text):
        Detector(Own(), name="own", spec="own", code="").detect(torch.zeros(3, 16, 16))


def test_the_toy_and_what_it_raises(world: Path) -> None:
    toy = load_detector(f"mine={world}/toy.py:toy")
    image = torch.full((3, 48, 64), 0.3)
    image[:, 10:20, 40:50] = torch.tensor([1.0, 0, 0])[:, None, None]
    found = toy.detect(image)
    assert found.boxes.tolist() == [[40, 10, 50, 20]] and found.labels.tolist() == ["red"] and toy.name == "mine"
    with pytest.raises(ModelError, match="asked twice"):
        from brittlestar.runs.detection import run_detection
        from brittlestar.suites.clean import CLEAN

        data = open_photographs(world / "photographs")
        run_detection(world / "out", data, [load_detector(f"{world}/toy.py:moody")], asked_of([CLEAN], data)[0])
    assert not (world / "out").exists()


def test_boxes_come_from_coco_and_tables_and_wrong_ones_are_refused(world: Path) -> None:
    table = open_photographs(world / "photographs", world / "boxes.csv")
    assert table.truths is not None and len(table.truths) == 6 and len(table.truths[5].boxes) == 0
    coco: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "0.png", "width": 64, "height": 48}],
        "categories": [{"id": 3, "name": "red"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [48, 4, 12, 10], "iscrowd": 0}],
    }
    (world / "coco.json").write_text(json.dumps(coco))
    one = open_photographs(world / "photographs", world / "coco.json")
    assert one.names == ("0.png",) and one.truths is not None
    assert np.array_equal(one.truths[0].boxes, table.truths[0].boxes) and one.truths[0].labels.tolist() == ["red"]
    wrong = {
        "outside": coco | {"annotations": [coco["annotations"][0] | {"bbox": [60, 4, 12, 10]}]},
        "gone": coco | {"images": [coco["images"][0] | {"file_name": "z.png"}]},
        "no class": coco | {"annotations": [coco["annotations"][0] | {"category_id": 4}]},
    }
    texts = {"outside": "is not inside its 64 x 48", "gone": "names z.png", "no class": "no COCO file of instances"}
    for name, content in wrong.items():
        (world / "wrong.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=texts[name]):
            open_photographs(world / "photographs", world / "wrong.json")


def test_what_moves_boxes_is_left_out(world: Path) -> None:
    data = open_photographs(world / "photographs", world / "boxes.csv")
    asked, left_out = asked_of([get_suite("broad")], data)
    shifts = {one.info.shift for one in asked}
    assert {"gaussian_noise", "contrast", "clean"} <= shifts and not shifts & {
        "rotation",
        "translation",
        "scale",
        "shear",
    }
    assert {"Rotation", "Translation"} <= set(left_out)


def test_a_folder_of_detections_is_resumed_and_its_page_tells_what_is_known(world: Path) -> None:
    words = (
        f"--detector toy={world}/toy.py:toy --detector blind={world}/toy.py:blind --data {world}/photographs "
        f"--boxes {world}/boxes.csv --suite noise --objects {world}/objects --grid 3 --size .25 --out {world}/out"
    ).split()
    done = called("detect", *words)
    assert "1 photographs have no box: whatever is detected in them counts as wrong" in done.stderr
    assert done.returncode == 0, done.stderr
    again = called("detect", *words, "--no-report")
    assert again.returncode == 0 and "; 0 images in this session" in again.stderr, again.stderr
    store = DetectionStore.open(world / "out")
    path = next((world / "out/detections").rglob("*.npz"))
    content = path.read_bytes()
    path.write_bytes(content[:100])
    mended = called("detect", *words, "--no-report")
    assert mended.returncode == 0 and path.read_bytes() == content
    with (world / "out/report/detection.csv").open() as file:
        rows = {
            (r["detector"], r["condition"].split("/content")[0], r["measure"]): float(r["value"])
            for r in csv.DictReader(file)
        }
    assert rows["toy", "clean", "ap"] == rows["toy", "clean", "ap50"] == 1 and rows["blind", "clean", "ap"] == 0
    noisy = [v for (d, c, m), v in rows.items() if d == "toy" and m == "ap_less_clean"]
    assert noisy and min(noisy) < -0.5 and max(noisy) <= 0
    donor = next(c for _, c, _ in rows if "treatment=donor" in c)
    grey = next(c for _, c, _ in rows if "treatment=grey" in c)
    assert rows["toy", donor, "transplant_recall"] == 1 and rows["toy", donor, "identity_entropy_bits"] == 0
    # Of three columns two begin left of the middle; the third may cover the red square or lie beside it.
    data = open_photographs(world / "photographs", world / "boxes.csv")
    expected = []
    for place in range(5):
        red = np.array([[48, 4 + 3 * place, 60, 14 + 3 * place]])
        boxes = np.array(store.manifest["pasted"][next(iter(store.manifest["pasted"]))][str(place)]["boxes"])
        free = boxes[overlaps(boxes, red)[:, 0] == 0]
        expected.append(float((free[:, 0] < 32).mean()))
    assert data.names[0] == "0.png" and rows["toy", donor, "non_local_change"] == pytest.approx(np.mean(expected))
    assert rows["toy", grey, "non_local_change"] == 0 and rows["toy", donor, "score_drift"] == 0
    page = (world / "out/report/detection.html").read_text()
    assert "what is pasted matters" in page and "Content-Security-Policy" in page
    other = called("detect", *words[:-2], "--seed", 1, "--out", world / "out")
    assert other.returncode == 2 and "other photographs, boxes or seed" in other.stderr


def test_what_cannot_be_asked_is_said(world: Path) -> None:
    base = f"--detector {world}/toy.py:toy --data {world}/photographs --out {world}/out".split()
    for more, text in (
        ([], "nothing is asked"),
        (["--suite", "noise"], "needs the objects of the photographs"),
        (["--suite", "nois", "--boxes", world / "boxes.csv"], "did you mean"),
        (["--objects", world / "photographs"], "put it into a sub-folder"),
        (["--suite", "clean", "--boxes", world / "none.csv"], "none.csv holds no box"),
        (
            ["--suite", "clean", "--boxes", world / "mauve.csv"],
            "toy does not name 1 of the 1 classes of --boxes (mauve)",
        ),
    ):
        header, *lines = (world / "boxes.csv").read_text().splitlines()
        (world / "none.csv").write_text(header + "\n")
        (world / "mauve.csv").write_text("\n".join([header, *(line.replace("red", "mauve") for line in lines)]))
        left = called("detect", *base, *more)
        assert left.returncode == 2 and text in left.stderr, left.stderr
    with pytest.raises(StoreError):
        DetectionStore.open(world)
    with pytest.raises(UsageError):
        load_detector("toy")
