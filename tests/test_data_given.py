"""Images from Python: every form that people hold is the same set, and what is not is refused with what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils import data

import brittlestar as bs
from brittlestar.core.errors import DataError, UsageError
from brittlestar.data import Source, open_source
from brittlestar.data import given as module

COUNT = 12
X = np.random.default_rng(0).integers(0, 256, (COUNT, 10, 12, 3), dtype=np.uint8)
Y = np.arange(COUNT) % 3
T = torch.from_numpy(X.transpose(0, 3, 1, 2).copy())
FLOATS = T.float() / 255


class Items(data.Dataset[Any]):
    """A data set in memory, with what torchvision's have: class names and a transform."""

    def __init__(self, transform: Callable[[torch.Tensor], Any] | None = None, labels: Any = Y) -> None:
        self.transform, self.labels = transform, labels
        self.classes = ["a", "b", "c"]

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        image = FLOATS[place]
        return (image if self.transform is None else self.transform(image)), self.labels[place]


class Stream(data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        return zip(T, Y.tolist(), strict=True)


def loader(**options: Any) -> Any:
    return data.DataLoader(Items(), batch_size=5, **options)


PICTURES = [Image.fromarray(x) for x in X]
FORMS: dict[str, Callable[[], Any]] = {
    "gradients": lambda: (FLOATS.clone().requires_grad_(), torch.from_numpy(Y)),
    "channels last": lambda: (FLOATS.contiguous(memory_format=torch.channels_last), torch.from_numpy(Y)),
    "double": lambda: (FLOATS.double(), Y.tolist()),
    "pictures": lambda: (PICTURES, Y),
    "a tuple of pictures": lambda: [tuple(PICTURES), tuple(Y)],
    "a list of arrays": lambda: (list(X), Y[:, None]),
    "a list of tensors": lambda: (list(FLOATS), list(torch.from_numpy(Y))),
    "nested lists": lambda: ((X / 255).tolist(), Y.astype(float).tolist()),
    "TensorDataset": lambda: data.TensorDataset(FLOATS, torch.from_numpy(Y)),
    "Dataset": Items,
    "tensor labels": lambda: Items(labels=torch.from_numpy(Y)),
    "Subset": lambda: data.Subset(Items(), range(COUNT)),
    "stream": Stream,
    "loader": loader,
    "shuffled": lambda: loader(shuffle=True, drop_last=True),
    "loader of a TensorDataset": lambda: data.DataLoader(data.TensorDataset(T, torch.from_numpy(Y)), batch_size=5),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_images(form: str) -> None:
    want, source = open_source((X, Y)), open_source(FORMS[form]())
    assert list(source.ids[source.order(0)]) == list(want.ids[want.order(0)])
    assert (source.load(np.arange(COUNT)) == T.numpy()).all()
    assert source.labels.tolist() == Y.tolist()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_short_floats_are_rounded_to_the_levels_they_stand_for(kind: torch.dtype) -> None:
    source = open_source((FLOATS.to(kind), torch.from_numpy(Y)))
    assert np.abs(source.load(np.arange(COUNT)).astype(int) - T.numpy()).max() <= 1
    assert any("rounded to 8 bits" in note for note in source.info.notes)


def test_class_names_and_transforms_are_told() -> None:
    def brighter(image: torch.Tensor) -> torch.Tensor:
        return image.clamp(0.5, 1)

    source = open_source(data.DataLoader(data.Subset(Items(brighter), [0, 1, 2, 3]), shuffle=True, drop_last=True))
    assert source.info.classes == ("a", "b", "c") and source.info.count == 4
    for words in ("brighter", "shuffling is not used", "drop_last is not used", "an order of Brittlestar's own"):
        assert any(words in note for note in source.info.notes), words
    twice = Items()
    twice.classes = ["a", "b", "b"]
    with pytest.raises(DataError, match="'b' twice"):
        open_source(twice)


def own_collate(items: Any) -> Any:
    return items


ALPHA = [Image.fromarray(np.dstack([x, x[..., 0]])) for x in X]
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "two sizes": (
        lambda: ([p.resize((12 + k % 2, 10)) for k, p in enumerate(PICTURES)], Y),
        r"image 0 .*image 1 .*resize\(\(width, height\)\).*resize= and crop=",
    ),
    "grey among colour": (lambda: ([PICTURES[0], PICTURES[1].convert("L")], [0, 1]), r"convert\('RGB'\)"),
    "transparent pictures": (lambda: (ALPHA, Y), r"mode RGBA: convert it to RGB"),
    "transparent arrays": (lambda: (np.concatenate([X, X[..., :1]], 3), Y), r"\.\.\., :3"),
    "two pairs": (lambda: [(T[0], 0), (T[1], 1)], "2 pairs of an image and a label: give"),
    "pairs": (lambda: list(zip(X, Y, strict=True)), r"12 pairs.*\[image for image"),
    "two pictures with labels": (lambda: [(PICTURES[0], 0), (PICTURES[1], 1)], "2 pairs"),
    "a dict": (lambda: {"image": X, "label": Y}, r"a dict \(image, label\): give \(images, labels\)"),
    "items that are dicts": (lambda: [{"image": x} for x in X], "give"),
    "images alone": (lambda: T, "without labels"),
    "images alone, numpy": (lambda: X, "without labels"),
    "three": (lambda: (X, Y, Y), "a tuple of 3"),
    "nothing": (list, "a list of 0"),
    "turned": (lambda: (Y, X), "the wrong way round"),
    "flat": (lambda: (X.reshape(COUNT, -1), Y), r"images of shape \(12, 360\)"),
    "ragged": (lambda: ([[1, 2], [3]], [0, 1]), "cannot be read as an array"),
    "masked": (lambda: (np.ma.masked_equal(X, 7), Y), "masked"),
    "meta": (lambda: (T.to("meta"), Y), "cannot be read as an array"),
    "unequal": (lambda: (X, Y[:-1]), "12 images and 11 labels"),
    "normalised": (lambda: Items(lambda image: (image - 0.5) / 0.5), "leave the normalisation out here"),
    "0 to 255": (lambda: Items(lambda image: image * 255), "divide them by 255"),
    "random": (lambda: Items(lambda image: image * torch.rand(1)), "another each time .*random transforms"),
    "three values": (lambda: data.TensorDataset(T, torch.from_numpy(Y), torch.from_numpy(Y)), "of 3 tensors"),
    "items of three": (lambda: [(x, y, y) for x, y in zip(X, Y, strict=True)], "a list of 12"),
    "raising": (lambda: Items(lambda image: image.nothing), r"item 0 of Items .*AttributeError"),
    "labels too short": (lambda: Items(labels=Y[:-1]), "item 11 of Items .*IndexError"),
    "one-hot": (lambda: Items(labels=torch.eye(3)[torch.from_numpy(Y)]), r"argmax\(1\)"),
    "a number": (lambda: 3, "got int"),
    "collated": (lambda: loader(collate_fn=own_collate), "collate_fn"),
    "weighted": (
        lambda: loader(sampler=data.WeightedRandomSampler([1.0] * COUNT, COUNT)),
        "WeightedRandomSampler.*Subset",
    ),
    "some": (lambda: loader(sampler=data.SubsetRandomSampler([1, 2])), "SubsetRandomSampler"),
    "replaced": (lambda: loader(sampler=data.RandomSampler(Items(), replacement=True)), "RandomSampler"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_what_to_do(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        open_source(make())


def test_a_stream_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
            while True:
                yield T[0], 0

    monkeypatch.setattr(module, "MOST_IN_MEMORY", 100_000)
    with pytest.raises(DataError, match="of memory"):
        open_source(Endless())


def test_groups_of_arrays_are_values() -> None:
    source = open_source(data.TensorDataset(T, torch.from_numpy(Y)), groups=torch.arange(COUNT) // 2)
    assert source.groups is not None and len(np.unique(source.groups)) == COUNT // 2
    with pytest.raises(DataError, match="one value an image, got 'film'"):
        open_source((X, Y), groups="film")


def never(images: np.ndarray) -> np.ndarray:
    raise AssertionError("nothing may be asked")


@pytest.mark.parametrize(
    "asked", [{"resize": 16}, {"crop": 8}, {"skip_bad": True}, {"prepare": "tiny-c"}, {"resize_filter": "box"}]
)
def test_options_for_an_opened_source_are_refused(asked: dict[str, Any], tmp_path: Any) -> None:
    source: Source = open_source((X, Y))
    assert open_source(source) is source
    with pytest.raises(UsageError, match=f"opened already: {next(iter(asked))}= would change nothing"):
        bs.evaluate(never, source, suite="clean", out=tmp_path / "run", progress=False, **asked)
    if "resize_filter" not in asked:
        with pytest.raises(UsageError, match="opened already"):
            open_source(source, **asked)


@pytest.mark.parametrize("classes", [["a", "b", "b"], np.array(["a", "b", "b"])])
def test_a_class_name_given_twice_is_named(classes: Any, tmp_path: Any) -> None:
    with pytest.raises(DataError, match=r"classes=.*'b' twice"):
        bs.evaluate(never, (X, Y), suite="clean", classes=classes, out=tmp_path / "run", progress=False)
