"""Ctrl-C, SIGTERM and a full disk at any moment: one line, an exit code that says which; the next command goes on."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brittlestar import __main__ as beginning
from brittlestar.core import interrupts
from brittlestar.store import RunStore
from ends_tools import call
from test_run_resume import assert_same, everything
from tiny import make_world

RUN = "run --model m=torch:{w}/model.py:model --data {w}/data.npz --suite noise --out {out}/run --workers 1 --anyway"
BUILD = "build features d_det --model torch:{w}/model.py:model --data {w}/data.npz --samples 4 --steps 1"
TRAIN = "train --recipe natural --data {w}/data.npz --epochs 2 --batch 10 --out {out}/trained"
MAP = "fourier --model m=torch:{w}/model.py:model --data {w}/data.npz --half-width 0.4 --out {out}/run --workers 1 "
MAP += "--anyway"

MOMENTS = {
    "loading": (RUN, "brittlestar.api.evaluation.load_model"),
    "hashing": (RUN, "brittlestar.models.wrap.TorchModel.fingerprint"),
    "opening the data": (RUN, "brittlestar.api.evaluation.open_source"),
    "the first answers": (RUN, "brittlestar.runs.checking.first_answers"),
    "recording the samples": (RUN, "brittlestar.store.store.RunStore.write_samples"),
    "a task": (RUN, "brittlestar.runs.fill_task.FillTask.run"),
    "writing rows": (RUN, "brittlestar.store.stored_rows.write_rows"),
    "choosing examples": (RUN, "brittlestar.runs.examples.thumbnail"),
    "putting the examples in place": (RUN, "brittlestar.runs.examples.write_list"),
    "explaining": (RUN, "brittlestar.analyses.explain.explained_again"),
    "reporting": (RUN, "brittlestar.cli.report.write_report"),
    "drawing a sampled map": (MAP, "brittlestar.analyses.mapping.active_estimate"),
    "keeping a stage": (MAP, "brittlestar.analyses.mapping._Asked.keep"),
    "asking for margins": (MAP, "brittlestar.analyses.margin_task.MarginTask.run"),
    "training": (TRAIN, "brittlestar.training.loop._told"),
    "saving a training": (TRAIN, "brittlestar.training.checkpoint.Checkpoint.save"),
    "building": (BUILD + " --out {out}/set.npz", "brittlestar.build.write_set"),
    "compacting": ("store compact {out}/run", "brittlestar.store.store.RunStore.write_cells"),
}

LONG = (
    "drawing a sampled map",
    "keeping a stage",
    "asking for margins",
    "opening the data",
    "the first answers",
    "saving a training",
)
"""Of those that are much like others, or take long."""


def first_call(function: str, act: Callable[[], object]) -> tuple[str, Callable[..., Any], list[int]]:
    """A function's name, and one that does something else before its first call."""
    module, _, name = function.rpartition(".")
    if module.rpartition(".")[2][:1].isupper() or module.rpartition(".")[2].startswith("_A"):
        outer, _, kind = module.rpartition(".")
        owner = getattr(__import__(outer, fromlist=["_"]), kind)
    else:
        owner = __import__(module, fromlist=["_"])
    plain, calls = getattr(owner, name), []

    def acting(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            act()
        return plain(*args, **more)

    return function, acting, calls


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a model and an undisturbed run."""
    folder = tmp_path_factory.mktemp("signals")
    make_world(folder, 24)
    code, err = call(*RUN.format(w=folder, out=folder).split(), "--no-report")
    assert code == 0, err
    return folder


def prepared(world: Path, out: Path, words: str) -> list[str]:
    if words.startswith("store"):
        call(*RUN.format(w=world, out=out).split(), "--no-report")
    return words.format(w=world, out=out).split()


@pytest.mark.parametrize("moment", [pytest.param(m, marks=pytest.mark.slow) if m in LONG else m for m in MOMENTS])
def test_ctrl_c_at_any_moment_and_the_next_command_goes_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    template, function = MOMENTS[moment]
    words = prepared(world, tmp_path, template)
    with monkeypatch.context() as patched:
        name, acting, calls = first_call(function, lambda: os.kill(os.getpid(), signal.SIGINT))
        patched.setattr(name, acting)
        code, err = call(*words)
    assert calls, "the function is not called any more: name another"
    assert code == 130 and "interrupted" in err and "Traceback" not in err and "error: " not in err, err
    code, err = call(*words)
    assert code == 0, err
    if (tmp_path / "run").exists() and template == RUN:
        assert_same(everything(tmp_path / "run"), everything(world / "run"))
        assert [*tmp_path.rglob("*.tmp")] == []


@pytest.mark.parametrize(("name", "expected"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_session_says_which_signal_ended_it(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: int
) -> None:
    template, function = MOMENTS["a task"]
    patch, acting, _ = first_call(function, lambda: os.kill(os.getpid(), getattr(signal, name)))
    monkeypatch.setattr(patch, acting)
    code, err = call(*template.format(w=world, out=tmp_path).split())
    assert code == expected and "run the same command again" in err, err
    session = RunStore.open(tmp_path / "run").manifest.sessions[-1]
    assert (session.stop, session.why) == ("interrupted", "Ctrl-C" if name == "SIGINT" else name)


def test_a_signal_while_the_end_is_recorded_waits_for_it(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = "brittlestar.store.store.RunStore.end_session"
    patch, acting, _ = first_call(function, lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(patch, acting)
    code, err = call(*RUN.format(w=world, out=tmp_path).split())
    assert code == 143 and "interrupted" in err
    assert RunStore.open(tmp_path / "run").manifest.sessions[-1].stop == "complete"


def test_a_second_ctrl_c_ends_it_at_once(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Left(BaseException):
        pass

    def leave(code: int) -> None:
        raise Left(code)

    def twice() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            # The first is still at work, as it is while tasks in hand are finished.
            os.kill(os.getpid(), signal.SIGINT)

    ended: list[int] = []
    monkeypatch.setattr(interrupts, "_ECHO", 0.0)
    monkeypatch.setattr(interrupts, "leave", leave)
    monkeypatch.setattr(interrupts, "at_once", [lambda: ended.append(1)])
    monkeypatch.setattr(*first_call("brittlestar.api.evaluation.open_source", twice)[:2])
    with pytest.raises(Left, match="130"):
        from brittlestar.cli import main

        monkeypatch.setattr(sys, "argv", ["brittlestar", *RUN.format(w=world, out=tmp_path).split()])
        monkeypatch.setattr(main, "leave", lambda error: (_ for _ in ()).throw(error))
        main.main()
    assert ended == [1] and "stopped at once; what was finished is kept" in capfd.readouterr().err


def test_the_same_signal_sent_twice_at_once_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_ECHO", 1e9)
    with interrupts.listening():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert (interrupts.code(), interrupts.why()) == (143, "SIGTERM")
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_what_is_to_be_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.heard()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_during_imports(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupting:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "brittlestar.cli.main":
                os.kill(os.getpid(), signal.SIGTERM)

    kept = {name: sys.modules[name] for name in ("brittlestar.cli.main",)}
    monkeypatch.delitem(sys.modules, "brittlestar.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    with pytest.raises(SystemExit) as leaving:
        beginning.main()
    assert leaving.value.code == 143 and capsys.readouterr().err == "interrupted\n"
    sys.modules.update(kept)


@pytest.mark.parametrize("moment", [pytest.param(m, marks=pytest.mark.slow) if m in LONG else m for m in MOMENTS])
def test_a_full_disk_at_any_moment_and_the_next_command_goes_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    template, function = MOMENTS[moment]
    words = prepared(world, tmp_path, template)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*first_call(function, full)[:2])
        code, err = call(*words)
    assert code == 2 and "o space left on device" in err and "Traceback" not in err, err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1
    code, err = call(*words)
    assert code == 0, err
    if (tmp_path / "run").exists() and template == RUN:
        assert_same(everything(tmp_path / "run"), everything(world / "run"))
