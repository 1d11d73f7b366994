"""Materialise shards in this process, one Dagster run each, so that the UI shows what the command line did."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from ops.fanout import Fanout
from pipelines.killed_runs import bury_killed_runs, process_tag

JOB = "label_shards"
_WRAPPERS = ("RetryRequestedFromPolicy", "DagsterExecutionStepExecutionError", "Failure")


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
        shard: its key.
        error: None, or why it failed, in one line.
        seconds: wall time.
        metadata: by asset name, what its materialisation recorded.
    """

    shard: str
    error: str | None
    seconds: float
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)


def materialise(
    instance: dg.DagsterInstance, shards: Sequence[str], request: LabelRequest, assets: Sequence[str] = ()
) -> Iterator[ShardRun]:
    """Run the labelling job shard by shard; one that fails does not stop the others.

    Args:
        assets: names of assets; empty takes all of the job.
    """
    from pipelines.definitions import defs

    logging.getLogger("dagster").setLevel(logging.ERROR)
    job = defs.resolve_job_def(JOB)
    selection = [dg.AssetKey(name) for name in assets] or None
    run_config = {
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "resources": {"labelling": {"config": request.resource_config()}},
    }
    bury_killed_runs(instance)
    with Fanout() as cluster, process_tag(instance) as tags:
        if len(shards) > 1:
            cluster.connect()
        for shard in shards:
            begun = time.perf_counter()
            result = job.execute_in_process(
                instance=instance,
                partition_key=shard,
                asset_selection=selection,
                run_config=run_config,
                tags=tags,
                raise_on_error=False,
            )
            yield ShardRun(
                shard=shard,
                error=None if result.success else _reason(result),
                seconds=time.perf_counter() - begun,
                metadata=_metadata(result),
            )


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
        return "; ".join(
            f"check {check.check_name} of {check.asset_key.to_user_string()} failed: {check.description}"
            for check in failed
        )
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None and error.cls_name in _WRAPPERS:
            error = error.cause
        if error is not None:
            return error.message.strip().splitlines()[0].partition(": ")[2] or str(error.cls_name)
    return f"run {result.run_id} failed before any step; see it in the UI"
