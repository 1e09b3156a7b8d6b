"""Arrays in files of their own, and the corruption sets that were published so."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import DataError
from brittlestar.data import open_source
from brittlestar.data.base import Changed

COUNT = 6
LABELS = np.arange(COUNT) % 3


def cifar_c(folder: Path, names: tuple[str, ...] = ("fog", "frost")) -> dict[str, np.ndarray]:
    """As CIFAR-10-C lies on the disk: five severities one after the other in each file."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    np.save(folder / "labels.npy", np.tile(LABELS, 5))
    made = {name: chance.integers(0, 256, (5 * COUNT, 32, 32, 3), dtype=np.uint8) for name in names}
    for name, x in made.items():
        np.save(folder / f"{name}.npy", x)
    return made


@pytest.mark.parametrize("spec", ["CIFAR-10-C/fog.npy:3", "CIFAR-10-C:fog:3"])
def test_one_corruption_at_one_severity(tmp_path: Path, spec: str) -> None:
    made = cifar_c(tmp_path / "CIFAR-10-C")
    source = open_source(f"{tmp_path}/{spec}")
    assert (source.info.name, source.info.count, source.groups) == ("CIFAR-10-C-fog-3", COUNT, None)
    images = pickle.loads(pickle.dumps(source)).load(np.arange(COUNT))
    assert (images == made["fog"][2 * COUNT : 3 * COUNT].transpose(0, 3, 1, 2)).all()
    assert source.labels.tolist() == LABELS.tolist()
    assert any("nothing is prepared again" in note for note in source.info.notes)
    assert open_source(source.info.spec).info.fingerprint == source.info.fingerprint


@pytest.mark.parametrize("spec", ["CIFAR-10-C/fog.npy", "CIFAR-10-C:fog"])
def test_all_severities_are_one_set_of_dependent_images(tmp_path: Path, spec: str) -> None:
    cifar_c(tmp_path / "CIFAR-10-C")
    source = open_source(f"{tmp_path}/{spec}")
    assert source.info.count == 5 * COUNT and source.groups is not None
    assert len(np.unique(source.groups)) == COUNT and len(set(source.groups[::COUNT])) == 1
    assert any("all 5 severities together, 6 images each" in note for note in source.info.notes)
    assert open_source(source.info.spec).info.fingerprint == source.info.fingerprint


def test_labels_of_one_severity_are_enough(tmp_path: Path) -> None:
    cifar_c(tmp_path / "c")
    np.save(tmp_path / "c" / "labels.npy", LABELS)
    assert open_source(f"{tmp_path}/c/fog.npy:5").info.count == COUNT


@pytest.mark.parametrize(
    "spec, message",
    [
        ("c", r"holds 2 sets of images \(fog, frost\): open one at a time, .*c:fog, and at one severity .*c:fog:3"),
        ("c:snow", "no 'snow' .fog, frost"),
        ("c:fog:6", "severities 1 to 5, got '6'"),
        ("c/fog.npy:0", "severities 1 to 5, got '0'"),
        ("c/fog.npy:x", "severities 1 to 5, got 'x'"),
    ],
)
def test_what_is_not_one_set_is_refused_with_what_there_is(tmp_path: Path, spec: str, message: str) -> None:
    cifar_c(tmp_path / "c")
    with pytest.raises(DataError, match=message):
        open_source(f"{tmp_path}/{spec}")


def test_one_file_with_its_labels(tmp_path: Path) -> None:
    """Labels that happen to repeat make no published set of it."""
    x = np.random.default_rng(0).integers(0, 256, (15, 16, 16), dtype=np.uint8)
    for images, labels in (("x_test", "y_test"), ("images", "labels"), ("val_images", "val_labels")):
        np.save(tmp_path / f"{images}.npy", np.asfortranarray(x) if images == "x_test" else x / 255)
        np.save(tmp_path / f"{labels}.npy", np.arange(15)[:, None] % 3)
        source = open_source(tmp_path / f"{images}.npy")
        assert (source.info.count, source.info.name, source.groups) == (15, images, None)
        assert (source.load(np.arange(15))[:, 0] == x).all()
    with pytest.raises(DataError, match=r"no part '3'"):
        open_source(f"{tmp_path}/x_test.npy:3")
    alone = tmp_path / "alone"
    alone.mkdir()
    np.save(alone / "images.npy", x)
    with pytest.raises(DataError, match=r"has no labels: put labels\.npy beside"):
        open_source(alone / "images.npy")
    np.save(alone / "labels.npy", np.arange(15) % 3)
    assert open_source(alone).info.count == 15


def test_a_file_rewritten_in_place_is_noticed(tmp_path: Path) -> None:
    cifar_c(tmp_path / "c")
    source = open_source(f"{tmp_path}/c:fog:2")
    x = np.load(tmp_path / "c" / "fog.npy")
    x[COUNT + 4] ^= 1
    np.save(tmp_path / "c" / "fog.npy", x)
    assert len(source.load(np.array([3]))) == 1
    with pytest.raises(Changed, match=r"fog\.npy: image 4"):
        source.load(np.array([3, 4]))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"labels", "truncated"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes | str) -> None:
    cifar_c(tmp_path / "c")
    for name in ("fog", "labels"):
        cifar_c(tmp_path / name)
        file = tmp_path / name / f"{name}.npy"
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] if isinstance(content, str) else content)
        with pytest.raises(DataError, match=rf"{name}\.npy is (no array|damaged)"):
            open_source(f"{tmp_path / name}:fog:1")


def mnist_c(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    made = {}
    for number, (name, split) in enumerate((n, s) for n in ("fog", "spatter") for s in ("train", "test")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        x = np.random.default_rng(number).integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
        np.save(folder / name / f"{split}_images.npy", x)
        np.save(folder / name / f"{split}_labels.npy", LABELS)
        made[name, split] = x
    return made


@pytest.mark.parametrize(
    "spec, which",
    [
        ("m/fog", ("fog", "test")),
        ("m:fog", ("fog", "test")),
        ("m:spatter:train", ("spatter", "train")),
        ("m/spatter:train", ("spatter", "train")),
        ("m/fog/train_images.npy", ("fog", "train")),
    ],
)
def test_mnist_c(tmp_path: Path, spec: str, which: tuple[str, str]) -> None:
    made = mnist_c(tmp_path / "m")
    source = open_source(f"{tmp_path}/{spec}")
    assert (source.load(np.arange(COUNT))[:, 0] == made[which][..., 0]).all()
    assert open_source(source.info.spec).info.fingerprint == source.info.fingerprint


def test_mnist_c_is_opened_one_at_a_time(tmp_path: Path) -> None:
    mnist_c(tmp_path / "m")
    for spec, message in (
        ("m", r"holds 2 sets of images \(fog, spatter\): open one at a time, .*m:fog"),
        ("m:snow", "no 'snow'"),
        ("m:fog:val", "test and train, got 'val'"),
    ):
        with pytest.raises(DataError, match=message):
            open_source(f"{tmp_path}/{spec}")
    (tmp_path / "m" / "fog" / "test_labels.npy").unlink()
    with pytest.raises(DataError, match=r"test_labels\.npy is missing"):
        open_source(tmp_path / "m" / "fog")
