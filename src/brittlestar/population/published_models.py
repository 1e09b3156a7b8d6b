"""What the name of a published model says: trained for Lp robustness or not, and of which paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

ADVERSARIAL = ("Addepalli", "Gowal", "Kireev2021Effectiveness_RLAT", "Rebuffi", "Salman")
"""How the names of those of RobustBench's models begin that are adversarially trained (RLAT: in a perceptual ball)."""

_ADVERSARIAL_PARTS = re.compile(
    r"(^|_)(Linf|L1|L2)(_|$)|adv_trained|adv-train|(linf|l2)_eps[\d.]+_robust|smoothing_adversarial"
    r"|randomized_smoothing_noise_(?!0\.00)",  # noise of 0.00 is no smoothing
)

# The testbed names models after what was done, not after papers.
_PAPERS = (
    (re.compile(r"(linf|l2)_eps[\d.]+_robust"), "Engstrom2019"),
    (re.compile(r"^facebook_adv_trained"), "Xie2019"),
    (re.compile(r"smoothing_adversarial"), "Salman2019"),
    (re.compile(r"randomized_smoothing"), "Cohen2019"),
    (re.compile(r"adv-train-free"), "Shafahi2019"),
)
_AUTHOR_YEAR = re.compile(r"^[A-Z][A-Za-z-]*?(?:19|20)\d\d(?:[A-Z][a-z]+)?")


def adversarially_trained(name: str, beginnings: Iterable[str] = ()) -> bool:
    """Whether a name says that a model was trained for robustness within a norm.

    Args:
        name: Of the model, in RobustBench's or the testbed's spelling.
        beginnings: How such names begin; where given, nothing else counts.
    """
    own = tuple(beginnings)
    return name.startswith(own or ADVERSARIAL) or (not own and bool(_ADVERSARIAL_PARTS.search(name)))


def paper_of(name: str) -> str:
    """First author, year and first word of the paper's title, where the name says so; else the name itself."""
    for pattern, paper in _PAPERS:
        if pattern.search(name):
            return paper
    found = _AUTHOR_YEAR.match(name)
    return found.group() if found else name


def plain_name(name: str) -> str:
    """The name in small letters without anything but letters and digits: how names of two tables are matched."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def matched(names: Iterable[str], table: Mapping[str, float]) -> tuple[dict[str, float], int]:
    """Values for those names that a table has, and how many of them are spelt alike.

    A name is matched exactly, else by ``plain_name`` where only one of the table's names has that plain form.
    """
    plain: dict[str, list[str]] = {}
    for name in table:
        plain.setdefault(plain_name(name), []).append(name)
    found: dict[str, float] = {}
    exact = 0
    for name in names:
        near = plain.get(plain_name(name), [])
        if name in table:
            found[name] = table[name]
            exact += 1
        elif len(near) == 1:
            found[name] = table[near[0]]
    return found, exact
