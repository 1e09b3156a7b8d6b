"""Families of features: how useful each is alone, how much of that an attack leaves, and how much there is to see.

After the definitions of Ilyas et al. (2019), by accuracy: a family is useful where a model that was trained and tested
on nothing else is right more often than chance, and robustly so where this stays when the *image* is attacked before
the family is cut out of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from brittlestar.attacks import L2PGD
from brittlestar.core.keys import SampleKeys
from brittlestar.measures import chance_limit
from brittlestar.measures.effects import kept_effect, mean_effect
from brittlestar.models import load_model
from brittlestar.models.base import Model
from brittlestar.reproduce.claims import Direction, between, judge
from brittlestar.reproduce.features import EPSILON
from brittlestar.reproduce.figure_1 import LEVELS, Levels, Uniformity, filtered_uniformity, uniformity
from brittlestar.reproduce.page import filter_pictures
from brittlestar.reproduce.study import LEVEL, ClaimVerdict, Right, Study, Table, above, percent
from brittlestar.shifts.base import Shift
from brittlestar.training import Natural
from brittlestar.training.families import BANDS, FAMILIES, OneFamily, grid_of
from brittlestar.training.start import reopened

ALL = "all features"
OWN, ATTACKED, CONTROL = "own", "attacked", "control"
_STEPS = 20


class Through(Model):
    """A model that sees what a shift leaves of the images, under fixed keys, one an image: attacks meet the image.

    Args:
        model: What sees it.
        shift: What leaves it; gradients pass through.
        keys: One for each image of the batches that are given.
    """

    def __init__(self, model: Model, shift: Shift, keys: SampleKeys) -> None:
        self.name, self.spec, self.device = model.name, model.spec, model.device
        self.preprocess, self.differentiable = model.preprocess, model.differentiable
        self._model, self._shift, self._keys = model, shift, keys

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of what the shift leaves."""
        return self._model.logits(self._shift.compute(images, self._keys))

    def fingerprint(self) -> str:
        """The model's: this one is never stored."""
        return self._model.fingerprint()


