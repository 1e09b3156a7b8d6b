"""How shifted images were prepared and kept, in words, and whether the published ones were made so."""

from __future__ import annotations

from brittlestar.core.preparation import as_published, preparation_note
from brittlestar.report.subjects import DataEntry

PUBLISHED_STORAGE = {"cifar-c": "uint8", "mnist-c": "rounded8"}
"""How a set's files were made; JPEG of quality 85 for the others."""

KEPT = {
    "uint8": "stored as 8 bits",
    "rounded8": "stored as 8 bits, rounded",
    "jpeg85": "stored as 8 bits and JPEG quality 85",
}


def preparation_caveat(data: DataEntry, table: str) -> str:
    """``not prepared as published: bicubic``; empty where nothing is known to differ."""
    made, words = data.about.get("prepared"), str(data.about.get("preparation") or "")
    if made is None and words:  # a run of a version that cut and rounded in its own way
        return f"not prepared as published: {words}, by an earlier version"
    return "" if data.about.get("kind") == "named" else preparation_note(made or {}, table, *data.shape[1:])


def prepared_words(data: DataEntry, table: str) -> str:
    """``prepared as published (...)``; empty where that is not known to be so."""
    alike = as_published(data.about.get("prepared") or {}, table)
    return f"prepared as published ({data.about['preparation']})" if alike else ""


def storage_words(table: str, storage: str, prepared: str = "", caveat: str = "") -> str:
    """How the images were kept, and whether the published ones were; before that how they were prepared.

    With a caveat nothing is called "as published".
    """
    published = PUBLISHED_STORAGE.get(table, "jpeg85")
    before = f"{caveat or prepared}; " if caveat or prepared else ""
    if storage == published:
        return before + KEPT[storage] + ("" if caveat else ", as published")
    if storage == "float":
        return f"{before}in memory as floats: easier than the published images"
    kept = KEPT.get(storage, f"stored as {storage}")
    return f"{before}{kept}, where the published images are {KEPT[published]}"
