"""Every training on every degradation: what images are shown, and what is claimed of the matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from brittlestar.core.errors import UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.models import load_model, parse_spec
from brittlestar.reproduce import Setting
from brittlestar.reproduce.claims import judge
from brittlestar.reproduce.study import Study
from brittlestar.reproduce.transfer_matrix import COLUMNS, PUBLISHED, directions
from brittlestar.training import DEGRADATIONS, Degraded, Plan
from tiny import called, make_world


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_images_are_shown_at_a_level_of_the_degradation_and_at_no_other(name: str, tmp_path: Path) -> None:
    model = load_model(parse_spec(f"m=torch:{make_world(tmp_path)[0]}:model"))
    x = torch.rand(24, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    keys = SampleKeys.of(0, [str(i) for i in range(24)])
    shown = Degraded(members=name).prepare(model, x, torch.zeros(24, dtype=torch.int64), keys)
    levels = [x if shift is None else shift.compute(x, keys) for shift in DEGRADATIONS[name](12)]
    which = [{number for number, level in enumerate(levels) if torch.equal(level[i], shown[i])} for i in range(24)]
    assert all(which), "every image is one of the levels"
    assert len(set.union(*which)) >= min(len(levels), 3), "and they are drawn"
    alone = Degraded(members=name).prepare(model, x[5:6], torch.zeros(1, dtype=torch.int64), keys[5:6])
    assert torch.equal(alone[0], shown[5]), "whatever the batch"


def test_several_are_mixed_and_unknown_ones_refused() -> None:
    for members, told in (("grey,fog", "unknown degradation"), ("grey,grey", "names one twice")):
        with pytest.raises(UsageError, match=told):
            Degraded(members=members)


def test_the_published_matrix_is_whole() -> None:
    assert all(len(row) == len(COLUMNS) for row in PUBLISHED.values())
    assert set(PUBLISHED) == {*DEGRADATIONS, "all but salt_and_pepper", "all but uniform"}
    # The diagonal is what was trained on.
    for place, name in enumerate(DEGRADATIONS):
        assert PUBLISHED[name][place] == max(PUBLISHED[n][place] for n in DEGRADATIONS)


def test_no_transfer_is_claimed_where_there_is_none_and_only_there(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (500, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(500) % 4)
    spec = str(tmp_path / "data.npz")
    how = Setting(data=spec, test=spec, architecture="small_cnn", plan=Plan(epochs=1), seeds=5)
    for other, expected in ((0.3, "confirmed"), (0.8, "not confirmed")):
        study, draws = Study(how, tmp_path, print), np.random.default_rng(1)
        for recipe in ("colour", "salt_and_pepper", "uniform", "all but salt_and_pepper", "all but uniform"):
            own = recipe if recipe in DEGRADATIONS else ""
            shares = {"clean": 0.95} | {v: 0.8 if v == own else 0.3 for v in ("salt_and_pepper", "uniform")}
            if recipe != "colour":
                shares = {v: other if s == 0.3 else s for v, s in shares.items()}
            for version, share in shares.items():
                study.right[recipe, version] = draws.random((5, 500)) < share
        states = [verdict.state for verdict in judge(study, directions(study))]
        assert states[0] == states[3] == "confirmed", "training on a noise helps against it"
        assert {states[i] for i in (1, 2, 4, 5)} == {expected}, states


def test_the_matrix_is_of_transfer_alone(tmp_path: Path) -> None:
    done = called("reproduce", "fog", "--matrix", "--out", tmp_path)
    assert done.returncode == 2 and "--matrix goes with transfer only" in done.stderr
