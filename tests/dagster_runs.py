"""Runs of the project's jobs in this process, as tests of assets want them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from ops.fanout import Fanout
from pipelines.definitions import defs
from stores.home import Home

_shared: dict[str, Fanout] = {}


@contextmanager
def one_actor_for_all_runs() -> Iterator[Fanout]:
    """Inside, runs share a pool of one real actor, as those of a command do; each run would start its own otherwise."""
    with Fanout(actors=1) as pool:
        pool.connect()
        _shared["fanout"] = pool
        try:
            yield pool
        finally:
            _shared.clear()


def shared_pool() -> Mapping[str, Fanout]:
    """Resources to run a job with in this process."""
    return _shared


def run_job(
    home: Home, instance: dg.DagsterInstance, job: str, shard: str | None = None, **resources: Mapping[str, Any]
) -> dg.ExecuteInProcessResult:
    """Run a job; a failure is in the result.

    Args:
        resources: configuration by name of the resource.
    """
    configured = {name: {"config": dict(config)} for name, config in resources.items()}
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=shard,
        raise_on_error=False,
        resources=shared_pool(),
        run_config={
            "resources": {"home": {"config": {"url": home.location.url}}, **configured},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What a successful run recorded of an asset."""
    assert result.success, [event.step_failure_data.error.message for event in result.get_step_failure_events()]
    (event,) = [event for event in result.get_asset_materialization_events() if event.asset_key.path[-1] == asset]
    return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}
