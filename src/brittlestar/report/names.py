"""Names made short enough, and words counted: a screen holds so many words and no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

ELLIPSIS = "…"

WORD = re.compile(r"[^\W\d_]{2,}")
"""A word is a run of two or more letters."""

FOLDED = ("details", "title", "desc", "script", "style")
"""Elements whose text is not seen at once. A fold's own heading (``summary``) is."""


def middle(text: str, width: int) -> str:
    """The text cut in its middle: names differ in how they begin and how they end."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return text[: width - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def shortened(names: Sequence[str], width: int) -> list[str]:
    """Names cut in the middle that stay different; with their number where they would not."""
    cut = [middle(name, width) for name in names]
    return [
        # Three characters less: a space and a number of two digits.
        name if cut.count(name) == 1 or len(set(names)) < len(names) else f"{middle(names[i], width - 3)} {i + 1}"
        for i, name in enumerate(cut)
    ]


def apart(first: str, second: str, width: int) -> tuple[str, str]:
    """Two names of classes, the first synonym of each, cut as far as they can still be told apart."""
    short = [name.split(",")[0].strip() or name for name in (first, second)]
    if short[0] == short[1]:
        short = [first, second]
    for wider in range(width, max(map(len, short)) + 1):
        cut = middle(short[0], wider), middle(short[1], wider)
        if cut[0] != cut[1]:
            return cut
    return short[0], short[1]


def words_of(markup: str) -> int:
    """How many words a reader sees before unfolding anything."""
    counter = _Counter()
    counter.feed(markup)
    counter.close()
    # With spaces between: the texts of two elements are two words, though no space parts them in the markup.
    return len(WORD.findall(" ".join(counter.seen)))


class _Counter(HTMLParser):
    """Text outside of what is folded; headings of outer folds count."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FOLDED or (tag == "summary" and self.open == ["details"]):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] == "summary":
            self.seen.append(data)


def set_names(keys: Sequence[str]) -> list[str]:
    """Names of published sets that can be typed: ``imagenet-c``, and ``imagenet-c-2`` where it stands a second time.

    A set's key (``imagenet-c/jpeg85/not prepared as published ...``) says all that tells it from others.
    """
    tables = [key.split("/")[0] for key in keys]
    turns = [tables[: place + 1].count(table) for place, table in enumerate(tables)]
    return [table if turn == 1 else f"{table}-{turn}" for table, turn in zip(tables, turns, strict=True)]
