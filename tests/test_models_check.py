"""The check of the contract: each breach is refused with its own text, and sound models pass in silence."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from brittlestar.core.errors import DataError, ModelError
from brittlestar.models import Model, as_model, check_model, map_labels
from brittlestar.models.base import Preprocess
from brittlestar.models.checks import in_training_mode

CLASSES = 4
IMAGES = torch.rand(50, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A linear classifier with a hook for misbehaviour."""

    def __init__(self, twist: Callable[[torch.Tensor], object] = lambda z: z, outputs: int = CLASSES) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("weight", torch.randn(192, outputs, generator=generator))
        self.twist = twist

    def forward(self, x: torch.Tensor) -> object:
        return self.twist(x.flatten(1) @ self.weight)


LABELS = torch.as_tensor(Net()(IMAGES)).argmax(1)


def check(given: object, classes: int = CLASSES, labels: torch.Tensor = LABELS, batch: int = 16) -> tuple[str, ...]:
    return check_model(as_model(given, "mine"), IMAGES, labels, classes, batch)


def test_a_sound_model_passes_in_silence() -> None:
    model = as_model(Net().eval())
    assert check_model(model, IMAGES, LABELS, CLASSES, 16) == ()
    assert model.differentiable
    assert check_model(model, IMAGES[:1], LABELS[:1], CLASSES, 250) == ()


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (Net(outputs=3), "3 outputs and the labels name 4 classes: it is no model of these data"),
        (Net(outputs=9), "9 outputs .* classes="),
        (Net(lambda z: z.softmax(1)), "gives probabilities"),
        (Net(lambda z: z / 0), "not finite on 16 of 16"),
        (Net(lambda z: torch.where(z > z.max() - 1e-4, torch.nan, z)), "not finite on 1 of"),
        (Net(lambda z: z[:, :, None].expand(-1, -1, 2)), r"outputs of shape \(16, 4, 2\)"),
        (Net(lambda z: z[:3]), r"outputs of shape \(3, 4\) for 16 images"),
        (Net(lambda z: "no"), "gives str, not a tensor"),
        (Net(lambda z: {"a": z, "b": z}), "gives dict with a, b; choose the logits"),
        (Net(lambda z: z + torch.rand_like(z)), "different answers to the same images"),
        (Net(lambda z: z - z.mean(0)), "when images come alone"),
    ],
)
def test_breaches_have_their_own_text(module: nn.Module, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        check(module.eval())
    assert "mine" in str(caught.value)


def test_shapes_that_the_model_does_not_take() -> None:
    with pytest.raises(
        ModelError, match=r"does not take 16 images of shape \(3, 8, 8\).*without preprocessing"
    ) as caught:
        check(nn.Linear(7, CLASSES))
    assert "\n" not in str(caught.value)
    wrong = Net().eval()
    wrong.resize = 16  # type: ignore[assignment]
    with pytest.raises(ModelError, match="'resize': 16"):
        check(wrong)


def test_models_that_write_to_their_images_are_refused() -> None:
    class Writes(Net):
        def forward(self, x: torch.Tensor) -> object:
            x -= 0.5
            return super().forward(x)

    with pytest.raises(ModelError, match="writes to the images"):
        check_model(as_model(Writes().eval()), IMAGES.clone(), LABELS, CLASSES, 16)


def test_a_function_may_write_to_its_arrays() -> None:
    weight = Net().weight.numpy()

    def predict(x: np.ndarray) -> np.ndarray:
        x -= 0.25
        return x.reshape(len(x), -1) @ weight

    before = IMAGES.clone()
    labels = torch.from_numpy(predict(IMAGES.numpy().copy())).argmax(1)
    assert check(predict, labels=labels) == ()
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize(
    "part", [nn.BatchNorm2d(3), nn.Dropout(0.5), nn.RReLU(), nn.InstanceNorm2d(3, track_running_stats=True)]
)
def test_training_mode_is_refused_where_it_matters(part: nn.Module) -> None:
    module = nn.Sequential(part, nn.Flatten(), nn.Linear(192, CLASSES))
    with pytest.raises(ModelError, match=rf"training mode \(0: {type(part).__name__}\).*\.eval\(\)"):
        check(module)
    assert module.training
    check(module.eval())


@pytest.mark.parametrize("part", [nn.Dropout(0.0), nn.InstanceNorm2d(3), nn.ReLU(), nn.LayerNorm(8)])
def test_training_mode_is_let_pass_where_it_does_nothing(part: nn.Module) -> None:
    assert not in_training_mode(nn.Sequential(part))
    check(nn.Sequential(part, nn.Flatten(), nn.Linear(192, CLASSES)))


def test_dropout_written_by_hand_is_caught_by_its_answers() -> None:
    class Drops(Net):
        def forward(self, x: torch.Tensor) -> object:
            return super().forward(nn.functional.dropout(x, 0.5, self.training))

    with pytest.raises(ModelError, match=r"different answers.*call \.eval\(\) on it, and"):
        check(Drops())
    assert check(Drops().eval()) == ()


def test_batch_statistics_are_caught() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), nn.Linear(192, CLASSES)).eval()
    with pytest.raises(ModelError, match="when images come alone"):
        check(module)


