"""Launches runs as Dagster does by default, and notices when the process of one is gone.

Dagster's default launcher cannot tell a run that works from one whose code server was killed with it: such a run would
stay "started" for ever and keep its place in the queue and its slots in pools.
"""

from __future__ import annotations

import json

from dagster import DagsterRun
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
        """Whether the code server that started the run still has it; runs of the command line tell by a lock."""
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
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server that ran it is gone")
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server knows it no more")
