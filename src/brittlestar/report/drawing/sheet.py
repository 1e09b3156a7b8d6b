"""A style sheet read for paper: what its rules set on an element of a chart on a light, printed page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Element = tuple[str, frozenset[str]]
"""Tag and classes."""

Style = dict[str, str]

_COMPOUND = re.compile(r"(?P<tag>[a-z]+|\*)?(?P<classes>(\.[\w-]+)*)$")

_NESTED = re.compile(r"[^;{}]*\{[^{}]*(\{[^{}]*\}[^{}]*)*\}")
"""Rules inside a rule: those of the first screen, which is no chart."""


@dataclass(frozen=True)
class _Rule:
    """One selector, compounds from the outermost ancestor to the element itself, and what it sets.

    Fields:
        compounds: Tag (``*`` for any) and classes.
        child: Whether a compound must be the child of the one before it; else any descendant.
        weight: Classes, tags and place in the sheet: of two rules the heavier holds.
        style: Property to value.
    """

    compounds: tuple[Element, ...]
    child: tuple[bool, ...]
    weight: tuple[int, int, int]
    style: Mapping[str, str]


class Sheet:
    """The rules of a style sheet that hold on a printed, light page, and the custom properties of its root.

    Selectors of tags and classes are understood, with descendants and children. Others ask for a state (hover, a
    chosen model, a dark theme), which paper does not have: their rules are left out.
    """

    def __init__(self, css: str) -> None:
        self.root: Style = {}
        self._rules: list[_Rule] = []
        for order, (selectors, body) in enumerate(_blocks(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))):
            style = declarations(body)
            for selector in map(str.strip, selectors.split(",")):
                if set(selector.split(":")) == {"", "root"}:  # repeated only to weigh more
                    self.root.update((name, value) for name, value in style.items() if name.startswith("--"))
                elif (rule := _rule(selector, style, order)) is not None:
                    self._rules.append(rule)
        # The lightest first, so that heavier ones overwrite it.
        self._rules.sort(key=lambda rule: rule.weight)

    def style(self, lineage: Sequence[Element]) -> Style:
        """What the rules set on the last of ``lineage``, a path from the root down."""
        found: Style = {}
        for rule in self._rules:
            if _fits(rule, len(rule.compounds) - 1, lineage, len(lineage) - 1):
                found.update(rule.style)
        return found


def resolved(value: str, known: Mapping[str, str]) -> str | None:
    """A value with its custom properties filled in; ``None`` where one is not known and has no fallback."""
    # The last one is innermost: the fallback of a property may ask for another.
    while (start := value.rfind("var(")) >= 0:
        inner, _, rest = value[start + 4 :].partition(")")
        name, _, fallback = inner.partition(",")
        found = known.get(name.strip(), fallback.strip() or None)
        if found is None:
            return None
        value = value[:start] + found + rest
    return value


def declarations(body: str) -> Style:
    """``name: value; ...`` as a mapping."""
    pairs = (part.partition(":") for part in body.split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs if value.strip()}


def _blocks(css: str) -> Iterable[tuple[str, str]]:
    """(selectors, declarations) of every rule; of the media queries only that for print is entered."""
    place = 0
    while (start := css.find("{", place)) >= 0:
        head = css[place:start].strip()
        depth, end = 1, start + 1
        while depth and end < len(css):
            depth += {"{": 1, "}": -1}.get(css[end], 0)
            end += 1
        body = css[start + 1 : end - 1]
        if not head.startswith("@"):
            yield head, _NESTED.sub("", body)
        elif head.replace(" ", "") == "@mediaprint":
            yield from _blocks(body)
        place = end


def _rule(selector: str, style: Style, order: int) -> _Rule | None:
    compounds: list[Element] = []
    child: list[bool] = []
    direct = False
    for word in re.sub(r"\s*>\s*", " > ", selector).split():
        if word == ">":
            direct = True
            continue
        match = _COMPOUND.match(word)
        if match is None:
            return None
        compounds.append((match["tag"] or "*", frozenset(match["classes"].split(".")[1:])))
        child.append(direct)
        direct = False
    classes = sum(len(named) for _, named in compounds)
    tags = sum(tag != "*" for tag, _ in compounds)
    return _Rule(tuple(compounds), tuple(child), (classes, tags, order), style)


def _fits(rule: _Rule, place: int, lineage: Sequence[Element], at: int) -> bool:
    tag, classes = rule.compounds[place]
    name, own = lineage[at]
    if tag not in ("*", name) or not classes <= own:
        return False
    # Every ancestor is tried: the nearest that fits may not stand below what the rule asks for further out.
    above = [at - 1] if rule.child[place] else range(at - 1, -1, -1)
    return place == 0 or any(a >= 0 and _fits(rule, place - 1, lineage, a) for a in above)
