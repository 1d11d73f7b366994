"""The one place that knows Ray: a pool of actors, a bounded window, retries, and results in order or as they come.

Plain actors with a bounded `ray.wait` window, because Ray Data took four times as long for the same work. A worker
that dies is replaced and only the item that it was at is held against it: items that merely waited behind it are
tried again freely, and an item that sees two workers die is quarantined.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

from ops.fanout_run import FanoutError, FanoutRun, Job, Seat
from ops.interrupts import ending_at_once
from ops.ledger import PATIENCE, Ledger, Outcome, WorkersKeepDying
from ops.pool_actor import PoolActor, Worker
from ops.shipped_code import shipped_code

__all__ = ["Fanout", "FanoutError", "Outcome", "WorkersKeepDying", "usable_cores"]

WINDOW_PER_ACTOR = 4
GPU_SHARE = 0.25
OBJECT_STORE_BYTES = 1 << 30
QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Fanout:
    """A pool of Ray actors that outlives single calls of `map`; use it as a context manager.

    Args:
        address: a cluster to attach to; empty takes `RAY_ADDRESS`, and without that a local one is started on
            first use and stopped by `close`. A cluster that runs already is never stopped.
        actors: how many; empty fills the cluster's GPUs, or its cores where `gpus_per_actor` is 0.
        gpus_per_actor: share of a GPU that an actor holds; empty takes a quarter where the cluster has GPUs, since
            much of an image's work is done on the CPU meanwhile.
        cpus_per_actor: cores that an actor holds, and the threads that its libraries may use.
    """

    def __init__(
        self,
        address: str | None = None,
        actors: int | None = None,
        gpus_per_actor: float | None = None,
        cpus_per_actor: int = 1,
    ) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS")
        self.actors = actors
        self.gpus_per_actor = gpus_per_actor
        self.cpus_per_actor = cpus_per_actor
        self._seats: list[Seat] = []
        self._scratch: str | None = None

    def __enter__(self) -> Fanout:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def map(
        self,
        worker_factory: Callable[[], Worker],
        items: Iterable[Any],
        finish: Worker | None = None,
        *,
        refusable: tuple[type[Exception], ...] = (),
        window: int | None = None,
        ordered: bool = True,
        progress: Callable[[int], None] | None = None,
        name: Callable[[Any], str] = str,
    ) -> Iterator[Outcome]:
        """Call `worker_factory()` once an actor, and what it returns on every item.

        Args:
            worker_factory: picklable; makes the callable that turns an item into a value.
            items: picklable and small (keys, paths); read lazily.
            finish: picklable; turns the worker's value into the outcome's. On GPU machines with cores to spare it
                runs as a CPU task of its own while the GPU goes on; otherwise the actor does it.
            refusable: errors that quarantine the item, with their message as the reason.
            window: items under way or waiting to be yielded, at most; empty takes four an actor.
            ordered: yield in the items' order; otherwise as they are done, so that nothing done ever waits.
            progress: called with the number of items done so far.
            name: how an item is called in messages.

        Raises:
            FanoutError: a worker does not start, or an item raised an error that is not refusable.
            WorkersKeepDying: and finish nothing in between.
        """
        count = len(items) if isinstance(items, Sized) else None
        if count == 0:
            return
        try:
            with ending_at_once():  # also while Ray starts, which takes its time on a busy machine
                self.connect()
                import ray  # after `connect`, which sets what Ray reads when it is imported

                cores_apart = self._seat_actors(count)
                actors = len(self._seats)
                ledger = Ledger(items, window or WINDOW_PER_ACTOR * actors, ordered, patience=PATIENCE + 2 * actors)
                job = Job(worker_factory, finish, refusable, name, finish_apart=cores_apart >= 1)
                yield from FanoutRun(ray, job, self._seats, self._new_actor, ledger).outcomes(progress)
        except BaseException:
            self.release()
            raise

    @property
    def in_the_way(self) -> bool:
        """Whether its actors, working or idle, hold what others may want: GPUs, or cores of a cluster that stands."""
        if not self._seats:
            return False
        import ray

        return bool(self.address) or self._gpu_share(ray.cluster_resources().get("GPU", 0)) > 0

    def release(self) -> None:
        """Stop the actors, so that others may have their cores and GPUs; the next `map` starts new ones."""
        if self._seats:
            import ray

            for seat in self._seats:
                ray.kill(seat.actor)
            self._seats = []

    def close(self) -> None:
        """Stop the actors, and the cluster if this object started it."""
        self.release()
        if self._scratch is not None:
            import ray

            ray.shutdown()
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def connect(self) -> None:
        """Attach to the cluster, or start the local one: what every later pool of this process then uses too."""
        with _environment(QUIET if self.address else QUIET | LOOPBACK):
            import ray

            if ray.is_initialized():
                return
            if self.address:
                ray.init(
                    address=self.address,
                    runtime_env=shipped_code(),
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
                return
            self._scratch = tempfile.mkdtemp(prefix="unsam-ray-")
            ray.init(
                address="local",
                num_cpus=usable_cores(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=self._scratch,
            )

    def _seat_actors(self, item_count: int | None) -> float:
        """Fill the seats; returns the cores that GPU actors leave to others, 0 where there are none such."""
        import ray

        cluster = ray.cluster_resources()
        cores, gpus = cluster.get("CPU", 0), cluster.get("GPU", 0)
        share = self._gpu_share(gpus)
        fitting = int(min(cores / self.cpus_per_actor, gpus / share if share else math.inf))
        if not fitting:
            wanted = f"{self.cpus_per_actor} CPUs and {share} GPUs"
            raise FanoutError(f"no room for an actor with {wanted} in a cluster of {cores:g} CPUs and {gpus:g} GPUs")
        count = min(self.actors or fitting, fitting, max(1, fitting if item_count is None else item_count))
        self._seats += [Seat(self._new_actor()) for _ in range(count - len(self._seats))]
        return cores - len(self._seats) * self.cpus_per_actor if share else 0

    def _gpu_share(self, gpus: float) -> float:
        if self.gpus_per_actor is not None:
            return self.gpus_per_actor
        return GPU_SHARE if gpus else 0

    def _new_actor(self) -> Any:
        import ray

        share = self._gpu_share(ray.cluster_resources().get("GPU", 0))
        actor_class = ray.remote(num_cpus=self.cpus_per_actor, num_gpus=share)(PoolActor)
        return actor_class.remote(self.cpus_per_actor)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set what is not set yet, for the processes that are started inside."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
