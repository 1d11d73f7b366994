"""Waiting for a place in Dagster's pools before a run begins.

Dagster waits inside the run: it keeps a core busy, says nothing, is deaf to Ctrl-C, and waits for ever for a place of
which the holder was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import dagster as dg

from pipelines.failures import PARTITION_TAG
from pipelines.killed_runs import bury_killed_runs
from pipelines.process_groups import ended_by_signals

_LOOKS, _SECONDS = 5, 1.0  # between two steps of another run its pool is free for a moment


def pools_of(job: dg.JobDefinition) -> set[str]:
    """The pools that steps of a job take places in."""
    operations = [node for node in job.all_node_defs if isinstance(node, dg.OpDefinition)]
    return {operation.pool for operation in operations if operation.pool}


def wait_for_places(instance: dg.DagsterInstance, pools: Iterable[str], say: Callable[[str], None]) -> None:
    """Wait until every pool has had room for a while; no moment where they have it already.

    Places of killed processes are given back meanwhile.

    Args:
        say: is told once what is waited for.

    Raises:
        KeyboardInterrupt: the process was told to stop meanwhile.
    """
    names = sorted(pools)
    full = _full(instance, names)
    if not full:
        return
    runs = sorted(set().union(*full.values()))
    holders = ", ".join(_described(instance, run_id) for run_id in runs) or f"room in pool {', '.join(full)}"
    say(f"waiting for {holders}: no more may work at once (pools in dagster.yaml); Ctrl-C ends this")
    calm = 0
    with ended_by_signals():  # Dagster leaves TERM ignored where Ctrl-C is, as under nohup
        while calm < _LOOKS:
            time.sleep(_SECONDS)
            calm = 0 if _full(instance, names) else calm + 1


def _full(instance: dg.DagsterInstance, pools: Iterable[str]) -> dict[str, set[str]]:
    """The pools that have no room for the living, each with the runs that have or await its places."""
    full = _without_room(instance, pools)
    if not full:
        return full
    bury_killed_runs(instance)
    return _without_room(instance, full)


def _without_room(instance: dg.DagsterInstance, pools: Iterable[str]) -> dict[str, set[str]]:
    found = {}
    for pool in pools:
        info = instance.event_log_storage.get_concurrency_info(pool)
        runs = {slot.run_id for slot in info.claimed_slots} | {step.run_id for step in info.pending_steps}
        if info.limit is not None and len(runs) >= info.limit:
            found[pool] = runs
    return found


def _described(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    if run is None:
        return f"run {run_id[:8]}"
    shard = run.tags.get(PARTITION_TAG)
    return f"run {run_id[:8]} ({run.job_name} of {shard})" if shard else f"run {run_id[:8]} ({run.job_name})"
