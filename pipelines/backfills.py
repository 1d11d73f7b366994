"""Backfills: Dagster's own, asked for, followed and cancelled from the command line; its daemon does the work."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus, PartitionBackfill
from dagster._core.storage.tags import BACKFILL_ID_TAG, WILL_RETRY_TAG

LEARNT_ASSETS = (
    *("round1_masks", "round2_labels", "unsam_masks"),
    *("sa1b_masks", "plus_labels", "unsam_plus_masks"),
    *("union_labels", "human_only_masks", "union_masks"),
)
LATER_ASSETS = (
    *LEARNT_ASSETS,
    *("auto_masks", "proposals", "corrected_masks", "engine_labels"),
    *("cam_labels", "sepl_labels", "semantic_labels"),
)
_RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_QUEUED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
_ENDED_BADLY = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_CANCELLABLE = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING)


@dataclass(frozen=True)
class BackfillProgress:
    """How far a backfill is, counted in runs, which are shards.

    Attributes:
        state: as Dagster calls it.
        total: shards that were asked for.
        failed: runs that ended badly and are not tried again.
        begun: seconds since the epoch. ended: the same, None while it runs.
        error: why the backfill itself broke off, None where it did not.
    """

    name: str
    state: str
    total: int
    succeeded: int
    failed: int
    running: int
    queued: int
    begun: float
    ended: float | None
    error: str | None

    @property
    def is_over(self) -> bool:
        return BulkActionStatus(self.state) in BULK_ACTION_TERMINAL_STATUSES

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None where nothing is done yet."""
        done = self.succeeded + self.failed
        if self.is_over or not done:
            return None
        return (time.time() - self.begun) / done * (self.total - done)


def launch(
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    shards: Sequence[str],
    resources: Mapping[str, Mapping[str, Any]],
    title: str | None = None,
) -> str:
    """Ask Dagster to materialise assets of shards, a run a shard; returns the backfill's id.

    Args:
        resources: configuration of the runs, by name of the resource.
    """
    target = AssetGraphSubset(  # type: ignore[call-arg]  # its decorator hides its constructor
        partitions_subsets_by_asset_key={dg.AssetKey(asset): DefaultPartitionsSubset(set(shards)) for asset in assets},
        non_partitioned_asset_keys=set(),
    )
    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id=uuid.uuid4().hex[:8],
        asset_graph_subset=target,
        backfill_timestamp=time.time(),
        tags={"unsam/shards": str(len(shards))},
        dynamic_partitions_store=instance,
        title=title,
        description=None,
        run_config={"resources": {name: {"config": dict(config)} for name, config in resources.items()}},
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id


def cancel(instance: dg.DagsterInstance, name: str) -> None:
    """Stop a backfill: what is queued is dropped, what runs is ended; finished images are kept.

    Raises:
        LookupError: there is none of that id.
        ValueError: it is over already.
    """
    backfill = _of_name(instance, name)
    if backfill.status not in _CANCELLABLE:
        raise ValueError(f"backfill {name} is over already ({backfill.status.value.lower()})")
    instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELING))


def progress_of(instance: dg.DagsterInstance, name: str) -> BackfillProgress:
    """Where a backfill stands.

    Raises:
        LookupError: there is none of that id.
    """
    return _progress(instance, _of_name(instance, name))


def recent_backfills(instance: dg.DagsterInstance, limit: int = 5) -> list[BackfillProgress]:
    """The latest backfills, newest first, whoever asked for them."""
    return [_progress(instance, backfill) for backfill in instance.get_backfills(limit=limit)]


def _of_name(instance: dg.DagsterInstance, name: str) -> PartitionBackfill:
    backfill = instance.get_backfill(name)
    if backfill is None:
        raise LookupError(f"there is no backfill {name}; unsam status lists them")
    return backfill


def _progress(instance: dg.DagsterInstance, backfill: PartitionBackfill) -> BackfillProgress:
    tags = {BACKFILL_ID_TAG: backfill.backfill_id}

    def count(statuses: list[dg.DagsterRunStatus], more: Mapping[str, str] | None = None) -> int:
        return instance.get_runs_count(dg.RunsFilter(statuses=statuses, tags={**tags, **(more or {})}))

    succeeded, running, queued = (count(s) for s in ([dg.DagsterRunStatus.SUCCESS], _RUNNING, _QUEUED))
    failed = count(_ENDED_BADLY) - count(_ENDED_BADLY, {WILL_RETRY_TAG: "true"})
    asked = backfill.tags.get("unsam/shards")
    return BackfillProgress(
        name=backfill.backfill_id,
        state=backfill.status.value,
        total=int(asked) if asked else len(backfill.partition_names or ()) or succeeded + failed + running + queued,
        succeeded=succeeded,
        failed=failed,
        running=running,
        queued=queued,
        begun=backfill.backfill_timestamp,
        ended=backfill.backfill_end_timestamp,
        error=backfill.error.message.strip() if backfill.error else None,
    )
