"""PGD against closed forms, its ball and box, its keys, and models that hide their gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brittlestar.attacks import ATTACKS, L2PGD, Attack, LInfPGD
from brittlestar.attacks.pgd import ProjectedGradientDescent, log_odds_of_error
from brittlestar.core.errors import ModelError, ShiftError
from brittlestar.core.keys import SampleKeys
from brittlestar.models import Model, as_model, check_model

SHAPE = (3, 8, 8)
VALUES = 3 * 8 * 8


class Linear(nn.Module):
    """Two classes; the margin is ``w . x``. Summed value by value, so that no answer depends on the batch."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.register_buffer("weight", torch.randn(VALUES, generator=generator, dtype=torch.float64) * scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        margin = (x.flatten(1).double() * self.weight).sum(1)
        return torch.stack([margin, torch.zeros_like(margin)], dim=1)


class Network(nn.Module):
    """A small fixed network with curved decision boundaries."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.register_buffer("one", torch.randn(VALUES, 24, generator=generator) / VALUES**0.5)
        self.register_buffer("two", torch.randn(24, 4, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(4 * (x.flatten(1) - 0.5) @ self.one) @ self.two


def grey_images(count: int, seed: int = 0) -> torch.Tensor:
    """Images in [0.4, 0.6], so that small balls do not touch the box."""
    return 0.4 + 0.2 * torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


def keys(count: int) -> SampleKeys:
    return SampleKeys.of(0, [f"sample {i}" for i in range(count)])


def margins(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    logits = module(images)
    return logits[:, 0] - logits[:, 1]


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("epsilon", [0.01, 0.05, 0.3])
def test_linf_on_a_linear_model_drops_the_margin_by_epsilon_times_the_l1_norm(label: int, epsilon: float) -> None:
    module, images = Linear(), grey_images(6)
    attacked = LInfPGD(epsilon=epsilon).perturb(as_model(module), images, torch.full((6,), label), keys(6))
    drop = (margins(module, images) - margins(module, attacked)) * (1 if label == 0 else -1)
    torch.testing.assert_close(drop, torch.full_like(drop, epsilon * module.weight.abs().sum()), rtol=1e-5, atol=0)


def test_linf_is_clipped_by_the_box() -> None:
    module, images = Linear(), torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(1))
    attacked = LInfPGD(epsilon=0.3).perturb(as_model(module), images, torch.zeros(6, dtype=torch.long), keys(6))
    corner = (images - 0.3 * module.weight.sign().view(SHAPE)).clamp(0, 1)
    torch.testing.assert_close(margins(module, attacked), margins(module, corner), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_l2_on_a_linear_model_drops_the_margin_by_epsilon_times_the_l2_norm(epsilon: float) -> None:
    module, images = Linear(), grey_images(6)
    labels, exact = torch.zeros(6, dtype=torch.long), epsilon * module.weight.norm()
    for attack, tolerance in (
        (L2PGD(epsilon=epsilon, random_start=False), 1e-5),
        (L2PGD(epsilon=epsilon, steps=40, step_size=epsilon), 1e-5),
        (L2PGD(epsilon=epsilon), 0.03),
    ):
        drop = margins(module, images) - margins(module, attack.perturb(as_model(module), images, labels, keys(6)))
        torch.testing.assert_close(drop, exact.expand(6), rtol=tolerance, atol=0)


@pytest.mark.parametrize("attack", [LInfPGD(epsilon=0.2), L2PGD(epsilon=2.0), LInfPGD(epsilon=0.2, restarts=3)])
def test_the_result_stays_in_the_ball_and_the_box_and_leaves_its_input_alone(attack: ProjectedGradientDescent) -> None:
    images = torch.rand(10, *SHAPE, generator=torch.Generator().manual_seed(1))
    before, labels = images.clone(), torch.arange(10) % 4
    attacked = attack.perturb(as_model(Network()), images, labels, keys(10))
    assert torch.equal(images, before)
    assert attacked.dtype == torch.float32
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    change = (attacked - images).flatten(1)
    order = float("inf") if isinstance(attack, LInfPGD) else 2
    sizes = torch.linalg.vector_norm(change, ord=order, dim=1)
    assert sizes.max() <= attack.epsilon + 1e-6
    assert sizes.min() > 0.5 * attack.epsilon


@pytest.mark.parametrize("attack", [LInfPGD(epsilon=0.1, restarts=2), L2PGD(epsilon=1.0)])
def test_pixels_depend_on_the_sample_alone(attack: Attack) -> None:
    """Split, reversed and alone: the same bits (the model answers without regard to the batch)."""
    model, images, labels, streams = as_model(Linear()), grey_images(9), torch.arange(9) % 2, keys(9)
    whole = attack.perturb(model, images, labels, streams)
    split = [attack.perturb(model, images[s], labels[s], streams[s]) for s in (slice(0, 1), slice(1, 5), slice(5, 9))]
    assert torch.equal(torch.cat(split), whole)
    back = torch.arange(8, -1, -1)
    assert torch.equal(attack.perturb(model, images[back], labels[back], streams[back])[back], whole)


def test_other_keys_start_elsewhere() -> None:
    model, images, labels = as_model(Network()), grey_images(4), torch.zeros(4, dtype=torch.long)
    attack = LInfPGD(epsilon=0.1, steps=1)
    other = SampleKeys.of(1, [f"sample {i}" for i in range(4)])
    assert not torch.equal(attack.perturb(model, images, labels, keys(4)), attack.perturb(model, images, labels, other))
    still = LInfPGD(epsilon=0.1, steps=1, random_start=False)
    assert torch.equal(still.perturb(model, images, labels, keys(4)), still.perturb(model, images, labels, other))


@pytest.mark.parametrize("attack", [LInfPGD(epsilon=0.1, steps=1), L2PGD(epsilon=1.0, steps=1)])
def test_random_starts_fill_the_ball(attack: ProjectedGradientDescent) -> None:
    """Radii in the L2 ball follow u^(1/d); values in the L-inf ball are uniform: both by their means."""
    start = attack._start(torch.zeros(4000, 1, 2, 2), keys(4000))
    if isinstance(attack, LInfPGD):
        assert start.abs().max() <= 0.1
        assert abs(float(start.abs().mean()) - 0.05) < 0.001
    else:
        radii = start.flatten(1).norm(dim=1)
        assert radii.max() <= 1 + 1e-6
        assert abs(float(radii.mean()) - 4 / 5) < 0.01


@pytest.mark.parametrize("kind", [LInfPGD, L2PGD])
def test_more_room_never_helps_the_model(kind: type[ProjectedGradientDescent]) -> None:
    module = Network()
    images = torch.rand(200, *SHAPE, generator=torch.Generator().manual_seed(2))
    labels = module(images).argmax(1)
    radii = [0.0, 0.01, 0.03, 0.1, 0.3] if kind is LInfPGD else [0.0, 0.2, 0.5, 1.5, 4.0]
    accuracies = []
    for epsilon in radii:
        attacked = kind(epsilon=epsilon).perturb(as_model(module), images, labels, keys(200))
        accuracies.append(float((module(attacked).argmax(1) == labels).float().mean()))
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] == 1
    assert accuracies[-1] < 0.1


def test_more_steps_and_restarts_find_higher_losses() -> None:
    module, images = Network(), torch.rand(100, *SHAPE, generator=torch.Generator().manual_seed(4))
    labels = module(images).argmax(1)

    def loss(attack: Attack) -> torch.Tensor:
        attacked = attack.perturb(as_model(module), images, labels, keys(100))
        return log_odds_of_error(module(attacked), labels)

    one = loss(LInfPGD(epsilon=0.1, steps=1))
    assert loss(LInfPGD(epsilon=0.1, steps=20)).mean() > one.mean()
    assert (loss(LInfPGD(epsilon=0.1, steps=5, restarts=3)) >= loss(LInfPGD(epsilon=0.1, steps=5))).all()
    assert (one >= log_odds_of_error(module(images), labels) - 0.1).float().mean() > 0.9


def test_a_very_sure_model_is_attacked_all_the_same() -> None:
    """With logits so large that the gradient of cross-entropy is exactly 0, PGD still finds the corner."""
    module, images = Linear(scale=1e5), grey_images(5)
    labels = (margins(module, images) < 0).long()
    x = images.clone().requires_grad_()
    loss = nn.functional.cross_entropy(module(x).float(), labels)
    assert float(torch.autograd.grad(loss, x)[0].abs().max()) == 0
    attacked = LInfPGD(epsilon=0.3).perturb(as_model(module), images, labels, keys(5))
    assert bool((module(attacked).argmax(1) != labels).all())


class Two(nn.Module):
    """Three classes on one pixel: near 0 the label 0 wins; from .3 on class 1 does, while the odds of an error, which
    class 2 had raised below .3, are lower there."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value = x.flatten(1)[:, 0]
        near = (value < 0.3).to(x.dtype)
        label = torch.zeros_like(value)
        first = near * (-0.01) + (1 - near) * 0.01
        second = near * (-0.02) + (1 - near) * (-9.0) + 0.001 * value
        return torch.stack([label, first, second], dim=1)