@pytest.mark.parametrize(
    ("module", "note"),
    [
        (Net(lambda z: z.log_softmax(1)), "log-probabilities"),
        (Net(lambda z: z.sigmoid()), r"all outputs lie in \[0, 1\]"),
        (Net(lambda z: z * 0 + torch.tensor([1.0, 2.0, 3.0, 4.0])), "the same for every image"),
    ],
)
def test_odd_models_pass_with_a_note(module: nn.Module, note: str) -> None:
    model = as_model(module.eval())
    notes = check_model(model, IMAGES, LABELS, CLASSES, 16)
    assert any(re.search(note, text) for text in notes), notes


@pytest.mark.parametrize(
    ("twist", "note"),
    [
        (lambda z: z.detach(), "do not reach"),
        (lambda z: z.round(), "exactly zero"),
        (lambda z: torch.from_numpy(z.detach().numpy()), "do not reach"),
    ],
)
def test_gradients_that_say_nothing_switch_white_box_attacks_off(
    twist: Callable[[torch.Tensor], object], note: str
) -> None:
    """PGD on such a model would show a robustness that is not there."""
    model: Model = as_model(Net(twist).eval())
    (found,) = check_model(model, IMAGES, LABELS, CLASSES, 16)
    assert note in found
    assert not model.differentiable


def test_notes_of_the_model_come_first() -> None:
    model = as_model(Net(lambda z: z.log_softmax(1)).eval())
    model.notes = ("trained by hand",)
    assert check_model(model, IMAGES, LABELS, CLASSES, 16)[0] == "trained by hand"


def test_labels_are_mapped_by_class_name() -> None:
    np.testing.assert_array_equal(map_labels(["dog", "ant"], ["ant", "bee", "cat", "dog"]), [3, 0])
    with pytest.raises(DataError, match="2 of the data's 3 classes are none of the model's 2: elk, fox"):
        map_labels(["ant", "elk", "fox"], ["ant", "bee"])


def test_numbers_are_places_of_outputs_where_no_output_is_called_by_one() -> None:
    np.testing.assert_array_equal(map_labels(["0", "2"], ["ant", "bee", "cat"]), [0, 2])
    np.testing.assert_array_equal(map_labels(["1", "2"], ["2", "1"]), [1, 0], "a name is a name")
    for beyond in (["0", "3"], ["00", "1"], ["-1", "0"], ["0", "ant"]):
        with pytest.raises(DataError, match="are none of the model's 3"):
            map_labels(beyond, ["ant", "bee", "cat"])


def one_at_a_time(images: np.ndarray) -> np.ndarray:
    assert len(images) == 1, "batches are not supported"
    return np.asarray(images.reshape(1, -1)[:, :CLASSES])


def two_arguments(images: np.ndarray, more: int) -> np.ndarray:
    return images.reshape(len(images), -1)[:, :more]


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (one_at_a_time, r"takes images one at a time, and not 16 together \(AssertionError: batches are not"),
        (two_arguments, r"it must take one argument, the images, and give the logits"),
        (Net, r"Net is a class, not a model: give what Net\(\) makes"),
    ],
)
def test_what_is_called_wrongly_is_told_so(given: object, remedy: str) -> None:
    with pytest.raises(ModelError, match=remedy):
        check(given)


def test_labels_from_one_are_told() -> None:
    with pytest.raises(ModelError, match=r"the labels begin at 1, .* number the classes from 0 \(labels - 1\)"):
        check(Net(), CLASSES + 1, LABELS + 1)


def test_shares_of_another_sum_than_one_are_told() -> None:
    assert any("sum to 100 for every image" in note for note in check(Net(lambda z: 100 * z.softmax(1))))
    assert not any("sum to" in note for note in check(Net()))


@pytest.mark.parametrize("field", ["mean", "std"])
def test_a_mean_or_std_that_is_no_number_is_refused(field: str) -> None:
    with pytest.raises(ModelError, match=f"a model's {field} must be finite numbers"):
        Preprocess(**{field: (float("nan"), 1.0, 1.0)})  # type: ignore[arg-type]
