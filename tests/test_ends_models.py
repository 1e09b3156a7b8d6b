"""A model that exits, is killed, hangs or raises anything ends a run with one line, and never with exit code 0."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from brittlestar.runs.hung import VARIABLE, patience
from brittlestar.store import RunStore
from ends_tools import call, children, make_striking, run_words
from test_run_resume import assert_same, everything

AT = r"under gaussian_noise/sigma=0\.2, images \d+-\d+"
RAISED = {
    "sys.exit(0)": r"tried to end the process \(exit\)",
    "os._exit(0)": r"tried to end the process \(exit\)",
    "raise KeyError('gone')": r"raised KeyError: 'gone'",
    "raise Odd(1, 2)": r"raised Odd: \(its text cannot be read\)",
    "raise BaseException('odd')": r"raised BaseException: odd",
    "raise KeyboardInterrupt": r"raised KeyboardInterrupt",
    "raise GeneratorExit": r"raised GeneratorExit",
    "raise StopIteration('over')": r"raised StopIteration: over",
    "deep(0)": r"raised RecursionError: maximum recursion depth",
    "raise MemoryError": r"ran out of memory",
    "torch.zeros(1 << 50)": r"ran out of memory",
    "raise BrokenPipeError(32, 'broken pipe')": r"raised BrokenPipeError: ",
    "raise EOFError": r"raised EOFError",
    "raise UnicodeEncodeError('ascii', '\\ud800', 0, 1, 'no')": r"raised UnicodeEncodeError: ",
}


def one_line(code: int, err: str, expected: str) -> str:
    lines = [line for line in err.splitlines() if "error: " in line]
    assert code == 2 and len(lines) == 1 and "Traceback" not in err, err
    assert re.search(expected, lines[0]), lines[0]
    assert "everything finished is kept" in lines[0]
    return lines[0]


@pytest.mark.parametrize("what", RAISED)
def test_what_a_model_raises_is_one_line_that_says_where(tmp_path: Path, what: str) -> None:
    folder = make_striking(tmp_path, what)
    said = one_line(*call(*run_words(folder)), rf"^error: model m {RAISED[what]}.*{AT}")
    if "exit" not in what and "zeros" not in what:
        # The line of the model's own code that raised, not the last one of a library.
        assert re.search(r"\(model\.py:\d+\)", said), said
    session = RunStore.open(folder / "run").manifest.sessions[-1]
    assert session.stop == "failed" and "model m" in session.why
    assert everything(folder / "run"), "what was finished before is kept"
    # Another moment, as it may be: the run goes on once the model behaves.
    (folder / "place").write_text("nowhere")
    assert call(*run_words(folder))[0] == 0


@pytest.mark.parametrize("moment", ["while it is loaded", "model m"])
@pytest.mark.parametrize("what", ["sys.exit(0)", "os._exit(0)", "raise BaseException('odd')", "raise Odd(1, 2)"])
def test_a_model_that_ends_before_the_run_begins(tmp_path: Path, what: str, moment: str) -> None:
    folder = make_striking(tmp_path, what, place="model m")
    if moment != "model m":
        text = (folder / "model.py").read_text()
        (folder / "model.py").write_text(text.replace("def model():\n", f"def model():\n    {what}\n"))
    code, err = call(*run_words(folder))
    assert code == 2 and "Traceback" not in err and err.count("error: ") == 1, err
    assert not (folder / "run").exists()


CHANGES = """
import random, numpy
print("a model that prints")
if os.fork() == 0:
    raise ValueError('a child that goes astray')
threading.Thread(target=time.sleep, args=(0,)).start()
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: None)
os.chdir("/")
torch.set_num_threads(2)
torch.set_default_dtype(torch.float64)
torch.manual_seed(time.time_ns() % 1000), random.seed(), numpy.random.seed()
sys.stdout = sys.stderr = None
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_model_changes_does_not_reach_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    folder = make_striking(tmp_path, CHANGES, place="nowhere")
    monkeypatch.chdir(folder)
    # A folder that is named from here, where a model that goes elsewhere would lose it.
    words = [word for word in run_words(folder) if word != folder / "run"]
    place = words.index("--out") + 1
    assert call(*words[:place], "plain", *words[place:])[0] == 0
    (folder / "place").write_text("images")
    words[words.index("--workers") + 1] = workers
    code, err = call(*words[:place], "changed", *words[place:])
    assert code == 0, err
    assert_same(everything(folder / "changed"), everything(folder / "plain"))
    assert Path.cwd() == folder and children() == set()


KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
LOST = {
    KILLED: "killed (SIGKILL)",
    "os.kill(os.getpid(), signal.SIGSEGV)": "killed (SIGSEGV)",
    "time.sleep(1000)": "no sign of life for",
    "os.closerange(3, 100); time.sleep(1000)": "killed (SIGKILL)",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_striking(tmp_path_factory.mktemp("plain"), "pass")
    assert call(*run_words(folder))[0] == 0
    return folder / "run"


@pytest.mark.parametrize("what", [*LOST][:1] + [pytest.param(what, marks=pytest.mark.slow) for what in [*LOST][1:]])
def test_a_worker_that_is_killed_or_hangs_is_replaced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: Path, what: str
) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    folder = make_striking(tmp_path, what, once=True)
    code, err = call(*run_words(folder, 2))
    assert code == 0, err
    said = [line for line in err.splitlines() if "asked again in a new process" in line]
    assert len(said) == 1 and LOST[what] in said[0] and re.search(rf"model m, {AT}: ", said[0]), err
    rows, before = everything(folder / "run"), everything(plain)
    assert {key[1] for key in rows} == {key[1] for key in before}
    assert_same(rows, before)
    assert children() == set()


@pytest.mark.parametrize("what", [pytest.param(KILLED, marks=pytest.mark.slow), "time.sleep(1000)"])
def test_a_worker_that_is_lost_again_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    folder = make_striking(tmp_path, what)
    said = one_line(*call(*run_words(folder, 2)), rf"^error: model m, {AT}: ")
    assert LOST[what] in said and ("--workers" in said) == (what == KILLED)
    assert children() == set()
    assert RunStore.open(folder / "run").manifest.sessions[-1].stop == "failed"


ENDED = {
    # Not through Python: nothing that the package could have seen.
    "import ctypes; ctypes.CDLL(None)._exit(0)": rf"^error: model m, {AT}: .* by itself with exit code 0",
    "sys.exit(3)": rf"^error: model m tried to end the process \(exit\) \(model.py:\d+\) {AT}",
    "raise Odd(1, 2)": rf"^error: model m raised Odd: \(its text cannot be read\) \(model.py:\d+\) {AT}",
    "raise MemoryError": rf"^error: model m ran out of memory \(model.py:\d+\) {AT}",
}


@pytest.mark.parametrize("what", [*ENDED][:1] + [pytest.param(what, marks=pytest.mark.slow) for what in [*ENDED][1:]])
def test_a_worker_whose_model_ends_it_or_raises_ends_the_run(tmp_path: Path, what: str) -> None:
    folder = make_striking(tmp_path, what)
    one_line(*call(*run_words(folder, 2)), ENDED[what])
    assert children() == set()


@pytest.mark.parametrize("what", ["time.sleep(1000)", "while True: pass", "threading.Event().wait()"])
def test_a_model_that_hangs_in_this_process_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    folder = make_striking(tmp_path, what)
    one_line(*call(*run_words(folder)), rf"^error: model m, {AT}: no sign of life for \d+ s.*{VARIABLE}=SECONDS")
    session = RunStore.open(folder / "run").manifest.sessions[-1]
    assert session.stop == "failed" and "no sign of life" in session.why


def test_how_long_a_model_may_take_grows_with_what_it_took() -> None:
    assert patience(0, 0.0) == patience(1, 0.0) == 600
    assert patience(100, 0.0) == 6000, "a minute an image where nothing is known"
    assert patience(100, 0.001) == 600
    assert patience(100, 2.0) == 4000, "20 times what the slowest call took"


@pytest.mark.parametrize("text", ["nan", "0", "-1", "soon"])
def test_an_impossible_patience_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    code, err = call(*run_words(make_striking(tmp_path, "pass")))
    assert code == 2 and f"{VARIABLE} is a number of seconds above 0" in err
    assert not (tmp_path / "run").exists() and os.environ[VARIABLE] == text
