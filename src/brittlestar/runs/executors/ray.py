"""Tasks spread over a Ray cluster: actors that hold the models (the extra ``cluster``)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from typing import Any, ClassVar, final

from brittlestar.core.errors import UsageError, require
from brittlestar.runs.executors.remote import Answer, Died, News, Ready, Remote
from brittlestar.runs.executors.station import Orders, Station
from brittlestar.runs.task import Task

_LEAST = 128 << 20
"""Bytes of the object store of a cluster that is started here: it holds nothing but the orders."""


@final
class Ray(Remote):
    """``workers`` actors of a Ray cluster; each loads the models once and writes its own rows.

    Where this process is connected to a cluster already, that one is used. Otherwise it connects to ``address``, by
    default to what the variable ``RAY_ADDRESS`` says, and where that says nothing a cluster of this machine is started
    for the run and ended with it. All machines need the same packages, and the files that are named.

    Args:
        workers: Actors.
        address: As for ``ray.init``: ``auto``, ``HOST:PORT``, ``local``.
        num_cpus: Cores that Ray counts for an actor, which computes with one thread.
        num_gpus: GPUs for an actor, and parts of one (0.25: four actors share a GPU); by default 1 where the models
            lie on ``cuda``, else 0.
        device, tries, patience, hung: See ``Remote``.

    Raises:
        UsageError: Ray is not installed, or an impossible number.
    """

    stopping: ClassVar[str] = "stopping: the cluster's workers finish the cells in hand"

    def __init__(
        self,
        workers: int = 1,
        *,
        address: str | None = None,
        num_cpus: float = 1.0,
        num_gpus: float | None = None,
        device: str | None = None,
        tries: int = 3,
        patience: float = 600.0,
        hung: float | None = None,
    ) -> None:
        super().__init__(workers, device=device, tries=tries, patience=patience, hung=hung)
        for name, number in (("num_cpus", num_cpus), ("num_gpus", num_gpus or 0)):
            require(
                isinstance(number, int | float) and number >= 0,
                f"{name} must be at least 0, got {number!r}",
                UsageError,
            )
        self._ray = _ray()
        self._address, self._cpus, self._gpus = address, num_cpus, num_gpus
        self._own = False
        self._resources: dict[str, float] = {}
        self._orders: Any = None
        self._actors: dict[str, Any] = {}
        self._refs: dict[Any, tuple[str, int | None]] = {}

    def _open(self, orders: Orders, workers: int) -> None:
        ray = self._ray
        self._actors, self._refs = {}, {}
        gpus = self._gpus if self._gpus is not None else float(orders.device == "cuda")
        self._resources = {"num_cpus": self._cpus, "num_gpus": gpus}
        if not ray.is_initialized():
            self._connect(workers, len(orders.spec))
        # Once for all actors, however large the data are.
        self._orders = ray.put(orders)

    def _connect(self, workers: int, size: int) -> None:
        address = self._address or os.environ.get("RAY_ADDRESS") or "local"
        how: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
        if address == "local":
            # Ray would otherwise report to its makers, listen for a browser and take a third of the memory.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            how |= {
                "num_cpus": max(1, round(workers * self._cpus + 0.5)),
                "include_dashboard": False,
                "object_store_memory": max(_LEAST, 2 * size),
            }
        try:
            _answers(address)
            self._ray.init(**how)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"cannot reach the Ray cluster {address!r}: {error}") from error
        self._own = True

    def _hire(self) -> str:
        name = f"actor-{len(self._actors)}"
        # Ray's own restarts would not tell the task that killed an actor from those that waited behind it.
        actor = self._ray.remote(max_restarts=0, max_task_retries=0, **self._resources)(_Actor).remote(self._orders)
        self._actors[name] = actor
        self._refs[actor.ready.remote()] = name, None
        return name

    def _give(self, worker: str, number: int, task: Task) -> None:
        self._refs[self._actors[worker].run.remote(task)] = worker, number

    def _recall(self, worker: str, number: int) -> None:
        for ref in [ref for ref, known in self._refs.items() if known == (worker, number)]:
            del self._refs[ref]
            self._ray.cancel(ref)

    def _news(self, seconds: float) -> list[News]:
        ray = self._ray
        if not self._refs:
            return []
        ray.wait([*self._refs], num_returns=1, timeout=seconds)
        finished, _ = ray.wait([*self._refs], num_returns=len(self._refs), timeout=0)
        news: list[News] = []
        for ref in finished:
            worker, number = self._refs.pop(ref)
            try:
                result = ray.get(ref)
            except ray.exceptions.RayError as error:
                news.append(Died(worker, _said(error)))
            else:
                news.append(Ready(worker) if number is None else Answer(worker, number, result))
        return news

    def _dismiss(self, worker: str) -> None:
        self._refs = {ref: known for ref, known in self._refs.items() if known[0] != worker}
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actors[worker])

    def _shut(self) -> None:
        for worker in self._actors if self._ray.is_initialized() else ():
            self._dismiss(worker)
        self._actors, self._refs, self._orders = {}, {}, None
        if self._own:
            self._own = False
            self._ray.shutdown()

    def _asked(self) -> str:
        has = self._ray.cluster_resources() if self._ray.is_initialized() else {}
        told = ", ".join(f"{has.get(key, 0):g} {key}" for key in ("CPU", "GPU"))
        return (
            f"an actor needs num_cpus={self._resources['num_cpus']:g} and num_gpus={self._resources['num_gpus']:g}, "
            f"the cluster has {told} in all"
        )


class _Actor:
    """What Ray runs: a station."""

    def __init__(self, orders: Orders) -> None:
        self._station = Station(orders)

    def ready(self) -> None:
        """Answers once the actor is there."""

    def run(self, task: Task) -> Any:
        """Do a task."""
        return self._station.run(task)


def _answers(address: str) -> None:
    """Ask whether anybody listens at ``HOST:PORT``: Ray itself would ask again and again for many minutes.

    Raises:
        OSError: Nobody does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError(
            f"the executor ray needs Ray: python -m pip install 'brittlestar[cluster]' ({error})"
        ) from error
    return ray


def _said(error: Exception) -> str:
    """The first sentence of Ray's page of text, and the exit detail that it holds."""
    lines: Iterable[str] = str(error).splitlines() or [type(error).__name__]
    telling = [line.strip() for line in lines if line.strip() and not line.startswith("\t")]
    text = telling[1] if len(telling) > 1 else telling[0]
    return text.split(" Some common causes")[0].rstrip(". ")
