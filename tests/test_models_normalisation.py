"""Who normalises: found out on the first images, told, or asked; never done twice in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from brittlestar.core.errors import ModelError
from brittlestar.data import open_source
from brittlestar.models import Preprocess, as_model, parse_spec
from brittlestar.models.normalisation import own_normalisation, settle
from brittlestar.models.units import in_units_of_one
from brittlestar.runs.audit import audit
from brittlestar.runs.reopen import reopened
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from tiny import evaluate_with

CLASSES = 4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
M255, S255 = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def data(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % CLASSES
    noise = np.random.default_rng(0).integers(-6, 7, (count, 8, 8, 3))
    return np.clip(40 + 50 * labels[:, None, None, None] + noise, 0, 255).astype(np.uint8), labels


def used(x: torch.Tensor, mean: object, std: object, scale: float = 1.0) -> torch.Tensor:
    """Normalised as repositories do in their own ``forward``."""
    m, s = (torch.as_tensor(v, dtype=torch.float32).reshape(1, -1, 1, 1) for v in (mean, std))
    return (x * scale - m) / s


class Net(nn.Module):
    """Right on images that are normalised once; ``own`` is what its own forward does first."""

    def __init__(self, own: Callable[[Net, torch.Tensor], torch.Tensor] = lambda self, x: x) -> None:
        super().__init__()
        grey = torch.tensor([40 + 50 * c for c in range(CLASSES)]) / 255
        self.register_buffer("place", used(grey.reshape(-1, 1, 1, 1).expand(-1, 3, 1, 1), MEAN, STD).mean((1, 2, 3)))
        self.own = own

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -((self.own(self, x).mean((1, 2, 3))[:, None] - self.place) ** 2)


def with_plain(net: Net) -> Net:
    net.mean, net.std = list(MEAN), list(STD)  # type: ignore[assignment]
    return net.eval()


def with_buffers(net: Net, mean: str = "mean", std: str = "std", shape: tuple[int, ...] = (1, 3, 1, 1)) -> Net:
    net.register_buffer(mean, torch.tensor(MEAN).reshape(shape))
    net.register_buffer(std, torch.tensor(STD).reshape(shape))
    return net.eval()


class Normalize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean, self.std = MEAN, STD

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return used(x, self.mean, self.std)


def with_part(net: Net) -> Net:
    net.normalize = Normalize()
    return net.eval()


def with_255(net: Net) -> Net:
    net.pixel_mean, net.pixel_std = list(M255), list(S255)  # type: ignore[assignment]
    return net.eval()


def chosen(module: nn.Module, how: Preprocess | None = None, count: int = 300, **more: bool) -> tuple[Preprocess, str]:
    source = open_source(data(count))
    model = as_model(module, "mine")
    if how is not None:
        model.preprocess = how
    order = source.order(0)
    found = settle(model, source, order, source.labels[order], **more)
    return found.preprocess, found.told


def by_own(net: Net, x: torch.Tensor) -> torch.Tensor:
    return used(x, net.mean, net.std)


GIVEN, NOTHING = Preprocess(mean=MEAN, std=STD), Preprocess()


@pytest.mark.parametrize(
    ("module", "applied"),
    [
        (with_plain(Net()), True),  # declared by its attributes, as documented
        (with_buffers(Net(by_own)), False),
        (with_buffers(Net(lambda n, x: used(x, n.mu, n.sigma)), "mu", "sigma"), False),
        (with_part(Net(lambda n, x: n.normalize(x))), False),
        (with_255(Net(lambda n, x: used(x, n.pixel_mean, n.pixel_std, 255))), False),
        (Net(lambda n, x: used(x, MEAN, STD)).eval(), False),
    ],
)
def test_what_is_done_once_already_is_left_in_silence(module: nn.Module, applied: bool) -> None:
    how, told = chosen(module)
    assert told == "" and (how.mean is not None) == applied


@pytest.mark.parametrize(
    "module",
    [
        with_plain(Net(by_own)),
        with_plain(Net(lambda n, x: used(x, MEAN, STD))),  # from constants of its own that it does not show
    ],
)
def test_attributes_that_its_own_forward_uses_are_not_applied_again(module: nn.Module) -> None:
    how, told = chosen(module)
    assert how == NOTHING
    assert "(100 %) if they are not" in told and "it normalises its images itself" in told
    assert "mean 0.485,0.456,0.406 and std 0.229,0.224,0.225" in told


def test_std_alone() -> None:
    net = Net(lambda n, x: used(x, MEAN, n.std))
    net.std = list(STD)  # type: ignore[assignment]
    how, told = chosen(net.eval())
    assert how == NOTHING and "normalised before it with std 0.229" in told


def test_a_module_in_units_of_255_that_scales_itself() -> None:
    net = Net(lambda n, x: used(x, n.mean, n.std, 255))
    net.mean, net.std = list(M255), list(S255)  # type: ignore[assignment]
    assert chosen(net.eval())[0] == NOTHING
    read = Net()
    read.mean, read.std = list(M255), list(S255)  # type: ignore[assignment]
    how, _ = chosen(read.eval())
    assert how.mean == pytest.approx(MEAN) and how.std == pytest.approx(STD), "declared, as what they are"


@pytest.mark.parametrize(
    "card",
    [
        lambda n: setattr(n, "pretrained_cfg", {"mean": MEAN, "std": STD, "input_size": (3, 8, 8)}),
        lambda n: setattr(n, "default_cfg", SimpleNamespace(mean=MEAN, std=STD)),
        lambda n: with_buffers(n, shape=(3, 1, 1)),
        lambda n: with_255(n),
    ],
)
def test_a_model_that_carries_a_normalisation_and_does_not_use_it_gets_it(card: Callable[[Net], object]) -> None:
    net = Net()
    card(net)
    how, told = chosen(net.eval())
    assert how.mean == pytest.approx(MEAN, rel=1e-5) and how.std == pytest.approx(STD, rel=1e-5)
    assert "it wants its images normalised, and that is done before it" in told


@pytest.mark.parametrize("module", [with_buffers(Net(by_own)), Net(lambda n, x: used(x, MEAN, STD)).eval()])
def test_options_that_would_normalise_twice_are_asked_about(module: nn.Module) -> None:
    with pytest.raises(ModelError, match=r"\(100 %\) if they are not.*normalise=False .*normalise=True") as caught:
        chosen(module, GIVEN, explicit=True)
    assert "model mine is right in" in str(caught.value) and "(52 %) if they are normalised" in str(caught.value)
    assert chosen(module, GIVEN, normalise=True) == (GIVEN, "")
    assert chosen(module, GIVEN, normalise=False) == (NOTHING, "")


def test_where_answers_do_not_tell_what_the_model_reads_does() -> None:
    """Few images: both ways are equally good, but the module reads its own mean and std."""
    net = with_plain(Net(by_own))
    before = list(net.mean), list(net.std)  # type: ignore[call-overload]
    with pytest.raises(ModelError, match=r"reads its own mean and std.*normalised twice.*normalise=False"):
        chosen(net, count=8)
    assert (net.mean, net.std) == before
    buffers = with_buffers(Net(by_own))
    kept = {k: v.clone() for k, v in buffers.state_dict().items()}
    with pytest.raises(ModelError, match="normalised twice"):
        chosen(buffers, GIVEN, count=8, explicit=True)
    assert all(torch.equal(v, kept[k]) for k, v in buffers.state_dict().items())
    assert chosen(with_plain(Net()), count=8) == (GIVEN, ""), "one that does not read them is as it declares"


def test_a_sound_declaration_needs_no_other_images_than_the_first() -> None:
    asked = 0

    class Counts(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal asked
            asked += len(x)
            return super().forward(x)

    chosen(Counts().eval(), GIVEN)
    assert asked <= 100
    asked = 0
    chosen(Counts().eval())
    assert asked == 0


def test_normalise_without_a_mean_is_refused() -> None:
    with pytest.raises(ModelError, match="nothing says which mean and std"):
        chosen(Net().eval(), normalise=True)


def test_what_looks_like_a_normalisation_and_is_none() -> None:
    net = Net()
    net.head = nn.Sequential(nn.BatchNorm1d(4), nn.LayerNorm(4))
    net.embedding_mean = torch.zeros(512)  # type: ignore[assignment]
    net.meaning, net.std_dev_of_weights, net.mean = "text", True, None  # type: ignore[assignment]
    assert own_normalisation(net) == ((), ())


@pytest.mark.parametrize(
    ("mean", "std", "right"),
    [
        (M255, S255, (MEAN, STD)),
        (M255, (1.0, 1.0, 1.0), (MEAN, (1 / 255,) * 3)),
        (M255, None, (MEAN, (1 / 255,))),
        (M255, STD, (MEAN, STD)),
        (MEAN, S255, (MEAN, STD)),
        ((33.3,), (78.6,), ((0.1306,), (0.3082,))),
        ((0.0,), (255.0,), ((0.0,), (1.0,))),
        (None, S255, (None, STD)),
    ],
)
def test_units_of_255_are_told_with_what_to_give(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None, right: tuple[tuple[float, ...] | None, ...]
) -> None:
    for found, wanted in zip(in_units_of_one(mean, std), right, strict=True):
        assert (found is None) == (wanted is None) and (found is None or found == pytest.approx(wanted, abs=1e-4))
    with pytest.raises(ModelError, match=r"in units of 255, and images come in \[0, 1\]: give --") as caught:
        parse_spec("a.pt2", mean=mean, std=std)
    assert "\n" not in str(caught.value)
    for name, wanted in zip(("mean", "std"), right, strict=True):
        if wanted is not None:
            assert f"--{name} {','.join(f'{v:.4g}' for v in wanted)[:5]}" in str(caught.value)


@pytest.mark.parametrize(
    ("mean", "std"), [((0.5,), (0.5,)), ((0.0,), (1.0,)), ((1.0,), (2.0,)), ((-1.0,), None), (None, (0.003922,))]
)
def test_ordinary_numbers_pass(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> None:
    assert Preprocess(mean=mean, std=std).mean == mean


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        self.place = torch.tensor([40.0, 90.0, 140.0, 190.0]) / 255

    def forward(self, x):
        m, s = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        z = (x - m) / s
        return -(((z * s + m).mean((1, 2, 3))[:, None] - self.place) * 10) ** 2

def net():
    return Net().eval()
"""


def test_a_run_says_it_first_records_it_and_can_be_audited(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    images, labels = data()
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    said: list[str] = []
    spec = f"m=torch:{tmp_path / 'net.py'}:net"
    run = evaluate_with(
        spec, str(tmp_path / "data.npz"), suite="clean", out=tmp_path / "run", watch=Watch(warn=said.append), workers=2
    )
    assert run.table()[0]["accuracy"] == 1.0
    assert len(said) == 1 and "it normalises its images itself" in said[0]
    about = RunStore.open(run.path).manifest.models["m"]
    assert about["guards"] == said and about["preprocess"]["mean"] is None and about["how"]["normalise"] is False
    torch.set_num_threads(1)
    assert all(found.identical for found in audit(*reopened(run.path, trust=True), cells=2, seed=0))
