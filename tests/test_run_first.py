"""Models that do no more than guess on clean images are told before the work, and sound ones are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import brittlestar as bs
from brittlestar.analyses.stopping import judge_of
from brittlestar.core.errors import NearChanceError
from brittlestar.runs.first import FEWEST, LOOKS, First, first_answers
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from brittlestar.suites.base import Suite
from tiny import called, evaluate_with

CLASSES = 4


def data(count: int = 600, classes: int = CLASSES, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images whose mean brightness is their class, and labels."""
    labels = np.arange(count) % classes
    noise = np.random.default_rng(seed).integers(-9, 10, (count, 8, 8))
    return np.clip(30 + labels[:, None, None] * (190 // classes) + noise, 0, 255).astype(np.uint8), labels


class Bright(nn.Module):
    """Reads the class off the brightness; ``shift`` answers another class, ``share`` of the images is answered so."""

    def __init__(self, classes: int = CLASSES, shift: int = 0, share: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("centre", (30 + torch.arange(classes) * (190 // classes)) / 255)
        self.register_buffer("told", torch.tensor([shift, share]))  # makes models that answer otherwise others
        self.shift, self.share = shift, share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = -40 * (x.mean((1, 2, 3))[:, None] - self.centre).abs()
        lot = (x.flatten(1)[:, :9].sum(1) * 9973) % 1 < self.share
        return torch.where(lot[:, None], logits.roll(self.shift, 1), logits)


class Constant(Bright):
    """Always the same class, with some gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 1e-3 + torch.tensor([5.0, *[0.0] * (len(self.centre) - 1)])


def first(model: nn.Module, images: np.ndarray, labels: np.ndarray, most: int = 500) -> First:
    from brittlestar.data import open_source
    from brittlestar.models import as_model

    source = open_source((images, labels))
    order = source.order(0)
    given = as_model(model.eval())
    return first_answers(given, source, order, source.labels[order], judge_of(source.labels), most=most, batch=64)


def test_a_model_with_its_classes_in_another_order_stops_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NearChanceError) as caught:
        bs.evaluate({"rolled": Bright(shift=1).eval()}, data(), suite="noise", out=tmp_path / "run")
    text = str(caught.value)
    assert "rolled is right in 0 of the first 20, 0.0 % [0.0, 23.3]" in text and "25.0 %" in text
    for word in ("mean=", "order of the classes", "RGB or BGR", "labels", "anyway=True", "shifted=True"):
        assert word in text
    assert not (tmp_path / "run").exists()


def test_anyway_says_it_and_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    watch = Watch(warn=said.append)
    model = {"rolled": Bright(shift=1).eval()}
    run = evaluate_with(model, data(), suite="clean", out=tmp_path / "run", samples=60, anyway=True, watch=watch)
    assert len(said) == 1 and said[0].startswith("near chance on clean images: rolled is right in 0 of the first 20")
    (session,) = RunStore.open(run.path).manifest.sessions
    assert session.near_chance == {"rolled": [0, 20]} and not session.shifted
    assert session.conditions == ["clean"] and session.models == ["rolled"]


def test_on_the_terminal_it_is_an_error_or_a_warning_before_the_work(tmp_path: Path) -> None:
    images, labels = data(480)
    np.savez(tmp_path / "d.npz", x=images, y=labels)
    (tmp_path / "m.py").write_text(
        "import torch\n"
        "class Fixed(torch.nn.Module):\n"
        "    def forward(self, x): return x.mean((2, 3)) * torch.tensor([1e-3] * 4) + torch.tensor([0.0, 0, 0, 9])\n"
        "def build(): return Fixed().eval()\n"
    )
    words = ["run", "--model", f"m=torch:{tmp_path / 'm.py'}:build", "--data", tmp_path / "d.npz", "--suite", "clean"]
    words += ["--workers", 1, "--no-report", "--out", tmp_path / "run"]
    stopped = called(*words)
    assert stopped.returncode == 2 and "Traceback" not in stopped.stderr
    assert "error: near chance on clean images: m is right in 100 of the first 400" in stopped.stderr
    went = called(*words, "--anyway")
    assert went.returncode == 0
    said = went.stderr.index("WARNING: near chance on clean images: m is right in")
    assert said < went.stderr.index("forward passes to make")


def test_images_declared_shifted_are_not_judged(tmp_path: Path) -> None:
    model = {"rolled": Bright(shift=1).eval()}
    run = bs.evaluate(model, data(), suite="clean", out=tmp_path / "run", samples=60, shifted=True)
    (session,) = RunStore.open(run.path).manifest.sessions
    assert session.shifted and session.near_chance == {}


def test_of_several_models_those_near_chance_are_named(tmp_path: Path) -> None:
    models = {"sound": Bright().eval(), "rolled": Bright(shift=1).eval(), "fixed": Constant(shift=1).eval()}
    with pytest.raises(NearChanceError, match=r"rolled is right.*; fixed is right.*\(sound does better\)") as caught:
        bs.evaluate(models, data(), suite="clean", out=tmp_path / "run")
    assert "Leave rolled and fixed out to go on with sound." in str(caught.value)


def test_suites_without_the_clean_condition_are_judged_too(tmp_path: Path) -> None:
    noise = get_suite("noise")
    bare = Suite("bare", "no clean images", lambda shape, storage: noise.build(shape, storage)[1:3])
    with pytest.raises(NearChanceError, match="rolled is right in 0"):
        bs.evaluate({"rolled": Bright(shift=1).eval()}, data(), suite=bare, out=tmp_path / "run")


def test_sound_models_are_asked_few_images() -> None:
    found = first(Bright(), *data())
    assert (found.right, found.asked, found.judgement.near) == (20, 20, False)
    half = first(Bright(shift=1, share=0.5), *data())
    assert half.asked <= 200 and half.judgement.near is False


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_constant_answers_are_near_chance_whatever_the_number_of_classes(classes: int) -> None:
    images, labels = data(4000, classes)
    found = first(Constant(classes), images, labels, most=4000)
    assert found.judgement.near is True and found.right == pytest.approx(found.asked / classes, rel=0.1)


def test_always_answering_the_commonest_class_is_chance() -> None:
    images, labels = data(9000, 2)
    keep = (labels == 0) | (np.arange(9000) % 8 == 1)
    found = first(Constant(2), images[keep], labels[keep], most=9000)
    guess = float((labels[keep] == 0).mean())
    assert guess > 0.75 and f"{100 * guess:.1f} %" in found.judgement.text
    assert found.judgement.near is True and not found.judgement.apart
    assert "in the mix of the data's classes" in found.judgement.text


def test_few_images_leave_it_open_and_say_so(tmp_path: Path) -> None:
    images, labels = data(12, 4)
    run = bs.evaluate({"fixed": Constant().eval()}, (images, labels), suite="clean", out=tmp_path / "run")
    (note,) = [n for n in RunStore.open(run.path).manifest.models["fixed"]["notes"] if "chance" in n]
    assert note.startswith("not told apart from chance on clean images: right in 3 of the first 12")


def test_a_single_class_has_no_chance() -> None:
    wrong = judge_of(np.zeros(60, np.int32))(np.zeros(50, bool), np.zeros(50, np.int32))
    assert wrong.near is False


def test_a_budget_is_not_spent_on_it() -> None:
    from brittlestar.data import open_source
    from brittlestar.models import as_model

    source = open_source(data(600, 2))
    order = source.order(0)
    given, judge = as_model(Constant(2).eval()), judge_of(source.labels)
    answers = source, order, source.labels[order], judge
    found = first_answers(given, *answers, most=600, batch=64, seconds=0)
    assert found.asked == 1 and found.judgement.near is None
    known = np.zeros(LOOKS[0], np.int64)
    found = first_answers(given, *answers, most=600, batch=64, seconds=0, known=known)
    assert found.asked == LOOKS[0] + 1, "what was answered before is not asked again"


def stopped(accuracy: float, classes: int, most: int) -> float:
    """The probability that a model of this accuracy is called near chance at any look: exact, by counting paths."""
    labels = np.arange(classes * 1000) % classes
    judge = judge_of(labels)
    alive, total, seen = np.array([1.0]), 0.0, 0
    for look in [*(n for n in LOOKS if n < most), most]:
        alive = np.convolve(alive, stats.binom.pmf(np.arange(look - seen + 1), look - seen, accuracy))
        seen = look
        for right in np.flatnonzero(alive > 1e-12):
            near = judge(np.arange(look) < right, labels[:look]).near
            if near is not None:
                total += alive[right] if near else 0.0
                alive[right] = 0.0
    return total


@pytest.mark.parametrize(
    ("accuracy", "classes", "least", "most"),
    [
        (0.1, 10, 0.97, 1.0),  # guesses
        (0.19, 10, 0.0, 0.03),  # exactly at the limit
        (0.25, 10, 0.0, 0.001),  # poor but no guess
        (0.4, 10, 0.0, 1e-6),
        (0.55, 2, 0.0, 0.03),
        (0.65, 2, 0.0, 2e-4),
        (0.8, 2, 0.0, 1e-6),
    ],
)
def test_how_often_a_run_is_stopped(accuracy: float, classes: int, least: float, most: float) -> None:
    assert least <= stopped(accuracy, classes, FEWEST) <= most


def test_a_sound_model_on_unequal_classes_is_not_stopped() -> None:
    """Right in 95 % of the class of four fifths and in 75 % of the other, in parts that hold them half and half."""
    generator = np.random.default_rng(5)
    labels = np.repeat([0, 1], [4000, 1000]).astype(np.int32)
    judge = judge_of(labels)
    for _ in range(300):
        label = np.tile(np.array([0, 1], np.int32), 250)
        right = generator.random(500) < np.where(label == 0, 0.95, 0.75)
        assert not any(judge(right[:n], label[:n]).near for n in (20, 50, 100, 200, 400, 500))


def test_the_judge_is_not_in_the_record(tmp_path: Path) -> None:
    """Resuming asks again: a folder that was made with anyway stops without it."""
    given = {"rolled": Bright(shift=1).eval()}
    bs.evaluate(given, data(), suite="clean", out=tmp_path / "run", samples=60, anyway=True)
    with pytest.raises(NearChanceError):
        bs.evaluate(given, data(), suite="clean", out=tmp_path / "run", samples=100)
    assert len(RunStore.open(tmp_path / "run").manifest.sessions) == 1
