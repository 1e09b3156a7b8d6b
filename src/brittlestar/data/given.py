"""Images that are given from Python: arrays, tensors, lists of pictures, PyTorch's data sets and loaders."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation
from brittlestar.data.arrays import ROUNDED, ArraySource, check_kind, levels_8bit
from brittlestar.data.contexts import given_contexts
from brittlestar.data.decode import Pixels
from brittlestar.data.labels import checked_classes
from brittlestar.data.stored import MOST_IN_MEMORY, Array, too_large

SPEC = "arrays given from Python"
_HOW = "give (images, labels): an array or a tensor (n, c, h, w) or (n, h, w, c), or a list of pictures, and n numbers"

ASKED_TWICE = 16
"""Items of a data set that are asked for twice, to see whether they change: of a mirror that is drawn for each, one in
65,000 stays unseen."""


def open_given(
    spec: Any, how: Preparation, groups: Any = None, one_class: bool = False, contexts: Any = None
) -> ArraySource:
    """Open what was given from Python.

    Args:
        spec: ``(images, labels)``: images as an array or a tensor of any device and float type, with or without
            gradients, or as a list of arrays or Pillow images of one size, labels as ``data.labels`` takes them; or a
            PyTorch ``Dataset``, ``Subset`` or ``DataLoader`` whose items are an image and a label.
        how: The preparation.
        groups: One value an image, or ``None``.
        one_class: Whether images of one class will do, as the model is known to have others.
        contexts: A mapping of names to one value an image, or ``None``.

    Raises:
        DataError: Anything else; the text says what to do.
    """
    if _is_a(spec, "pandas.core.frame", "DataFrame") or _is_a(spec, "pandas", "DataFrame"):
        columns = ", ".join(str(key) for key in itertools.islice(spec, 6))
        raise DataError(
            f"data are a DataFrame ({columns}): {_HOW}, for instance (list(df['image']), df['label']); or write it to "
            "Parquet (df.to_parquet), and give the file"
        )
    if isinstance(spec, bytes):
        raise DataError(f"data are bytes: a path is a text or a Path; otherwise {_HOW}")
    if isinstance(spec, Mapping):
        keys = ", ".join(str(key) for key in itertools.islice(spec, 6))
        raise DataError(f"data are a dict ({keys}): {_HOW}, for instance (d['image'], d['label'])")
    known = given_contexts(contexts)
    if isinstance(spec, tuple | list):
        return _from_pair(*_pair(spec), how, groups, one_class, known)
    if _is_loader(spec):
        dataset, notes = _of_loader(spec)
        return _from_dataset(dataset, how, groups, one_class, known, notes)
    lone = isinstance(spec, np.ndarray) or _is_tensor(spec)
    require(not lone, f"data are images without labels: {_HOW}", DataError)
    if _numbered(spec) or hasattr(spec, "__iter__"):
        return _from_dataset(spec, how, groups, one_class, known)
    raise DataError(f"data are a path, a name or (images, labels), got {type(spec).__name__}: {_HOW}")


def refuse_options(**asked: Any) -> None:
    """Refuse what was asked of data that are opened already; options with no value were not asked.

    Raises:
        UsageError: With the names of the options.
    """
    names = [option(name) for name, value in asked.items() if value not in (None, False)]
    require(
        not names,
        f"the source is opened already: {' and '.join(names)} would change nothing here and must go to open_source",
        UsageError,
    )


def _pair(spec: tuple[Any, ...] | list[Any]) -> tuple[Any, Any]:
    if len(spec) and all(_is_sample(one) for one in spec):
        raise DataError(
            f"data are {len(spec)} pairs of an image and a label: {_HOW}; of pairs they are "
            "([image for image, _ in pairs], [label for _, label in pairs])"
        )
    require(len(spec) == 2, f"data are a {type(spec).__name__} of {len(spec)}: {_HOW}", DataError)
    images, labels = spec
    turned = _ndim(images) == 1 and _ndim(labels) >= 3
    require(not turned, f"data are (labels, images), the wrong way round: {_HOW}", DataError)
    return images, labels


def _is_sample(one: Any) -> bool:
    """Whether this is one image with its label, not all images or all labels."""
    return isinstance(one, tuple | list) and len(one) == 2 and (_ndim(one[0]) in (2, 3)) and _ndim(one[1]) == 0


def _ndim(value: Any) -> int:
    """Number of axes, as far as it can be seen; a picture has two."""
    if _is_picture(value):
        return 2
    if hasattr(value, "ndim"):
        return int(value.ndim)
    if isinstance(value, tuple | list):
        return 1 + (_ndim(value[0]) if value else 0)
    return 0


def _from_pair(
    images: Any, labels: Any, how: Preparation, groups: Any, one_class: bool, contexts: Mapping[str, Any] | None
) -> ArraySource:
    notes: tuple[str, ...] = ()
    if _is_a(images, "pandas.core.series", "Series") or _is_a(images, "pandas", "Series"):
        images = list(images)
    if isinstance(images, list | tuple) and images and (_is_picture(images[0]) or _ndim(images[0]) >= 2):
        x, notes = _stacked(iter(images), SPEC)
    else:
        x = as_array(images, "the images")
        require(
            x.dtype.kind not in "US",
            f"images are texts ({str(x.flat[0])[:60] if x.size else ''}): of file names they are [Image.open(name) for "
            "name in names] (from PIL import Image), or give the folder",
            DataError,
        )
        # Before the labels are looked at: nested lists of unequal length become an array of objects.
        require(x.ndim >= 3, f"images of shape {x.shape}: {_HOW}", DataError)
    y = _labels(labels)
    return ArraySource(
        x,
        y,
        kind="array",
        spec=SPEC,
        name="arrays",
        how=how,
        notes=notes,
        groups=_values(groups),
        one_class=one_class,
        contexts=contexts,
    )


def as_array(values: Any, name: str) -> Array:
    """A NumPy array of an array, a tensor or a list, without gradients and on the CPU.

    Raises:
        DataError: It holds something else, or cannot be read.
    """
    try:
        if _is_tensor(values):
            import torch

            plain = values.detach().cpu()
            plain = plain.to_dense() if plain.layout != torch.strided else plain
            # NumPy has no bfloat16 and none of the shorter floats.
            values = (plain.float() if plain.is_floating_point() and plain.dtype != torch.float64 else plain).numpy()
        array = np.asarray(values)
    except Exception as error:
        raise DataError(f"{name} cannot be read as an array ({_line(error)}): {_HOW}") from error
    masked = isinstance(values, np.ma.MaskedArray) and bool(np.ma.getmaskarray(values).any())
    require(not masked, f"{name} are a masked array with masked values: fill them first", DataError)
    return array


def _labels(labels: Any) -> Any:
    if isinstance(labels, tuple | list) and any(_is_tensor(label) for label in labels):
        labels = [as_array(label, "a label").tolist() for label in labels]
    if isinstance(labels, tuple | list) and any(isinstance(label, int) for label in labels):
        try:
            # Not np.asarray alone, which turns numbers beyond int64 into floats.
            return np.array(labels, np.int64)
        except (ValueError, TypeError, OverflowError):
            return as_array(np.array(labels, object) if _ndim(labels) == 1 else labels, "the labels")
    return as_array(labels, "the labels")


def _values(groups: Any) -> Any:
    require(
        not isinstance(groups, str), f"{option('groups')} of arrays are one value an image, got {groups!r}", DataError
    )
    return as_array(groups, "the groups") if groups is not None else None


def _stacked(images: Iterator[Any], spec: str) -> tuple[Pixels, tuple[str, ...]]:
    """Images one by one as one uint8 array, channels first, and notes."""
    kept: list[Pixels] = []
    exact, size = True, 0
    for place, image in enumerate(images):
        levels, same = _one_image(image, place, spec)
        exact = exact and same
        if kept and levels.shape != kept[0].shape:
            raise DataError(
                f"{spec}: image 0 has the shape {kept[0].shape}, image {place:,} {levels.shape} (channel, height, "
                "width): bring them to one size and mode first (image.convert('RGB').resize((width, height))), or save "
                f"them into a folder, one sub-folder a class, which {option('resize')} and {option('crop')} prepare"
            )
        size += levels.nbytes
        require(size <= MOST_IN_MEMORY, too_large(spec, size), DataError)
        kept.append(levels)
    require(bool(kept), f"{spec} holds no images", DataError)
    return np.stack(kept), () if exact else (ROUNDED,)


def _one_image(image: Any, place: int, spec: str) -> tuple[Pixels, bool]:
    name = f"{spec}: image {place:,}"
    if _is_picture(image):
        require(
            image.mode in ("L", "RGB", "1"),
            f"{name} is a Pillow image of mode {image.mode}: convert it to RGB or L first (image.convert('RGB'))",
            DataError,
        )
    array = as_array(image, name)
    check_kind(array.dtype, name)
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[2] in (1, 3):
        array = array.transpose(2, 0, 1)
    require(
        array.ndim == 3 and array.shape[0] in (1, 3),
        f"{name} has the shape {array.shape}; use (h, w), (h, w, 1 or 3) or (1 or 3, h, w)",
        DataError,
    )
    levels, same = levels_8bit(array[None], spec, place)
    return np.ascontiguousarray(levels[0]), same


def _from_dataset(
    dataset: Any,
    how: Preparation,
    groups: Any,
    one_class: bool,
    contexts: Mapping[str, Any] | None,
    notes: tuple[str, ...] = (),
) -> ArraySource:
    name = type(dataset).__name__
    classes = _classes(dataset, name)
    tensors = getattr(dataset, "tensors", None)
    if name == "TensorDataset" and tensors is not None:
        require(len(tensors) == 2, f"a TensorDataset of {len(tensors)} tensors: {_HOW}", DataError)
        x, y = as_array(tensors[0], "the images"), _labels(tensors[1])
    else:
        labels: list[Any] = []
        _require_steady(dataset, name)
        x, rounded = _stacked(_images(dataset, name, labels), name)
        y, notes = _labels(labels), (*notes, *rounded)
    if transform := _transform(dataset):
        notes = (*notes, f"as the data set's own transform gives them: {transform}")
    return ArraySource(
        x,
        y,
        kind="array",
        spec=f"a {name} given from Python",
        name=name,
        classes=classes,
        how=how,
        notes=notes,
        groups=_values(groups),
        one_class=one_class,
        contexts=contexts,
    )


def _images(dataset: Any, name: str, labels: list[Any]) -> Iterator[Any]:
    """The images of a data set in its own order; their labels are added to ``labels``."""
    places = range(len(dataset)) if _numbered(dataset) else itertools.count()
    stream = None if _numbered(dataset) else iter(dataset)
    for place in places:
        item = _item(dataset, place, name, stream)
        if item is _END:
            return
        image, label = _sample(item, place, name)
        labels.append(label)
        yield image


_END = object()


def _item(dataset: Any, place: int, name: str, stream: Iterator[Any] | None = None) -> Any:
    """What other people's code gives for an item; ``_END`` where a stream has no more."""
    try:
        return dataset[place] if stream is None else next(stream)
    except StopIteration:
        return _END
    except Exception as error:
        told = f"{type(error).__name__}: {_line(error)}"
        raise DataError(f"item {place:,} of {name} cannot be had ({told}): {_HOW}") from error