def compare(
    study: Study,
) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Train and test a model a family of features; verdicts, one table, facts, pictures (caption, file)."""
    _, height, width = study.shape
    families = {name: OneFamily(family=name, height=height, width=width) for name in _able(study)}
    shifts = {name: recipe.shift() for name, recipe in families.items()}
    study.train({ALL: Natural(), **families})
    attack = L2PGD(epsilon=EPSILON[study.shape[0]] / 2, steps=_STEPS)
    for name in study.files:
        _measure(study, name, shifts.get(name), attack)
    for name in families:
        kept = OneFamily(family=name, height=height, width=width, keep_mean=True).shift()
        study.right[ALL, f"{CONTROL} {name}"] = _right(study, ALL, kept)
    looks = {ALL: uniformity(study.images), **{n: filtered_uniformity(s, study.images) for n, s in shifts.items()}}
    verdicts = [*(_useful(study, name, len(families)) for name in families), *judge(study, directions(study))]
    facts = (
        *_left_out(study),
        "Low and middle bands end at an eighth and a quarter of the shorter side, radially; only the low one has the "
        "mean. Phase: amplitudes of a typical photograph. Amplitude: all phases drawn anew "
        "for every image and epoch. Colour: what greyscale takes away. Patches: a grid of them, shuffled anew.",
        "Usefulness is the accuracy of a model trained and tested on what the family leaves, as floats. The control is "
        "the model of all features on the same images (bands with the channel means kept, without which it fails for "
        "brightness alone).",
        f"Robust usefulness: the same model, the image attacked before the family is cut out of it ({attack.threat}); "
        "the attack knows the draws. It is an upper bound of what these models keep, and no bound of what others, "
        "trained against attacks, would keep of the family.",
        f"Visibility is measured on the pixels, unscaled, in 8-bit levels, as in figure-1: at most {LEVELS:g} levels "
        "is its definition of looking uniform. The contrast of phase alone is that of the typical photograph, not the "
        "images' own. What people read in these images is unknown: it was not measured here (brittlestar people export "
        "shows people the conditions of a run, filters among them).",
        f"Well above chance: above {100 * chance_limit(study.chance):.1f} %, the whole interval, Bonferroni over the "
        "families. That models learn from a family is shown by one that does, so it needs no further seeds.",
    )
    picture = filter_pictures(study, shifts, file="families.png")
    return verdicts, (table(study, looks),), facts, (("What is left, and that at unit variance", picture),)


def _able(study: Study) -> tuple[str, ...]:
    channels, height, width = study.shape
    lacking = {"colour"} if channels == 1 else set()
    lacking |= {"patches"} if grid_of(height, width) is None else set()
    return tuple(name for name in FAMILIES if name not in lacking)


def _left_out(study: Study) -> tuple[str, ...]:
    _, height, width = study.shape
    why = {
        "colour": "images have one channel",
        "patches": f"no grid of 2 to 8 patches a side divides {height} x {width} pixels",
    }
    return tuple(f"Not tested: {name}; {why[name]}." for name in FAMILIES if name not in _able(study))


def _measure(study: Study, name: str, shift: Shift | None, attack: L2PGD) -> None:
    study.right[name, OWN] = _right(study, name, shift)
    study.right[name, ATTACKED] = _right(study, name, shift, attack)


def _right(study: Study, name: str, shift: Shift | None, attack: L2PGD | None = None) -> Right:
    """(seeds, images): whether each training is right on what is left of the images, attacked before that or not."""
    hits = []
    for file in study.files[name]:
        model, answers = load_model(reopened(file, study.setting.start)), []
        for part in study.parts():
            seen = model if shift is None else Through(model, shift, study.keys[part])
            x = study.images[part]
            if attack is not None:
                x = attack.perturb(seen, x, study.labels[part], study.keys[part])
            with torch.inference_mode():
                answers.append(seen.logits(x).argmax(1))
        hits.append((torch.cat(answers) == study.labels).numpy())
    return np.stack(hits)


def _useful(study: Study, name: str, families: int) -> ClaimVerdict:
    own = study.accuracy(name, OWN, 1 - (1 - LEVEL) / families)
    return ClaimVerdict(
        claim=f"Models learn from {_told(name)} alone: right well above chance",
        claimed="high frequencies: about 50 % top-1 on ImageNet (filter strength not stated)"
        if name == "high band"
        else "not stated",
        measured=f"{percent(own)} (Bonferroni over {families}); chance {study.chance:.1%}; attacked "
        f"{percent(study.accuracy(name, ATTACKED))}",
        state=above(own, chance_limit(study.chance)),
    )


def _told(name: str) -> str:
    return {"patches": "shuffled patches"}.get(name, f"the {name}" if name in BANDS else name)


def directions(study: Study) -> list[Direction]:
    """The attack takes more from higher frequencies than from low ones."""
    low, *higher = BANDS
    return [
        Direction(
            claim=f"The attack takes more from models of the {name} than from models of the {low}",
            claimed="models rely on high frequencies that are useful and brittle (no figure)",
            sign=-1,
            changes=between(study, name, low, ATTACKED, OWN),
        )
        for name in higher
    ]


def table(study: Study, looks: Mapping[str, Uniformity]) -> Table:
    """A row a family: usefulness, the control, robust usefulness, what is kept of it, visibility."""
    rows = []
    for name, seen in looks.items():
        control = study.accuracy(ALL, OWN if name == ALL else f"{CONTROL} {name}")
        attacked, own = (mean_effect(study.right[name, version].mean(axis=0)) for version in (ATTACKED, OWN))
        kept = kept_effect(attacked, own, study.chance)
        rows.append(
            (
                name,
                *(percent(e) for e in (study.accuracy(name, OWN), control, study.accuracy(name, ATTACKED))),
                "not above chance" if kept is None else percent(kept.estimate(LEVEL)),
                *(_spread(values.max(1)) for values in (seen.peak_to_peak, seen.deviation)),
                percent(seen.share()),
                "unknown",
            )
        )
    header = (
        *("family", "useful: trained on it", "control: trained on all", "robustly useful: attacked"),
        *("kept of what is above chance", "peak to peak: mean (5 to 95 %)", "standard deviation: mean (5 to 95 %)"),
        *(f"at most {LEVELS:g} levels", "people"),
    )
    caption = (
        f"Families of features ({len(study.labels):,} test images, seeds of each training: {study.setting.seeds}, "
    )
    return f"{caption}95 % intervals over images; visibility in 8-bit levels)", header, tuple(rows)


def _spread(values: Levels) -> str:
    low, high = np.quantile(values, (0.05, 0.95))
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"
