"""Who normalises: the tool, or the model itself? Two normalisations, or none, ruin a model without an error.

Many modules keep a mean and a standard deviation, some to be read by others, some for their own ``forward``. Which it
is cannot be seen from outside, but it can be measured: on labelled images, with and without.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import numbers
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import nn

from brittlestar.core.errors import ModelError, require
from brittlestar.core.options import option
from brittlestar.core.sizes import at_once
from brittlestar.core.stopwatch import Stopwatch
from brittlestar.data.base import Source
from brittlestar.models.base import Model, Preprocess, infer
from brittlestar.models.spec import ModelSpec
from brittlestar.models.units import in_units_of_one, told
from brittlestar.models.wrap import TorchModel, declared

LOOKS = (20, 50, 100, 200)
"""Images on which both ways are compared, until the answer is plain."""

PLAIN = 1e-4
"""The two-sided p value (exact McNemar) under which it is: a false one would change what is measured."""

_AT_ONCE = 50
"""Images in a batch; fewer of large ones."""

# Matched against whole names: ``embedding_mean`` or ``std_dev_of_weights`` are something else.
_PREFIX = r"_*(?:image|img|pixel|norm|normali[sz]e|normali[sz]ation|rgb|input|data|dataset|channel|imagenet|cifar)?_?"
_MEAN = re.compile(_PREFIX + r"(?:means?|mu|avg|average)_*", re.IGNORECASE)
_STD = re.compile(_PREFIX + r"(?:stds?|sigmas?|stdev|stddev)_*", re.IGNORECASE)
_CARDS = ("pretrained_cfg", "default_cfg", "config", "hparams")
"""Where timm, Transformers and Lightning keep what a model was trained with."""


@dataclasses.dataclass(frozen=True)
class Own:
    """A mean or a standard deviation that a model carries.

    Fields:
        owner: The object it belongs to.
        name: Of the attribute.
        values: One or three, as they were found.
    """

    owner: Any
    name: str
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Choice:
    """How a model is fed.

    Fields:
        preprocess: With the mean and standard deviation in force, or without.
        normalise: Whether that is with.
        told: What a person must know, or nothing.
        noted: What is worth a line in the report, or nothing.
    """

    preprocess: Preprocess
    normalise: bool
    told: str = ""
    noted: str = ""


def own_normalisation(thing: Any) -> tuple[tuple[Own, ...], tuple[Own, ...]]:
    """The means and the standard deviations that a module (with its parts) or an object carries under a usual name.

    One number or three; attributes, buffers, parameters, class attributes, and the cards of timm and others.
    """
    parts = [part for _, part in thing.named_modules()] if isinstance(thing, nn.Module) else [thing]
    attached = [v for part in parts for v in vars(part).values() if _keeps(v)]
    means, stds = [], []
    for part in [*parts, *attached]:
        for name, value in _named(part):
            values = _numbers(value)
            if values is not None and _MEAN.fullmatch(name):
                means.append(Own(part, name, values))
            elif values is not None and _STD.fullmatch(name) and min(values) > 0:
                stds.append(Own(part, name, values))
    return tuple(means), tuple(stds)


def _keeps(value: Any) -> bool:
    """Whether an attribute may be a transform that normalises and is no module (torchvision's older ones)."""
    return (
        "normali" in type(value).__name__.lower()
        and hasattr(value, "__dict__")
        and not isinstance(value, nn.Module | type)
    )


def _named(part: Any) -> Iterator[tuple[str, Any]]:
    yield from vars(part).items()
    if isinstance(part, nn.Module):
        yield from part._buffers.items()
        yield from part._parameters.items()
    for kind in type(part).__mro__:
        # Class attributes count too, but torch's own classes have none of these.
        if not kind.__module__.startswith(("torch.nn.", "builtins")):
            yield from ((n, v) for n, v in vars(kind).items() if n not in vars(part))
    for card in _CARDS:
        held = getattr(part, card, None)
        inside = held if isinstance(held, Mapping) else getattr(held, "__dict__", {})
        yield from ((str(n), v) for n, v in inside.items())


def _numbers(value: Any) -> tuple[float, ...] | None:
    """One or three finite numbers, however they are kept."""
    if isinstance(value, torch.Tensor | np.ndarray):
        if value.size not in (1, 3) if isinstance(value, np.ndarray) else value.numel() not in (1, 3):
            return None
        value = value.flatten().tolist()
    values = list(value) if isinstance(value, list | tuple) else [value]
    plain = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values)
    if not plain or len(values) not in (1, 3) or not all(np.isfinite(float(v)) for v in values):
        return None
    return tuple(float(v) for v in values)


