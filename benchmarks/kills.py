"""Kill commands at random moments, run them again, compare: rows, bricked folders, processes that are left.

Each trial forks from a process that has imported everything, so that a command costs its work and not its imports; the
moment is drawn evenly over the command's own undisturbed length. Half of the trials end with SIGKILL for the whole
process group (as a container that is closed does), a quarter each with SIGTERM and SIGINT. Then the same command runs
to its end, and what it left is compared with what an undisturbed one left.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Before torch is imported: a process with threads cannot be forked.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np

import brittlestar.analyses.explain
import brittlestar.analyses.mapping
import brittlestar.api.evaluation
import brittlestar.api.progress
import brittlestar.build
import brittlestar.cli.main
import brittlestar.report.build
import brittlestar.training.fit
from brittlestar.store import RunStore
from tiny import make_world

KINDS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def started(words: list[str], log: Path) -> int:
    """A child that runs the command in a session of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        # A shell has what it starts in the background ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["brittlestar", *words]
        brittlestar.cli.main.main()
    except SystemExit as leaving:
        os._exit(int(leaving.code or 0))
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(1)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def told_by_child(result: Callable[[], str]) -> str:
    """What a function gives, called in a child: reading rows starts threads, and this process must have none."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            text = result()
        except Exception as error:
            text = f"bricked: {type(error).__name__}: {error}"
        with os.fdopen(writing, "w") as pipe:
            pipe.write(text)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    ended(pid)
    return text


def of_session(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                told = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(told[3]) == session and told[0] != "Z":
                    found.append(int(folder.name))
    return found


def left_over(session: int) -> list[int]:
    """Processes of a session that are still there after the few seconds that orphans need to notice."""
    for _ in range(100):
        if not of_session(session):
            return []
        time.sleep(0.05)
    return of_session(session)


def rows_of(folder: Path) -> str:
    """A digest of all rows."""
    store = RunStore.open(folder)
    digest = hashlib.sha256()
    for name, model in sorted(store.manifest.models.items()):
        for condition, rows in sorted(store.read(model["fingerprint"], None).items()):
            digest.update(f"{name} {condition}".encode())
            for column in ("position", "label", "prediction", "label_logit", "top_logit", "log_sum_exp"):
                digest.update(np.ascontiguousarray(getattr(rows, column)).tobytes())
    return digest.hexdigest()


def arrays_of(path: Path) -> str:
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as file:
        for name in sorted(file.files):
            digest.update(name.encode() + np.ascontiguousarray(file[name]).tobytes())
    return digest.hexdigest()


def map_of(folder: Path) -> str:
    return rows_of(folder) + "".join(arrays_of(path) for path in sorted(folder.rglob("map.npz")))


def pictures_of(folder: Path) -> str:
    kept = sorted((folder / "examples").iterdir())
    names = [path.name for path in kept]
    return rows_of(folder) + str(names) + (folder / "examples" / "examples.json").read_text()


@dataclass
class Verb:
    """A command, what must be there before it, and what is compared after it.

    Fields:
        name: For the table.
        words: ``{w}`` is the world, ``{o}`` the folder that the trial has for itself.
        result: A digest of what it left.
        before: Makes what must be there; ``None`` for nothing.
        share: Of the trials.
    """

    name: str
    words: str
    result: Callable[[Path], str]
    before: Callable[[Path, Path], None] | None = None
    share: float = 1.0
    kills: int = 0
    equal: int = 0
    bricked: int = 0
    left: int = 0
    ended_before: int = 0
    length: float = 0.0
    expected: str = ""
    codes: dict[int, int] = field(default_factory=dict)


def copied(world: Path, out: Path) -> None:
    shutil.copytree(world / "base", out / "run")


def without_examples(world: Path, out: Path) -> None:
    copied(world, out)
    shutil.rmtree(out / "run" / "examples")


MODEL = "--model m=torch:{w}/model.py:model --data {w}/data.npz --anyway"
RUN = f"run {MODEL} --suite noise --no-report --out {{o}}/run --workers"

VERBS = [
    Verb("run, 1 worker", f"{RUN} 1", lambda o: rows_of(o / "run"), share=2.0),
    Verb("run, 2 workers", f"{RUN} 2", lambda o: rows_of(o / "run"), share=0.7),
    Verb("choosing examples", f"{RUN} 1", lambda o: pictures_of(o / "run"), without_examples, share=1.5),
    Verb(
        "fourier --half-width",
        f"fourier {MODEL} --half-width 0.45 --samples 16 --out {{o}}/run --workers 1",
        lambda o: map_of(o / "run"),
        share=0.6,
    ),
    Verb(
        "train",
        "train --recipe natural --data {w}/data.npz --epochs 3 --batch 20 --out {o}/trained",
        lambda o: hashlib.sha256((o / "trained" / "model.safetensors").read_bytes()).hexdigest(),
    ),
    Verb(
        "build features",
        "build features d_det --model torch:{w}/model.py:model --data {w}/data.npz --samples 24 --steps 20 "
        "--out {o}/set.npz",
        lambda o: arrays_of(o / "set.npz"),
    ),
    Verb("store compact", "store compact {o}/run", lambda o: rows_of(o / "run"), copied, share=1.5),
    Verb("report", "report {o}/run", lambda o: (o / "run" / "report" / "results.csv").read_text(), copied, share=1.2),
]


def trial(verb: Verb, world: Path, place: Path, chance: random.Random | None) -> str:
    """Run a command, killed at a random moment if ``chance`` is given, then to its end; what it left, or why not."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    if verb.before is not None:
        verb.before(world, place)
    words = verb.words.format(w=world, o=place).split()
    if chance is not None:
        pid = started(words, place.with_suffix(".killed.txt"))
        kind = chance.choice(KINDS)
        time.sleep(chance.random() * verb.length)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, kind)
        code = ended(pid)
        verb.kills += 1
        verb.codes[code] = verb.codes.get(code, 0) + 1
        verb.ended_before += code == 0
        left = left_over(pid)
        verb.left += bool(left)
        told = place.with_suffix(".killed.txt").read_text(errors="replace")
        if "Traceback" in told or code not in (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130, 143):
            print(f"{verb.name}, {kind.name}: exit code {code}\n{told}", file=sys.stderr)
    began = time.monotonic()
    code = ended(started(words, place.with_suffix(".txt")))
    if chance is None:
        verb.length = time.monotonic() - began
    if code != 0:
        return f"bricked: exit code {code}: {place.with_suffix('.txt').read_text(errors='replace')[-400:]}"
    return told_by_child(lambda: verb.result(place))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("kills"), help="A folder for the trials.")
    asked = parser.parse_args()
    tasks = len(list(Path("/proc/self/task").iterdir()))
    assert tasks == 1, f"{tasks} threads: a process with threads cannot be forked honestly"
    world = asked.out.resolve()
    shutil.rmtree(world, ignore_errors=True)
    make_world(world, 60)
    first = started(f"{RUN} 1".format(w=world, o=world).split(), world / "base.txt")
    assert ended(first) == 0, (world / "base.txt").read_text()
    (world / "run").rename(world / "base")
    chance = random.Random(asked.seed)
    whole = sum(verb.share for verb in VERBS)
    for verb in VERBS:
        verb.expected = trial(verb, world, world / "trial", None)
        assert not verb.expected.startswith("bricked"), verb.expected
        for _ in range(round(asked.kills * verb.share / whole)):
            found = trial(verb, world, world / "trial", chance)
            verb.bricked += found.startswith("bricked")
            verb.equal += found == verb.expected
            if found != verb.expected:
                print(f"{verb.name}: {found[:600]}", file=sys.stderr)
        print(f"{verb.name}: {verb.length:.1f} s, {verb.kills} kills, exit codes {verb.codes}", file=sys.stderr)
    print("| Command | Kills | Of these after its end | Same result | Bricked | Processes left |")
    print("|---|---:|---:|---:|---:|---:|")
    for verb in VERBS:
        print(f"| {verb.name} | {verb.kills} | {verb.ended_before} | {verb.equal} | {verb.bricked} | {verb.left} |")
    total = [sum(getattr(v, name) for v in VERBS) for name in ("kills", "ended_before", "equal", "bricked", "left")]
    print("| all | " + " | ".join(map(str, total)) + " |")
    shutil.rmtree(world, ignore_errors=True)


if __name__ == "__main__":
    main()