def _numbered(dataset: Any) -> bool:
    """Whether its items can be asked for by number."""
    return hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")


def _sample(item: Any, place: int, name: str) -> tuple[Any, Any]:
    what = f"a dict ({', '.join(map(str, item))})" if isinstance(item, Mapping) else type(item).__name__
    if isinstance(item, tuple | list):
        what = f"{len(item)} values"
    require(
        isinstance(item, tuple | list) and len(item) == 2,
        f"item {place:,} of {name} is {what}; every item must be an image and its label",
        DataError,
    )
    return item[0], item[1]


def _require_steady(dataset: Any, name: str) -> None:
    """Refuse a data set whose images change from one asking to the next: a run that goes on would meet others."""
    for place in range(min(ASKED_TWICE, len(dataset)) if _numbered(dataset) else 0):
        one, two = (_sample(_item(dataset, place, name), place, name)[0] for _ in range(2))
        require(
            np.array_equal(as_array(one, name), as_array(two, name), equal_nan=_floats(one)),
            f"image {place} of {name} is another each time it is asked for: take random transforms out"
            + (f" ({_transform(dataset)})" if _transform(dataset) else ""),
            DataError,
        )


def _floats(value: Any) -> bool:
    return as_array(value, "an image").dtype.kind == "f"


def _classes(dataset: Any, name: str) -> tuple[str, ...] | None:
    """Class names that the data set, or the one that it is a part of, has as torchvision's have them."""
    for one in _nested(dataset):
        named = getattr(one, "classes", None)
        if isinstance(named, tuple | list) and named and all(isinstance(text, str) for text in named):
            return checked_classes(list(named), f"{name}.classes")
    return None


