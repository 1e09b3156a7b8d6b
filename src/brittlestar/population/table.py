"""A population: many models' accuracies on many settings, as published tables give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require

Kind = Literal["clean", "synthetic", "natural", "adversarial", "other"]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PopulationSetting:
    """A test set, a column of the table.

    Fields:
        name: As the table writes it; of one that several tables have, as the first writes it.
        title: For people.
        kind: ``clean``, ``synthetic`` (made from the clean images), ``natural`` (other images), ``adversarial``, or
            ``other`` (another task; not compared).
        chance: The accuracy of guessing, in [0, 1).
        key: What it is in every table: settings of one key are one column.
        members: The settings that this one is the mean of; empty for one of the table's own.
        part: Whether a mean over severities stands for it.
        shift, severity: What a run calls it, where it is a corruption.
        against: Names of the settings that it is held against; empty for the table's clean one.
    """

    name: str
    title: str
    kind: Kind
    chance: float = 0.0
    key: str = ""
    members: tuple[str, ...] = ()
    part: bool = False
    shift: str = ""
    severity: int | None = None
    against: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Accuracies of models.

    Fields:
        layout: Of which table (``testbed``, ``timm``, ``open_clip``, ``own``), several with plus signs.
        models: Names, each once.
        types: Kinds of training, one a model; empty where unknown.
        families: Models that depend on each other share one.
        bases: The model without the intervention, one a model; empty where there is none.
        settings: Columns.
        accuracy: (models, settings) in [0, 1]; NaN where missing.
        images: (models, settings) images behind an accuracy; NaN where unknown.
        fitted: (models,) whether a line may be fitted to the model where it is standard: the table's own rule.
        clean: Name of the setting that others are held against.
        standard, claimed: The types that a line is fitted to, and that the article's claim is about; empty where the
            table has none.
        classes: Of the task, or ``None``.
        notes: What was taken and what passed over, a sentence each.
    """

    layout: str
    models: tuple[str, ...]
    types: tuple[str, ...]
    families: tuple[str, ...]
    bases: tuple[str, ...]
    settings: tuple[PopulationSetting, ...]
    accuracy: Floats
    images: Floats
    fitted: Flags
    clean: str
    standard: str = ""
    claimed: str = ""
    classes: int | None = None
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> Floats:
        """(models,) accuracies on a setting."""
        return self.accuracy[:, self.place(name)]

    def setting(self, name: str) -> PopulationSetting:
        """The setting of a name."""
        return self.settings[self.place(name)]

    def place(self, name: str) -> int:
        """Which column a setting is.

        Raises:
            DataError: No such setting.
        """
        names = [s.name for s in self.settings]
        require(name in names, f"no setting {name!r}; there are {', '.join(names[:40])}", DataError)
        return names.index(name)

    def of_type(self, kind: str) -> Flags:
        """(models,) which are of a type."""
        return np.asarray([t == kind for t in self.types])

    def typed(self) -> dict[str, int]:
        """How many models each known type has, most first."""
        counts = {t: self.types.count(t) for t in dict.fromkeys(self.types) if t}
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))

    def with_columns(self, settings: Sequence[PopulationSetting], values: Floats, images: Floats) -> Population:
        """The same with more settings."""
        return dataclasses.replace(
            self,
            settings=(*self.settings, *settings),
            accuracy=np.concatenate([self.accuracy, values], axis=1),
            images=np.concatenate([self.images, images], axis=1),
        )


def with_means(population: Population, groups: Callable[[PopulationSetting], str]) -> Population:
    """The same with a mean over severities for each group of settings, which then are ``part`` of it.

    A model has a mean where it has all members. Images are those of one member: severities are of the same ones.
    """
    named: dict[str, list[int]] = {}
    for place, setting in enumerate(population.settings):
        if groups(setting):
            named.setdefault(groups(setting), []).append(place)
    whole = {name: places for name, places in named.items() if len(places) > 1}
    if not whole:
        return population
    inside = {place for places in whole.values() for place in places}
    settings = tuple(
        dataclasses.replace(s, part=True) if place in inside else s for place, s in enumerate(population.settings)
    )
    made = []
    for name, places in whole.items():
        first = settings[places[0]]
        made.append(
            dataclasses.replace(
                first,
                name=name,
                title=name,
                key=name,
                members=tuple(settings[p].name for p in places),
                part=False,
                severity=None,
            )
        )
    values = np.stack([population.accuracy[:, places].mean(axis=1) for places in whole.values()], axis=1)
    images = np.stack([population.images[:, places].min(axis=1) for places in whole.values()], axis=1)
    return dataclasses.replace(population, settings=settings).with_columns(made, values, images)


def joined(populations: Sequence[Population]) -> Population:
    """Several tables as one: settings of one key are one column, models keep their names where only one has them.

    The first table that has standard models says which they are; the others' models stand beside them.

    Raises:
        DataError: Tables of other clean settings.
    """
    first = populations[0]
    if len(populations) == 1:
        return first
    keys: dict[str, PopulationSetting] = {}
    for population in populations:
        for setting in population.settings:
            keys.setdefault(setting.key or setting.name, setting)
    cleans = {p.setting(p.clean).key or p.clean for p in populations}
    require(
        len(cleans) == 1,
        f"the tables' models are held against other clean settings ({', '.join(sorted(cleans))}): give them alone",
        DataError,
    )
    taken: set[str] = set()
    models, blocks, counts = [], [], []
    for population in populations:
        places = {s.key or s.name: i for i, s in enumerate(population.settings)}
        block, count = (np.full((len(population.models), len(keys)), np.nan) for _ in range(2))
        for column, key in enumerate(keys):
            if key in places:
                block[:, column] = population.accuracy[:, places[key]]
                count[:, column] = population.images[:, places[key]]
        blocks.append(block)
        counts.append(count)
        own = [m if m not in taken else f"{m} ({population.layout})" for m in population.models]
        taken |= set(own)
        models += own
    standing = next((p for p in populations if p.standard), first)
    # Types of two tables may share a name and not a meaning; only those of the standing table fit lines.
    fitted = np.concatenate([p.fitted & (p is standing) for p in populations])
    return Population(
        layout=" + ".join(p.layout for p in populations),
        models=tuple(models),
        types=tuple(t for p in populations for t in p.types),
        families=tuple(f for p in populations for f in p.families),
        bases=tuple(b for p in populations for b in p.bases),
        settings=tuple(keys.values()),
        accuracy=np.concatenate(blocks),
        images=np.concatenate(counts),
        fitted=fitted,
        clean=next(iter(s.name for k, s in keys.items() if k in cleans)),
        standard=standing.standard,
        claimed=next((p.claimed for p in populations if p.claimed), ""),
        classes=first.classes,
        notes=tuple(note for p in populations for note in p.notes),
    )
