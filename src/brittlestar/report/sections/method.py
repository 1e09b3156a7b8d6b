"""How it was measured, and the command that repeats it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import Sensitivity
from brittlestar.report.gather import Gathered
from brittlestar.report.provenance import Facts, build_commands, build_facts, build_sessions, interval_words
from brittlestar.report.section import Section


@dataclass(frozen=True, kw_only=True)
class Method(Section):
    """Data, models, conditions, threat models, software, hardware, sessions and commands."""

    id: ClassVar[str] = "method"
    nav: ClassVar[str] = "Method"
    title: ClassVar[str] = "How it was measured"

    intervals: str
    facts: tuple[Facts, ...]
    sessions: tuple[Mapping[str, Any], ...]
    commands: tuple[str, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        return cls(
            intervals=interval_words(gathered, gathered.numbers.level)[1],
            facts=build_facts(gathered),
            sessions=build_sessions(gathered),
            commands=build_commands(gathered),
        )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {"sessions": [dict(s) for s in self.sessions], "commands": list(self.commands)}

    def markdown(self) -> Iterable[str]:
        return ("## Repeat it", "", "```sh", *self.commands, "```", "", self.intervals, "")
