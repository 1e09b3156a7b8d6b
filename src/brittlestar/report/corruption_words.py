"""What is said of a model on the published corruption sets, and its lines in ``results.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brittlestar.measures import Estimate
from brittlestar.report.compared import SAID, beyond, compared_numbers
from brittlestar.report.content import ModelEntry, Sentence
from brittlestar.report.corruptions import CorruptionSet, marked, slug, summaries
from brittlestar.report.words import chosen, listing, share


def corruption_sentences(sets: Sequence[CorruptionSet], model: ModelEntry) -> Iterator[Sentence]:
    """One finding a set: the mean corruption error, its normalised forms with their normaliser, what they rest on."""
    for found in sets:
        entry = next((m for m in found.models if m.model.key == model.key), None)
        if entry is None or entry.mean.estimate is None:
            continue
        others = [
            f"{name} {share(n.estimate)}" if n.estimate is not None else f"{name} undefined ({n.undefined})"
            for name, n in summaries(entry)[1:]
        ]
        name, worst = entry.worst
        row = next(r for r in found.rows if r.corruption == name)
        text = f"over {found.basis}."
        text += f" Divided by {found.normaliser}: {listing(others)}." if others else ""
        claim = entry.against
        text += f" Against it {beyond(claim)}: {SAID[claim.state]}." if claim else ""
        text += f" Most under {marked(row.title, row.marked)}: {share(worst)}{chosen(len(entry.mean.parts))}."
        text += f" Images {found.storage}." + ("".join(f" {n}" for n in found.notes[:1]) if entry.marked else "")
        estimates = [n.estimate for _, n in summaries(entry) if n.estimate is not None]
        lead = f"{found.title}: {marked(entry.mean.name, entry.marked)} {share(entry.mean.estimate)}"
        yield Sentence(
            lead=lead + (f" ({found.caveat})" if found.caveat else ""),
            text=text,
            estimates=(*estimates, *(compared_numbers(claim) if claim else ()), worst),
            sensitivities=(claim,) if claim else (),
        )


def corruption_results(found: CorruptionSet, model: ModelEntry) -> Iterator[tuple[str, str, Estimate | None]]:
    """(condition, measure, estimate) lines of one model for ``results.csv``."""
    place = next((i for i, m in enumerate(found.models) if m.model.key == model.key), None)
    if place is None:
        return
    entry, over = found.models[place], f"_over_{found.normaliser}"
    for number in (entry.mean, entry.mce, entry.relative):
        if number is not None:
            yield found.key, slug(number.name) + (over if number.normaliser else ""), number.estimate
    for row in found.rows:
        cell = row.cells[place]
        if cell is not None:
            yield f"{found.key}/{row.corruption}", "mean_error", cell.error
            yield f"{found.key}/{row.corruption}", f"ce{over}", cell.ce
            yield f"{found.key}/{row.corruption}", f"relative_ce{over}", cell.relative
