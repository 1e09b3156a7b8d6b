"""Named readers of published sets open faithful miniatures: labels, classes, label spaces, truths and contexts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import brittlestar.data
from brittlestar.core.errors import DataError
from brittlestar.data import SOURCES, describe_sources, open_source, reopened
from brittlestar.data.label_spaces import imagenet_wnids
from brittlestar.data.sets import SETS
from brittlestar.data.sets.imagenet_classes import KNOWN, challenge_numbers, imagenet
from brittlestar.data.spaced import in_space
from published_sets import BY_NAME, LAYOUTS, VAL, WNIDS, flat_val, pixels, tiny_val, written
from test_data_contract import hold


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_miniature_opens_as_every_source_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spec = written(monkeypatch, name, tmp_path)
    _, part, count = LAYOUTS[name]
    source = open_source(f"{spec}:{part}" if part else spec)
    if source.truths is None:
        hold(source)
    elif any(source.truths):
        hold(in_space(source, None))
    assert source.info.kind == "published" and source.info.count == count
    assert len(set(source.labels.tolist())) > 1
    assert source.space is None or source.space.classes == source.info.classes
    assert source.truths is None or len(source.truths) == source.info.count
    assert all(len(column) == source.info.count for column in source.contexts.values())


def test_every_set_has_a_miniature_a_line_and_its_real_counts() -> None:
    assert set(LAYOUTS) == set(BY_NAME) and len(SETS) == len(BY_NAME)
    lines = dict(describe_sources())
    counts = {
        "imagenet-val": "50,000 images of 1,000 classes, 50 of each",
        "imagenet-real": "50,000 images, 46,837 of them with one right label or more",
        "imagenet-x": "50,000 images, 48,868 of them annotated",
        "imagenet-v2": "10,000 images of 1,000 classes, 10 of each",
        "imagenet-a": "7,500 images of 200 classes",
        "imagenet-o": "2,000 images of 200 classes",
        "imagenet-r": "30,000 images of 200 classes",
        "imagenet-sketch": "50,889 images of 1,000 classes",
        "stylized-imagenet": "50,000 images of 1,000 classes, 50 of each",
        "objectnet": "18,574 images of 113 classes",
        "imagenet-c": "19 corruptions, at each severity 50,000 images of 1,000 classes, 50 of each",
        "imagenet-c-bar": "10 corruptions, at each severity 50,000 images of 1,000 classes, 50 of each",
        "imagenet-3dcc": "12 corruptions, at each severity 50,000 images of 1,000 classes, 50 of each",
        "cifar-10": "10,000 images (test), 50,000 images (train)",
        "cifar-100": "10,000 images (test), 50,000 images (train)",
        "cifar-10.1": "2,000 images (v6), 2,021 images (v4)",
        "cifar-10-c": "19 corruptions, 10,000 images at each of 5 severities",
        "cifar-100-c": "19 corruptions, 10,000 images at each of 5 severities",
        "cifar-10-c-bar": "10 corruptions, 10,000 images at each of 5 severities",
        "cinic-10": "90,000 images of 10 classes, 9,000 of each",
        "mnist": "10,000 images (test), 60,000 images (train)",
        "mnist-c": "16 folders (identity is uncorrupted), in each 10,000 images (test), 60,000 images (train)",
        "nico": "24,214 images of 19 classes in 9 or 10 contexts each",
        "nico++": "88,866 images of 60 classes in 6 contexts",
        "wilds": "one row an image",
    }
    assert {one.name: one.counts for one in SETS} == counts
    assert all(one in SOURCES and one.where in lines[f"{one.name}:PATH"] for one in SETS)
    assert sum(BY_NAME["cifar-10.1"].mix["v4"]) == 2_021  # type: ignore[attr-defined]


def test_the_classes_of_imagenet_are_what_public_lists_say() -> None:
    from conftest import shared_path

    classes = imagenet()
    assert len(set(classes.titles)) == 1000 and classes.names == tuple(sorted(classes.names)) == imagenet_wnids()
    # The ground truth of the 2012 challenge begins so, in its own numbers.
    first = (490, 361, 171, 822, 297, 482, 13, 704, 599, 164)
    assert tuple(challenge_numbers()[number] for number in first) == KNOWN
    assert sorted(challenge_numbers()) == list(range(1, 1001))
    table = shared_path("data/imagenet-classes.tsv")
    if table.is_file():
        rows = [line.split("\t") for line in table.read_text().splitlines()]
        assert [row[0] for row in rows] == list(classes.names)
        assert sum(row[1].replace("_", " ") != title for row, title in zip(rows, classes.titles, strict=True)) <= 3


GROUND_TRUTH = {
    "ILSVRC2012_validation_ground_truth.txt": "".join(f"{(449, 450, 442)[k]}\n" for k in VAL),
    "val.txt": "".join(f"ILSVRC2012_val_{n:08d}.JPEG {k}\n" for n, k in enumerate(VAL, 1)),
    "val_map.txt": "".join(f"val/ILSVRC2012_val_{n:08d}.JPEG\t{WNIDS[k]}\n" for n, k in enumerate(VAL, 1)),
    "LOC_val_solution.csv": "ImageId,PredictionString\n"
    + "".join(f"ILSVRC2012_val_{n:08d},{WNIDS[k]} 1 2 3 4 \n" for n, k in reversed(list(enumerate(VAL, 1)))),
    "imagenet_2012_validation_synset_labels.txt": "".join(f"{WNIDS[k]}\n" for k in VAL),
}


@pytest.mark.parametrize("file", GROUND_TRUTH)
def test_every_form_of_ground_truth_gives_the_labels_of_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setattr(brittlestar.data, "SETS", (tiny_val(),))
    flat_val(tmp_path / "val")
    (tmp_path / file).write_text(GROUND_TRUTH[file])
    source = open_source(f"imagenet-val:{tmp_path}/val")
    number = {name: int(name.split("_")[-1].split(".")[0]) for name in source.names()}
    assert [VAL[number[name] - 1] for name in source.names()] == source.labels.tolist()
    other = tmp_path / "elsewhere"
    other.mkdir()
    (tmp_path / file).rename(other / "labels.txt")
    named = open_source(f"imagenet-val:{tmp_path}/val:{other}/labels.txt")
    assert named.info.fingerprint == source.info.fingerprint


def test_photographs_are_prepared_as_they_were_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "imagenet-a", tmp_path)
    source = open_source(spec)
    assert source.info.shape == (3, 224, 224) and source.info.cropped
    assert source.info.fingerprint == open_source(spec, prepare="imagenet-c").info.fingerprint
    assert open_source(spec, resize=32, crop=24).info.shape == (3, 24, 24)
    plain = open_source(tmp_path / "imagenet-a", prepare="imagenet-c")
    assert sorted(plain.ids) == sorted(source.ids), "ids know content alone"


def test_validation_images_of_another_sets_classes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "imagenet-val", tmp_path)
    source = open_source(f"{spec}:imagenet-r")
    # Of tench, goldfish and great white shark, ImageNet-R has the second and the third, as its first two.
    assert source.info.count == 4 and sorted(source.labels.tolist()) == [0, 0, 1, 1]
    assert source.space is not None and source.space.name == "imagenet-r" and len(source.info.classes) == 200
    assert {name.split("/")[0] for name in source.names()} == set(source.info.classes[:2]) == set(WNIDS[1:])
    assert open_source(source.info.spec).info.fingerprint == source.info.fingerprint


def test_label_spaces_of_subsets_point_at_the_models_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(written(monkeypatch, "imagenet-a", tmp_path))
    assert source.space is not None and source.space.merge == "subset" and source.space.outputs == 1000
    assert source.space.members == ((6,), (11,), (13,))
    assert source.info.titles == ("stingray", "goldfinch", "junco")
    logits = np.zeros((1, 1000))
    logits[0, [6, 500]] = (1, 9)
    assert source.space.scores(logits).argmax() == 0


def test_an_image_of_imagenet_o_has_no_right_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(written(monkeypatch, "imagenet-o", tmp_path))
    assert source.truths == [()] * 6
    with pytest.raises(DataError, match="no image has a right class"):
        in_space(source, source.space)
    assert source.space is not None and source.space.members[0] == (1,)
    assert any("no class is right" in note for note in source.info.notes)
    monkeypatch.setattr(brittlestar.data, "SETS", (BY_NAME["imagenet-o"],))
    with pytest.raises(DataError, match="197 are missing"):
        open_source(f"imagenet-o:{tmp_path}")


def test_objectnet_loses_its_red_line_and_what_imagenet_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(written(monkeypatch, "objectnet", tmp_path))
    assert source.info.classes == ("alarm_clock", "backpack", "banana") and source.info.prepared["border"] == 1
    assert source.space is not None and source.space.members[0] == (409, 530) and source.space.merge == "logit_max"
    assert "1 pixel cut off every side" in source.info.preparation
    place = source.names().index("alarm_clock/photo_0.png")
    inner = pixels(0, *(44, 33))[1:-1, 1:-1]
    # 42 x 31 without the line: the shorter side becomes 256, the other 346.
    wanted = Image.fromarray(inner).resize((346, 256), Image.Resampling.BILINEAR).crop((61, 16, 285, 240))
    expected = np.asarray(wanted).transpose(2, 0, 1)
    assert (source.load(np.array([place]))[0] == expected).all()


def test_real_labels_are_several_or_none_and_in_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = written(monkeypatch, "imagenet-real", tmp_path)
    source = open_source(spec)
    assert source.truths is not None
    by_name = {name.split(".")[0]: truth for name, truth in zip(source.names(), source.truths, strict=True)}
    assert by_name["ILSVRC2012_val_00000002"] == (0, 1) and by_name["ILSVRC2012_val_00000003"] == ()
    (tmp_path / "real.json").write_text(json.dumps([[2], [0, 2], [], [1], [1], [2]]))
    again = open_source(spec)
    one, two = in_space(source, source.space), in_space(again, again.space)
    assert one.info.fingerprint != two.info.fingerprint and list(again.ids) == list(source.ids)
    assert one.info.count == 5 and reopened({"spec": spec, "how": {}}).info.fingerprint == two.info.fingerprint


def test_factors_are_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(written(monkeypatch, "imagenet-x", tmp_path))
    names = [int(name.split("_")[-1].split(".")[0]) for name in source.names()]
    pose = dict(zip(names, source.contexts["pose"], strict=True))
    assert pose == {1: "yes", 2: "yes", 3: "", 4: "yes", 5: "yes", 6: "prototype"}
    assert dict(zip(names, source.contexts["background"], strict=True))[2] == "yes"
    assert dict(zip(names, source.contexts["top_factor"], strict=True))[4] == "none"
    assert len(source.contexts) == 17 and source.truths is None


def test_variants_of_v2_are_told_apart_and_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "imagenet-v2", tmp_path)
    first = open_source(spec)
    assert first.info.name == "imagenet-v2-matched-frequency"
    own = open_source(f"imagenet-v2:{tmp_path}/imagenetv2-top-images-format-val")
    assert own.info.name == "imagenet-v2-top-images"
    label = dict(zip(first.names(), first.labels.tolist(), strict=True))
    # Text order would make folder 10 the third class.
    assert label["10/photo_20.png"] == 10 and label["2/photo_4.png"] == 2


def test_corrupted_images_are_taken_as_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "imagenet-c", tmp_path)
    source = open_source(f"{spec}:fog:3")
    assert source.info.shape == (3, 36, 36) and not source.info.prepared and not source.info.cropped
    for path in (f"imagenet-c:{tmp_path}/weather/fog/3", f"imagenet-c:{tmp_path}/weather/fog:3"):
        assert open_source(path).info.fingerprint == source.info.fingerprint
    plain = open_source(tmp_path / "weather" / "fog" / "3", resize=48, crop=36)
    assert any("fog at severity 3 of ImageNet-C, and its images are resized" in note for note in plain.info.notes)
    assert not any("seems" in note for note in open_source(tmp_path / "weather" / "fog" / "3").info.notes)
    for how in ({"resize": 48, "crop": 36}, {"crop": 24}, {"prepare": "imagenet-c"}):
        with pytest.raises(DataError, match="never resized or cropped again"):
            open_source(f"{spec}:fog:3", **how)


def test_cifar_bytes_become_pixels_and_superclasses_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(written(monkeypatch, "cifar-100", tmp_path))
    assert source.info.classes == ("class 0", "class 1", "class 2")
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert source.contexts["superclass"].tolist() == [f"superclass {k}" for k in (1, 2, 0, 1, 2, 0)]
    assert (
        source.load(np.array([4]))[0] == pixels(14 if source.info.count == 0 else 4, 32, 32).transpose(2, 0, 1)
    ).all()
    grouped = open_source(source.info.spec, groups="superclass")
    assert grouped.groups is not None and len(set(grouped.groups.tolist())) == 3


def test_severities_of_arrays_are_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "cifar-10-c", tmp_path)
    third = open_source(f"{spec}:fog:3")
    assert (third.load(np.array([0]))[0] == pixels(720, 32, 32).transpose(2, 0, 1)).all()
    assert third.info.classes[9] == "truck"
    every = open_source(f"{spec}:fog")
    assert every.groups is not None and set(Counter(every.groups.tolist()).values()) == {5}
    assert every.contexts["severity"][20] == "3" and set(third.ids) < set(every.ids)
    plain = open_source(tmp_path / "fog.npy")
    assert set(plain.ids) == set(every.ids)


def test_contexts_of_nico_and_cinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    spec = written(monkeypatch, "nico", tmp_path / "one")
    nico = open_source(spec)
    assert nico.info.classes == ("bear", "cow", "bus") and nico.info.count == 9
    assert Counter(nico.contexts["context"]) == {"in forest": 3, "on snow": 3, "white": 3}
    assert Counter(nico.contexts["superclass"]) == {"animal": 6, "vehicle": 3}
    assert open_source(f"{spec}:vehicle").info.classes == ("bus",)
    (tmp_path / "two").mkdir()
    plus = written(monkeypatch, "nico++", tmp_path / "two")
    assert open_source(plus).info.classes == ("cow", "bear"), "its own file numbers the classes"
    dim = open_source(f"{plus}:dim")
    assert dim.info.count == 2 and set(dim.contexts["context"]) == {"dim"}
    (tmp_path / "three").mkdir()
    cinic = open_source(written(monkeypatch, "cinic-10", tmp_path / "three"))
    assert Counter(cinic.contexts["origin"]) == {"cifar-10": 2, "imagenet": 2}


def test_a_table_gives_paths_labels_splits_and_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "wilds", tmp_path)
    source = open_source(f"{spec}:test")
    assert [Path(name).name for name in source.names()] == ["1.png", "2.png", "3.png"]
    assert source.labels.tolist() == [1, 1, 0] and source.info.shape == (3, 40, 40)
    assert source.contexts["hospital"].tolist() == ["north", "south", "south"]
    assert set(source.contexts) == {"img_id", "hospital", "place"}
    assert open_source(f"wilds:{tmp_path}/metadata.csv:test").info.fingerprint == source.info.fingerprint
    named = open_source(f"{spec}:test", label_column="place", groups="hospital")
    assert named.info.classes == ("land", "water") and named.groups is not None
    assert len(set(named.groups.tolist())) == 2
    assert open_source(named.info.spec, label_column="place").info.fingerprint == named.info.fingerprint


def test_mnist_files_by_all_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "mnist", tmp_path)
    source = open_source(spec)
    assert source.info.shape == (1, 28, 28) and source.labels.tolist() == list(range(10))
    (tmp_path / "t10k-images-idx3-ubyte").rename(tmp_path / "t10k-images.idx3-ubyte")
    assert open_source(spec).info.fingerprint == source.info.fingerprint


def test_a_folder_called_like_a_set_is_still_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar-10-c").mkdir()
    written(monkeypatch, "cifar-10-c", tmp_path / "cifar-10-c")
    old = open_source("cifar-10-c:fog:3")
    assert old.info.kind == "npy" and old.info.spec == "cifar-10-c:fog:3"
    new = open_source("cifar-10-c:cifar-10-c:fog:3")
    assert new.info.kind == "published" and list(new.ids) == list(old.ids)


def test_the_page_names_every_set_and_where_to_get_it() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "sets.md").read_text()
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    for one in SETS:
        assert f"`{one.name}`" in rows, one.name
        assert one.where.split()[0].strip(",").split("/record/")[0] in rows, one.where
    data = (Path(__file__).resolve().parents[1] / "docs" / "data.md").read_text()
    assert f"[{len(SETS)} of them](sets.md)" in data
