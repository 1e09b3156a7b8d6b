"""Where an accuracy counts as near chance."""

from __future__ import annotations


def near_chance(chance: float) -> float:
    """Up to here an accuracy counts as near chance: the smaller of twice chance and chance plus a tenth of the rest."""
    return min(2 * chance, chance + (1 - chance) / 10)
