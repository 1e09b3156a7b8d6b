"""Published accuracies under corruptions beside an experiment's own, and what clean accuracy explains of them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.options import option
from brittlestar.measures import Estimate, chance_limit, clopper_pearson
from brittlestar.population.layouts import read_types
from brittlestar.population.published_models import adversarially_trained, matched, paper_of
from brittlestar.reproduce.published_layouts import Accuracies, read_accuracies, read_clean
from brittlestar.reproduce.study import ClaimVerdict, Reproduction, Table, above, percent

BASES = ("Standard", "resnet50")
_CLAIMED = {"fog": "more sensitive", "contrast": "more sensitive", "gaussian_noise": "less sensitive"}
_IMAGENET = 1000
_CLASSES = {
    re.compile(r"cifar-?100(?!\d)"): 100,
    re.compile(r"cifar-?10(?!\d)"): 10,
    # Not Tiny ImageNet, which has 200.
    re.compile(r"(?<!tiny)(?<!tiny[-_])imagenet(-?c)?(?![a-z0-9])"): _IMAGENET,
}
_LP_ADVERSARIAL = "LP_ADV"
_PAPERS = 6
"""With fewer, the exact 95 % interval of a share reaches below one half even where all agree."""

# Published tables give no outcomes of single images, so no paired interval can be had; smaller effects count as none.
POINT_MARGIN, RATIO_MARGIN = 0.01, 0.03
"""About two standard errors of the additive and of the ratio measure on the 10,000 images of CIFAR-10-C."""

_HEADER = (
    *("trained for Lp robustness", "clean", "mean of {}", "fog mean", "fog s5", "contrast mean", "contrast s5"),
    *("gaussian noise", "impulse"),
)


@dataclass(frozen=True, kw_only=True)
class PublishedFiles:
    """What a person gives.

    Fields:
        table: Accuracies under corruptions, of RobustBench's layout or the testbed's.
        clean: Accuracies on clean images, where the first file has none (see ``published_layouts.read_clean``).
        types: Kinds of training by model, JSON; ``LP_ADV`` is training for robustness within a norm.
        adversarial: How the names of models trained for Lp robustness begin; empty: recognised by their names.
        base: The model that the others are held against; ``None``: ``Standard`` (or the first whose name begins so), or
            the testbed's ``resnet50``.
        classes: Of the benchmark, at least 2; ``None``: told by the file's layout or path.
    """

    table: Path
    clean: Path | None = None
    types: Path | None = None
    adversarial: tuple[str, ...] = ()
    base: str | None = None
    classes: int | None = None


@dataclass(frozen=True, kw_only=True)
class AgainstBase:
    """A model against the base under one corruption, mean over its severities; plain arithmetic on shares.

    Fields:
        raw: Accuracy less the base's, in [-1, 1].
        added: What the corruption changes in the model's clean accuracy, less the same of the base: the additive
            difference in differences, in [-2, 2]; ``None`` where a clean accuracy is unknown.
        kept: The share that is kept of clean accuracy above chance, over the base's: 1 is no effect; ``None`` where a
            clean accuracy is unknown, where one model is near chance on clean images, or the base under the corruption.
        known: Whether both clean accuracies are known.
    """

    raw: float
    added: float | None = None
    kept: float | None = None
    known: bool = False

    @property
    def sensitivity(self) -> str:
        """More or less sensitive only where both measures say so, by more than the margins; ``raw`` has no say."""
        if self.added is None or self.kept is None:
            return "undefined (near chance)" if self.known else "clean unknown"
        added = 0 if abs(self.added) <= POINT_MARGIN else math.copysign(1, self.added)
        kept = 0 if abs(self.kept - 1) <= RATIO_MARGIN else math.copysign(1, self.kept - 1)
        if added != kept:
            return "depends on the scale"
        return {-1: "more sensitive", 0: "no difference shown", 1: "less sensitive"}[int(added)]

    @property
    def text(self) -> str:
        """``sensitivity``, in its own words where the model is worse but not more sensitive."""
        worse = self.raw < 0 and self.sensitivity in ("less sensitive", "no difference shown")
        return "worse, not more sensitive" if worse else self.sensitivity


def against_base(
    shifted: float, base_shifted: float, clean: float | None, base_clean: float | None, chance: float | None
) -> AgainstBase:
    """Hold a model against the base under one corruption.

    Args:
        shifted, base_shifted: Accuracies under the corruption, in [0, 1].
        clean, base_clean: On clean images; ``None`` where unknown.
        chance: Accuracy of guessing, in (0, 1); ``None`` where unknown.
    """
    raw = shifted - base_shifted
    if clean is None or base_clean is None or chance is None:
        return AgainstBase(raw=raw)
    added = (shifted - clean) - (base_shifted - base_clean)
    # Below this, shares above chance are quotients of noise.
    if min(clean, base_clean) <= chance_limit(chance) or base_shifted <= chance_limit(chance):
        return AgainstBase(raw=raw, added=added, known=True)
    kept, base_kept = (shifted - chance) / (clean - chance), (base_shifted - chance) / (base_clean - chance)
    return AgainstBase(raw=raw, added=added, kept=kept / base_kept, known=True)


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """Accuracies of published models.

    Fields:
        file: Its name.
        models: By name, accuracy in [0, 1] by (corruption, severity).
        clean: By name, accuracy in [0, 1] on clean images, where known.
        chance: Accuracy of guessing, one over the benchmark's classes; ``None`` where unknown.
        base: The model that the others are held against.
        adversarial: The models trained for robustness within a norm.
        notes: Where this comes from, a sentence each.
    """

    file: str
    models: Mapping[str, Mapping[tuple[str, int], float]]
    clean: Mapping[str, float]
    chance: float | None
    base: str
    adversarial: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def mean(self, model: str, corruption: str | None = None) -> float:
        """Mean accuracy over severities, of one corruption or of all."""
        own = self.models[model]
        values = [v for (c, _), v in own.items() if corruption in (None, c)]
        return sum(values) / len(values)

    @property
    def others(self) -> tuple[str, ...]:
        """Neither trained for Lp robustness nor the base."""
        return tuple(m for m in self.models if m not in self.adversarial and m != self.base)

    def changes(self, model: str) -> dict[str, AgainstBase]:
        """A model against the base, by corruption."""
        return {
            c: against_base(
                self.mean(model, c),
                self.mean(self.base, c),
                self.clean.get(model),
                self.clean.get(self.base),
                self.chance,
            )
            for c in _CLAIMED
        }


def read_published(files: PublishedFiles) -> PublishedTable:
    """Read what a person gave.

    Raises:
        DataError: An unusable file, no base, or no model trained for Lp robustness.
        UsageError: Clean accuracies, but nothing says how many classes the benchmark has.
    """
    read = read_accuracies(files.table)
    base = _base(files, list(read.models))
    types = {} if files.types is None else read_types(files.types)

    def robust(model: str) -> bool:
        if types and not files.adversarial and model in types:
            return types[model] == _LP_ADVERSARIAL
        return adversarially_trained(model, files.adversarial)

    adversarial = tuple(m for m in read.models if m != base and robust(m))
    others = [m for m in read.models if m != base]
    require(
        bool(adversarial),
        f"no model of {files.table} is known as trained for Lp robustness; name such ones with "
        f"{option('published_adversarial')}, of {', '.join(others[:40])}",
        DataError,
    )
    clean, notes = _clean(files, read)
    if files.adversarial:
        source = f"names that begin with {', '.join(files.adversarial)}"
    else:
        source = "by their names" if files.types is None else f"{_LP_ADVERSARIAL} in {files.types.name}"
    classes = _classes(files, read.testbed, bool(clean))
    return PublishedTable(
        file=files.table.name,
        models=read.models,
        clean=clean,
        chance=None if classes is None else 1 / classes,
        base=base,
        adversarial=adversarial,
        notes=(
            f"Published models ({files.table.name}): {len(adversarial)} of {len(read.models)} are trained for Lp "
            f"robustness ({source}); they are held against {base}, by means of five severities",
            *read.notes,
            *notes,
            *(() if classes is None or not clean else (f"chance {100 / classes:g} %, of {classes} classes",)),
            "the files have no counts of images, so accuracies have no intervals here: effects up to "
            f"{100 * POINT_MARGIN:g} point, or {RATIO_MARGIN:g} in a ratio, count as none, and the interval is that of "
            "the share of papers, all models of a paper counting once",
        ),
    )


def _base(files: PublishedFiles, models: list[str]) -> str:
    wanted = BASES if files.base is None else (files.base,)
    for name in wanted:
        if name in models:
            return name
    begin = [m for m in models if files.base is None and m.startswith(BASES[0])]
    require(
        bool(begin),
        f"{files.table} has no model {' or '.join(map(repr, wanted))}, which the others are held against; name one "
        f"with {option('published_base')}, of {', '.join(models[:5])}",
        DataError,
    )
    return begin[0]


def _clean(files: PublishedFiles, read: Accuracies) -> tuple[dict[str, float], tuple[str, ...]]:
    if files.clean is None:
        known = f"clean accuracy: of {len(read.clean)} of {len(read.models)} models, in the same file"
        return dict(read.clean), (
            known if read.clean else f"clean accuracies: none known ({option('published_clean')} gives them)",
        )
    found, exact = matched(read.models, read_clean(files.clean))
    return found, (
        f"clean accuracy ({files.clean.name}): of {len(found)} of {len(read.models)} models; {exact} names are the "
        f"same, {len(found) - exact} but for capitals and marks",
    )


def _classes(files: PublishedFiles, testbed: bool, needed: bool) -> int | None:
    if files.classes is not None:
        require(files.classes >= 2, f"a benchmark has at least 2 classes, got {files.classes}", UsageError)
        return files.classes
    if testbed:
        return _IMAGENET
    # From the file's name upwards: the nearest part that names a benchmark counts.
    for part in reversed(files.table.absolute().parts[-4:]):
        for name, count in _CLASSES.items():
            if name.search(part.lower()):
                return count
    require(
        not needed,
        f"the path of {files.table} does not say of which benchmark it is (cifar10, cifar100, imagenet): give "
        f"{option('published_classes')}",
        UsageError,
    )
    return None


def beside(reproduction: Reproduction, table: PublishedTable) -> Reproduction:
    """The reproduction of ``fog`` with a verdict on the published models, and their tables."""
    return dataclasses.replace(
        reproduction,
        conditions=(*reproduction.conditions, "; ".join(table.notes) + "."),
        verdicts=(*reproduction.verdicts, _verdict(table)),
        tables=(*reproduction.tables, _accuracies(table), _against_base(table)),
    )


def papers(models: Iterable[str], holds: Callable[[str], bool]) -> Estimate:
    """Share of papers for all of whose models something holds, with its exact interval."""
    by_paper: dict[str, bool] = {}
    for model in models:
        paper = paper_of(model)
        # Models of one paper are alike: counted one by one, they would look like more evidence than they are.
        by_paper[paper] = by_paper.get(paper, True) and holds(model)
    return clopper_pearson(sum(by_paper.values()), len(by_paper))


def _counted(models: list[str], holds: Callable[[str], bool]) -> str:
    hits = sum(map(holds, models))
    share = papers(models, holds)
    few = f"; fewer than {_PAPERS} papers cannot show most" if share.n < _PAPERS else ""
    return (
        f"{hits} of {len(models)} models, and in every one of a paper in {round(share.value * share.n)} of {share.n} "
        f"papers ({percent(share)}{few})"
    )


def _verdict(table: PublishedTable) -> ClaimVerdict:
    changes = {m: table.changes(m) for m in table.models}

    def rawly(model: str) -> bool:
        own = changes[model]
        return own["fog"].raw < 0 and own["contrast"].raw < 0 and own["gaussian_noise"].raw > 0

    def holds(model: str) -> bool:
        return all(changes[model][c].sensitivity == wanted for c, wanted in _CLAIMED.items())

    claim = (
        f"Published models ({table.file}): in most papers, those trained for Lp robustness are more sensitive to fog "
        f"and contrast and less to Gaussian noise than {table.base} (additively and as a share kept above chance)"
    )
    claimed = "85.7 % to 55.3 % in fog; contrast degrades (raw)"
    known, others = (
        [m for m in models if all(c.kept is not None for c in changes[m].values())]
        for models in (table.adversarial, table.others)
    )
    raw = f"raw differences, which decide nothing: as claimed in {_counted(list(table.adversarial), rawly)}"
    if not known:
        which = "the others" if table.base in table.clean else table.base
        some = any(changes[m]["fog"].known for m in table.adversarial)
        why = "undefined, near chance" if some else f"clean unknown for {which}"
        points = _ranges([changes[m] for m in table.adversarial], "points", "+.1f", lambda c: 100 * c.raw)
        measured = f"{why}; {raw}; {points}"
        return ClaimVerdict(claim=claim, claimed=claimed, measured=measured, state="not tested")
    own = [changes[m] for m in known]
    measured = "; ".join(
        (
            f"as claimed, in both measures, in {_counted(known, holds)}",
            f"both measures known for {len(known)} of {len(table.adversarial)}",
            *(f"{c.replace('_', ' ')}: {_tally(changes[m][c].text for m in known)}" for c in _CLAIMED),
            _ranges(own, "points added", "+.1f", lambda c: None if c.added is None else 100 * c.added),
            _ranges(own, "times kept", ".2f", lambda c: c.kept),
            f"as claimed in {sum(map(holds, others))} of the {len(others)} other models",
            raw,
        )
    )
    return ClaimVerdict(claim=claim, claimed=claimed, measured=measured, state=above(papers(known, holds), 0.5))


def _tally(texts: Iterable[str]) -> str:
    every = list(texts)
    return ", ".join(f"{every.count(text)} {text}" for text in dict.fromkeys(every))


def _ranges(
    changes: list[dict[str, AgainstBase]], unit: str, form: str, value: Callable[[AgainstBase], float | None]
) -> str:
    parts = []
    for corruption in _CLAIMED:
        found = [v for v in (value(c[corruption]) for c in changes) if v is not None]
        span = f"{min(found):{form}} to {max(found):{form}}" if found else "undefined"
        parts.append(f"{corruption.replace('_', ' ')} {span}")
    return f"{unit}: {', '.join(parts)}"


def _accuracies(table: PublishedTable) -> Table:
    rows = []
    for model in (table.base, *table.adversarial, *table.others):
        own = table.models[model]
        numbers = (
            table.mean(model),
            table.mean(model, "fog"),
            own["fog", 5],
            table.mean(model, "contrast"),
            own["contrast", 5],
            table.mean(model, "gaussian_noise"),
            table.mean(model, "impulse_noise"),
        )
        clean = f"{100 * table.clean[model]:.2f}" if model in table.clean else "unknown"
        trained = "yes" if model in table.adversarial else ""
        rows.append((model, trained, clean, *(f"{100 * v:.2f}" for v in numbers)))
    caption = f"Published models ({table.file}): accuracy in %; the file has no counts of images, so no intervals"
    return caption, ("model", *(text.format(len(table.models[table.base])) for text in _HEADER)), tuple(rows)


def _against_base(table: PublishedTable) -> Table:
    names = [c.replace("_", " ") for c in _CLAIMED]
    header = ("model", "paper", *(f"{n}: {what}" for n in names for what in ("raw", "added", "kept", "verdict")))
    rows = []
    for model in (*table.adversarial, *table.others):
        cells = [model, paper_of(model)]
        for found in table.changes(model).values():
            cells.append(f"{100 * found.raw:+.1f}")
            cells.append("" if found.added is None else f"{100 * found.added:+.1f}")
            cells.append("" if found.kept is None else f"{found.kept:.2f}")
            cells.append(found.text)
        rows.append(tuple(cells))
    chance = "" if table.chance is None else f" ({100 * table.chance:g} %)"
    caption = (
        f"Against {table.base}: raw difference and difference in differences (added) in points; kept: the share of "
        f"clean accuracy above chance{chance} that is kept, over that of {table.base}"
    )
    return caption, header, tuple(rows)
