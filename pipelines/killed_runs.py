"""Runs of the command line whose process was killed: recorded as failed, and what they held given back.

Dagster leaves it to the launcher of a run to notice its death. Runs in this process have no launcher, so each names a
file that its process keeps locked: the system drops the lock with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

TAG = "unsam/process"
HOST_TAG = "unsam/host"
_UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


@contextmanager
def process_tag(instance: dg.DagsterInstance) -> Iterator[dict[str, str]]:
    """Tags for the runs of this process, by which others see that it lives."""
    path = _folder(instance) / f"{uuid.uuid4().hex}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield {TAG: path.name, HOST_TAG: socket.gethostname()}
        finally:
            path.unlink()


def bury_killed_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record runs of dead processes as failed and free the places that they hold in pools; returns their ids."""
    buried = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if process_is_dead(instance, run):
            instance.report_run_failed(run, "the process of this run was killed; the next run goes on where it stopped")
            buried.append(run.run_id)
    for run_id in instance.event_log_storage.get_concurrency_run_ids():
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return buried


def process_is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run of the command line has lost its process; only this machine's processes can be judged."""
    if TAG not in run.tags or run.tags.get(HOST_TAG, socket.gethostname()) != socket.gethostname():
        return False
    return not _is_alive(_folder(instance) / run.tags[TAG])


def _folder(instance: dg.DagsterInstance) -> Path:
    folder = Path(instance.root_directory) / "processes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_alive(path: Path) -> bool:
    """Whether some process holds the lock; a file that nobody holds is removed."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    path.unlink(missing_ok=True)
    return False
