"""What is not a published set is refused with the reason, and with where to get it; nothing is downloaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import brittlestar.data
from brittlestar.core.errors import DataError
from brittlestar.data import open_source
from brittlestar.data.published_set import PublishedSet
from brittlestar.data.sets import SETS
from published_sets import (
    BY_NAME,
    KNOWN,
    SIZES,
    VAL,
    WNIDS,
    class_folders,
    flat_val,
    save,
    small,
    three,
    tiny_val,
    written,
)

Break = Callable[[Path], object]


def gone(*names: str) -> Break:
    """What takes files or folders away."""

    def take(root: Path) -> None:
        for name in names:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return take


def moved(one: str, other: str) -> Break:
    return lambda root: (root / one).rename(root / other)


def extra(name: str, size: tuple[int, int] = SIZES[0], frame: bool = False) -> Break:
    return lambda root: save(root / name, 99, size, frame)


def text(name: str, content: str) -> Break:
    return lambda root: (root / name).write_text(content)


def array(name: str, content: np.ndarray) -> Break:
    return lambda root: np.save(root / name, content)


def alike(folder: str, size: tuple[int, int]) -> Break:
    """All images of one size, as after somebody's resizing."""

    def resize(root: Path) -> None:
        for number, file in enumerate(sorted((root / folder).rglob("*.png"))):
            save(file, number, size)

    return resize


def numbered(folder: str) -> Break:
    def rename(root: Path) -> None:
        for number, path in enumerate(sorted((root / folder).iterdir())):
            path.rename(path.with_name(str(number)))

    return rename


def from_one(root: Path) -> None:
    for number in range(11, -1, -1):
        path = root / "imagenetv2-matched-frequency-format-val" / str(number)
        path.rename(path.with_name(str(number + 1)))


def shorter_sides_alike(root: Path) -> None:
    for number, file in enumerate(sorted((root / "imagenet-a").rglob("*.png"))):
        save(file, number, (40 + number, 32))


def factor_of_another_class(root: Path) -> None:
    file = root / "imagenet_x_val_multi_factor.jsonl"
    file.write_text(file.read_text().replace('"class": 2', '"class": 1', 1))


ONE = "ILSVRC2012_val_00000001.png"
A, V2 = "imagenet-a/n01498041", "imagenetv2-matched-frequency-format-val"

