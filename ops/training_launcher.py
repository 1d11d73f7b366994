"""Starts training on the workers of a Ray cluster; the loop itself is `ops.training` and knows nothing of Ray.

`ops.fanout` and this are the only files that import Ray. Ray Train brings up `torch.distributed` in every worker and
starts all of them anew when one dies; the loop then goes on from its own last checkpoint.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.shipped_code import shipped_code
from ops.training import TrainingResult

_LOCAL_OBJECT_STORE = 1 << 28


class NotEnoughWorkers(RuntimeError):
    """The cluster does not have what was asked for."""


@dataclass(frozen=True)
class Workers:
    """How many workers train, and what each holds.

    Attributes: count; gpus and cpus of each; address of a running cluster, or None for `RAY_ADDRESS` or, without
    that, a local one that lives as long as the training; restarts, after workers that died.
    """

    count: int = 1
    cpus: int = 1
    gpus: int = 0
    address: str | None = None
    restarts: int = 2


def launch(work: Callable[[], TrainingResult], workers: Workers, folder: str | Path) -> None:
    """Run `work` on every worker and wait for the last; what it leaves is in its own folder.

    Args:
        work: picklable; builds the task and calls `ops.training.train`. With several machines its folder is shared.
        workers: how many.
        folder: for Ray Train's own records.

    Raises:
        NotEnoughWorkers: at once, when the cluster is too small.
    """
    import ray.train.torch

    with _cluster(workers):
        check_capacity(workers, ray.cluster_resources())
        trainer = ray.train.torch.TorchTrainer(
            lambda: _on_worker(work),
            scaling_config=ray.train.ScalingConfig(
                num_workers=workers.count,
                use_gpu=workers.gpus > 0,
                resources_per_worker={"CPU": workers.cpus, **({"GPU": workers.gpus} if workers.gpus else {})},
            ),
            run_config=ray.train.RunConfig(
                storage_path=str(Path(folder).absolute()),
                failure_config=ray.train.FailureConfig(max_failures=workers.restarts),
            ),
        )
        trainer.fit()


def check_capacity(workers: Workers, cluster: dict[str, float]) -> None:
    """
    Raises:
        NotEnoughWorkers: some resource of the cluster does not suffice; the message says which and how many would do.
    """
    for name, each in (("CPU", workers.cpus), ("GPU", workers.gpus)):
        there = cluster.get(name, 0)
        if each and there < each * workers.count:
            raise NotEnoughWorkers(
                f"{workers.count} workers with {each} {name} each were asked for, the cluster has {there:g} {name}: "
                f"at most {int(there // each)} workers fit; ask for fewer or add machines"
            )


def _on_worker(work: Callable[[], TrainingResult]) -> None:
    import ray.train

    result = work()
    ray.train.report({"loss": result.history[-1]["loss"]} if result.history else {})


@contextmanager
def _cluster(workers: Workers) -> Iterator[None]:
    """A cluster that runs already, or a local one of all cores that is stopped at the end."""
    import ray

    if ray.is_initialized():
        yield
        return
    address = workers.address or os.environ.get("RAY_ADDRESS")
    with tempfile.TemporaryDirectory(prefix="unsam-ray-") as scratch:
        if address:
            ray.init(address=address, runtime_env=shipped_code(), logging_level=logging.ERROR)
        else:
            ray.init(
                address="local",
                include_dashboard=False,
                logging_level=logging.ERROR,
                object_store_memory=_LOCAL_OBJECT_STORE,
                _temp_dir=scratch,
            )
        try:
            yield
        finally:
            ray.shutdown()
