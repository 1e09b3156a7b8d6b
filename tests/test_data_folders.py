"""Image folders as they lie on people's disks: what counts, in which order, and what is told of the rest."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import DataError
from brittlestar.data import Source, open_source
from brittlestar.data.encoded import png
from brittlestar.models import map_labels


def picture(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(np.full((3, 8, 8), level, np.uint8)))


def folder_of(root: Path, names: Sequence[str], count: int = 2) -> Path:
    """Class number k has pictures of level 10 k, 10 k + 1, ..."""
    for k, name in enumerate(names):
        for i in range(count):
            picture(root / name / f"{i}.png", 10 * k + i)
    return root


def notes(source: Source) -> str:
    return "\n".join(source.info.notes)


def test_what_systems_and_editors_leave_there_is_left_out_and_counted(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["cat", "dog"])
    for place in ("cat/.ipynb_checkpoints/0-checkpoint.png", "dog/@eaDir/0.png", "__MACOSX/cat/._0.png"):
        picture(root / place, 90)
    picture(root / ".Trashes" / "cat" / "0.png", 90)
    hidden = ("cat/._0.png", "cat/Thumbs.db", "cat/.DS_Store")
    for place in (*hidden, "dog/notes.txt", "dog/more.TXT", "labels.csv", "README"):
        (root / place).write_bytes(b"no image")
    picture(root / "loose.png", 91)
    source = open_source(root)
    assert source.info.classes == ("cat", "dog") and source.info.count == 4
    told = notes(source)
    assert "4 hidden folders (.Trashes, .ipynb_checkpoints, @eaDir, __MACOSX)" in told
    assert "3 hidden files" in told
    assert "4 files with no image's suffix (2 .txt, 1 .csv, 1 no suffix)" in told
    assert "1 image outside the classes' folders" in told


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path) -> None:
    assert notes(open_source(folder_of(tmp_path, ["cat", "dog"]))) == ""


@pytest.mark.parametrize("inside", ["cat/0.png", "0.png"])
@pytest.mark.parametrize(("names", "give"), [(("train", "val"), "val"), (("Training", "test", "valid"), "test")])
def test_the_parent_of_splits_is_told_from_classes(
    tmp_path: Path, names: tuple[str, ...], give: str, inside: str
) -> None:
    for name in names:
        picture(tmp_path / "set" / name / inside)
    with pytest.raises(DataError, match=rf"parts .*{names[0]}.* of a data set.*set/{give}"):
        open_source(tmp_path / "set")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert open_source(folder_of(tmp_path, ["car", "train"])).info.classes == ("car", "train")


def test_classes_that_hold_splits_are_told(tmp_path: Path) -> None:
    for name in ("cat/train", "cat/val", "dog/train", "dog/val"):
        picture(tmp_path / name / "0.png")
    with pytest.raises(DataError, match="each hold the parts train, val"):
        open_source(tmp_path)


@pytest.mark.parametrize("severities", ["12345", "3"])
@pytest.mark.parametrize("above", ["", "noise/"])
def test_the_layout_of_imagenet_c_is_told_with_a_severity_to_give(tmp_path: Path, above: str, severities: str) -> None:
    for kind in ("gaussian_noise", "shot_noise"):
        for severity in severities:
            folder_of(tmp_path / "set" / above / kind / severity, ["n01", "n02"])
    give = f"set/{above}gaussian_noise/{severities[0]}"
    with pytest.raises(DataError, match=f"as ImageNet-C is .*such as .*{give}"):
        open_source(tmp_path / "set")
    assert open_source(tmp_path / give).info.count == 4
    if len(severities) > 1:
        with pytest.raises(DataError, match=r"severities 1, 2, 3, 4, 5 .*gaussian_noise/1"):
            open_source(tmp_path / "set" / above / "gaussian_noise")


def test_one_folder_above_is_told(tmp_path: Path) -> None:
    folder_of(tmp_path / "set" / "set", ["cat", "dog"])
    with pytest.raises(DataError, match=r"one folder alone, and the 2 sub-folders of .*set/set look"):
        open_source(tmp_path / "set")


def test_images_without_classes_get_a_remedy(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    with pytest.raises(DataError, match="its 1 images lie in the folder itself: sort them into sub-folders"):
        open_source(tmp_path)
    (tmp_path / "0.png").rename(tmp_path / "0.txt")
    with pytest.raises(DataError, match=r"has no sub-folders.*1 file with no image's suffix \(1 .txt\)"):
        open_source(tmp_path)


def test_empty_classes_are_named_together(tmp_path: Path) -> None:
    folder_of(tmp_path, ["cat", "dog"])
    for name in ("elk", "fox"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.heic").write_bytes(b"0")
    with pytest.raises(DataError, match=r"2 class folders of .* hold no images: elk, fox .*there are 2 .*2 \.heic"):
        open_source(tmp_path)


def test_nested_images_count_for_the_first_level(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["cat", "dog"])
    picture(root / "dog" / "small" / "9.png", 99)
    source = open_source(root)
    assert source.labels.tolist() == [0, 0, 1, 1, 1] and "images of 1 class lie in sub-folders (dog)" in notes(source)


def test_one_class_will_do_where_the_model_has_others(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["cat"])
    with pytest.raises(DataError, match=r"one class only.*classes="):
        open_source(root)
    assert open_source(root, one_class=True).info.classes == ("cat",)


@pytest.mark.parametrize(
    ("names", "order", "words"),
    [
        (
            [str(k) for k in range(12)],
            [str(k) for k in range(12)],
            "not as text (0, 1, 10",
        ),
        ([str(k) for k in range(10)], [str(k) for k in range(10)], None),
        ([f"{k:03d}" for k in range(12)], [f"{k:03d}" for k in range(12)], None),
        (["1", "2", "3"], ["1", "2", "3"], "begin at 1: 1 is taken as the model's first output"),
        (["0", "1", "3"], ["0", "1", "3"], "have gaps"),
        (["class1", "class2", "class10"], ["class1", "class10", "class2"], "as text: class10 before class2"),
        (["10", "2", "cat"], ["10", "2", "cat"], "as text: 10 before cat"),
        (["cat", "Dog", "ant"], ["Dog", "ant", "cat"], None),
    ],
)
def test_the_order_of_classes_is_told_where_it_may_surprise(
    tmp_path: Path, names: list[str], order: list[str], words: str | None
) -> None:
    source = open_source(folder_of(tmp_path, names, 1))
    assert list(source.info.classes) == order
    if words is None:
        assert notes(source) == ""
    else:
        assert words in notes(source) and "classes=" in notes(source)


def test_the_order_of_numbers_is_no_other_data(tmp_path: Path) -> None:
    """Runs of earlier versions, which took numbers as text, know their data again."""
    source = open_source(folder_of(tmp_path, [str(k) for k in range(12)], 1))
    assert source.info.fingerprint == "06cba9abb9da4791"


def test_names_in_two_normal_forms_are_one_name(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "gr\u00f6n") for form in ("NFC", "NFD"))
    source = open_source(folder_of(tmp_path, [apart, "x"]))
    assert source.info.classes == (apart, "x")
    assert list(map_labels(source.info.classes, ("x", composed))) == [1, 0]
    folder_of(tmp_path, [composed])
    with pytest.raises(DataError, match="two folders are called gr\u00f6n"):
        open_source(tmp_path)


def test_cases_that_differ_are_told(tmp_path: Path) -> None:
    if not (folder_of(tmp_path, ["Cat", "cat", "dog"]) / "Cat").samefile(tmp_path / "cat"):
        assert "upper and lower case are two: Cat, cat" in notes(open_source(tmp_path))


def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["dog", "x"])
    odd = (root / "x").rename(root / os.fsdecode(b"ros\xe9"))
    (odd / os.fsdecode(b"b\xe4d.png")).write_bytes(b"")
    with pytest.raises(DataError, match=r"ros"):
        open_source(root)
    source = open_source(root, skip_bad=True)
    assert source.info.classes == ("dog", "ros\u00e9") and "read as Latin-1: ros\u00e9" in notes(source)
    for text in (*source.info.classes, *source.info.skipped, *source.info.notes):
        text.encode()
    assert source.load(np.arange(4)).shape == (4, 3, 8, 8)


@pytest.mark.parametrize("name", ["a*b", "[ab]", 'what\'s "that"', "a\nb", "<script>", "a?", "{x}", "a=b", "~"])
def test_names_are_literal(tmp_path: Path, name: str) -> None:
    source = open_source(folder_of(tmp_path, [name, "a other"]))
    assert name in source.info.classes and source.info.count == 4
    assert source.load(np.arange(4)).shape == (4, 3, 8, 8)


def test_links_are_followed_once(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["cat"])
    folder_of(tmp_path / "elsewhere", ["dog"])
    (root / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (root / "again").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to(root / "self")
    (root / "cat" / "loop").symlink_to(root)
    (root / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
    (root / "cat" / "9.png").symlink_to(tmp_path / "elsewhere" / "dog" / "0.png")
    source = open_source(root)
    assert source.info.classes == ("cat", "dog") and source.info.count == 5
    assert "4 links to folders or to nothing, 1 link to images that are not there" in notes(source)


def test_a_run_folder_among_the_data_is_no_class(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["cat", "dog"])
    for place in ("run", "cat/run"):
        picture(root / place / "examples" / "0.png", 90)
        (root / place / "rows").mkdir()
        (root / place / "manifest.json").write_text("{}")
    source = open_source(root)
    assert source.info.classes == ("cat", "dog") and source.info.count == 4
    assert notes(source) == "left out: 2 run folders of Brittlestar"
    with pytest.raises(DataError, match="is a run folder of Brittlestar, not data"):
        open_source(root / "run")


@pytest.mark.parametrize("parts", [("seg_train", "seg_test"), ("train-images", "test-images"), ("unlabeled", "test")])
def test_parts_with_longer_names_are_told_from_classes(tmp_path: Path, parts: tuple[str, str]) -> None:
    for part in parts:
        folder_of(tmp_path / part, ["cat", "dog"])
    with pytest.raises(DataError, match=f"holds the parts .*give one of them, such as .*{parts[1]}"):
        open_source(tmp_path)


def test_classes_that_begin_like_parts_are_classes(tmp_path: Path) -> None:
    names = ["test_tube", "train_station"]
    assert open_source(folder_of(tmp_path, names)).info.classes == tuple(names)


def test_folders_that_stand_alone_lead_to_the_classes(tmp_path: Path) -> None:
    folder_of(tmp_path / "set" / "archive" / "data", ["cat", "dog"])
    with pytest.raises(DataError, match=r"the 2 sub-folders of .*set/archive/data look like the classes: give that"):
        open_source(tmp_path / "set")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_with_an_images_name_is_left_out_and_counted(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["cat", "dog"])
    os.mkfifo(root / "cat" / "pipe.png")
    assert "(1 .png, which is no file)" in notes(open_source(root))


def test_links_to_images_that_are_not_there_are_told(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["cat", "dog"])
    (root / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert "1 link to images that are not there" in notes(open_source(root))
    (root / "owl").mkdir()
    (root / "owl" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(
        DataError, match=r"owl holds no images .*1 link to images lead to nothing: fetch the files first"
    ):
        open_source(root)