def test_a_misclassification_is_kept_where_the_loss_is_higher_without_one() -> None:
    module, zero = Two(), torch.zeros(1, 1, 1, 1)
    before, beyond = zero, torch.full_like(zero, 0.5)
    labels = torch.zeros(1, dtype=torch.long)
    assert module(before).argmax() == 0 and module(beyond).argmax() == 1
    assert log_odds_of_error(module(before), labels) > log_odds_of_error(module(beyond), labels)
    attack = LInfPGD(epsilon=0.6, steps=4, step_size=0.15, random_start=False)
    found = attack.perturb(as_model(module), zero, labels, keys(1))
    assert module(found).argmax() == 1, "the step beyond .3 was met and is kept"


def test_restarts_never_lose_a_misclassification() -> None:
    module, count = Two(), 60
    images, labels = torch.rand(count, 1, 1, 1) * 0.25, torch.zeros(count, dtype=torch.long)
    wrong = []
    for restarts in (1, 2, 4):
        attack = LInfPGD(epsilon=0.1, steps=2, step_size=0.01, restarts=restarts)
        wrong.append(module(attack.perturb(as_model(module), images, labels, keys(count))).argmax(1) != labels)
    assert bool((wrong[1] >= wrong[0]).all()) and bool((wrong[2] >= wrong[1]).all())
    assert 0 < int(wrong[0].sum()) < int(wrong[2].sum()) < count, "some errors are met, and more with more restarts"


