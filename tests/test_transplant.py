"""Objects pasted into other images: what is pasted, where, and what is said of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brittlestar.core.errors import DataError, ShiftError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.data.objects import host_masks, objects_with, read_objects
from brittlestar.measures.samples import Samples
from brittlestar.measures.transplant import (
    Placements,
    answer_entropy,
    confidence_change,
    consistency,
    flip_difference,
    flip_rate,
    host_accuracy,
)
from brittlestar.report.gather import gather
from brittlestar.report.sections.transplant import Transplants
from brittlestar.shifts.transplant import TREATMENTS, Transplant, paste, scrambled
from brittlestar.store import RunStore
from brittlestar.store.transplants import read_transplanted, read_worst
from brittlestar.suites.transplant import transplant_suite
from tiny import called
from transplant_tools import LEVELS, make_hosts, make_objects

IDS = [f"{i:016x}" for i in range(8)]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_objects(tmp_path_factory.mktemp("objects"))


def definition(objects: Path, **fields: object) -> Transplant:
    own = read_objects(str(objects))
    classes = tuple(int(label) for label in own.labels)
    return Transplant.from_config({"objects": str(objects), "content": own.digest, "classes": classes} | fields)


def grey(count: int = 8, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1)) * 0.2


def frames(one: Transplant, x: torch.Tensor, labels: np.ndarray, start: int = 0) -> torch.Tensor:
    keys = SampleKeys.of(0, IDS[start : start + len(x)])
    return torch.stack([*one.frames(x, labels.astype(np.int32), keys)], 1)


def test_objects_are_told_by_alpha_masks_and_boxes(tmp_path: Path) -> None:
    plain = np.full((6, 8, 3), 100, np.uint8)
    mask = np.zeros((6, 8), np.uint8)
    mask[1:4, 2:7] = 255
    (tmp_path / "cat").mkdir()
    Image.fromarray(np.dstack([plain, mask]), "RGBA").save(tmp_path / "cat/a.png")
    Image.fromarray(plain).save(tmp_path / "cat/b.png")
    Image.fromarray(mask).save(tmp_path / "cat/b.mask.png")
    cuts = read_objects(str(tmp_path)).cuts
    assert [(c.name, c.label, c.mask.shape, bool(c.mask.all())) for c in cuts] == [
        ("cat/a.png", "cat", (3, 5), True),
        ("cat/b.png", "cat", (3, 5), True),
    ]
    boxed = tmp_path / "boxed"
    boxed.mkdir()
    Image.fromarray(plain).save(boxed / "c.png")
    (boxed / "boxes.csv").write_text("file,x,y,width,height,label\nc.png,2,1,5,3,dog\nc.png,0,0,2,2,cat\n")
    told = [(c.name, c.label, c.mask.shape) for c in read_objects(str(boxed)).cuts]
    assert told == [("c.png at 2, 1", "dog", (3, 5)), ("c.png at 0, 0", "cat", (2, 2))]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("opaque", "has no alpha channel, and no mask"),
        ("empty", "its mask is empty"),
        ("other size", "give masks of the same size"),
        ("loose", "put it into a sub-folder"),
        ("outside", "is not inside its 8 x 6 pixels"),
        ("unknown", "boxes.csv in"),
        ("column", "lacks the column height"),
    ],
)
def test_what_does_not_tell_an_object_is_refused(tmp_path: Path, change: str, text: str) -> None:
    plain = Image.fromarray(np.full((6, 8, 3), 100, np.uint8))
    folder = tmp_path if change == "loose" else tmp_path / "cat"
    folder.mkdir(exist_ok=True)
    plain.save(folder / "a.png")
    if change in ("empty", "other size"):
        shape = (6, 8) if change == "empty" else (6, 9)
        Image.fromarray(np.zeros(shape, np.uint8)).save(folder / "a.mask.png")
    head = "file,x,y,width,height\n"
    tables = {"outside": f"{head}cat/a.png,4,0,5,3\n", "unknown": f"{head}cat/a.png,0,0,5,3\ncat/z.png,0,0,1,1\n"}
    if change in (*tables, "column"):
        (tmp_path / "boxes.csv").write_text(tables.get(change, "file,x,y,width\ncat/a.png,0,0,5\n"))
    with pytest.raises(DataError, match=text):
        read_objects(str(tmp_path))


def test_objects_that_changed_are_noticed(tmp_path: Path) -> None:
    make_objects(tmp_path)
    with pytest.raises(DataError, match="have changed"):
        objects_with(str(tmp_path), "00000000")


def test_nothing_opaque_changes_nothing() -> None:
    x = grey(1)
    before = x.clone()
    paste(x[0], torch.zeros(1, 9, 9), torch.zeros(9, 9), 20, 28)
    assert torch.equal(x, before)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1024, 3))
    assert torch.equal(model(x), model(before))


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("feather", [False, True])
def test_frames_are_a_grid_and_do_not_depend_on_the_batch(objects: Path, treatment: str, feather: bool) -> None:
    one = definition(objects, treatment=treatment, grid=3, feather=feather)
    x, labels = grey(), np.arange(8) % 3
    whole = frames(one, x, labels)
    assert whole.shape == (8, 9, 1, 32, 32) and bool(((whole >= 0) & (whole <= 1)).all())
    single = torch.cat([frames(one, x[i : i + 1], labels[i : i + 1], i) for i in range(8)])
    assert torch.equal(whole, single)
    # Every place is another one, and each changes no more than the object's box with its soft edge.
    changed = (whole != x[:, None]).any(2)
    assert len({tuple(c.flatten().tolist()) for c in changed[0]}) == 9
    room = 13 + 6 * feather
    for mask in changed.flatten(0, 1):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        assert 0 < rows.max() - rows.min() + 1 <= room and 0 < columns.max() - columns.min() + 1 <= room


def test_donors_are_of_another_class_or_of_the_same(objects: Path) -> None:
    labels, keys = np.arange(8, dtype=np.int32) % 3, SampleKeys.of(0, IDS)
    classes = np.array(definition(objects).classes)
    drawn = {t: definition(objects, treatment=t).donors(labels, keys) for t in TREATMENTS}
    assert (classes[drawn["donor"]] != labels).all() and (classes[drawn["same_class"]] == labels).all()
    assert (drawn["donor"] == drawn["grey"]).all() and (drawn["donor"] == drawn["scrambled"]).all()
    alone = definition(objects, treatment="same_class", classes=(0,) * 6)
    assert (alone.donors(labels, keys) == -1).tolist() == (labels != 0).tolist()
    x = grey(8)
    assert torch.equal(frames(alone, x, labels)[1, 0], x[1])  # no object of its class: it stays as it is


def test_controls_are_as_large_as_the_object_and_show_no_outline(objects: Path) -> None:
    x, labels = torch.zeros(1, 1, 32, 32), np.zeros(1)
    made = {t: frames(definition(objects, treatment=t, grid=1), x, labels)[0, 0, 0] for t in TREATMENTS}
    area = {t: int((image > 0).sum()) for t, image in made.items() if t != "scrambled"}
    assert abs(area["grey"] - area["donor"]) <= 0.1 * area["donor"]
    lit = made["grey"] > 0
    assert lit[lit.any(1)][:, lit.any(0)].all() and (made["grey"][lit] == 0.5).all()
    assert set(np.unique(made["donor"])) <= {np.float32(0), *(np.float32(v) / np.float32(255) for v in LEVELS)}


def test_scrambling_keeps_the_amplitudes() -> None:
    draws = np.random.default_rng(0)
    patch = (0.5 + 0.02 * draws.normal(size=(1, 16, 16))).astype(np.float32)
    made = scrambled(patch, np.ones((16, 16), bool), SampleKeys.of(0, ["a"]))
    before, after = (np.abs(np.fft.fft2(p[0])) for p in (patch, made))
    assert not np.allclose(made, patch, atol=0.01)
    assert np.allclose(before, after, atol=0.08)  # levels of 255 are all that is lost


def test_fields_and_room_are_checked(objects: Path) -> None:
    for fields in ({"treatment": "other"}, {"ratio": 1.0}, {"ratio": -0.1}, {"grid": 0}):
        with pytest.raises(ShiftError):
            definition(objects, **fields)
    with pytest.raises(ShiftError, match="there are no 30 x 30 places"):
        definition(objects, grid=30).check(32, 32)
    own = read_objects(str(objects))
    with pytest.raises(UsageError, match="no object is of a class of the data"):
        transplant_suite(str(objects), own, ("cat", "dog"))
    listed = transplant_suite(str(objects), own, ("0", "1", "2"), sizes=(0.3, 0.4)).conditions((1, 32, 32))
    assert len(listed) == 1 + 2 * 2 * 4
    moved = Transplant.from_config({**definition(objects).config(), "objects": "/elsewhere"})
    assert moved.fingerprint() == definition(objects).fingerprint()


def rows(position: list[int], frame: list[int], answer: list[int], label: list[int], p: list[float]) -> Rows:
    logit = np.log(np.array(p, np.float32))
    return Rows(
        position=np.array(position, np.int32),
        frame=np.array(frame, np.int16),
        label=np.array(label, np.int32),
        prediction=np.array(answer, np.int32),
        label_logit=logit,
        top_logit=np.maximum(logit, np.log(1 - np.exp(logit))).astype(np.float32),
        log_sum_exp=np.zeros(len(position), np.float32),
    )


def three() -> Placements:
    """Hosts of class 0, 0 and 1; the last is wrong when bare; four places each, the first of which covers the host."""
    clean = rows([0, 1, 2], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0.9, 0.8, 0.1])
    answers = [[2, 0, 1, 2], [0, 0, 0, 0], [1, 1, 1, 1]]
    shown = rows(
        [0] * 4 + [1] * 4 + [2] * 4,
        [*range(4)] * 3,
        [a for own in answers for a in own],
        [0] * 8 + [1] * 4,
        [0.5] * 4 + [0.6] * 8,
    )
    clear = np.array([[False, True, True, True]] * 3)
    return Placements.of(shown, clean, np.ones(3, bool), np.array([1, 1, 0], np.int32), clear)


def test_measures_on_paper() -> None:
    placed = three()
    assert flip_rate(placed).value == pytest.approx((2 / 3 + 0) / 2)  # two hosts count; the covering place never
    assert flip_rate(placed, "explicable").value == pytest.approx((1 / 3) / 2)
    assert flip_rate(placed, "ghost").value == pytest.approx((1 / 3) / 2)
    assert host_accuracy(placed).value == pytest.approx((1 / 4 + 1 + 1) / 3)
    assert host_accuracy(placed, 0).value == pytest.approx(2 / 3)
    assert consistency(placed).value == pytest.approx((2 / 4 + 1 + 1) / 3)
    assert answer_entropy(placed).value == pytest.approx(1.5 / 3)  # shares 1/2, 1/4, 1/4
    change = confidence_change(placed)
    assert change.value == pytest.approx(((0.5 - 0.9) + (0.6 - 0.8) + (0.6 - 0.1)) / 3, abs=1e-6)
    assert change.n == 3 and change.low < change.value < change.high
    assert flip_difference(placed, placed).value == 0
    grouped = Placements(**{**vars(placed), "samples": Samples(placed.samples.position, np.array([0, 0, 1]))})
    assert "clustered" in flip_rate(grouped).method
    assert flip_rate(placed).high <= 1, "shares end at 1, and so do their intervals"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Path:
    world = tmp_path_factory.mktemp("world")
    hosts, masks, _ = make_hosts(world)
    models = [f"--model={m}=torch:{world}/models.py:{m}" for m in ("brightest", "worse", "nowhere", "bag")]
    words = f"--data {hosts} --objects {objects} --host-masks {masks} --grid 3 --size .35 --workers 1 --anyway"
    done = called("transplant", *models, *words.split(), "--out", world / "run")
    assert done.returncode == 0, done.stderr
    return world / "run"


def test_a_run_is_resumed_and_its_rows_do_not_depend_on_the_batch(run: Path, objects: Path) -> None:
    world = run.parent
    words = (
        f"--model brightest=torch:{world}/models.py:brightest --data {world}/hosts.npz --objects {objects} --grid 3 "
        "--size .35 --workers 1 --no-report"
    )
    again = called("transplant", *words.split(), "--out", run)
    assert again.returncode == 0 and "; 0 shifted images" in again.stderr, again.stderr
    store = RunStore.open(run)
    fingerprint = next(c.fingerprint for c in store.manifest.conditions.values() if c.kind == "transplant")
    kept = read_transplanted(run, fingerprint)
    assert kept is not None and kept.clear is not None  # masks of an earlier session are not lost
    one = called("transplant", *words.split(), "--batch", 1, "--out", world / "one")
    assert one.returncode == 0, one.stderr
    other = RunStore.open(world / "one")
    for info in other.manifest.conditions.values():
        a, b = (
            s.read(s.manifest.models["brightest"]["fingerprint"], [info.fingerprint])[info.fingerprint]
            for s in (store, other)
        )
        for name, column in a.columns().items():
            assert np.array_equal(column, b.columns()[name]), (info.id, name)


def test_clear_places_are_those_that_nothing_touches(run: Path) -> None:
    store = RunStore.open(run)
    masks = np.load(run.parent / "masks.npy")
    x = np.load(run.parent / "hosts.npz")["x"]
    from brittlestar.data import open_source

    source = open_source(str(run.parent / "hosts.npz"))
    seeded = source.order(0)
    info = next(c for c in store.manifest.conditions.values() if c.config.get("feather") and c.kind == "transplant")
    one = Transplant.from_config(info.config)
    kept = read_transplanted(run, info.fingerprint)
    assert kept is not None and kept.clear is not None and kept.overlap is not None
    keys = SampleKeys.of(0, [str(i) for i in source.ids[seeded]])
    host = torch.from_numpy(x[seeded, :, :, 0])[:, None] / 255
    made = torch.stack([*one.frames(host, source.labels[seeded], keys)], 1)
    touched = ((made != host[:, None]).any(2) & torch.from_numpy(masks[seeded])[:, None]).any((2, 3)).numpy()
    assert not (touched & kept.clear).any() and touched.any() and kept.clear.any()
    assert ((kept.overlap > 0) <= touched).all() and kept.overlap.max() <= 1


def test_what_is_said_of_models_that_are_known(run: Path) -> None:
    gathered = gather([run])
    section = Transplants.build(gathered)
    assert section is not None
    told = {f.model.name: f for f in section.findings() if f.model is not None}
    by_model = {s.model.name: s for s in section.settings if "hard" in s.label}
    # It reads the brightest level: a brighter object decides, wherever it lies, and whatever its form.
    assert told["brightest"].tone == "bad" and "Changes a right answer" in told["brightest"].lead
    assert "more than its colours and textures does it is not shown" in told["brightest"].text
    bright = by_model["brightest"]
    assert bright.donor is not None and bright.donor.ghost is not None and bright.donor.ghost.value == 0
    assert bright.donor.consistency.value == 1
    # It falls for whatever is pasted: nothing is said of objects.
    assert told["worse"].tone == told["bag"].tone == "plain"
    worse = by_model["worse"].donor
    assert worse is not None and worse.flip is not None and worse.flip.value > 0.3
    # It looks into the upper left quarter: elsewhere, nothing that is pasted moves it.
    losses = [round(e.value, 2) for e in by_model["nowhere"].lost]
    assert losses[0] > 0 and losses[2] == losses[6] == losses[8] == 0, losses
    page = (run / "report/report.html").read_text()
    assert 'id="transplant"' in page and page.count('class="pair"') == len(section.shown) > 0
    shown = read_worst(run)
    assert {entry["model"] for entry in shown} <= {"brightest", "worse", "nowhere", "bag"}
    with (run / "report/results.csv").open() as file:
        measures = {row["measure"] for row in csv.DictReader(file)}
    assert {"flip_rate", "ghost_flip_rate", "flip_rate_beyond_grey", "accuracy_lost_at_2_2"} <= measures
    assert json.loads((run / "report/summary.json").read_text())["transplants"][0]["masked"] is True


def test_a_bag_of_patches_cannot_tell_places(tmp_path: Path, objects: Path) -> None:
    _, _, _ = make_hosts(tmp_path)
    scope: dict[str, object] = {}
    exec((tmp_path / "models.py").read_text(), scope)
    model = scope["bag"]()  # type: ignore[operator]
    one = definition(objects, grid=5)
    made = frames(one, torch.full((4, 1, 32, 32), 0.1), np.arange(4) % 3)
    logits = model(made.flatten(0, 1)).reshape(4, 25, 3)
    assert (logits.argmax(2) == logits.argmax(2)[:, :1]).all()
    assert logits.std(1).max() < 1e-3
    other = model(frames(one, grey(4), np.arange(4) % 3).flatten(0, 1)).reshape(4, 25, 3)
    assert other.std(1).max() > 1e-2  # other pixels are covered: the same measure does see a difference


def test_masks_of_hosts_come_as_files_boxes_or_an_array(tmp_path: Path) -> None:
    mask = np.zeros((2, 6, 8), bool)
    mask[:, 1:3, 2:5] = True
    np.save(tmp_path / "m.npy", mask)
    (tmp_path / "m.csv").write_text("file,x,y,width,height\na/0.png,2,1,3,2\na/1.png,2,1,3,2\n")
    (tmp_path / "a").mkdir()
    for place in range(2):
        Image.fromarray(mask[place].astype(np.uint8) * 255).save(tmp_path / f"a/{place}.png")
    names = ["a/0.png", "a/1.png"]
    for given in ("m.npy", "m.csv", "."):
        found = host_masks(str(tmp_path / given), names, [1, 0], (6, 8))
        assert np.array_equal(np.stack(found), mask), given
    for names_, size, text in ((["b", "c"], (6, 8), "has no mask of b"), (names, (5, 8), "is 8 x 6, and")):
        with pytest.raises(DataError, match=text):
            host_masks(str(tmp_path), names_, [0, 1], size)
    with pytest.raises(DataError, match="leads out of the folder"):
        host_masks(str(tmp_path), ["../x.png"], [0], (6, 8))
    with pytest.raises(DataError, match="needs"):
        host_masks(str(tmp_path / "m.npy"), ["a"], [0], (6, 8))
