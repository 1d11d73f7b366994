"""Where everything stands: shards by state, pace, pools, backfills, and what failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from ops.staleness import LABEL_ASSETS, Freshness, LabelRecipe, ShardStates, label_states, stored_states
from pipelines.backfills import LATER_ASSETS, BackfillProgress, recent_backfills
from pipelines.failures import PARTITION_TAG, FailedRun, failed_run
from stores.home import Home
from stores.manifests import registered, source_of

STATES = ("running", "queued", "failed", *(state.value for state in (Freshness.STALE, Freshness.MISSING)), "fresh")
_ACTIVE = {
    "running": [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
    "queued": [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED],
}
_FAILED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_MOST_RECORDS = 2000
_PACE_SECONDS = 3600
_PACE_RUNS = 200


@dataclass(frozen=True)
class Pace:
    """What was done lately.

    Attributes:
        shards, photos: of runs that ended well. seconds: the time in which they did.
    """

    shards: int
    photos: int
    seconds: float


@dataclass(frozen=True)
class Pool:
    """Steps of a pool: how many may run at once, how many do, how many wait."""

    name: str
    limit: int
    used: int
    waiting: int


@dataclass(frozen=True)
class Overview:
    """All of it.

    Attributes:
        assets: shards by freshness, for each asset.
        states: shards by state, each counted once: under way before failed before what is stored.
        stale: shards by what has changed since their labels were made.
    """

    shards: int
    assets: dict[str, Counter[str]]
    states: Counter[str]
    stale: Counter[str]
    pace: Pace
    pools: list[Pool]
    backfills: list[BackfillProgress]
    failures: list[FailedRun]


def overview(home: Home, instance: dg.DagsterInstance, recipe: LabelRecipe, failures: int = 10) -> Overview:
    """Look at the register, the pointers of the stores, and Dagster's runs.

    Args:
        failures: how many failed runs are told with their reasons.
    """
    shards = registered(home)
    states = label_states(home, shards, recipe)
    made = [asset for asset in LATER_ASSETS if next((home.masks / asset).iterdir(), None) is not None]
    later = stored_states(home, shards, made)
    active = active_shards(instance)
    failed = failed_shards(instance, states)
    ends = {shard: one[LABEL_ASSETS[-1]] for shard, one in states.items()}
    return Overview(
        shards=len(shards),
        assets={
            asset: Counter(one[asset].freshness.value for one in source.values())
            for source, names in ((states, LABEL_ASSETS), (later, made))
            for asset in names
        },
        states=Counter(
            active.get(shard) or ("failed" if shard in failed else end.freshness.value) for shard, end in ends.items()
        ),
        stale=Counter(end.reason for end in ends.values() if end.freshness is Freshness.STALE),
        pace=_pace(home, instance, set(shards)),
        pools=_pools(instance),
        backfills=recent_backfills(instance),
        failures=[failed_run(instance, record) for record in list(failed.values())[:failures]],
    )


def active_shards(instance: dg.DagsterInstance) -> dict[str, str]:
    """Shards that a run is at ("running") or waits for ("queued")."""
    found: dict[str, str] = {}
    for state in reversed(_ACTIVE):
        for run in instance.get_runs(dg.RunsFilter(statuses=_ACTIVE[state])):
            if PARTITION_TAG in run.tags:
                found[run.tags[PARTITION_TAG]] = state
    return found


def failed_shards(instance: dg.DagsterInstance, states: Mapping[str, ShardStates]) -> dict[str, dg.RunRecord]:
    """Shards whose labels are not fresh and whose last run failed, with that run; the latest first."""
    unfinished = {shard for shard, one in states.items() if one[LABEL_ASSETS[-1]].freshness is not Freshness.FRESH}
    found: dict[str, dg.RunRecord] = {}
    for record in instance.get_run_records(dg.RunsFilter(statuses=_FAILED), limit=_MOST_RECORDS):
        shard = record.dagster_run.tags.get(PARTITION_TAG)
        if shard in unfinished and shard not in found:
            found[shard] = record
    if not found:
        return found
    since = min(record.create_timestamp for record in found.values())
    succeeded = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], created_after=since)
    for record in instance.get_run_records(succeeded, limit=_MOST_RECORDS):
        shard = record.dagster_run.tags.get(PARTITION_TAG)
        if shard in found and record.create_timestamp > found[shard].create_timestamp:
            del found[shard]
    return found


def stale_shards(states: Mapping[str, ShardStates], assets: Sequence[str]) -> list[str]:
    """Shards with something to make: a value of one of the assets that is stale or missing."""
    return [
        shard for shard, one in states.items() if any(one[name].freshness is not Freshness.FRESH for name in assets)
    ]


def _pace(home: Home, instance: dg.DagsterInstance, shards: Collection[str]) -> Pace:
    since = datetime.fromtimestamp(time.time() - _PACE_SECONDS, UTC)
    records = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=since), limit=_PACE_RUNS
    )
    done = [record for record in records if record.dagster_run.tags.get(PARTITION_TAG) in shards]
    begun = min((record.start_time or time.time() for record in done), default=time.time())
    photos = sum(len(source_of(home, record.dagster_run.tags[PARTITION_TAG]).members) for record in done)
    ended = max((record.end_time or time.time() for record in done), default=begun)
    return Pace(len(done), photos, ended - begun)


def _pools(instance: dg.DagsterInstance) -> list[Pool]:
    storage = instance.event_log_storage
    default = instance.get_concurrency_config().pool_config.default_pool_limit or 0
    limits = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    found = []
    for name in sorted(storage.get_concurrency_keys()):
        info = storage.get_concurrency_info(name)
        found.append(Pool(name, limits.get(name, default), info.active_slot_count, info.pending_step_count))
    return found
