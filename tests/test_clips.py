"""Sources of clips: folders of frames, which frames are anchors, what surrounds them, and layouts that are none."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brittlestar.core.errors import DataError
from brittlestar.data import open_source, vid_robust, ytbb_robust
from brittlestar.data.base import Changed
from brittlestar.data.clips import ClipSource
from brittlestar.data.video import VideoClip, pyav
from clip_tools import frame, make_clips, write_clip
from conftest import shared_path


def opened(spec: Path | str, **how: Any) -> ClipSource:
    source = open_source(str(spec), **{"unlabelled": True} | how)
    assert isinstance(source, ClipSource)
    return source


def around(source: ClipSource, place: int) -> tuple[list[int], np.ndarray]:
    assert source.neighbours is not None
    which, owner = source.neighbours.of_samples(np.array([place]))
    assert not owner.any()
    return source.neighbours.offset[which].tolist(), source.load_neighbours(which)


def test_a_folder_of_frames_is_a_clip_in_natural_order(tmp_path: Path) -> None:
    write_clip(tmp_path / "film", [float(i) for i in range(11)])
    source = opened(f"{tmp_path / 'film'}:every=3,within=2,fps=25")
    assert [Path(name).name for name in source.names()] == ["f3.png", "f6.png", "f9.png"], "not as text: f1, f10, f11"
    assert not source.info.labelled and source.info.rates == {"film": 25.0}
    offsets, frames = around(source, 1)
    assert offsets == [-2, -1, 1, 2]
    for offset, pixels in zip(offsets, frames, strict=True):
        assert np.array_equal(pixels, frame(5 + offset).transpose(2, 0, 1))
    assert np.array_equal(source.load(np.array([1]))[0], frame(5).transpose(2, 0, 1))


def test_neighbourhoods_end_where_the_clip_does(tmp_path: Path) -> None:
    write_clip(tmp_path / "film", [float(i) for i in range(5)])
    source = opened(f"{tmp_path / 'film'}:every=2,within=3")
    assert [around(source, i)[0] for i in range(2)] == [[-2, -1, 1, 2], [-3, -2, -1]]


def test_classes_are_folders_of_clips_and_anchors_of_a_clip_a_group(tmp_path: Path) -> None:
    source = opened(f"{make_clips(tmp_path)}:every=3,within=1")
    assert source.info.classes == ("left", "right") and source.info.labelled and source.info.count == 36
    assert source.groups is not None and len(np.unique(source.groups)) == 12
    assert np.bincount(source.labels).tolist() == [18, 18]
    again = pickle.loads(pickle.dumps(source))
    assert np.array_equal(again.load_neighbours(np.arange(8)), source.load_neighbours(np.arange(8)))
    moved = opened(f"{shutil.copytree(tmp_path, tmp_path.parent / 'elsewhere')}:every=3,within=1")
    assert moved.info.fingerprint == source.info.fingerprint
    for other in ("every=3,within=2", "every=2,within=1"):
        assert opened(f"{tmp_path}:{other}").info.fingerprint != source.info.fingerprint


def test_few_clips_are_cut_into_stretches_and_it_is_said(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / "film").mkdir(exist_ok=True)
        Image.fromarray(frame(number % 9, number)).save(tmp_path / "film" / f"{number}.png")
    source = opened(f"{tmp_path / 'film'}:every=1,within=1")
    assert source.groups is not None and len(np.unique(source.groups)) == 20
    assert any("1 clip only" in note and "not of other films" in note for note in source.info.notes)


def test_a_table_names_classes_and_rates(tmp_path: Path) -> None:
    make_clips(tmp_path, clips=4)
    lines = ["clip,label,fps", "left/clip0,cat,24", "right/clip1,dog,", "left/clip2,cat,30"]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    source = opened(tmp_path, one_class=True)
    assert source.info.classes == ("cat", "dog") and source.info.rates == {"left/clip0": 24.0, "left/clip2": 30.0}
    for line, said in (
        ("../x,cat,", "inside of the folder"),
        ("left/clip0,cat,", "twice"),
        ("left/clip9,cat,", "there is no clip"),
        ("right/clip3,,", "have no label"),
        ("right/clip3,dog,fast", "frames a second"),
    ):
        (tmp_path / "clips.csv").write_text("\n".join([*lines, line]) + "\n")
        with pytest.raises(DataError, match=said):
            opened(tmp_path)


def test_films_without_labels_are_opened_only_for_what_needs_none(tmp_path: Path) -> None:
    write_clip(tmp_path / "film", [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="has no labels, and this needs them"):
        open_source(f"{tmp_path / 'film'}:within=1")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("every=0", "whole number of frames"),
        ("within=x", "whole number of frames"),
        ("within=1,within=2", "twice"),
        ("every=2,step=1", "within"),
        ("fps=0", "frames a second"),
    ],
)
def test_words_that_mean_nothing_are_refused(tmp_path: Path, part: str, said: str) -> None:
    write_clip(tmp_path / "film", [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=said):
        opened(f"{tmp_path / 'film'}:{part}")


def test_a_folder_that_holds_both_clips_and_classes_is_refused(tmp_path: Path) -> None:
    make_clips(tmp_path, clips=2)
    write_clip(tmp_path / "loose", [1.0, 2.0])
    with pytest.raises(DataError, match=r"both clips \(loose\) and folders of clips \(left\)"):
        opened(f"{tmp_path}:every=2")


def test_damaged_and_changed_frames_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "film", [float(i) for i in range(9)])
    spec = f"{tmp_path / 'film'}:every=3,within=1"
    source = opened(spec)
    content = (tmp_path / "film" / "f3.png").read_bytes()
    Image.fromarray(frame(0)).save(tmp_path / "film" / "f3.png")
    with pytest.raises(Changed, match=r"f3\.png has changed"):
        around(source, 0)
    (tmp_path / "film" / "f3.png").write_bytes(content[:40])
    with pytest.raises(DataError, match=r"f3\.png"):
        opened(spec)
    left = opened(spec, skip_bad=True)
    assert left.info.skipped == ("f3.png",) and around(left, 0)[0] == [-1]
    (tmp_path / "film" / "f5.png").write_bytes(b"")
    assert [Path(name).name for name in opened(spec, skip_bad=True).names()] == ["f2.png", "f8.png"]


def test_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "film", [1.0, 2.0, 3.0])
    Image.fromarray(np.tile(frame(1), (2, 1, 1))).save(tmp_path / "film" / "f3.png")
    with pytest.raises(DataError, match="different sizes"):
        opened(f"{tmp_path / 'film'}:within=1")
    assert opened(f"{tmp_path / 'film'}:within=1", resize=16, crop=16).info.shape == (3, 16, 16)


def test_video_without_pyav_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "film.mp4").write_bytes(b"anything")
    with pytest.raises(DataError, match=r"pip install 'brittlestar\[video\]'"):
        opened(tmp_path / "film.mp4")


def film(path: Path, frames: int = 24, **options: str) -> list[np.ndarray]:
    """A small lossless H.264 film with key frames seldom; gives its frames as another reading decodes them."""
    av = pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed")
    with av.open(str(path), "w") as made:
        stream = made.add_stream("mpeg4", rate=25, options={"g": "10", "bf": "2", **options})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.tile(frame(number % 10, 2 * number), (4, 4, 1))
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                made.mux(packet)
        for packet in stream.encode():
            made.mux(packet)
    with av.open(str(path)) as read:
        return [one.to_ndarray(format="rgb24").transpose(2, 0, 1) for one in read.decode(video=0)]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_video_frames_are_those_of_a_plain_reading_whatever_is_asked(tmp_path: Path, ending: str) -> None:
    every = film(tmp_path / f"film.{ending}")
    source = opened(f"{tmp_path / f'film.{ending}'}:every=5,within=2")
    assert [name.partition("#")[2] for name in source.names()] == ["2", "7", "12", "17", "22"]
    index = np.array([4, 0, 3])
    assert all(np.array_equal(x, every[5 * i + 2]) for x, i in zip(source.load(index), index, strict=True))
    for place in (3, 0, 4):
        offsets, frames = around(source, place)
        assert all(np.array_equal(x, every[5 * place + 2 + o]) for x, o in zip(frames, offsets, strict=True))


@pytest.mark.slow
def test_a_damaged_video_is_named(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed")
    film(tmp_path / "film.mp4")
    content = (tmp_path / "film.mp4").read_bytes()
    for name, damaged in (("cut", content[: len(content) // 2]), ("empty", b""), ("text", b"no film at all")):
        (tmp_path / f"{name}.mp4").write_bytes(damaged)
        with pytest.raises(DataError, match=rf"{name}\.mp4"):
            opened(tmp_path / f"{name}.mp4")
    source = opened(f"{tmp_path / 'film.mp4'}:every=5,within=2")
    (tmp_path / "film.mp4").write_bytes(content + b"more")
    with pytest.raises(Changed, match=r"film\.mp4 has changed"):
        source.load(np.array([0]))


@pytest.mark.slow
def test_a_frame_that_is_decoded_otherwise_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed")
    film(tmp_path / "film.mp4")
    clip = VideoClip.read(tmp_path / "film.mp4", "film.mp4")
    assert pyav() is not None and clip.count == 24 and clip.rate == 25
    clip.marks[7] ^= np.uint64(1)
    with pytest.raises(DataError, match=r"frame 7 of film\.mp4 is decoded otherwise"):
        list(clip.frames([7], opened(tmp_path / "film.mp4").how))


# ImageNet-Vid-Robust and YTBB-Robust.


def vid_metadata() -> tuple[dict[str, list[str]], dict[str, list[int]]]:
    folder = shared_path("data/vid-robust")
    return tuple(json.loads((folder / f"vid_{name}.json").read_text()) for name in ("pmsets", "labels"))  # type: ignore[return-value]


def test_the_published_metadata_of_vid_robust_have_the_published_counts() -> None:
    pmsets, labels = vid_metadata()
    vid_robust.check_counts(pmsets, labels)
    space = vid_robust.vid_space()
    mapping = json.loads(shared_path("data/vid-robust/vid_rev_class_idx_map.json").read_text())
    assert space.members == tuple(tuple(mapping[str(i)]) for i in range(30)) and sum(map(len, space.members)) == 288
    found = vid_robust.clip_set(Path("nowhere"), pmsets, labels, space)
    assert len(found.anchors) == 1109 and sum(len(a.neighbours) for a in found.anchors) == 21070
    assert sum(len(a.truths) > 1 for a in found.anchors) == 79 and max(len(a.truths) for a in found.anchors) == 3
    assert {offset for a in found.anchors for offset, _ in a.neighbours} == {*range(-10, 11)} - {0}


def vid_root(tmp_path: Path, anchors: dict[str, list[str]], labels: dict[str, list[int]]) -> Path:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "pmsets.json").write_text(json.dumps(anchors))
    (tmp_path / "metadata" / "labels.json").write_text(json.dumps(labels))
    for number, name in enumerate({*anchors, *(f for own in anchors.values() for f in own)}):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.tile(frame(number % 10, number % 40), (2, 2, 1))).save(tmp_path / name, quality=95)
    return tmp_path


SMALL = {
    "val/a/000010.JPEG": ["val/a/000008.JPEG", "val/a/000011.JPEG"],
    "val/b/000003.JPEG": ["val/b/000002.JPEG"],
    "val/c/000005.JPEG": [],
}
LABELLED = {name: [4] for own in ([a, *n] for a, n in SMALL.items()) for name in own} | {
    "val/b/000003.JPEG": [7, 2],
    "val/a/000011.JPEG": [6, 5],
}


def test_a_miniature_of_vid_robust_is_read_as_laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = vid_root(tmp_path, SMALL, LABELLED)
    with pytest.raises(DataError, match=r"3 anchors, published are 1,109.*download_dataset\.sh"):
        opened(root)
    for name, count in (("ANCHORS", 3), ("NEIGHBOURS", 3), ("FULL", 0), ("SEVERAL", 1)):
        monkeypatch.setattr(vid_robust, name, count)
    source = opened(root)
    assert source.info.kind == "imagenet-vid-robust" and source.space is not None and len(source.space.classes) == 30
    assert list(source.names()) == ["val/a/000010.JPEG", "val/b/000003.JPEG", "val/c/000005.JPEG"]
    assert [around(source, i)[0] for i in range(3)] == [[-2, 1], [-1], []]
    assert source.truths is not None and list(source.truths) == [(4,), (2, 7), (4,)]
    assert source.neighbours is not None and source.neighbours.truths is not None
    assert source.neighbours.truths.tolist() == [[4, 4], [5, 6], [4, 4]], "neighbours are judged by their own labels"
    (root / "val" / "a" / "000011.JPEG").unlink()
    with pytest.raises(DataError, match=r"000011\.JPEG is not in"):
        opened(root)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"val/a/000010.JPEG": ["val/b/000002.JPEG"]}, "another clip"),
        ({"val/a/../../x.JPEG": []}, "no name of a frame"),
        ({"val/a/000010.JPEG": ["val/a/1e5.JPEG"]}, "no name of a frame"),
    ],
)
def test_wrong_sets_of_vid_robust_are_refused(change: dict[str, list[str]], said: str) -> None:
    sets = SMALL | change
    labels: dict[str, list[int]] = {name: [1] for own in ([a, *n] for a, n in sets.items()) for name in own}
    with pytest.raises(DataError, match=said):
        vid_robust.clip_set(Path("nowhere"), sets, labels, vid_robust.vid_space())
    with pytest.raises(DataError, match=r"classes are 0 \.\. 29"):
        vid_robust.clip_set(Path("nowhere"), SMALL, {name: [30] for name in LABELLED}, vid_robust.vid_space())


def test_sets_of_ytbb_robust_follow_the_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    names = ["good", "bad", "car", "dog"]
    keys = ["vid_1_100/frame-20.jpg", "x/vid_2_50/frame-9.jpg", "w_7/frame-4.jpg", "v_8/frame-4.jpg"]
    rows = [{"key": key, "labels": said} for key, said in zip(keys, ([0, 3], [0], [0, 1], [0]), strict=True)]
    (metadata / "anchor_labels.json").write_text(json.dumps({"labels": names, "annotations": rows}))
    said = ["similar", "dissimilar", "bad-anchor"]
    pairs = [("vid_1_100", 20, 21, [0]), ("vid_1_100", 20, 22, [0, 1]), ("vid_1_100", 20, 31, [0]), ("v_8", 4, 5, [2])]
    reviews = [{"key": f"{c}/frame-{a}.jpg,{c}/frame-{b}.jpg", "labels": own} for c, a, b, own in pairs]
    (metadata / "pmk_labels.json").write_text(json.dumps({"labels": said, "annotations": reviews}))
    table = "ytid,time_ms,label\nvid_1,100,22\nvid_2,50,6\nw,7,0\nv,8,0\n"
    (metadata / "ytbb_robustness_test_anchors_full.csv").write_text(table)
    for name in ("vid_1_100/frame-20", "vid_1_100/frame-21", "vid_2_50/frame-9"):
        (tmp_path / "val" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame(3)).save(tmp_path / "val" / f"{name}.jpg")
    with pytest.raises(DataError, match=r"2 good anchors, published are 2,030"):
        opened(tmp_path)
    monkeypatch.setattr(ytbb_robust, "SETS", 2)
    source = opened(tmp_path)
    assert list(source.names()) == ["vid_1_100/frame-20.jpg", "vid_2_50/frame-9.jpg"]
    # 22 and 23 are exchanged, and what reviewers saw is right too; 11 frames away is too far.
    assert source.truths is not None and list(source.truths) == [(19, 23), (6,)]
    assert [around(source, i)[0] for i in range(2)] == [[1], []]


def test_classes_of_ytbb_without_outputs_score_nothing_as_in_the_reference() -> None:
    space = ytbb_robust.ytbb_space()
    bare = [name for name, places in zip(space.classes, space.members, strict=True) if not places]
    assert bare == ["cow", "giraffe", "skateboard", "toilet", "none"] and sum(map(len, space.members)) == 231
    logits = np.random.default_rng(0).normal(5, 1, (3, 1000))
    scores = space.scores(logits)
    assert np.array_equal(scores[:, 23], logits[:, list(space.members[23])].max(1))
    assert not scores[:, [space.classes.index(name) for name in bare]].any()
