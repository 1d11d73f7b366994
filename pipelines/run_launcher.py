"""Launches runs as Dagster does by default, and notices when the process of one is gone.

Dagster's default launcher cannot tell a run that works from one whose code server was killed with it: such a run would
stay "started" for ever and keep its place in the queue and its slots in pools.
"""

from __future__ import annotations

import json
import os
from typing import Any

import grpc
from dagster import DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

from pipelines.killed_runs import process_is_dead


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher, for `run_launcher` in dagster.yaml, with a check of health for run monitoring."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that started the run still has it; runs of the command line tell by a lock.

        The server of `dagster dev` cannot say: there the run's process decides.
        """
        if GRPC_INFO_TAG not in run.tags:
            dead = process_is_dead(self._instance, run)
            return CheckRunHealthResult(
                WorkerStatus.FAILED if dead else WorkerStatus.RUNNING, "its process was killed" if dead else None
            )
        address = json.loads(run.tags[GRPC_INFO_TAG])
        client = DagsterGrpcClient(
            port=address.get("port"),
            socket=address.get("socket"),
            host=address.get("host"),
            use_ssl=bool(address.get("use_ssl", False)),
        )
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError as error:
            if _is_of_dagster_dev(error):
                return _health_by_process(self._instance, run, address)
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server that ran it is gone")
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server knows it no more")


def _is_of_dagster_dev(error: DagsterUserCodeUnreachableError) -> bool:
    """Whether a server did answer: the reloadable one of `dagster dev`, which cannot be asked for its runs."""
    cause = error.__cause__
    return isinstance(cause, grpc.Call) and cause.code() == grpc.StatusCode.UNIMPLEMENTED


def _health_by_process(instance: DagsterInstance, run: DagsterRun, address: dict[str, Any]) -> CheckRunHealthResult:
    """By the process that the run's events name; one that is only starting, or of another machine, counts as alive."""
    events = instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
    metadata = [entry.dagster_event.engine_event_data.metadata for entry in events if entry.dagster_event]
    pids = [int(str(each["pid"].value)) for each in metadata if "pid" in each]
    if not pids or not address.get("socket") or _lives(pids[0]):
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