def settle(
    model: Model,
    source: Source,
    order: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    *,
    normalise: bool | None = None,
    explicit: bool = False,
    seconds: float | None = None,
) -> Choice:
    """Decide who normalises, from the answers to the first labelled images both ways.

    Nothing is asked of a model that neither declares nor carries a mean or a standard deviation.

    Args:
        model: The model, with the preprocessing that was declared.
        source, order, labels: The images, places in their listing in the seeded order, and labels in that order.
        normalise: The person's word: with (true) or without (false); ``None`` where nothing was said.
        explicit: Whether the mean or std in force were given by an option.
        seconds: How long it may take; ``None`` for as long as it takes.

    Raises:
        ModelError: The evidence goes against what the person declared; or a model that reads its own mean and std has
            them applied before it too, and the answers do not tell which is right; or ``normalise`` without any.
    """
    thing = model.module if isinstance(model, TorchModel) else getattr(model, "_function", None)
    means, stds = ((), ()) if _bare(thing) else own_normalisation(thing)
    how = model.preprocess
    without = dataclasses.replace(how, mean=None, std=None)
    given = how != without
    carried = in_units_of_one(*_pair(means, stds))
    with_ = how if given else dataclasses.replace(how, mean=carried[0], std=carried[1])
    if normalise is not None:
        require(
            not normalise or with_ != without,
            f"model {model.name}: nothing says which mean and std to normalise with; give {option('mean')} "
            f"and {option('std')}",
            ModelError,
        )
        return Choice(with_ if normalise else without, normalise)
    if with_ == without:
        return Choice(how, False)
    # On a factory it was declared for this tool; on the module itself it may be meant for its own forward.
    explicit = explicit or (given and not _declared_by(thing, how))
    compared = _compared(model, source, order, labels, with_, without, bool(means or stds), given, Stopwatch(seconds))
    if compared is None:
        return Choice(how, given)
    both = _both(model, compared, with_)
    if compared.p < PLAIN and compared.better != given:
        require(
            not explicit or not given,
            f"{both}. It seems to normalise its images itself: give {option('normalise', False)} to leave it "
            f"to the model, or {option('normalise', True)} to do it all the same",
            ModelError,
        )
        if given:
            return Choice(without, False, f"{both}; it normalises its images itself, and they are left as they are")
        return Choice(with_, True, f"{both}; it wants its images normalised, and that is done before it")
    few = 1 if compared.cut else at_once(source.info.shape, 4)
    if compared.p >= PLAIN and given and _reads(model, source, order, (*means, *stds), few):
        raise ModelError(
            f"{both}. It reads its own {' and '.join(dict.fromkeys(o.name for o in (*means, *stds)))}, so that its "
            "images would be normalised twice, and the answers do not tell which is right: give "
            f"{option('normalise', False)} to leave it to the model, or {option('normalise', True)} to do it "
            "all the same"
        )
    noted = f"who normalises was asked of {compared.n} image{'s'[: compared.n > 1]} only, for want of time"
    return Choice(how, given, noted=noted if compared.cut else "")


def settled_spec(
    model: Model,
    spec: ModelSpec | None,
    source: Source,
    labels: npt.NDArray[np.int32],
    seed: int,
    normalise: bool | None = None,
    say: Callable[[str], None] = lambda _: None,
    seconds: float | None = None,
) -> ModelSpec | None:
    """Settle who normalises (see ``settle``), have the model do so, and give the specification that loads it so.

    Args:
        model: Just loaded.
        spec: What it was loaded from; ``None`` for an object.
        source: The opened data.
        labels: (n,) in the source's listing, as the model numbers them.
        seed: Of the order.
        normalise: The person's word, where the specification has none.
        say: Told what a person must know; it is kept in ``model.guards``.
        seconds: How long it may take; ``None`` for as long as it takes.
    """
    order = source.present(source.order(seed))
    said = spec.normalise if spec is not None and spec.normalise is not None else normalise
    flags = spec is not None and (spec.mean is not None or spec.std is not None)
    choice = settle(model, source, order, labels[order], normalise=said, explicit=flags, seconds=seconds)
    if choice.noted:
        model.notes = (*model.notes, choice.noted)
    if choice.told:
        say(choice.told)
        model.guards = (*model.guards, choice.told)
    if choice.preprocess == model.preprocess:
        return spec
    model.preprocess = how = choice.preprocess
    return spec and dataclasses.replace(spec, normalise=choice.normalise, mean=how.mean, std=how.std)


def _pair(means: tuple[Own, ...], stds: tuple[Own, ...]) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """A mean and a standard deviation that belong together, else the first there is of each."""
    for mean in means:
        for std in stds:
            if mean.owner is std.owner:
                return mean.values, std.values
    return means[0].values if means else None, stds[0].values if stds else None


def _bare(thing: Any) -> bool:
    """A function carries nothing of its own: its attributes are declarations. Of a file nothing is known."""
    return inspect.isroutine(thing) or not hasattr(thing, "__dict__")


