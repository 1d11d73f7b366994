"""Asks again for runs that were lost: whose process, code server or machine ended under them.

Dagster's own retries give a run up when the code server happens to be away while they are launched, and a daemon that
is killed at the wrong moment leaves a backfill waiting for a retry for ever. A sensor's run keys have neither fault.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from ops.staleness import LABEL_ASSETS
from pipelines.failures import PARTITION_TAG
from pipelines.jobs import label_shards
from pipelines.killed_runs import TAG as PROCESS_TAG

ATTEMPT_TAG = "unsam/attempt"
MOST_ATTEMPTS = 3
_REASON_TAG, _OF_A_STEP = "dagster/failure_reason", "STEP_FAILURE"
_LOOK_BACK_SECONDS = 24 * 3600
_LIMIT = 500


def lost_runs_sensor() -> dg.SensorDefinition:
    """On by default: it starts nothing that nobody had asked for."""

    @dg.sensor(
        name="lost_runs",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs whose process was killed are run again, up to three times; they resume where they stopped.",
    )
    def lost_runs(context: dg.SensorEvaluationContext) -> list[dg.RunRequest]:
        return list(runs_to_repeat(context.instance))

    return lost_runs


def runs_to_repeat(instance: dg.DagsterInstance) -> Iterator[dg.RunRequest]:
    """A request for each run of a shard that was lost within a day; a run key sees to it that each is met once.

    Runs whose step failed are left alone, for they would fail again, and those of the command line too: whoever
    stopped them meant it.
    """
    since = datetime.fromtimestamp(time.time() - _LOOK_BACK_SECONDS, UTC)
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    for run in instance.get_runs(failed, limit=_LIMIT):
        attempt = int(run.tags.get(ATTEMPT_TAG, "1"))
        wilful = PROCESS_TAG in run.tags or run.tags.get(_REASON_TAG) == _OF_A_STEP
        assets = _assets_of(run)
        if PARTITION_TAG in run.tags and assets and not wilful and attempt < MOST_ATTEMPTS:
            yield dg.RunRequest(
                run_key=f"lost:{run.run_id}",
                partition_key=run.tags[PARTITION_TAG],
                asset_selection=assets,
                run_config=run.run_config,
                tags={ATTEMPT_TAG: str(attempt + 1)},
            )


def _assets_of(run: dg.DagsterRun) -> list[dg.AssetKey]:
    if run.asset_selection:
        return sorted(run.asset_selection)
    return [dg.AssetKey(asset) for asset in LABEL_ASSETS] if run.job_name == label_shards.name else []
