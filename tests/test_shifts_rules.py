"""Rules for a new shift that its class is held to when it is listed, made or called, each with what to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest
import torch
from PIL import Image

from brittlestar.core.definition import Catalogue
from brittlestar.core.errors import ShiftError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import Inversion, Shift
from brittlestar.shifts.base import Images, Levels, levels
from brittlestar.suites import own
from shift_tools import keys, picture


@dataclass(frozen=True, kw_only=True)
class Fade(Shift):
    """Mix every pixel with middle grey."""

    name: ClassVar[str] = "fade"
    family: ClassVar[str] = "colour"
    title: ClassVar[str] = "Fade"
    paper: ClassVar[str] = "of these tests"
    strength: ClassVar[str | None] = "amount"
    suite: ClassVar[str] = "fade"
    severities: ClassVar[dict[str, Levels]] = {"fade": levels(amount=(0.1, 0.2, 0.4, 0.6, 0.8))}

    amount: float
    shade: float = 0.5

    def __post_init__(self) -> None:
        assert self.amount == self.amount, "never reached by a number that is not finite"

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return (1 - self.amount) * x + self.amount * self.shade


def fade(**attributes: Any) -> type[Fade]:
    """Fade with other class attributes."""
    own_text = {"__doc__": Fade.__doc__, "__module__": __name__}
    return dataclass(frozen=True, kw_only=True)(type("Fade", (Fade,), {**own_text, **attributes}))


class Undecorated(Fade):
    """A class without the decorator."""


@dataclass(frozen=True, kw_only=True)
class Lacking(Shift):
    """A class without a method."""

    name: ClassVar[str] = "lacking"


@dataclass(frozen=True, kw_only=True)
class Half(Shift):
    """Halve every pixel: no field to set, one condition."""

    name: ClassVar[str] = "half"
    family: ClassVar[str] = "colour"
    title: ClassVar[str] = "Half"
    paper: ClassVar[str] = "of these tests"
    suite: ClassVar[str] = "half"
    channels: ClassVar[tuple[int, ...]] = (3,)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return x / 2


BROKEN: dict[str, Any] = {
    "Lacking cannot be listed: it lacks _apply": Lacking,
    r"write `@dataclass\(frozen=True, kw_only=True\)` above it": Undecorated,
    "give it a docstring": fade(__doc__=None),
    "give it a `name: ClassVar.*small letters": fade(name="Fade out"),
    'give it a `family: ClassVar.*, like "blur"': fade(family=""),
    "give it a `paper: ClassVar": fade(paper=""),
    r"`strength` is 'sigma', which is none of its fields \(amount, shade\)": fade(strength="sigma"),
    "`channels` are some of 1 and 3": fade(channels=(4,)),
    "table 'fade' has 2 severities; a table has five": fade(severities={"fade": levels(amount=(0.1, 0.2))}),
    "table 'fade' sets shade, and its fields are amount, shade": fade(severities={"fade": levels(shade=(0.1,) * 5)}),
    "`suite` is 'pale' and `severities` has no table of that name": fade(suite="pale"),
    "`stream_fields`": fade(stream_fields=("sigma",)),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_class_that_breaks_a_rule_is_not_listed(message: str) -> None:
    assert list(Catalogue("shift", [Fade])) == ["fade"]
    with pytest.raises(UsageError, match=message):
        Catalogue("shift", [BROKEN[message]])


@pytest.mark.parametrize("field", ["amount", "shade"])
def test_numbers_are_finite_before_a_class_checks_its_own(field: str) -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ShiftError, match=f"fade.{field} must be finite, got {value}"):
            Fade(**{"amount": 0.5, field: value})


def test_draws_that_a_class_does_not_own_up_to_are_refused() -> None:
    class Noisy(Fade):
        def _apply(self, x: Images, keys: SampleKeys) -> Images:
            return x + keys.uniform(x.shape[1:]).to(keys.device)

    for given in (picture((3, 16, 16), 2), picture((3, 600, 600), 2)):
        with pytest.raises(ShiftError, match=r"fade draws random numbers: write `random: ClassVar\[bool\] = True`"):
            Noisy(amount=0.5)(given, keys(2))


def test_what_a_class_gives_is_held_to_its_shape_and_copied_where_it_is_the_input() -> None:
    class Cropped(Fade):
        def _apply(self, x: Images, keys: SampleKeys) -> Images:
            return x[:, :, 1:]

    class Same(Fade):
        def _apply(self, x: Images, keys: SampleKeys) -> Images:
            return x

    x = picture((3, 16, 16), 2)
    with pytest.raises(ShiftError, match=r"fade._apply must give float32 of shape \(2, 3, 16, 16\), gave .*15, 16"):
        Cropped(amount=0.5)(x)
    assert Same(amount=0.5)(x).data_ptr() != x.data_ptr()
    wide = torch.full((1, 3, 8, 8), 1.0000005)
    Same(amount=0.5)(wide)
    assert float(wide.max()) > 1, "the input was clamped"


def test_a_shift_has_a_suite_by_naming_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "SHIFTS", {"fade": Fade, "plain": fade(suite=""), "half": Half})
    suites = {suite.name: suite for suite in own.own_suites()}
    assert list(suites) == ["fade", "half"]
    infos = [c.info for c in suites["fade"].conditions((1, 8, 8))]
    assert [i.id for i in infos] == ["clean", *(f"fade/fade-{severity}" for severity in range(1, 6))]
    assert [i.config.get("amount") for i in infos[1:]] == [0.1, 0.2, 0.4, 0.6, 0.8]
    assert [i.id for i in [c.info for c in suites["half"].conditions((3, 8, 8))]] == ["clean", "half"]
    assert suites["half"].channels == (3,)


def test_a_picture_is_told_how_to_become_a_tensor_and_what_is_none_is_not() -> None:
    with pytest.raises(ShiftError, match=r"torch\.from_numpy\(np\.array\(image\)\)"):
        Inversion()(cast(Any, Image.new("RGB", (4, 4))))
    with pytest.raises(ShiftError) as refused:
        Inversion()(cast(Any, "photograph.png"))
    assert "from_numpy" not in str(refused.value)
