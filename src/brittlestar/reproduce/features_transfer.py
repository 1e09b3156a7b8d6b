"""Do architectures that learn more of a model's non-robust features suffer more from its adversarial examples?

Ilyas et al. (2019) explain transfer so: adversarial examples made for one model hold features that it reads, and fool
others as far as these read the same. What an architecture reads of them is what it learns from images that an attack on
the source moved to another class, under that class (``d_det``, ``d_rand``).
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from brittlestar.attacks import L2PGD
from brittlestar.core.definition import fingerprint_of
from brittlestar.measures import Estimate, mean_interval
from brittlestar.measures.compare import holm
from brittlestar.measures.effects import Effect, kept_effect, mean_effect
from brittlestar.measures.rank_correlation import permutation_p, rank_correlation
from brittlestar.measures.sensitivity import ALPHA
from brittlestar.models import load_model
from brittlestar.reproduce.architectures import by_architecture
from brittlestar.reproduce.features import EPSILON, fit_set, made_set
from brittlestar.reproduce.study import LEVEL, ClaimVerdict, Right, State, Study, Table, difference, percent, points
from brittlestar.training import Natural
from brittlestar.training.start import reopened

FEWEST = 5
"""Architectures from which on a rank correlation is tested: of four, no order is rare enough."""

FEWEST_BEYOND = 7
"""Architectures from which on it is told whether the correlation goes beyond clean accuracy."""

KINDS = ("d_det", "d_rand")
CLEAN, MADE, SWAPPED = "clean", "made for the source", "made for another image"
_STEPS = 20
_RESAMPLES = 400
_CLAIMED = {
    "d_det": "architectures that learn more from it suffer more transfer (CIFAR-10; a figure)",
    "d_rand": "not stated",
}


@dataclass(frozen=True)
class Architecture:
    """What one architecture did.

    Fields:
        clean, made, swapped: (seeds, images) whether models trained on the images are right on test images: unchanged,
            attacked for the source, with the change that was made for another image.
        learnt: By kind of set, (seeds, images) whether models trained on it are right on unchanged ones.
    """

    clean: Right
    made: Right
    swapped: Right
    learnt: Mapping[str, Right]


def compare(study: Study) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...]]:
    """Train every architecture on the images and on two sets that a source model makes; verdicts, tables, facts."""
    studies = by_architecture(study)
    source = _source(next(iter(studies.values())))
    attack = L2PGD(epsilon=EPSILON[study.shape[0]], steps=_STEPS)
    made = source.attacked(load_model(reopened(source.files["natural"][0], None)), attack)
    # The same changes on the wrong images: what a change of this size and kind does that aims at nothing.
    swapped = (study.images + (made - study.images).roll(1, 0)).clamp(0, 1)
    sets = {kind: made_set(source, kind) for kind in KINDS}
    found = {}
    for name, own in studies.items():
        own.train({"natural": Natural()})
        own.measure({CLEAN: None})
        for kind, (path, _) in sets.items():
            own.files[kind] = tuple(
                fit_set(own, kind, path, seed, _folder(own, kind, path.stem, seed)) for seed in own.training_seeds
            )
        found[name] = Architecture(
            own.right["natural", CLEAN],
            own.right_on(made, "natural"),
            own.right_on(swapped, "natural"),
            {kind: own.right_on(own.images, kind) for kind in KINDS},
        )
    verdicts = [*correlations(found, study.chance), fooled(found, study.chance)]
    name, seed = source.setting.architecture, source.setting.seed
    facts = (
        f"The source: {name}, seed {seed}, right on {percent(source.accuracy('natural', CLEAN))} of the unchanged and "
        f"on {percent(_share(source.right_on(made, 'natural')))} of its own adversarial test images "
        f"({attack.threat}). Models of its architecture have other seeds. With another source the order may be "
        "another.",
        *(fact for _, fact in sets.values()),
        "What an architecture suffers is what those images take from it beyond its errors on clean ones: in points, "
        "and as a share of its accuracy above chance. The correlation is Spearman's, its interval a bootstrap over "
        "images (the architectures stay), its p-value that of the orders of the architectures, two-sided: exact for up "
        "to 8. It takes architectures for independent, which those of one family (ResNets) are not.",
        "An architecture that is merely better at everything learns more of anything, and has more to lose. So the "
        "correlation has to stay on both scales once clean accuracy is taken out of both (of the ranks), and Holm's "
        f"correction over the {len(KINDS)} sets is made. With fewer than {FEWEST_BEYOND} architectures that cannot be "
        "told. Clean accuracy may not be all that makes an architecture better; the rest is not taken out.",
    )
    return verdicts, (_table(found, study.chance),), facts


def _source(study: Study) -> Study:
    """A study of the same architecture with one seed more, which none of the others has."""
    source = copy.copy(study)
    first = study.setting.seed + study.setting.seeds
    source.setting = dataclasses.replace(study.setting, seed=first, seeds=1)
    source.say = lambda text: study.say(f"source: {text}")
    source.right, source.files = {}, {}
    source.train({"natural": Natural()})
    source.measure({CLEAN: None})
    return source


def _folder(study: Study, kind: str, stem: str, seed: int) -> str:
    made = [stem, study.setting.architecture, asdict(study.setting.plan), seed]
    return f"{kind}-from-source-{fingerprint_of(made)[:8]}"


def _share(right: Right) -> Estimate:
    return mean_interval(right.mean(axis=0), LEVEL, len(right))


def lost(found: Architecture, chance: float) -> tuple[Effect, Effect | None]:
    """What the source's adversarial examples take: points, and the share of the accuracy above chance.

    The share is ``None`` where the models are not shown to be above chance on clean images.
    """
    clean, made = (mean_effect(right.mean(axis=0)) for right in (found.clean, found.made))
    kept = kept_effect(made, clean, chance)
    return clean - made, None if kept is None else Effect(1 - kept.value, -kept.influence, kept.reach)


def correlations(found: Mapping[str, Architecture], chance: float) -> list[ClaimVerdict]:
    """One verdict a kind of set."""
    able, out = _able(found, chance)
    if len(able) < FEWEST:
        few = f"{len(able)} of the {FEWEST} architectures that a rank correlation needs{out}; learnt: "
        return [
            _verdict(kind, few + ", ".join(f"{name} {percent(_share(o.learnt[kind]))}" for name, o in found.items()))
            for kind in KINDS
        ]
    shown = list(able.values())
    clean = [float(one.clean.mean()) for one in shown]
    every = [[_correlated(shown, kind, scale, clean, chance) for scale in (0, 1)] for kind in KINDS]
    plain = holm([max(_p(c.rho, c.p) for c in both) for both in every])
    beyond = holm([max(_p(c.beyond, c.p_beyond) for c in both) for both in every])
    verdicts = []
    for place, (kind, both) in enumerate(zip(KINDS, every, strict=True)):
        single = [_p(c.rho, c.p) < ALPHA for c in both]
        state, words = judged(len(able), single, float(plain[place]), float(beyond[place]))
        scales = zip(("points lost", "share lost"), both, strict=True)
        measured = "; ".join(f"with {scale} {c.told()}" for scale, c in scales)
        verdicts.append(_verdict(kind, f"{len(able)} architectures{out}: {measured}; {words}", state))
    return verdicts


def _verdict(kind: str, measured: str, state: State = "not tested") -> ClaimVerdict:
    return ClaimVerdict(
        claim=f"Architectures that learn more from {kind} of the source suffer more from its adversarial examples",
        claimed=_CLAIMED[kind],
        measured=measured,
        state=state,
    )


def judged(count: int, single: Sequence[bool], p: float, p_beyond: float) -> tuple[State, str]:
    """What a correlation over architectures comes to.

    Args:
        count: Architectures, at least ``FEWEST``.
        single: Whether it is shown, uncorrected, on each scale.
        p, p_beyond: The larger p-value of both scales, 1 where the correlation is not positive, Holm-corrected over
            the sets: of the correlation, and of it beyond clean accuracy.

    Returns:
        The state and the words for it.
    """
    if p >= ALPHA:
        if any(single) and not all(single):
            return "depends on the scale", f"shown on one scale alone (Holm, both scales: p = {p:.2g})"
        return "not confirmed", f"not shown (Holm, both scales: p = {p:.2g})"
    if count < FEWEST_BEYOND:
        return "no claim", (
            f"correlated (Holm, both scales: p = {p:.2g}); whether beyond clean accuracy cannot be told with fewer "
            f"than {FEWEST_BEYOND} architectures"
        )
    if p_beyond >= ALPHA:
        return "not confirmed", (
            f"correlated (Holm, both scales: p = {p:.2g}), and not shown beyond clean accuracy (p = {p_beyond:.2g}): "
            "architectures that are better at everything would give the same"
        )
    return "confirmed", f"also beyond clean accuracy (Holm, both scales: p = {p:.2g} and {p_beyond:.2g})"


@dataclass(frozen=True)
class _Correlation:
    """Over architectures, on one scale: with a bootstrap interval over images, and beyond clean accuracy."""

    rho: float
    low: float
    high: float
    p: float
    beyond: float
    p_beyond: float

    def told(self) -> str:
        if math.isnan(self.rho):
            return "undefined (all are alike) [-1.00, +1.00]"
        beyond = "undefined" if math.isnan(self.beyond) else f"{self.beyond:+.2f} (p = {self.p_beyond:.2g})"
        return f"{self.rho:+.2f} [{self.low:+.2f}, {self.high:+.2f}] (p = {self.p:.2g}), beyond clean accuracy {beyond}"


def _p(rho: float, p: float) -> float:
    """The p-values are two-sided and know no direction."""
    return p if rho > 0 else 1.0


def _correlated(able: Sequence[Architecture], kind: str, scale: int, clean: list[float], chance: float) -> _Correlation:
    learnt = [float(one.learnt[kind].mean()) for one in able]
    suffered = [effect.value for one in able if (effect := lost(one, chance)[scale]) is not None]
    low, high = _resampled(able, kind, scale, chance)
    return _Correlation(
        rank_correlation(learnt, suffered),
        low,
        high,
        permutation_p(learnt, suffered),
        rank_correlation(learnt, suffered, clean),
        permutation_p(learnt, suffered, clean),
    )


def _resampled(able: Sequence[Architecture], kind: str, scale: int, chance: float) -> tuple[float, float]:
    """The middle 95 % of the correlation over test images drawn anew."""
    scores = [
        np.stack([one.mean(axis=0) for one in column]) for column in zip(*(_scored(o, kind) for o in able), strict=True)
    ]
    n = scores[0].shape[1]
    weights = np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), _RESAMPLES) / n
    learnt, clean, made = (s @ weights.T for s in scores)
    suffered = clean - made if scale == 0 else (clean - made) / np.maximum(clean - chance, 1e-9)
    a, b = (stats.rankdata(x, axis=0) - (len(able) + 1) / 2 for x in (learnt, suffered))
    length = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    rho = np.divide((a * b).sum(0), length, out=np.zeros_like(length), where=length > 0)
    low, high = np.quantile(rho, (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    return float(low), float(high)


def _scored(one: Architecture, kind: str) -> tuple[Right, Right, Right]:
    return one.learnt[kind], one.clean, one.made


def fooled(found: Mapping[str, Architecture], chance: float) -> ClaimVerdict:
    """Whether every architecture is fooled, by more than a change of this kind does that was made for another image."""
    able, out = _able(found, chance)
    level = 1 - (1 - LEVEL) / max(1, len(able))
    aimed = {name: difference(one.swapped, one.made, level) for name, one in able.items()}
    least = min(aimed, key=lambda name: aimed[name].low, default=None)
    state: State
    if least is None:
        # Whoever guesses cannot be fooled.
        known = ", ".join(f"{name} {percent(_share(one.clean))}" for name, one in found.items())
        measured, state = f"none is shown to be above chance on clean images: {known}", "not tested"
    else:
        measured = f"least {least}: {points(aimed[least])} (Bonferroni over {len(able)}){out}"
        state = "confirmed" if aimed[least].low > 0 else "not confirmed"
    return ClaimVerdict(
        claim="Adversarial examples made for the source fool every architecture, more than the same changes on other "
        "images do",
        claimed="adversarial examples transfer",
        measured=measured,
        state=state,
    )


def _able(found: Mapping[str, Architecture], chance: float) -> tuple[dict[str, Architecture], str]:
    """Those that are shown to be above chance on clean images, and words about the others."""
    able = {name: one for name, one in found.items() if lost(one, chance)[1] is not None}
    out = len(found) - len(able)
    return able, f" ({out} not shown to be above chance left out)" if out else ""


def _table(found: Mapping[str, Architecture], chance: float) -> Table:
    rows = []
    for name, one in found.items():
        raw, share = lost(one, chance)
        rows.append(
            (
                name,
                *(percent(_share(right)) for right in (one.clean, one.made, one.swapped)),
                points(raw.estimate(LEVEL)),
                "at chance" if share is None else percent(share.estimate(LEVEL)),
                *(percent(_share(one.learnt[kind])) for kind in KINDS),
            )
        )
    header = ("architecture", CLEAN, MADE, SWAPPED, "lost beyond clean", "share lost above chance")
    learnt = tuple(f"learnt from {kind}" for kind in KINDS)
    seeds, images = next(iter(found.values())).clean.shape
    caption = f"Architectures on {images:,} test images (95 %; seeds of each training: {seeds})"
    return caption, (*header, *learnt), tuple(rows)