def _declared_by(thing: Any, how: Preprocess) -> bool:
    """Whether the mean and std in force are plain attributes of the model itself."""
    if _bare(thing):
        return False
    own = declared(thing)
    return (own.mean, own.std) == (how.mean, how.std)


@dataclasses.dataclass(frozen=True)
class _Compared:
    """Both ways on the same images: how many are right with and without, of how many, the p value, and whether there
    was no time for more."""

    with_: int
    without: int
    n: int
    p: float
    cut: bool = False

    @property
    def better(self) -> bool:
        """Whether with is."""
        return self.with_ > self.without


def _compared(
    model: Model,
    source: Source,
    order: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    with_: Preprocess,
    without: Preprocess,
    carried: bool,
    given: bool,
    stopwatch: Stopwatch,
) -> _Compared | None:
    """Compare until it is plain; ``None`` where the images do not fit one of both ways."""
    most = min(LOOKS[-1], len(order))
    right = np.empty((0, 2), np.bool_)
    # At most four looks, each at 1e-4: all together err in fewer than 1 of 2,000 models.
    for look in [*(n for n in LOOKS if n < most), most]:
        for start, stop in stopwatch.pieces(len(right), look, at_once(source.info.shape, _AT_ONCE)):
            images = torch.from_numpy(source.load(order[start:stop]))
            try:
                found = [_answers(model, images, how) == labels[start:stop] for how in (with_, without)]
            except ModelError:
                return None
            right = np.concatenate([right, np.stack(found, axis=1)])
        cut = len(right) < look
        first, second = int((right[:, 0] & ~right[:, 1]).sum()), int((~right[:, 0] & right[:, 1]).sum())
        # Exact McNemar: only images that one of the ways alone gets right tell them apart.
        p = float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0
        compared = _Compared(int(right[:, 0].sum()), int(right[:, 1].sum()), len(right), p, cut)
        ahead = first >= second if given else second >= first
        # What was declared and does at least as well needs no more images, unless the model carries its own.
        if p < PLAIN or cut or (look >= LOOKS[1] and ahead and not (carried and given)):
            break
    return compared


def _answers(model: Model, images: torch.Tensor, how: Preprocess) -> npt.NDArray[np.int64]:
    kept = model.preprocess
    try:
        model.preprocess = how
        try:
            return infer(model, images, len(images)).argmax(1).cpu().numpy()
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(str(error)) from error
    finally:
        model.preprocess = kept


def _reads(model: Model, source: Source, order: npt.NDArray[np.int64], own: tuple[Own, ...], count: int) -> bool:
    """Whether the answers to ``count`` images change with the model's own constants, which are put back."""
    images = torch.from_numpy(source.load(order[:count])).to(model.device, torch.float32) / 255
    with torch.inference_mode():
        before = model.logits(images)
        with contextlib.ExitStack() as undo:
            for one in own:
                undo.enter_context(_changed(one))
            try:
                after = model.logits(images)
            except Exception:
                # It failed on the changed constant, so it reads it.
                return True
    return not torch.allclose(before, after, rtol=1e-4, atol=1e-6)


@contextlib.contextmanager
def _changed(own: Own) -> Iterator[None]:
    """Inside, the constant has another value; one that cannot be changed keeps its own."""
    held = getattr(own.owner, own.name, None)
    if isinstance(held, torch.Tensor):
        copy = held.detach().clone()
        # In place, as ``forward`` may hold it by another name; scaled and raised, so that 0 changes too.
        held.data.mul_(1.25).add_(0.05)
        try:
            yield
        finally:
            held.data.copy_(copy)
        return
    if held is None:  # it stands on a card, which no forward reads
        yield
        return
    scaled = [v * 1.25 + 0.05 for v in own.values]
    other = scaled if isinstance(held, list) else tuple(scaled) if isinstance(held, tuple) else held * 1.25 + 0.05
    mine = own.name in vars(own.owner)
    setattr(own.owner, own.name, other)
    try:
        yield
    finally:
        if mine:
            setattr(own.owner, own.name, held)
        else:
            delattr(own.owner, own.name)  # it hid the class's


def _both(model: Model, compared: _Compared, with_: Preprocess) -> str:
    used = " and ".join(f"{name} {told(v)}" for name in ("mean", "std") if (v := getattr(with_, name)) is not None)
    n = compared.n
    return (
        f"model {model.name} is right in {compared.with_} of the first {n} clean images "
        f"({100 * compared.with_ / n:.0f} %) if they are normalised before it with {used}, and in {compared.without} "
        f"({100 * compared.without / n:.0f} %) if they are not (exact McNemar p {_p(compared.p)})"
    )


def _p(p: float) -> str:
    return f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"
