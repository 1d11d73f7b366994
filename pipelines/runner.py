"""Materialise shards in this process, one Dagster run each, so that the UI shows what the command line did."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from ops.fanout import Fanout
from ops.interrupts import STOPPED
from pipelines.failures import checks_in_one_line, error_in_one_line
from pipelines.killed_runs import bury_killed_runs, process_tag
from pipelines.turns import pools_of, wait_for_places

JOB = "label_shards"


@dataclass(frozen=True)
class LabelRequest:
    """Which settings a run is to use; resolved by `ops.presets.resolve_settings`.

    Attributes:
        values: of the user's own settings file.
    """

    preset: str = "default"
    values: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    force: bool = False

    def resource_config(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "settings": dict(self.values),
            "overrides": list(self.overrides),
            "force": self.force,
        }


@dataclass(frozen=True)
class ShardRun:
    """What became of one shard.

    Attributes:
        shard: its key, or the job where there is no shard.
        error: None, or why it failed, in one line.
        seconds: wall time.
        metadata: by asset name, what its materialisation recorded.
    """

    shard: str
    error: str | None
    seconds: float
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Runner:
    """Runs jobs in this process, one Dagster run each.

    Attributes:
        tags: of every run; see `pipelines.killed_runs`.
        pool: of the actors that all runs share: each takes many seconds to import what it works with.
    """

    instance: dg.DagsterInstance
    tags: Mapping[str, str]
    pool: Fanout

    def run(
        self,
        job: str,
        resources: Mapping[str, Any],
        shard: str | None = None,
        assets: Sequence[str] = (),
        definitions: dg.Definitions | None = None,
    ) -> ShardRun:
        """Run a job, once the pools of its steps have room.

        Args:
            resources: configuration by name of the resource.
            shard: the partition; None for assets that have none.
            assets: names of assets; empty takes all of the job.
            definitions: that have the job; None takes those of the project.

        Raises:
            KeyboardInterrupt: the process was told to stop while a step was at work.
        """
        from pipelines.definitions import defs

        begun = time.perf_counter()
        chosen = (definitions or defs).resolve_job_def(job)
        if assets:
            # Chosen before the pool takes the place of the job's own: Dagster refuses both at once.
            chosen = chosen.get_subset(asset_selection={dg.AssetKey(name) for name in assets})
        wait_for_places(self.instance, pools_of(chosen), _say)
        result = chosen.execute_in_process(
            instance=self.instance,
            partition_key=shard,
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {name: {"config": dict(config)} for name, config in resources.items()},
            },
            tags=self.tags,
            resources={"fanout": self.pool},
            raise_on_error=False,
        )
        if _was_stopped(result):
            raise KeyboardInterrupt
        return ShardRun(
            shard=shard or job,
            error=None if result.success else _reason(result),
            seconds=time.perf_counter() - begun,
            metadata=_metadata(result),
        )


@contextmanager
def running(instance: dg.DagsterInstance, pool: Fanout | None = None) -> Iterator[Runner]:
    """A runner, after the runs of killed processes were recorded as failed; an interrupted one of its own is too.

    Args:
        pool: of actors, for a caller who has several runners; None takes one that is closed at the end.
    """
    logging.getLogger("dagster").setLevel(logging.ERROR)
    bury_killed_runs(instance)
    try:
        with nullcontext(pool) if pool else Fanout() as shared, process_tag(instance) as tags:
            yield Runner(instance, tags, shared)
    finally:
        bury_killed_runs(instance)


def materialise(
    instance: dg.DagsterInstance,
    shards: Sequence[str],
    request: LabelRequest,
    assets: Sequence[str] = (),
    pool: Fanout | None = None,
) -> Iterator[ShardRun]:
    """Run the labelling job shard by shard; one that fails does not stop the others.

    Args:
        assets: names of assets; empty takes all of the job.
        pool: see `running`.
    """
    with running(instance, pool) as runner:
        for shard in shards:
            yield runner.run(JOB, {"labelling": request.resource_config()}, shard, assets)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a step ended as `ops.interrupts` ends it, not by a failure of its own."""
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    return any(error is not None and STOPPED in error.message for error in errors)


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    recorded = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        values = {name: value.value for name, value in materialization.metadata.items()}
        recorded[materialization.asset_key.to_user_string()] = values
    return recorded


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """The checks that failed, or the error that the first failed step raised, in one line."""
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    if failed:
        return checks_in_one_line(failed)
    for event in result.get_step_failure_events():
        if (error := event.step_failure_data.error) is not None:
            return error_in_one_line(error)
    return f"run {result.run_id} failed before any step; see it in the UI"
