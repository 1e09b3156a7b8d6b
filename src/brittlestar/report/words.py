"""Numbers and lists as people read them: one decimal, true minus signs, no more digits than the interval allows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from brittlestar.measures.base import Estimate

# Numbers stay on one line with their units, and intervals whole.
NBSP = "\u00a0"
THIN = "\u202f"
MINUS = "\u2212"


SET_TITLES = {
    "imagenet-c": "ImageNet-C",
    "imagenet-c-299": "ImageNet-C at 299 pixels",
    "cifar-c": "CIFAR-C",
    "tiny-c": "Tiny-ImageNet-C",
    "mnist-c": "MNIST-C",
}


def set_title(table: str) -> str:
    """A published set's name for people."""
    return SET_TITLES.get(table, table)


FAMILY_TITLES = {"colour": "Colour and light", "geometric": "Geometry", "spectral": "Filters", "mnist": "MNIST-C"}


def family_title(family: str) -> str:
    """A family's name for people."""
    return FAMILY_TITLES.get(family, family[:1].upper() + family[1:])


def number(value: float, decimals: int = 1, *, sign: bool = False) -> str:
    """``12.3``, ``−4.0``; ``sign`` adds a plus; infinities are ``∞``; a rounded zero carries no sign."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    text = f"{abs(value):,.{decimals}f}"
    # Asked of the rounded text: -0.04 is printed as 0.0, and a zero has no sign.
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def decimals_of(estimate: Estimate, scale: float = 100.0) -> int:
    """One decimal, or two where the interval is narrower than two tenths."""
    width = (estimate.high - estimate.low) * scale
    return 2 if math.isfinite(width) and 0 < width < 0.2 else 1


def percent(estimate: Estimate) -> str:
    """``41.2 %`` of an estimate that is a share."""
    return f"{number(estimate.value * 100, decimals_of(estimate))}{THIN}%"


def interval(estimate: Estimate, scale: float = 100.0) -> str:
    """``[39.8, 42.6]``."""
    d = decimals_of(estimate, scale)
    return f"[{number(estimate.low * scale, d)},{NBSP}{number(estimate.high * scale, d)}]"


def share(estimate: Estimate) -> str:
    """``41.2 % [39.8, 42.6]``."""
    return f"{percent(estimate)} {interval(estimate)}"


def points(estimate: Estimate, *, sign: bool = False) -> str:
    """``12.3 points [11.0, 13.6]`` of an estimate that is a difference of shares."""
    return f"{number(estimate.value * 100, decimals_of(estimate), sign=sign)}{NBSP}points {interval(estimate)}"


def chosen(candidates: int) -> str:
    """What stands beside the interval of one that was chosen of many for its number (``measures.selection``)."""
    return f" (interval for one chosen of {candidates:,})" if candidates > 1 else ""


def images(n: int) -> str:
    """``n = 1,000``."""
    return f"n{NBSP}={NBSP}{n:,}"


def spaced(text: str) -> str:
    """The text with ordinary spaces, for files that people search."""
    return text.replace(NBSP, " ").replace(THIN, " ")


def count(value: int, what: str = "", many: str = "") -> str:
    """``1,000 images``; ``1 image``."""
    text = f"{value:,}"
    return text if not what else f"{text} {what if value == 1 else (many or what + 's')}"


def listing(items: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    items = list(items)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def away(estimate: Estimate) -> bool:
    """Whether the interval leaves out zero."""
    return estimate.low > 0 or estimate.high < 0


def p_value(p: float) -> str:
    """``0.032``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """``48 s``, ``3 min 20 s``, ``2 h 5 min``."""
    # Rounded before it is divided: 119.7 s are 2 min 0 s, not 1 min 60 s.
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(number_of_bytes: int) -> str:
    """``1.2 MB``."""
    return f"{number_of_bytes / 1e6:.1f} MB" if number_of_bytes >= 1e5 else f"{number_of_bytes / 1e3:.0f} kB"


def strength_labels(labels: Sequence[str]) -> tuple[str, tuple[str, ...], str]:
    """What equal beginning and end the labels share, and the labels without them.

    ``("σ = 0.1", "σ = 0.2")`` gives ``("σ", ("0.1", "0.2"), "")``, ``("2 pixels", "4 pixels")`` gives
    ``("", ("2", "4"), "pixels")``; labels that share nothing stay as they are.
    """
    words = [label.split() for label in labels]
    if len(words) < 2 or any(len(w) < 2 for w in words):
        return "", tuple(labels), ""
    head = _same(words)
    # Of what the head leaves: no word may be counted to both.
    tail = _same([list(reversed(w[head:])) for w in words])
    if any(len(w) - head - tail < 1 for w in words):
        return "", tuple(labels), ""
    middle = tuple(" ".join(w[head : len(w) - tail]) for w in words)
    first = words[0]
    return " ".join(first[:head]).rstrip(" ="), middle, " ".join(first[len(first) - tail :])


def merged(texts: Sequence[str]) -> str:
    """Texts that differ in some numbers as one: ``radius 0.1 to 0.3``; texts that differ more, one after another."""
    words = [text.split() for text in dict.fromkeys(texts)]
    if len({len(w) for w in words}) != 1:
        return "; ".join(dict.fromkeys(texts))
    columns = zip(*words, strict=True)
    return " ".join(c[0] if len(set(c)) == 1 else f"{c[0].rstrip(',;')} to {c[-1]}" for c in columns)


def _same(words: Sequence[Sequence[str]]) -> int:
    """How many first words all share."""
    return next((i for i, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1), min(map(len, words)))