WRONG: list[tuple[str, str, Break, str]] = [
    ("imagenet-val", "", gone(f"val/{WNIDS[1]}"), r"2 class folders instead of 3; 1 are missing: n01443537"),
    ("imagenet-val", "", extra("val/n99999999/x.png"), r"4 class folders instead of 3; 1 are none of its .*n99999999"),
    ("imagenet-val", "", gone(f"val/{WNIDS[2]}/{ONE}"), r"n01484850 has 1 images instead of 2"),
    ("imagenet-val", "", numbered("val"), r"folders are numbers, which may be places .* 2012 challenge"),
    ("imagenet-val", "", alike("val", (40, 40)), r"all its images are 40 x 40: they were resized or cropped already"),
    ("imagenet-val", "", moved(f"val/{WNIDS[2]}/{ONE}", f"val/{WNIDS[0]}/{ONE}"), r"n01440764 has 3 images"),
    ("imagenet-val", "labels.txt", lambda _: None, r"lie in folders of classes: leave :labels.txt out"),
    ("imagenet-v2", "", from_one, r"1 are missing: 0; .* numbered from 0, these from 1"),
    ("imagenet-v2", "", gone(f"{V2}/10"), r"11 class folders instead of 12; 1 are missing: 10"),
    ("imagenet-v2", "", gone(f"{V2}/10/photo_20.png"), r"class 10 has 1 images instead of 2"),
    ("imagenet-v2", "top-images", gone("imagenetv2-top-images-format-val"), r"holds .* and no top-images"),
    ("imagenet-v2", "best", lambda _: None, r"(?i)unknown part of imagenet-v2.*best"),
    ("imagenet-a", "", gone(A), r"2 class folders instead of 3; 1 are missing: n01498041"),
    ("imagenet-a", "", moved(A, "imagenet-a/n01440764"), r"3 class folders, as it should, but of other classes; 1 are"),
    ("imagenet-a", "", gone(f"{A}/photo_0.png"), r"holds 5 images instead of 6: was it unpacked whole"),
    ("imagenet-a", "", shorter_sides_alike, r"shorter side of all its images is 32: they were resized already"),
    ("imagenet-a", "", numbered("imagenet-a"), r"folders are numbers"),
    ("imagenet-a", "fog", lambda _: None, r"imagenet-a has no parts: leave :fog out"),
    ("imagenet-a", "", gone("imagenet-a"), r"it has no sub-folders; there is one a class"),
    ("imagenet-o", "", extra("imagenet-o/n01440764/x.png"), r"4 class folders instead of 3"),
    ("imagenet-sketch", "", extra(f"imagenet-sketch/{WNIDS[0]}/more.png"), r"holds 7 images instead of 6"),
    ("stylized-imagenet", "", alike("val", (50, 50)), r"is 50 x 50, and its images are 40 x 40 as stored"),
    ("objectnet", "", gone("images/squeegee"), r"it has 3 folders instead of 4"),
    ("objectnet", "", gone("images/banana"), r"1 of its classes are missing: banana"),
    ("objectnet", "", gone("images/banana/photo_4.png"), r"have 5 images instead of 6"),
    ("objectnet", "", alike("images", (40, 40)), r"has no red line of 1 pixel around it: it was cropped or resized"),
    ("imagenet-c", "fog:3", alike("weather/fog/3", (32, 32)), r"is 32 x 32, and its images are 36 x 36 as stored"),
    ("imagenet-c", "fog:3", extra(f"weather/fog/3/{WNIDS[0]}/x.png"), r"n01440764 has 3 images instead of 2"),
    ("imagenet-c", "fog", lambda _: None, r"fog has severities 1, 2, 3, 4, 5: name one, imagenet-c:.*:fog:5"),
    ("imagenet-c", "fog:6", lambda _: None, r"severities 1, 2, 3, 4, 5, got '6'"),
    ("imagenet-c", "", lambda _: None, r"one corruption at a time; there are fog"),
    ("imagenet-c", "snow:3", lambda _: None, r"holds no snow; there are fog"),
    ("imagenet-c", "fogg:3", lambda _: None, r"(?i)unknown corruption of imagenet-c.*did you mean.*fog"),
    ("imagenet-c", "fog:3", gone("weather"), r"it holds no folder of a corruption"),
    ("imagenet-real", "", gone("real.json"), r"real.json is not, beside them or one folder up.*reassessed-imagenet"),
    ("imagenet-real", "", text("real.json", "[[0], [1]]"), r"real.json holds 2 entries"),
    ("imagenet-real", "", text("real.json", "[[0],[0],[0],[0],[0],[3]]"), r"list of labels in 0 .. 2"),
    ("imagenet-real", "", text("real.json", "[[0],[0],[0],[0],[0],[0]]"), r"labels for 6 images instead of 5"),
    ("imagenet-real", "", text("real.json", "nothing"), r"real.json cannot be read as JSON"),
    ("imagenet-x", "", gone("imagenet_x_val_multi_factor.jsonl"), r"multi_factor.jsonl is not, beside them"),
    ("imagenet-x", "", factor_of_another_class, r"says class 1 of image 1, which is 2"),
    ("imagenet-x", "", text("imagenet_x_val_multi_factor.jsonl", "{}\n"), r"line 1 of .* is not one of ImageNet-X's"),
    ("imagenet-x", "", text("prototypical_paths.csv", "file_name\n"), r"names 0 images instead of 1"),
    ("cifar-10", "", gone("cifar-10-batches-bin/batches.meta.txt"), r"batches.meta.txt is missing"),
    ("cifar-10", "train", gone("cifar-10-batches-bin/data_batch_3.bin"), r"data_batch_3.bin is missing"),
    (
        "cifar-10",
        "",
        text("cifar-10-batches-bin/test_batch.bin", "x" * 100),
        r"test_batch.bin has 100 bytes instead of 18,438",
    ),
    (
        "cifar-10",
        "",
        text("cifar-10-batches-bin/test_batch.bin", "\x07" * 18_438),
        r"a class label is 7, and there are 3",
    ),
    ("cifar-10.1", "", gone("cifar10.1_v6_labels.npy"), r"cifar10.1_v6_labels.npy is missing"),
    ("cifar-10.1", "v4", array("cifar10.1_v4_labels.npy", np.zeros(6, int)), r"classes have \(6,\) images"),
    ("cifar-10.1", "", array("cifar10.1_v6_labels.npy", np.arange(6)), r"v6 has 1 images of class 0 instead of 2"),
    ("cifar-10.1", "", array("cifar10.1_v6_data.npy", np.zeros((6, 64, 64, 3), np.uint8)), r"they are 32 x 32 pixels"),
    ("cifar-10.1", "v5", lambda _: None, r"(?i)unknown part of cifar-10.1"),
    ("cifar-10-c", "fog:3", array("labels.npy", np.arange(7)), r"labels.npy is not the labels of the test images"),
    ("cifar-10-c", "fog:3", array("labels.npy", np.zeros(10, int)), r"does not give every class 1 images"),
    ("cifar-10-c", "fog:3", array("fog.npy", np.zeros((20, 32, 32, 3), np.uint8)), r"has 20 images instead of 50"),
    ("cifar-10-c", "fog:7", lambda _: None, r"fog has severities 1 to 5, got '7'"),
    ("cifar-10-c", "", lambda _: None, r"one corruption at a time; there are fog, brightness: cifar-10-c:.*:fog:3"),
    ("cinic-10", "", gone("test"), r"it has no folder test"),
    ("cinic-10", "", extra("test/airplane/more.png", (32, 32)), r"airplane has 3 images instead of 2"),
    ("cinic-10", "", alike("test", (36, 36)), r"is 36 x 36, and its images are 32 x 32 as stored"),
    ("mnist", "", text("t10k-images-idx3-ubyte", "x" * 50), r"is no IDX file of bytes"),
    ("mnist", "", text("t10k-images-idx3-ubyte", "\0\0\x08\x01\0\0\0\x09" + "x" * 5), r"is damaged: it says"),
    ("mnist", "", gone("t10k-labels-idx1-ubyte.gz"), r"t10k-labels-idx1-ubyte is missing"),
    ("mnist-c", "", lambda _: None, r"one corruption at a time; there are identity, fog"),
    ("mnist-c", "fog", array("fog/test_labels.npy", np.arange(9)), r"9 labels instead of 10"),
    ("mnist-c", "frog", lambda _: None, r"(?i)unknown corruption of mnist-c"),
    ("nico", "", gone("Animal/bear/white"), r"bear has 2 folders of contexts instead of 3 to 3"),
    ("nico", "", gone("Animal/bear/white/2.png"), r"bear has 2 images instead of 3"),
    ("nico", "", gone("Vehicle"), r"it has no folder Vehicle"),
    ("nico", "", extra("Vehicle/tank/white/x.png"), r"the folder tank, which is no class"),
    ("nico++", "", gone("train/rock"), r"it has no folder rock"),
    ("nico++", "", gone("train/rock/bear/photo_0.png"), r"11 images instead of 12"),
    ("nico++", "", text("dg_label_id_mapping.json", json.dumps({"cow": 1})), r"does not number its classes"),
    ("wilds", "", lambda _: None, r"holds the splits train, test: name one, wilds:.*:test"),
    ("wilds", "val", lambda _: None, r"no split 'val'; it has 'train', 'test'"),
    ("wilds", "test", gone("images/b/2.png"), r"names b/2.png, which is no file"),
    (
        "wilds",
        "test",
        text("metadata.csv", "filename,split\na/0.png,test\n"),
        r"no column of labels .*--label-column|label_",
    ),
    ("wilds", "", text("metadata.csv", "filename,y\na/0.png,0.5\n"), r"the label 0.5: labels are whole numbers"),
    ("wilds", "", text("metadata.csv", "filename,y\na/0.png\n"), r"line 2 has another number of columns"),
    ("wilds", "", text("metadata.csv", "filename,y\n../secret.png,0\n"), r"names ../secret.png, which is no file"),
]


