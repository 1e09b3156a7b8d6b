"""Many published models at once: where a type of them stands beside the line of standard ones. Needs no torch."""

from __future__ import annotations

from brittlestar.population.claims import ColumnClaim, PopulationClaims, analysed
from brittlestar.population.layouts import read_population
from brittlestar.population.table import Population

__all__ = ["ColumnClaim", "Population", "PopulationClaims", "analysed", "read_population"]
