"""What every change of the images shares: identity, checks, keyed randomness, clamping."""

from __future__ import annotations

import dataclasses
import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, final

import torch

from brittlestar.core.definition import Definition
from brittlestar.core.errors import ShiftError, require
from brittlestar.core.keys import SampleKeys

Images: TypeAlias = "torch.Tensor"
_PAPER = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
PIECE = 700_000
"""Values that a CPU works on at a time: this many stay in its cache."""

Levels = tuple[Mapping[str, Any], ...]


def levels(**fields: Sequence[Any]) -> Levels:
    """A published table: ``levels(sigma=(.1, .2))`` is ``({"sigma": .1}, {"sigma": .2})``."""
    lengths = {len(values) for values in fields.values()}
    require(len(lengths) == 1, f"a table needs equally long columns, got lengths {sorted(lengths)}")
    return tuple(dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Perturbation(Definition):
    """A shift or an attack: anything that turns clean images into harder ones.

    Fields that are numbers must be finite; a subclass's ``__post_init__`` finds them so.

    Class attributes:
        family: Which group it belongs to in reports.
        title: Its name for people.
        paper: Where it was published (authors, venue, link); of your own, say so.
        strength: The field that says how strong it is, or ``None``.
        strength_unit: What the strength is measured in, for axis labels.
        rising: Whether a larger value of the strength field is a stronger shift.
        channels: Numbers of colour channels it is defined for.
        kind: ``shift``, ``sequence``, ``fourier`` or ``attack``.
    """

    family: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str] = ""
    strength: ClassVar[str | None] = None
    strength_unit: ClassVar[str] = ""
    rising: ClassVar[bool] = True
    channels: ClassVar[tuple[int, ...]] = (1, 3)
    kind: ClassVar[str] = "shift"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if (own := vars(cls).get("__post_init__")) is not None:
            # A subclass's own checks need not call ours, and theirs (`sigma >= 0`) say nothing true of NaN.
            cls.__post_init__ = _with_finite_fields(own)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Require every number among the fields to be finite; subclasses add their own requirements."""
        _require_finite(self)

    @classmethod
    def check_class(cls) -> None:
        """Hold the class to the rules for every shift, sequence and attack."""
        super().check_class()
        for name, example in (("family", "blur"), ("title", "Low pass"), ("paper", _PAPER)):
            cls.must(getattr(cls, name, ""), f'give it a `{name}: ClassVar[str]`, like "{example}"')
        cls.must(
            cls.strength is None or cls.strength in cls._fields(),
            f"its `strength` is {cls.strength!r}, which is none of its fields ({', '.join(cls._fields())})",
        )
        cls.must(cls.channels and {*cls.channels} <= {1, 3}, f"its `channels` are some of 1 and 3, not {cls.channels}")

    @classmethod
    def _fields(cls) -> list[str]:
        return [field.name for field in dataclasses.fields(cls)]

    def checked(self, images: Images) -> Images:
        """The images as float32 in [0, 1], or a ShiftError that says what is wrong."""
        require(
            isinstance(images, torch.Tensor) and images.ndim == 4,
            f"{self.name} needs a tensor (batch, channel, height, width), got {_describe(images)}{_layout(images)}",
        )
        require(
            images.shape[1] in self.channels,
            f"{self.name} is defined for {' or '.join(map(str, self.channels))} channels, got {images.shape[1]}"
            + _layout(images),
        )
        # Libraries may sum in another order for another memory layout, and so change pixels.
        images = images.contiguous()
        if images.dtype == torch.uint8:
            return images.to(torch.float32) / 255
        require(images.is_floating_point(), f"{self.name} needs uint8 or floats in [0, 1], got {images.dtype}")
        x = images.to(torch.float32)
        if len(x):
            low, high = (v.item() for v in torch.aminmax(x))
            in_levels = low >= 0 and 1 < high <= 255
            require(
                # The margin lets rounding pass; NaN fails, as no comparison with it is true.
                -1e-6 <= low <= high <= 1 + 1e-6,
                f"{self.name} needs values in [0, 1], got {low:.4g} to {high:.4g}; "
                + ("divide them by 255, or give them as uint8" if in_levels else "normalise after the shift"),
            )
        return x


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shift(Perturbation):
    """A change that knows no model: same fields, same image, same key give the same pixels.

    A subclass states its fields, its class attributes and ``_apply``. Randomness comes only from the keys that
    ``_apply`` gets; they are the sample's keys with the shift's name folded in, so all strengths share their draws
    (fields named in ``stream_fields`` are folded in too).

    Class attributes:
        severities: Tables by name: five settings of the fields each, the mildest first.
        uneven: Whether people's eyes ordered them, so that pixels need not change more from one to the next.
        suite: The table that is a suite of its own, called like it; empty for shifts that other suites hold. A shift
            without fields needs no table for it.
        clamps: Whether results are clamped to [0, 1].
        stream_fields: Fields that select a different random stream.
        random: Whether keys are used at all; drawing from them without saying so is an error.
    """

    severities: ClassVar[Mapping[str, Levels]] = {}
    uneven: ClassVar[bool] = False
    suite: ClassVar[str] = ""
    clamps: ClassVar[bool] = True
    stream_fields: ClassVar[tuple[str, ...]] = ()
    random: ClassVar[bool] = False

    @classmethod
    def check_class(cls) -> None:
        """Hold the class to the rules for every shift."""
        super().check_class()
        fields = cls._fields()
        needed = {f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING}
        for table, rows in cls.severities.items():
            cls.must(len(rows) == 5, f"its table {table!r} has {len(rows)} severities; a table has five")
            for row in rows:
                cls.must(
                    needed <= {*row} <= {*fields},
                    f"its table {table!r} sets {', '.join(row)}, and its fields are {', '.join(fields)}",
                )
        cls.must({*cls.stream_fields} <= {*fields}, f"its `stream_fields` {cls.stream_fields} are not all fields")
        cls.must(
            not cls.suite or cls.suite in cls.severities or not fields,
            f"its `suite` is {cls.suite!r} and `severities` has no table of that name; it has {sorted(cls.severities)}",
        )

    @classmethod
    def at(cls, severity: int, table: str) -> Any:
        """The shift at a published severity (1 is the mildest) of the table named."""
        require(table in cls.severities, f"{cls.name} has no table {table!r}; it has {sorted(cls.severities)}")
        rows = cls.severities[table]
        require(1 <= severity <= len(rows), f"{cls.name} has severities 1 to {len(rows)} in {table}, got {severity}")
        return cls(**rows[severity - 1])

    @final
    def __call__(self, images: Images, keys: SampleKeys | None = None) -> Images:
        """Shift a batch.

        Args:
            images: (batch, channel, height, width), uint8, or floats in [0, 1].
            keys: One key a sample, on the images' device (``brittlestar.keys(seed, ids)``); may be left out for
                shifts that draw nothing.

        Returns:
            A new tensor of the same shape and, for floats, dtype, in [0, 1] unless the shift does not clamp. uint8
            images come back as uint8, rounded to the nearest level.

        Raises:
            ShiftError: Images of another rank, type, range or channel count; keys missing or not one a sample.
        """
        with torch.no_grad():
            return self._shifted(images, keys)

    def _shifted(self, images: Images, keys: SampleKeys | None) -> Images:
        if (levels8 := self._on_levels(images)) is not None:
            return levels8
        x = self.checked(images)
        if keys is None:
            require(not self.random, f"{self.name} draws random numbers: give keys, one a sample")
            # Nobody draws from these: `compute` hides the keys of a shift that draws nothing.
            keys = SampleKeys(torch.zeros(len(x), dtype=torch.int64, device=x.device))
        require(len(keys) == len(x), f"{self.name} got {len(keys)} keys for {len(x)} images")
        require(keys.device == x.device, f"{self.name} got keys on {keys.device} and images on {x.device}")
        return self.restored(self.compute(x, keys), images)

    def _on_levels(self, images: Images) -> Images | None:
        # What does not fit is left to `checked`, which says what is wrong with it.
        plain = isinstance(images, torch.Tensor) and images.dtype == torch.uint8 and images.ndim == 4 and len(images)
        return self.compute_levels(images) if plain and images.shape[1] in self.channels else None

    def compute(self, x: Images, keys: SampleKeys) -> Images:
        """The shift without checks, float32 in and out: what the runner calls on images it has checked already."""
        if self.random:
            keys = keys.stream(self.name, *(getattr(self, name) for name in self.stream_fields))
        else:
            keys = _NoKeys(self.name, len(x), x.device)
        size = max(1, PIECE // max(1, x[0].numel())) if len(x) else 1
        if x.device.type == "cpu" and len(x) > size:
            pieces = [slice(start, start + size) for start in range(0, len(x), size)]
            y = torch.cat([self._apply(x[piece], keys[piece]) for piece in pieces])
        else:
            y = self._apply(x, keys)
        require(
            y.shape == x.shape and y.dtype == torch.float32,
            f"{self.name}._apply must give float32 of shape {tuple(x.shape)}, gave {y.dtype} of {tuple(y.shape)}",
        )
        y = y.clone() if y.data_ptr() == x.data_ptr() else y  # Nothing to do: clamping must not write to the input.
        return y.clamp_(0, 1) if self.clamps else y

    def compute_levels(self, levels: torch.Tensor) -> torch.Tensor | None:
        """uint8 to uint8 without going through floats, for shifts that work on 8 bits anyway; ``None`` for others."""
        return None

    @abstractmethod
    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        """New images from float32 ``x``, which must not be written to; each sample on its own."""

    def restored(self, y: Images, like: Images) -> Images:
        """``y`` with the dtype of ``like``."""
        if like.dtype == torch.uint8:
            # Filters leave [0, 1], and beyond it uint8 would wrap around.
            return (y.clamp(0, 1) * 255).round_().to(torch.uint8)
        return y.to(like.dtype)


class _NoKeys(SampleKeys):
    """What a shift gets that says it draws nothing: as many, on the same device, and no draws."""

    def __init__(self, name: str, count: int, device: torch.device) -> None:
        self._name, self._count, self._device = name, count, device

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: slice | torch.Tensor) -> SampleKeys:
        return _NoKeys(self._name, len(torch.arange(self._count)[index]), self._device)

    @property
    def device(self) -> torch.device:
        """Where the keys would lie."""
        return self._device

    def __getattr__(self, attribute: str) -> Any:
        raise ShiftError(f"{self._name} draws random numbers: write `random: ClassVar[bool] = True` into its class")


def _describe(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"shape {tuple(value.shape)}"
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")


def _layout(images: Any) -> str:
    """What to do about images in another layout, as the end of a sentence; empty where that cannot be told."""
    if not hasattr(images, "shape"):
        a_picture = hasattr(images, "getbands")
        return ": torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for a colour picture" if a_picture else ""
    shape, steps = tuple(images.shape), "" if isinstance(images, torch.Tensor) else "torch.from_numpy(images)"
    if len(shape) == 3:
        steps += ".permute(2, 0, 1)" if shape[2] in (1, 3) and shape[0] not in (1, 3) else ""
        steps += "[None]"
    elif len(shape) == 4 and shape[1] not in (1, 3) and shape[3] in (1, 3):
        steps += ".permute(0, 3, 1, 2)"
    elif len(shape) == 4 and 4 in (shape[1], shape[3]):
        return f": leave the alpha channel out (images[{':, :3' if shape[1] == 4 else '..., :3'}])"
    return f": {'images' if steps[:1] in ('.', '[') else ''}{steps}" if steps else ""


def _require_finite(definition: Perturbation) -> None:
    for name, value in definition.config().items():
        for number in value if isinstance(value, list) else [value]:
            finite = not isinstance(number, (int, float)) or math.isfinite(number)
            require(finite, f"{definition.name}.{name} must be finite, got {value}")


def _with_finite_fields(own: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(own)
    def checked(self: Perturbation) -> None:
        _require_finite(self)
        own(self)

    return checked