@pytest.mark.parametrize(
    ("name", "part", "broken", "reason"), WRONG, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(WRONG)]
)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str, broken: Break, reason: str
) -> None:
    root = tmp_path / "set"
    root.mkdir()
    save(tmp_path / "secret.png", 0, (40, 40))
    spec = written(monkeypatch, name, root)
    broken(root)
    with pytest.raises(DataError, match=reason) as refused:
        open_source(f"{spec}:{part}" if part else spec)
    if "as published" in str(refused.value):
        assert f"get it from {BY_NAME[name].where}" in str(refused.value)


@pytest.mark.parametrize("one", SETS, ids=lambda one: one.name)
def test_a_set_that_is_not_there_is_told_where_to_get(tmp_path: Path, one: PublishedSet) -> None:
    for spec in (one.name, f"{one.name}:{tmp_path}/nowhere"):
        with pytest.raises(DataError, match="nothing is downloaded") as lacking:
            open_source(spec)
        assert one.where in str(lacking.value) and one.counts in str(lacking.value)


FLAT_WRONG = {
    "no labels": (None, "none of ILSVRC2012_validation_ground_truth.txt, .* lies there"),
    "text order": (
        "".join(f"{(2, 0, 1)[k]}\n" for k in VAL),
        "numbers classes neither .* it begins 1 where 2 is right",
    ),
    "numbers from 1": ("".join(f"{k + 1}\n" for k in VAL), "neither as the 2012 challenge did"),
    "too few": ("449\n450\n", "2 labels for 6 images"),
    "classes of other sizes": ("".join(f"{(449, 450, 442)[k]}\n" for k in (2, 0, 1, 0, 0, 2)), "class 0 to 3 images"),
}