def _transform(dataset: Any) -> str:
    """What the data set does to its images, in one line; empty where it does nothing that can be seen."""
    for one in _nested(dataset):
        transform = getattr(one, "transform", None)
        if transform is not None:
            text = " ".join(repr(transform).split())
            return text if len(text) <= 200 else f"{text[:197]}..."
    return ""


def _nested(dataset: Any) -> Iterator[Any]:
    # A Subset of a Subset: far fewer than this, and a data set may name itself.
    for _ in range(16):
        yield dataset
        if (dataset := getattr(dataset, "dataset", None)) is None:
            return


def _of_loader(loader: Any) -> tuple[Any, tuple[str, ...]]:
    """The data set of a DataLoader that gives all of it, and what of the loader is not used."""
    from torch.utils import data

    notes = ["all images of the DataLoader's data set in an order of Brittlestar's own, seeded and balanced by class"]
    sampler, batches = loader.sampler, getattr(loader, "batch_sampler", None)
    own = batches is not None and type(batches) is not data.BatchSampler
    plain = type(sampler) in (data.SequentialSampler, data.RandomSampler) or not hasattr(loader.dataset, "__len__")
    drawn = isinstance(sampler, data.RandomSampler) and (sampler.replacement or len(sampler) != len(loader.dataset))
    require(
        plain and not own and not drawn,
        f"the DataLoader draws its samples ({type(batches if own else sampler).__name__}), and which are meant cannot "
        "be told: give the data set itself, or a torch.utils.data.Subset of it",
        DataError,
    )
    collate = getattr(loader, "collate_fn", None)
    usual = (data.default_collate, data.default_convert)
    require(
        collate in usual,
        "the DataLoader has a collate_fn of its own, which may change images: give the data set itself",
        DataError,
    )
    if isinstance(sampler, data.RandomSampler):
        notes.append("the DataLoader's shuffling is not used")
    if loader.drop_last:
        notes.append("the DataLoader's drop_last is not used: the last images are taken too")
    return loader.dataset, tuple(notes)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _is_tensor(value: Any) -> bool:
    return _is_a(value, "torch", "Tensor")


def _is_loader(value: Any) -> bool:
    return _is_a(value, "torch.utils.data.dataloader", "DataLoader")


def _is_picture(value: Any) -> bool:
    return _is_a(value, "PIL.Image", "Image")


def _is_a(value: Any, module: str, name: str) -> bool:
    # By name, so that nothing is imported to look at data that are none of it.
    return any(kind.__module__ == module and kind.__name__ == name for kind in type(value).__mro__)
