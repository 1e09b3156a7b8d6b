"""Models against each other in words: beside every raw difference two measures against clean, which must agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from brittlestar.measures.base import Estimate
from brittlestar.measures.selection import of_many
from brittlestar.measures.sensitivity import Sensitivity, State, corrected_together
from brittlestar.report.compare import Differences
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Finding
from brittlestar.report.spectrum import BandRow, Spectrum
from brittlestar.report.subjects import CLEAN, Subject
from brittlestar.report.words import away, count, images, listing, percent, points, share

COMPARED = 3
"""Up to so many models are compared sentence by sentence."""

SAID: dict[State, str] = {
    "more sensitive": "more sensitive (both scales, each half)",
    "less sensitive": "less sensitive (both scales, each half)",
    "depends on the scale": "whether it is more sensitive depends on the scale",
    "not on each half": "a difference in sensitivity is not confirmed on each half",
    "worse everywhere": "worse everywhere, not shown to be more sensitive",
    "better everywhere": "better everywhere, not shown to be less sensitive",
    "no difference shown": "no difference in sensitivity shown",
    "not all classes seen": "not told: some classes of the set were not answered yet",
    "undefined": "not told: a model is not shown to be above chance on clean images",
}
"""What each state of ``Sensitivity`` is called; the subject is the model named first."""


def compare_models(
    gathered: Gathered, numbers: Numbers, spectrum: Spectrum | None, comparison: Differences | None
) -> list[Finding]:
    """Everything that is said of models against each other; Holm's correction over all claims of sensitivity."""
    sentences = [
        *_overall(gathered, numbers),
        *_bands(spectrum),
        *_tests(gathered, numbers, comparison),
    ]
    # Claims first, words after: Holm's correction needs all of them before any sentence can be written.
    corrected = iter(corrected_together([found for s in sentences for found in s.found]))
    return [s.spelt(tuple(next(corrected) for _ in s.found)) for s in sentences]