@pytest.mark.parametrize("case", FLAT_WRONG)
def test_a_ground_truth_in_another_order_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(brittlestar.data, "SETS", (tiny_val(),))
    flat_val(tmp_path / "val")
    content, reason = FLAT_WRONG[case]
    if content is not None:
        (tmp_path / "ILSVRC2012_validation_ground_truth.txt").write_text(content)
    with pytest.raises(DataError, match=reason):
        open_source(f"imagenet-val:{tmp_path}/val")


def test_folders_named_in_another_order_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every class has its images, under the name of another."""
    monkeypatch.setattr(brittlestar.data, "SETS", (tiny_val(),))
    for number, label in enumerate(VAL, 1):
        save(tmp_path / WNIDS[(label + 1) % 3] / f"ILSVRC2012_val_{number:08d}.png", number, SIZES[number % 3])
    with pytest.raises(
        DataError, match=r"_0000000\d.png lies in n\d+ and is of n\d+: the folders were named in another"
    ):
        open_source(f"imagenet-val:{tmp_path}")


def test_pickles_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("batches.meta", "test_batch", "data_batch_1"):
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    monkeypatch.chdir(tmp_path)
    for path in (folder, tmp_path):
        with pytest.raises(DataError, match=r"may run any program.* take the binary version"):
            open_source(f"cifar-10:{path}")
    assert not (tmp_path / "opened").exists()


def test_images_that_cannot_be_read_are_named_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "imagenet-x", tmp_path)
    file = next((tmp_path / "val").rglob("*_00000002.png"))
    file.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"00000002\.png is no image"):
        open_source(spec)
    source = open_source(spec, skip_bad=True)
    assert source.info.count == 5 == len(source.contexts["pose"]) and len(source.info.skipped) == 1
    names = [int(name.split("_")[-1].split(".")[0]) for name in source.names()]
    assert dict(zip(names, source.contexts["pose"], strict=True))[6] == "prototype"


def test_columns_and_groups_that_a_set_lacks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = written(monkeypatch, "imagenet-a", tmp_path)
    with pytest.raises(DataError, match="imagenet-a has no column film"):
        open_source(spec, groups="film")
    with pytest.raises(DataError, match="imagenet-a has no columns"):
        open_source(spec, label_column="label")


def test_folders_of_other_sets_are_told_by_their_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "mine", ("cat", "dog"), 2)
    definition = small("imagenet-val", classes=three, images=6, each=2, known=KNOWN)
    with pytest.raises(DataError, match=r"none of which is named as its classes are \(cat, dog instead of n01440764"):
        definition.open(tmp_path / "mine", brittlestar.data.OpenRequest(how=brittlestar.data.Preparation()))
