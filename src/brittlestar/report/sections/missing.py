"""The families of tests that nobody asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from brittlestar.core.condition import TIME, ConditionInfo
from brittlestar.measures import Sensitivity
from brittlestar.report.asked import SURVEY, what_was_asked
from brittlestar.report.corruptions import FEWEST, published_name
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.natural import elsewhere
from brittlestar.report.section import Section
from brittlestar.report.words import listing

ALWAYS = (
    (
        "natural",
        "Natural shifts",
        "Other cameras, places, years or styles: a second labelled data set. Corruptions do not predict them.",
    ),
    (
        "video",
        "Video and stability over time",
        "Whether answers flicker between neighbouring frames or small steps of one change.",
    ),
    ("people", "Comparison with people", "Whether the errors are ones that people would make too."),
    (
        "black-box",
        "Attacks without gradients",
        "Decision- and score-based attacks, patches, and attackers free to choose any image.",
    ),
    (
        "published",
        "Published corruption suites",
        "ImageNet-C, CIFAR-10-C, MNIST-C and their summaries such as mCE: numbers here are not comparable with theirs.",
    ),
    ("weather", "Weather", "Snow, frost, rain and fog together: slow, structured changes of a scene."),
    (
        "objects",
        "Unusual objects and places",
        "Known objects in unknown surroundings, hard examples mined on purpose, classes that were never seen.",
    ),
)

FAMILIES = (
    ("noise", "Noise", "Gaussian, shot, impulse and other independent changes of pixels."),
    ("blur", "Blur", "Loss of detail by optics or motion."),
    ("colour", "Colour and light", "Brightness, contrast, saturation, greyscale."),
    ("digital", "Digital", "Pixelation and JPEG compression."),
    ("geometric", "Geometry", "Rotation, translation, scale, shear."),
    ("spectral", "Filters", "Low-pass, high-pass, noise confined to a band."),
)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A family of tests that these runs lack, and why it matters or how to get it."""

    title: str
    text: str


REAL_VIDEO = Missing(
    title="Real video",
    text="Natural motion between neighbouring frames of a film; the sequences here are made from single images.",
)


@dataclass(frozen=True, kw_only=True)
class NotAsked(Section):
    """What these runs say nothing about."""

    id: ClassVar[str] = "missing"
    nav: ClassVar[str] = "Not asked"
    title: ClassVar[str] = "What was not asked"

    families: tuple[Missing, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        return cls(families=_missing(gathered, [a.info for a in gathered.once(what_was_asked)]))

    @property
    def sentence(self) -> str:
        """The families in a row."""
        return in_a_sentence(self.families)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {"missing": [asdict(family) for family in self.families]}

    def markdown(self) -> Iterable[str]:
        return (f"Not asked: {escaped(self.sentence)}", "")


def in_a_sentence(families: Sequence[Missing]) -> str:
    """``Natural shifts, people and attacks.``, with small letters but for abbreviations."""
    titles = dict.fromkeys(f.title if f.title[:2].isupper() else f.title[0].lower() + f.title[1:] for f in families)
    return f"{listing(list(titles))}."


def _by_table(asked: Sequence[ConditionInfo]) -> dict[str, set[str]]:
    """The published corruptions that were asked, by the table's name."""
    found: dict[str, set[str]] = {}
    for info in asked:
        if published_name(info):
            found.setdefault(info.table, set()).add(info.shift)
    return found


def _missing(gathered: Gathered, asked: Sequence[ConditionInfo]) -> tuple[Missing, ...]:
    """The families that nobody asked, those of our own list first.

    Args:
        gathered: The runs.
        asked: Every condition that was asked of some model, with or without an answer.
    """
    families = {info.family for info in asked}
    kinds = {info.kind for info in asked}
    surveyed = any(SURVEY in str(s.get("suite") or "") for _, s in gathered.sessions())
    found = [Missing(title=title, text=text) for key, title, text in FAMILIES if key not in families]
    if "fourier" not in kinds and not surveyed and all(s.sampled is None for s in gathered.subjects):
        found.append(Missing(title="Single frequencies", text="The Fourier map: which waves a model is sensitive to."))
    if "attack" not in kinds:
        found.append(
            Missing(title="Attacks", text="The worst image within a small budget, for an attacker who knows the model.")
        )
    # One kind of weather is no test of weather: it counts from the second on.
    present = (families | kinds) - {"weather"}
    weather = {info.shift for info in asked if info.family == "weather"}
    if len(weather) > 1:
        present.add("weather")
    if any(len(shifts) >= FEWEST for shifts in _by_table(asked).values()):
        present.add("published")
    if TIME in kinds:
        present.add("video")
    elif gathered.sequences or "sequence" in kinds:
        present.add("video")
        found.append(REAL_VIDEO)
    if gathered.once(elsewhere).models:
        present.add("natural")
    found += [Missing(title=title, text=text) for key, title, text in ALWAYS if key not in present]
    return tuple(found)
