"""Means and standard deviations in units of 255, as many tutorials and libraries have them."""

from __future__ import annotations

from collections.abc import Sequence

WIDEST = 4.0
"""No image in [0, 1] has a standard deviation above 0.5, and no one divides by more than a few; in units of 255 they
are tens."""

Values = tuple[float, ...]


def in_units_of_255(mean: Sequence[float] | None, std: Sequence[float] | None) -> bool:
    """Whether one of them is: images in [0, 1] have no mean above 1."""
    return (mean is not None and max(mean) > 1) or (std is not None and max(std) > WIDEST)


def in_units_of_one(mean: Sequence[float] | None, std: Sequence[float] | None) -> tuple[Values | None, Values | None]:
    """The same normalisation for images in [0, 1].

    Means in units of 255 with a standard deviation of 1, or with none, divide by 1 in those units (as Caffe's models
    do), which is 1 / 255 here.
    """
    far = mean is not None and max(mean) > 1
    scaled = tuple(v / 255 for v in mean) if mean is not None and far else None if mean is None else tuple(mean)
    if std is None:
        return scaled, (1 / 255,) if far else None
    wide = max(std) > WIDEST or (far and min(std) >= 1)
    return scaled, tuple(v / 255 for v in std) if wide else tuple(std)


def told(values: Sequence[float], digits: int = 4) -> str:
    """``0.485,0.456,0.406``, as the options take them."""
    return ",".join(f"{v:.{digits}g}" for v in values)


def what_to_give(mean: Sequence[float] | None, std: Sequence[float] | None) -> str:
    """One line that says what was got and what to give instead."""
    got = " and ".join(f"{name} {told(v, 6)}" for name, v in (("mean", mean), ("std", std)) if v is not None)
    right = in_units_of_one(mean, std)
    give = " ".join(f"--{name} {told(v)}" for name, v in zip(("mean", "std"), right, strict=True) if v is not None)
    lone = " (that std if the model divides by nothing else)" if std is None else ""
    are = "is" if mean is None or std is None else "are"
    return f"a model's {got} {are} in units of 255, and images come in [0, 1]: give {give}{lone}"
