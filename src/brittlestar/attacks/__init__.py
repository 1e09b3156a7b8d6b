"""Attacks: shifts that know the model and the labels, each with its threat model."""

from brittlestar.attacks.base import Attack
from brittlestar.attacks.pgd import L2PGD, LInfPGD
from brittlestar.core.definition import Catalogue

__all__ = ["ATTACKS", "L2PGD", "Attack", "LInfPGD"]

ATTACKS: Catalogue[Attack] = Catalogue("attack", [LInfPGD, L2PGD])
