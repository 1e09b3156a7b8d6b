"""Augmentation policies: each operation at each level as the authors' code calls Pillow, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from brittlestar.core.keys import SampleKeys
from brittlestar.models import as_model
from brittlestar.models.small_cnn import SmallCNN
from brittlestar.training import AugMix, AutoAugment, RandAugment
from brittlestar.training.policies import AUGMIX, AUTOAUGMENT, MONOTONE, RANDAUGMENT, SUB_POLICIES, Change
from test_training_levels import by_pillow, pictures

Picture = Image.Image
BILINEAR, NEAREST, AFFINE = Image.Resampling.BILINEAR, Image.Resampling.NEAREST, Image.Transform.AFFINE


def whole(level: float, most: float) -> int:
    return int(level * most / 10)


def filled(picture: Picture, level: int) -> Any:
    return level if picture.mode == "L" else (level,) * 3


def affine(matrix: Callable[[float], tuple[float, ...]], how: Image.Resampling, fill: int) -> Callable[..., Picture]:
    return lambda p, value: p.transform(p.size, AFFINE, matrix(value), resample=how, fillcolor=filled(p, fill))


def geometry(
    how: Image.Resampling, fill: int, move: Callable[[float, int], float], turn: Callable[[float], float]
) -> dict[str, Any]:
    """Name to (change a picture by a signed value, the value at a level of an image of some width and height)."""
    return {
        "rotate": (lambda p, v: p.rotate(v, resample=how, fillcolor=filled(p, fill)), lambda n, w, h: turn(n)),
        "shear_x": (affine(lambda v: (1, v, 0, 0, 1, 0), how, fill), lambda n, w, h: n * 0.3 / 10),
        "shear_y": (affine(lambda v: (1, 0, 0, v, 1, 0), how, fill), lambda n, w, h: n * 0.3 / 10),
        "translate_x": (affine(lambda v: (1, 0, v, 0, 1, 0), how, fill), lambda n, w, h: move(n, w)),
        "translate_y": (affine(lambda v: (1, 0, 0, 0, 1, v), how, fill), lambda n, w, h: move(n, h)),
    }


TONES: dict[str, Any] = {
    "autocontrast": (lambda p, _: ImageOps.autocontrast(p), None),
    "equalize": (lambda p, _: ImageOps.equalize(p), None),
    "invert": (lambda p, _: ImageOps.invert(p), None),
    "posterize": (lambda p, n: ImageOps.posterize(p, 4 - whole(n, 4)), None),
    "solarize": (lambda p, n: ImageOps.solarize(p, 256 - whole(n, 256)), None),
    "colour": (lambda p, n: ImageEnhance.Color(p).enhance(n * 1.8 / 10 + 0.1), None),
    "contrast": (lambda p, n: ImageEnhance.Contrast(p).enhance(n * 1.8 / 10 + 0.1), None),
    "brightness": (lambda p, n: ImageEnhance.Brightness(p).enhance(n * 1.8 / 10 + 0.1), None),
    "sharpness": (lambda p, n: ImageEnhance.Sharpness(p).enhance(n * 1.8 / 10 + 0.1), None),
}
THEIRS: dict[str, dict[str, Any]] = {
    "augmix": TONES | geometry(BILINEAR, 0, lambda n, side: whole(n, side / 3), lambda n: whole(n, 30)),
    "autoaugment": TONES | geometry(NEAREST, 128, lambda n, side: whole(n, side * 10 / 32), lambda n: whole(n, 30)),
    "randaugment": TONES
    | geometry(NEAREST, 128, lambda n, side: n / 10 * side * 100 / 224, lambda n: n * 3)
    | {
        "posterize": (lambda p, n: p.point(lambda v: v >> 8 - whole(n, 4) << 8 - whole(n, 4)), None),
        "solarize": (lambda p, n: ImageOps.solarize(p, whole(n, 256)), None),
    },
}
OURS: dict[str, dict[str, Change]] = {"augmix": AUGMIX, "autoaugment": AUTOAUGMENT, "randaugment": RANDAUGMENT}


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 20, 28)])
@pytest.mark.parametrize("policy", OURS)
def test_every_operation_is_what_the_authors_code_gives(policy: str, shape: tuple[int, int, int]) -> None:
    x = pictures(shape, 12)
    keys = SampleKeys.of(0, [str(i) for i in range(len(x))])
    for name, (change, value) in THEIRS[policy].items():
        if name not in OURS[policy]:
            continue
        for number, level in enumerate([0.0, 0.1, 1.0, 2.0, 2.97, 3.0, 5.0, 7.0, 9.0]):
            sign = 1.0 if number % 2 else -1.0
            given = torch.full((len(x),), level, dtype=torch.float64), torch.full((len(x),), sign, dtype=torch.float64)
            found = OURS[policy][name](x, *given, keys)
            amount = level if value is None else sign * value(level, shape[2], shape[1])
            apart = (found.int() - by_pillow(x, change, [amount] * len(x)).int()).abs()
            few = 5e-5 if policy == "augmix" and value is not None else 0
            assert int(apart.max()) <= (1 if few else 0), (name, level)
            assert float((apart > 0).double().mean()) <= few, (name, level)


def test_the_policies_have_the_published_operations() -> None:
    assert list(AUGMIX) == [*list(AUGMIX)[:4], "rotate", "shear_x", "shear_y", "translate_x", "translate_y"]
    assert set(AUGMIX) - {"autocontrast", "equalize", "posterize", "solarize"} == set(list(AUGMIX)[4:])
    assert len(RANDAUGMENT) == 16 and set(RANDAUGMENT) - set(AUTOAUGMENT) == {"cutout", "solarize_add"}
    assert set(MONOTONE) == set(RANDAUGMENT)
    assert len(SUB_POLICIES) == 25 and {name for pair in SUB_POLICIES for name, _, _ in pair} < set(AUTOAUGMENT)


def test_monotone_operations_do_nothing_at_nought_and_more_at_more() -> None:
    x = pictures((3, 32, 32))[3:]
    keys = SampleKeys.of(0, [str(i) for i in range(len(x))])
    ones = torch.ones(len(x), dtype=torch.float64)
    for name in set(MONOTONE) - {"autocontrast", "equalize", "invert"}:
        far = [float((MONOTONE[name](x, ones * n, ones, keys).int() - x).abs().double().mean()) for n in (0, 4, 8)]
        assert far[0] == 0 < far[1] < far[2], (name, far)


@pytest.mark.parametrize("recipe", [AugMix(), RandAugment(), RandAugment(monotone=True, strength=0.3), AutoAugment()])
def test_draws_depend_on_the_key_alone(recipe: Any) -> None:
    x = pictures((3, 16, 24)) / 255
    keys, model = SampleKeys.of(4, [str(i) for i in range(len(x))]), as_model(SmallCNN(2, 3, 24).eval())
    labels = torch.zeros(len(x), dtype=torch.int64)

    def given(part: slice | torch.Tensor) -> torch.Tensor:
        if isinstance(recipe, AugMix):
            return recipe.mixed(x[part], keys[part])
        return torch.as_tensor(recipe.prepare(model, x[part], labels[part], keys[part]))

    whole_batch = given(slice(None))
    torch.testing.assert_close(given(slice(5, 9)), whole_batch[5:9], atol=0, rtol=0)
    backwards = torch.arange(len(x)).flip(0)
    assert torch.equal(given(backwards), whole_batch.flip(0))
    assert whole_batch.min() >= 0 and whole_batch.max() <= 1
    changed = (whole_batch != x).flatten(1).any(1).float().mean()
    assert 0.5 < float(changed) <= 1


def test_autoaugment_takes_each_pair_and_each_step_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from the operations asked for: counts against the table, a chi-squared test."""
    count = 20_000
    asked: list[tuple[torch.Tensor, torch.Tensor]] = []

    def note(x: torch.Tensor, operations: Any, chosen: torch.Tensor, level: torch.Tensor, *_: Any) -> torch.Tensor:
        asked.append((chosen, level))
        return x

    monkeypatch.setattr("brittlestar.training.augment.changed", note)
    keys = SampleKeys.of(0, [str(i) for i in range(count)])
    nothing = torch.zeros(count, 1, 1, 1)
    AutoAugment().prepare(None, nothing, nothing, keys)  # type: ignore[arg-type]
    for step, (chosen, level) in enumerate(asked):
        expected: dict[tuple[int, int], float] = {}
        for pair in SUB_POLICIES:
            name, chance, strength = pair[step]
            place = (list(AUTOAUGMENT).index(name), strength)
            expected[place] = expected.get(place, 0) + chance / 25
        pairs = list(zip(chosen.tolist(), level.int().tolist(), strict=True))
        likely = [key for key, share in expected.items() if share > 0]
        seen = [sum(p == key for p in pairs) for key in likely]
        shares = [expected[key] for key in likely]
        rest = count - sum(seen)
        assert sum(p[0] < 0 for p in pairs) == rest
        assert stats.chisquare([*seen, rest], count * np.array([*shares, 1 - sum(shares)])).pvalue > 1e-3
