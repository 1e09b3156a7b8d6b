"""The contract of sources: every listed form of data and every named set is held to it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import BrittlestarError, DataError
from brittlestar.data import SOURCES, Source, describe_sources, open_source, reopened
from brittlestar.data.reader import NamedSet, Reader

READERS = [source for source in SOURCES if isinstance(source, Reader) and source.write is not None]
NAMED = [source for source in SOURCES if isinstance(source, NamedSet)]
COUNT = 24


def written(reader: Reader, folder: Path, images: np.ndarray, labels: list[int]) -> Path:
    assert reader.write is not None
    return reader.write(folder, images, labels)


def drawn(channels: int) -> tuple[np.ndarray, list[int]]:
    """Images of 18 x 16 with three classes of eight, in a mixed order."""
    chance = np.random.default_rng(channels)
    return chance.integers(0, 256, (COUNT, channels, 18, 16), dtype=np.uint8), [(5 * i) % 3 for i in range(COUNT)]


def contents(source: Source) -> set[tuple[int, bytes]]:
    images = source.load(np.arange(len(source.ids)))
    return {(int(label), image.tobytes()) for label, image in zip(source.labels, images, strict=True)}


def hold(source: Source) -> None:
    """What every source keeps, whatever its images are."""
    info, n = source.info, len(source.ids)
    assert info.count == n == len(source.labels) == len(source.names()) == len(set(source.ids))
    assert source.labels.dtype == np.int32 and 0 <= source.labels.min() <= source.labels.max() < len(info.classes)
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in source.ids), "ids are 16 hexadecimal digits: `sample_ids`"
    index = np.array([n - 1, 0, n - 1, 1])
    images = source.load(index)
    assert images.dtype == np.uint8 and images.shape == (4, *info.shape)
    assert (images[0] == images[2]).all() and (images[1] == source.load(np.array([0]))[0]).all()
    assert (pickle.loads(pickle.dumps(source)).load(index) == images).all(), "a worker must read the same pixels"
    order = source.order(0)
    assert sorted(order) == list(range(n)), "the order must hold every sample once"
    again = reopened({"spec": info.spec, "how": info.prepared | {"skip_bad": False}})
    assert again.info.fingerprint == info.fingerprint, "`info.spec` must open the same data again"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.form)
def test_what_a_form_writes_it_reads(tmp_path: Path, reader: Reader, channels: int) -> None:
    images, labels = drawn(channels)
    path = written(reader, tmp_path, images, labels)
    takers = [other.form for other in READERS if other.takes(path)]
    assert takers[0] == reader.form, f"{takers[0]} stands before {reader.form} in SOURCES and takes {path.name} too"
    source = open_source(path)
    hold(source)
    assert source.info.shape == (channels, 18, 16) and source.info.count == COUNT and len(source.info.classes) == 3
    assert contents(source) == {(label, image.tobytes()) for label, image in zip(labels, images, strict=True)}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.form)
def test_ids_and_the_fingerprint_know_content_alone(tmp_path: Path, reader: Reader) -> None:
    images, labels = drawn(3)
    sources = []
    for name, places in (("one", list(range(COUNT))), ("two", [*range(7, COUNT), *range(7)])):
        (tmp_path / name).mkdir()
        path = written(reader, tmp_path / name, images[places], [labels[place] for place in places])
        sources.append(open_source(path))
    one, two = sources
    assert one.info.fingerprint == two.info.fingerprint and sorted(one.ids) == sorted(two.ids)
    assert list(one.ids[one.order(3)]) == list(two.ids[two.order(3)]), "the order must not know the listing"
    (tmp_path / "three").mkdir()
    changed = images.copy()
    changed[5, 0, 0, 0] ^= 1
    three = open_source(written(reader, tmp_path / "three", changed, labels))
    assert three.info.fingerprint != one.info.fingerprint and len(set(one.ids) & set(three.ids)) == COUNT - 1


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.form)
def test_a_preparation_is_done_or_refused(tmp_path: Path, reader: Reader) -> None:
    path = written(reader, tmp_path, *drawn(3))
    try:
        source = open_source(path, resize=12, crop=8)
    except DataError as refusal:
        assert "resize" in str(refusal), "say that it takes none"
        return
    hold(source)
    assert source.info.shape == (3, 8, 8) and source.info.fingerprint != open_source(path).info.fingerprint
    assert source.info.cropped == (source.pictures(np.array([0]))[0].shape != (3, 8, 8))


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.form)
def test_a_column_that_is_not_there_is_refused(tmp_path: Path, reader: Reader) -> None:
    path = written(reader, tmp_path, *drawn(1))
    with pytest.raises(DataError, match=r"film|group"):
        open_source(path, groups="film")


@pytest.mark.parametrize("named", NAMED, ids=lambda named: named.name)
def test_a_named_set_opens_or_says_what_it_needs(named: NamedSet) -> None:
    try:
        source = open_source(named.name)
    except DataError as lacking:
        assert "install" in str(lacking), f"say where {named.name} comes from"
        return
    hold(source)
    assert source.info.spec == named.name and source.info.kind == "named"
    assert open_source(f"{named.name}:{named.parts[0]}").info.fingerprint == source.info.fingerprint


@pytest.mark.parametrize("named", NAMED, ids=lambda named: named.name)
def test_wrong_words_for_a_named_set_are_refused(named: NamedSet) -> None:
    for options in ({"resize": 12}, {"groups": "film"}):
        with pytest.raises(DataError, match=named.name):
            open_source(named.name, **options)
    with pytest.raises(BrittlestarError, match=named.parts[0]):
        open_source(f"{named.name}:nowhere")


def test_every_form_is_told_apart_and_described() -> None:
    forms = dict(describe_sources())
    assert len(forms) == len(SOURCES), "two sources are called alike"
    assert all(text and "\n" not in text for text in forms.values())
    assert all(":" not in named.name and named.parts for named in NAMED)
