"""Tasks spread over jobs of a Slurm cluster (the extra ``slurm``, which is submitit)."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

from brittlestar.core import interrupts, whereabouts
from brittlestar.core.errors import UsageError, require
from brittlestar.runs.executors.mailbox import Mailbox, private_folder
from brittlestar.runs.executors.remote import Answer, Died, News, Ready, Remote
from brittlestar.runs.executors.station import Orders, Station, TaskError
from brittlestar.runs.task import Done, Task

BEAT = 2.0
"""Seconds between signs of life, both ways."""

SILENCE = 120.0
"""Seconds without a sign of life after which either side takes the other for dead."""

_LOOK = (0.02, 0.5)
"""Seconds between two looks into a mailbox: the first, and the longest after nothing came."""

_ASK = 10.0
"""Seconds between two questions to Slurm about its jobs: they are a burden on it."""

_LIVING = {
    "PENDING",
    "CONFIGURING",
    "RUNNING",
    "COMPLETING",
    "SUSPENDED",
    "STOPPED",
    "RESIZING",
    "SIGNALING",
    "STAGE_OUT",
}

_STOP = "stop"
_BEAT = "beat"
_READY = "ready"
_LEAVING = "leaving"


@final
class Slurm(Remote):
    """``workers`` jobs of a Slurm cluster; each loads the models once, takes tasks, and writes its own rows.

    Jobs begin when Slurm has room for them, and work begins with the first. A job that ends early (its time is over,
    its machine fails) is replaced. The run folder, the files that are named and the home folder must be shared.

    Args:
        workers: Jobs.
        cluster: ``slurm``, or ``local`` for processes of this machine; by default Slurm must be here.
        minutes: What a job may take; Slurm ends it then, and another takes its place.
        cpus: Cores a job; it computes with one thread.
        gpus: GPUs a job; by default 1 where the models lie on ``cuda``, else 0.
        memory: GB a job; by default what the cluster gives.
        partition: As for ``sbatch``.
        folder: Where jobs and their messages lie while they run, open to their owner only; by default
            ``~/.cache/brittlestar/slurm``. Messages and submitit's own files are pickled: nobody else may write there.
        device, tries, patience, hung: See ``Remote``; here the first job may wait a day in the queue.
        more: Anything else that submitit passes on: ``slurm_account``, ``slurm_qos``, ``slurm_constraint``.

    Raises:
        UsageError: submitit is not installed, there is no Slurm, or an impossible number.
    """

    stopping: ClassVar[str] = "stopping: the jobs finish the cells in hand"

    def __init__(
        self,
        workers: int = 1,
        *,
        cluster: str | None = None,
        minutes: int = 240,
        cpus: int = 1,
        gpus: int | None = None,
        memory: float | None = None,
        partition: str | None = None,
        folder: str | Path | None = None,
        device: str | None = None,
        tries: int = 3,
        patience: float = 86_400.0,
        hung: float | None = None,
        **more: Any,
    ) -> None:
        super().__init__(workers, device=device, tries=tries, patience=patience, hung=hung)
        require(cluster in (None, "slurm", "local"), f"cluster is slurm or local, got {cluster!r}", UsageError)
        strange = [name for name in more if not name.startswith("slurm_")]
        require(
            not strange,
            f"unknown option {', '.join(strange)} of the executor slurm; what else sbatch knows begins with slurm_ "
            "(slurm_account)",
            UsageError,
        )
        for name, number in (("minutes", minutes), ("cpus", cpus)):
            require(isinstance(number, int) and number >= 1, f"{name} must be at least 1, got {number!r}", UsageError)
        self._submitit = _submitit()
        require(
            cluster == "local" or shutil.which("sbatch") is not None,
            "there is no Slurm here (no command sbatch): start the run on a machine that submits jobs",
            UsageError,
        )
        self._cluster = cluster or "slurm"
        self._asking: dict[str, Any] = {"timeout_min": minutes, "cpus_per_task": cpus, "name": "brittlestar"} | more
        self._asking |= {} if memory is None else {"mem_gb": memory}
        self._asking |= {} if partition is None else {"slurm_partition": partition}
        self._gpus = gpus
        self._base = Path(folder) if folder is not None else _cache() / "slurm"
        self._place = Path()
        self._executor: Any = None
        self._jobs: dict[str, _Job] = {}
        self._queue_says: _Queue = _Local() if self._cluster == "local" else _Queue()
        self._beating: threading.Event | None = None
        self._failed = False

    def _open(self, orders: Orders, workers: int) -> None:
        self._jobs, self._failed = {}, False
        self._place = private_folder(
            private_folder(self._base) / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        )
        Mailbox(self._place / "orders").send(orders)
        gpus = self._gpus if self._gpus is not None else int(orders.device == "cuda")
        self._executor = self._submitit.AutoExecutor(folder=self._place / "jobs", cluster=self._cluster)
        # A job that Slurm began anew by itself would find its mailbox half read: another job is asked for instead.
        own = {"slurm_additional_parameters": {"no-requeue": True}}
        self._executor.update_parameters(**(own | self._asking), **({"gpus_per_node": gpus} if gpus else {}))
        interrupts.at_once.append(self._cancel)
        self._beating = threading.Event()
        threading.Thread(target=self._beat, args=(self._beating,), daemon=True).start()

    def _beat(self, ended: threading.Event) -> None:
        """In a thread, so that jobs see whether this process lives, whatever it is doing."""
        while not ended.wait(BEAT):
            for job in [*self._jobs.values()]:
                with contextlib.suppress(OSError):
                    job.to.send(_BEAT)

    def _hire(self) -> str:
        name = f"job-{len(self._jobs)}"
        to, back = (Mailbox(self._place / f"{name}.{way}") for way in ("to", "from"))
        # Both are there before the job is, as absence is cached too.
        to.path.touch(mode=0o600)
        back.path.touch(mode=0o600)
        job = self._executor.submit(serve, str(self._place), name)
        self._jobs[name] = _Job(job, to, back)
        return name

    def _give(self, worker: str, number: int, task: Task) -> None:
        self._jobs[worker].to.send((number, task))

    def _recall(self, worker: str, number: int) -> None:
        self._jobs[worker].to.send(number)

    def _news(self, seconds: float) -> list[News]:
        until, pause = time.monotonic() + seconds, _LOOK[0]
        while True:
            going = {name: job for name, job in self._jobs.items() if not job.over}
            self._queue_says.look([job.job for job in going.values()])
            news = [one for name, job in going.items() for one in job.news(name, self._queue_says)]
            if news or time.monotonic() >= until:
                self._failed |= any(isinstance(one, Died) and not one.planned for one in news)
                return news
            time.sleep(pause)
            pause = min(2 * pause, _LOOK[1])

    def _dismiss(self, worker: str) -> None:
        self._jobs[worker].over = True
        self._failed = True
        with contextlib.suppress(Exception):
            self._jobs[worker].job.cancel()

    def _shut(self) -> None:
        if self._beating is not None:
            self._beating.set()
        going = [job for job in self._jobs.values() if not job.over]
        for job in going:
            with contextlib.suppress(OSError):
                job.to.send(_STOP)
        # One that has begun ends by itself at once; one that waits in the queue never gets to read its message.
        until = time.monotonic() + 10 * BEAT
        while any(job.begun and not job.left() for job in going) and time.monotonic() < until:
            time.sleep(0.05)
        for job in going:
            if not job.left():
                with contextlib.suppress(Exception):
                    job.job.cancel()
        if self._jobs and not self._failed:
            # What a job printed is worth keeping only where one died.
            shutil.rmtree(self._place, ignore_errors=True)
        self._jobs = {}
        if self._cancel in interrupts.at_once:
            interrupts.at_once.remove(self._cancel)

    def _cancel(self) -> None:
        for job in self._jobs.values():
            with contextlib.suppress(Exception):
                job.job.cancel()

    def _asked(self) -> str:
        going = [job.job for job in self._jobs.values() if not job.over]
        states = ", ".join(f"{job.job_id} {self._queue_says.state(job) or 'not known'}" for job in going)
        return f"jobs as Slurm has them: {states}; what they printed is in {self._place / 'jobs'}"


class _Queue:
    """What Slurm says of its jobs; ``squeue`` knows them also where no accounting is kept, of which submitit asks."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._asked = -_ASK

    def look(self, jobs: Sequence[Any]) -> None:
        """Ask, if it is time."""
        if time.monotonic() - self._asked >= _ASK:
            self._asked = time.monotonic()
            self._states = self._said([str(job.job_id) for job in jobs])

    def state(self, job: Any) -> str:
        """A job's state when it was last asked for; empty where that is not known."""
        return self._states.get(str(job.job_id), "")

    def ended(self, job: Any) -> bool:
        """Whether it is known to have ended."""
        return (self.state(job) or "RUNNING") not in _LIVING

    def _said(self, ids: list[str]) -> dict[str, str]:
        command = ["squeue", "--noheader", "--states=all", "--format=%i %T", f"--jobs={','.join(ids)}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return {}
        if done.returncode and "Invalid job id" not in done.stderr:
            return {}  # Slurm itself is out of reach, which says nothing about its jobs
        # One that is no longer listed ended some minutes ago.
        return dict.fromkeys(ids, "GONE") | dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


class _Local(_Queue):
    """Processes of this machine."""

    def look(self, jobs: Sequence[Any]) -> None:
        """Cheap, so always asked."""
        self._states = {str(job.job_id): job.state for job in jobs}


class _Job:
    """A job as the process that asked for it knows it."""

    def __init__(self, job: Any, to: Mailbox, back: Mailbox) -> None:
        self.job, self.to, self.back = job, to, back
        self.begun = self.over = False
        self.at = ""
        self.seen = time.monotonic()

    def news(self, name: str, queue: _Queue) -> list[News]:
        """What the job has said, or that it is gone."""
        news: list[News] = []
        for message in self.back.receive():
            self.seen = time.monotonic()
            if isinstance(message, str) and message.startswith(_BEAT):
                self.at = message.removeprefix(_BEAT)
            elif message == _READY:
                self.begun = True
                news.append(Ready(name))
            elif message == _LEAVING:
                self.over = True
                news.append(Died(name, f"the time of job {self.job.job_id} was over", planned=True))
            elif isinstance(message, tuple):
                self.at = ""
                news.append(Answer(name, *message))
        silent = self.begun and time.monotonic() - self.seen > SILENCE
        # The queue was asked before the messages were read: what a job said before it ended comes first.
        if not news and (queue.ended(self.job) or silent):
            self.over = True
            why = f"no sign of life for {SILENCE:g} s" if silent else queue.state(self.job).lower()
            with contextlib.suppress(Exception):
                self.job.cancel()
            told = f"job {self.job.job_id} has gone ({why}{self._last()}; its output is {self.job.paths.stderr})"
            news.append(Died(name, told, at=self.at))
        return news

    def left(self) -> bool:
        """Whether it has returned; submitit writes what came of it."""
        return bool(self.job.paths.result_pickle.exists())

    def _last(self) -> str:
        """The last line that it printed."""
        try:
            lines = self.job.paths.stderr.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return next((f", {line.strip()}" for line in reversed(lines) if line.strip()), "")


def serve(place: str, name: str) -> None:
    """What a job runs: tasks from a mailbox until it is told to stop, or nobody seems to be there any more."""
    folder = Path(place)
    [orders] = Mailbox(folder / "orders").receive()
    to, back = Mailbox(folder / f"{name}.to"), Mailbox(folder / f"{name}.from")
    station = Station(orders)
    watch = _Watch(to)
    leaving = threading.Event()
    # Slurm says some time ahead that it will end a job. submitit would raise an error wherever the job is by then.
    for name_ in ("SIGUSR2", "SIGTERM"):
        if hasattr(signal, name_):
            signal.signal(getattr(signal, name_), lambda *_: leaving.set())
    back.send(_READY)

    def beat() -> None:
        while True:
            time.sleep(BEAT)
            try:
                back.send(_BEAT + whereabouts.told())
            except OSError:
                os._exit(1)  # the folder was cleared away: nobody waits for an answer

    threading.Thread(target=beat, daemon=True).start()
    pause = _LOOK[0]
    while (task := watch.next()) != _STOP:
        if leaving.is_set():
            back.send(_LEAVING)
            return
        if task is None:
            time.sleep(pause)
            pause = min(2 * pause, _LOOK[1])
            continue
        pause = _LOOK[0]
        number, work = task
        answer: Done | TaskError = station.run(work)
        back.send((number, answer))


class _Watch:
    """What a job has been told and not done."""

    def __init__(self, to: Mailbox) -> None:
        self._to = to
        self._tasks: dict[int, Task] = {}
        self._seen = time.monotonic()

    def next(self) -> Any:
        """(number, task), or ``None`` when there is none, or ``_STOP``."""
        for message in self._to.receive():
            self._seen = time.monotonic()
            if message == _STOP:
                return _STOP
            if isinstance(message, int):
                self._tasks.pop(message, None)
            elif isinstance(message, tuple):
                self._tasks[message[0]] = message[1]
        if time.monotonic() - self._seen > SILENCE:
            return _STOP
        if not self._tasks:
            return None
        number = next(iter(self._tasks))
        return number, self._tasks.pop(number)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brittlestar"


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise UsageError(
            f"the executor slurm needs submitit: python -m pip install 'brittlestar[slurm]' ({error})"
        ) from error
    return submitit
