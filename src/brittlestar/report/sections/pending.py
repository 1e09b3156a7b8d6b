"""What was asked and has no answer, or not all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import Sensitivity
from brittlestar.report.asked import DONE, LEFT_OUT, NOT_YET, Asked, survey_lacks, what_was_asked
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.section import Result, Section
from brittlestar.report.sections.missing import Missing, in_a_sentence
from brittlestar.report.words import count, listing

FAMILIES = {
    "attack": "Attacks",
    "fourier": "Single frequencies",
    "clean": "Clean images",
    "sequence": "Sequences",
    "time": "Time",
}


@dataclass(frozen=True, kw_only=True)
class Pending(Section):
    """What these runs were to ask too: not yet done, failed, or left out.

    Fields:
        families: By family and state, with how much lacks.
        open_cells: Conditions of a model without any answer, for ``results.csv``; ``status`` says why.
    """

    id: ClassVar[str] = "pending"
    nav: ClassVar[str] = "Pending"
    title: ClassVar[str] = "What was asked and is not here"
    without: ClassVar[Mapping[str, Any]] = {"pending": ()}

    families: tuple[Missing, ...]
    open_cells: tuple[Result, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        families = _families(gathered)
        open_cells = _open_cells(gathered)
        return cls(families=families, open_cells=open_cells) if families or open_cells else None

    def results(self) -> Iterator[Result]:
        yield from self.open_cells

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {"pending": [asdict(family) for family in self.families]}

    def markdown(self) -> Iterable[str]:
        return (f"Asked and not here: {escaped(self.sentence)}", "") if self.families else ()

    @property
    def sentence(self) -> str:
        """The families in a row."""
        return in_a_sentence(self.families)


def _open_cells(gathered: Gathered) -> tuple[Result, ...]:
    """What was asked of a model and has no answer at all."""
    data = [gathered.data[gathered.data_of[run]].name for run in range(len(gathered.stores))]
    return tuple(
        Result(
            model=gathered.names[a.run, a.model],
            data=data[a.run],
            condition=a.info.id,
            measure="accuracy",
            estimate=None,
            status=a.state,
        )
        for a in gathered.once(what_was_asked)
        if not a.answered and a.state != DONE
    )


def _families(gathered: Gathered) -> tuple[Missing, ...]:
    """What was asked and has no answer, or not all, by family: not yet done, failed, or left out."""
    groups: dict[tuple[str, str], list[Asked]] = {}
    of_family: dict[str, set[str]] = {}
    for one in gathered.once(what_was_asked):
        title = FAMILIES.get(one.info.kind) or one.info.family.capitalize()
        of_family.setdefault(title, set()).add(one.info.id)
        if one.state != DONE:
            groups.setdefault((title, one.state), []).append(one)
    found = []
    for (title, state), members in groups.items():
        models = listing(list(dict.fromkeys(m.model for m in members)))
        if state == LEFT_OUT:
            text = f"Left out for {models}: no gradients reach its images."
        else:
            bare = len({m.info.id for m in members if not m.answered})
            part = len({m.info.id for m in members}) - bare
            lacks = [f"{count(bare, 'condition')} without an answer" if bare else ""]
            lacks += [f"{count(part, 'condition')} with fewer images than were asked" if part else ""]
            text = (
                f"{state.capitalize()}, of {len(of_family[title]):,}: {' and '.join(t for t in lacks if t)} ({models})."
            )
        found.append(Missing(title=title, text=text))
    if any(survey_lacks(gathered, run) for run in range(len(gathered.stores))):
        found.append(Missing(title="Sharper Fourier map", text=f"{NOT_YET.capitalize()}."))
    return tuple(found)