@pytest.mark.parametrize("kind", [LInfPGD, L2PGD])
def test_an_image_that_is_wrong_already_stays_wrong(kind: type[ProjectedGradientDescent]) -> None:
    """Everything but the image itself is right, and the losses say otherwise."""

    class Alone(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            value = x.flatten(1).sum(1)
            still = (value == 0.5).to(x.dtype)
            first = still * 0.01 + (1 - still) * -0.01
            second = still * -9.0 + (1 - still) * (-0.01) + 1e-3 * value
            return torch.stack([torch.zeros_like(value), first, second], dim=1)

    module, images, labels = Alone(), torch.full((3, 1, 1, 1), 0.5), torch.zeros(3, dtype=torch.long)
    assert bool((module(images).argmax(1) == 1).all())
    found = kind(epsilon=0.2, restarts=2).perturb(as_model(module), images, labels, keys(3))
    assert torch.equal(found, images)
    assert log_odds_of_error(module(images + 0.1), labels).max() > log_odds_of_error(module(images), labels).max()


def test_models_without_gradients_are_refused() -> None:
    function = as_model(lambda x: x.reshape(len(x), -1)[:, :2], name="plain")
    images, labels = grey_images(2), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ModelError, match="plain has none"):
        LInfPGD(epsilon=0.1).perturb(function, images, labels, keys(2))

    class Detached(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.detach())

    class Halted(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return super().forward(x)

    for module in (Detached(), Halted()):
        with pytest.raises(ModelError, match="no gradient of model"):
            L2PGD(epsilon=0.1).perturb(as_model(module), images, labels, keys(2))


def test_softmax_at_the_end_is_caught_before_it_masks_gradients() -> None:
    """Steep probabilities make PGD look weak; the check of the contract refuses them."""
    images = grey_images(40)
    labels = (margins(Linear(), images) < 0).long()

    class Masked(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).mul(1e4).softmax(1)

    def robust(model: Model) -> float:
        attacked = LInfPGD(epsilon=0.1).perturb(model, images, labels, keys(40))
        return float((model.logits(attacked).argmax(1) == labels).float().mean())

    assert robust(as_model(Linear())) == 0
    assert robust(as_model(Masked())) > 0.5
    with pytest.raises(ModelError, match="probabilities"):
        check_model(as_model(Masked()), images, labels, 2, 40)


@pytest.mark.parametrize(
    "fields",
    [
        {"epsilon": -0.1},
        {"epsilon": float("inf")},
        {"epsilon": 0.1, "steps": 0},
        {"epsilon": 0.1, "step_size": 0.0},
        {"epsilon": 0.1, "restarts": 0},
        {"epsilon": 0.1, "restarts": 2, "random_start": False},
    ],
)
def test_impossible_fields_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ShiftError):
        LInfPGD(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_states_its_threat_model(name: str) -> None:
    attack = ATTACKS[name](epsilon=0.125)  # type: ignore[call-arg]
    for word in ("white-box", "untargeted", "ball of radius 0.125", "10 steps", "one random start"):
        assert word in attack.threat
    assert ATTACKS[name].from_config(attack.config()) == attack
    assert attack.fingerprint() != ATTACKS[name](epsilon=0.25).fingerprint()  # type: ignore[call-arg]