def beyond(found: Sensitivity) -> str:
    """The two measures against clean with their intervals: points of accuracy, and of the share kept above chance."""
    text = f"beyond clean {points(found.additive, sign=True)} of accuracy"
    if found.ratio is None or found.kept is None:
        return text
    a, b = (percent(kept) for kept in found.kept)
    return f"{text}, {a} kept above chance against {b}, {points(found.ratio, sign=True)}"


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A sentence before all claims are known: ``write`` gets its claims corrected for the number of all."""

    found: tuple[Sensitivity, ...]
    write: Callable[[tuple[Sensitivity, ...]], Finding]

    def spelt(self, corrected: tuple[Sensitivity, ...]) -> Finding:
        return dataclasses.replace(self.write(corrected), sensitivities=corrected)


def _plain(finding: Finding) -> _Draft:
    return _Draft(found=(), write=lambda _: finding)


def _overall(gathered: Gathered, numbers: Numbers) -> list[_Draft]:
    drafts = []
    for place, data in enumerate(gathered.data):
        subjects = [s for s in gathered.subjects if s.entry.data == place and s.clean is not None]
        where = f" of {data.name}" if len(gathered.data) > 1 else ""
        if len(subjects) > 1:
            drafts += [*_least(subjects, numbers, where), *_clean(subjects, numbers, where)]
    return drafts


def _least(subjects: list[Subject], numbers: Numbers, where: str) -> list[_Draft]:
    """The model with the lowest mean error, and how far the others are from it, raw and against clean."""
    shared = [i.id for i in subjects[0].of_kind("shift") if all(i.id in s.rows for s in subjects)]
    if not shared:
        return []
    best, *rest = sorted(subjects, key=lambda s: numbers.mean_error(s, shared).value)
    # The best was chosen for its number: intervals hold for all models, and all pairs of models, together.
    pairs = len(subjects) * (len(subjects) - 1) // 2
    strict = Numbers(numbers.rule, of_many(max(len(subjects), pairs), numbers.level))
    error = strict.mean_error(best, shared)
    gaps = [(o, strict.mean_difference(o, best, shared), strict.sensitivity(best, o, shared)) for o in rest]
    known = [(o, gap, found) for o, gap, found in gaps if gap is not None and found is not None]
    if not known:
        return []  # no two models answered the same images
    # A model that answered other images might be better still.
    best_of_all = len(known) == len(rest) and all(away(gap) and gap.value > 0 for _, gap, _ in known)
    # In the order of their errors: of many models the next best and the worst are told.
    told = known if len(known) <= COMPARED else [known[0], known[-1]]

    def write(corrected: tuple[Sensitivity, ...]) -> Finding:
        parts, estimates = [], [error]
        for (other, gap, _), found in zip(told, corrected, strict=True):
            estimates += [gap, *compared_numbers(found)]
            raw = (
                f"{points(_turned(gap) if gap.value < 0 else gap)} {'more' if gap.value < 0 else 'fewer'} errors than "
                f"{other.entry.name}"
                if away(gap)
                else f"no difference shown from {other.entry.name} ({points(gap)})"
            )
            parts.append(f"{raw} ({beyond(found)}: {SAID[found.state]})")
        asked = f"{count(len(shared), 'shifted condition')}{where}"
        by = sorted({gap.n for _, gap, _ in told})
        both = f"{by[0]:,}" if len(by) == 1 else f"{by[0]:,} to {by[-1]:,}"
        same = "the same images" if by == [error.n] else f"differences on the {both} images that both answered"
        same = f"{images(error.n)}, {same}"
        text = f"on average over {asked}: {listing(parts)} ({same}; intervals for the best of {len(subjects)} models)."
        lead = f"{best.entry.name} errs least, {share(error)},"
        if not best_of_all:
            lead, text = "No clear best model:", f"{best.entry.name} errs in {share(error)} {text}"
        return Finding(lead=lead, text=text, estimates=tuple(estimates))

    return [_Draft(found=tuple(found for _, _, found in told), write=write)]


def _clean(subjects: list[Subject], numbers: Numbers, where: str) -> list[_Draft]:
    first = subjects[0]
    found = [(s, numbers.difference(s, first, CLEAN)) for s in subjects[1 : COMPARED + 1]]
    shown = [(s.entry.name, d[0]) for s, d in found if d is not None]
    if not shown:
        return []
    parts = [
        f"{name} {points(d, sign=True)}" if away(d) else f"{name} no difference shown ({points(d, sign=True)})"
        for name, d in shown
    ]
    text = f"against {first.entry.name}{where}, in error: {listing(parts)}."
    return [_plain(Finding(lead="On clean images", text=text, estimates=tuple(d for _, d in shown)))]


def _bands(spectrum: Spectrum | None) -> list[_Draft]:
    """Each later model against the first at low and at high frequencies of the Fourier map."""
    if spectrum is None or len(spectrum.maps) < 2 or len(spectrum.bands) < 2:
        return []
    drafts = []
    for place in range(1, min(len(spectrum.maps), COMPARED + 1)):
        shown = []
        for band in (spectrum.bands[0], spectrum.bands[-1]):
            raw, found = band.differences[place], band.sensitivities[place]
            if raw is not None and found is not None:
                shown.append((band, raw, found))
        if len(shown) == 2:
            drafts.append(_by_band(spectrum, place, shown))
    return drafts


def _by_band(spectrum: Spectrum, place: int, shown: list[tuple[BandRow, Estimate, Sensitivity]]) -> _Draft:
    name, reference = spectrum.maps[place].model.name, spectrum.maps[0].model.name

    def write(corrected: tuple[Sensitivity, ...]) -> Finding:
        parts = [
            f"at {band_name(band.name)} frequencies ({band.reach}) accuracy raw {points(_turned(raw), sign=True)}, "
            f"{beyond(found)}: {SAID[found.state]}"
            for (band, raw, _), found in zip(shown, corrected, strict=True)
        ]
        trade = [f.state for f in corrected] == ["more sensitive", "less sensitive"]
        low, high = (band_name(band.name) for band, _, _ in shown)
        return Finding(
            lead=f"{name} trades {low} for {high} frequencies" if trade else f"{name} by frequency",
            text=f"against {reference}: {parts[0]}; {parts[1]} ({images(shown[0][1].n)}).",
            estimates=tuple(
                e for (_, raw, _), f in zip(shown, corrected, strict=True) for e in (_turned(raw), *compared_numbers(f))
            ),
            tone="bad" if trade else "plain",
        )

    return _Draft(found=tuple(found for _, _, found in shown), write=write)


def band_name(band: str) -> str:
    """``middle`` for ``mid``; the others as they are."""
    return "middle" if band == "mid" else band


def _tests(gathered: Gathered, numbers: Numbers, comparison: Differences | None) -> list[_Draft]:
    """How often each later model differs, raw and in sensitivity, each over its own number of tests."""
    if comparison is None or comparison.tests <= len(comparison.pairs):
        return []
    subjects = {s.entry.key: s for s in gathered.subjects}
    claims: dict[tuple[int, str], Sensitivity] = {}
    for place, pair in enumerate(comparison.pairs[:COMPARED]):
        a, b = subjects[pair.model.key], subjects[pair.against.key]
        for info in a.of_kind("shift", "attack"):
            found = numbers.sensitivity(a, b, [info.id])
            if found is not None:
                claims[place, info.id] = found
    judged = dict(zip(claims, corrected_together(list(claims.values())), strict=True))
    parts = []
    for place, pair in enumerate(comparison.pairs[:COMPARED]):
        undecided = pair.conditions - pair.better - pair.worse
        own = [f.state for (p, _), f in judged.items() if p == place]
        more, less = own.count("more sensitive"), own.count("less sensitive")
        parts.append(
            f"{pair.model.name} is better than {pair.against.name} in {pair.better} of {pair.conditions} conditions, "
            f"worse in {pair.worse}; in {undecided} no difference is shown"
            + (f". Beyond clean it is more sensitive in {more} of {len(own)} and less in {less}" if own else "")
        )
    text = (
        f"{'. '.join(parts)} (raw: {comparison.test}, Holm-corrected over {comparison.tests:,} tests; sensitivity: "
        f"both scales on each half of the images, Holm-corrected over {len(judged):,})."
    )
    return [_plain(Finding(lead="Tested one by one,", text=text))]


def _turned(error: Estimate) -> Estimate:
    """A difference of errors as one of accuracies, so that a sentence has one direction."""
    # ``0.0 - x`` and not ``-x``, which would make a negative zero of 0.
    return dataclasses.replace(error, value=0.0 - error.value, low=0.0 - error.high, high=0.0 - error.low)


def compared_numbers(found: Sensitivity) -> tuple[Estimate, ...]:
    """The numbers that ``beyond`` shows."""
    return (found.additive, *(found.kept or ()), *((found.ratio,) if found.ratio else ()))
