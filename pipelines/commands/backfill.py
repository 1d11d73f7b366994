"""`unsam backfill`: Dagster's own backfill over chosen shards, followed until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ops.staleness import LABEL_ASSETS, label_states, stored_states
from pipelines.backfills import LATER_ASSETS, LEARNT_ASSETS, BackfillProgress, cancel, launch, progress_of
from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.commands.status import duration
from pipelines.daemon import daemon_is_alive, own_daemon
from pipelines.failures import failed_run
from pipelines.instance import add_partitions, open_instance
from pipelines.killed_runs import bury_killed_runs
from pipelines.overview import active_shards, failed_shards, stale_shards
from pipelines.process_groups import ended_by_signals
from pipelines.recipe import current_recipe
from pipelines.rounds import LearningRequest
from pipelines.runner import LabelRequest
from pipelines.shard_selection import read_shard_file, select_shards
from stores.home import Home
from stores.manifests import registered

_POLL_SECONDS = 2.0
_PARTITIONED = (*LABEL_ASSETS, *LATER_ASSETS)


@dataclass(frozen=True)
class Choice:
    """Which shards a backfill is about.

    Attributes:
        shards: names and ranges. file: the same, a line each. With neither, all shards.
        stale: of these, those with something to make. failed: those whose last run failed.
    """

    shards: tuple[str, ...] = ()
    file: Path | None = None
    stale: bool = False
    failed: bool = False


def backfill(
    labels: LabelRequest, learning: LearningRequest, assets: Sequence[str], choice: Choice, detach: bool
) -> int:
    """Ask for a backfill and follow it; exit code 1 where a shard failed."""
    home = Home.from_environment()
    selected = list(assets) or list(LABEL_ASSETS)
    with open_instance(home) as instance:
        bury_killed_runs(instance)
        with errors_in_one_line(LookupError, ValueError):
            _refuse_unknown(selected)
            shards = _chosen(home, instance, labels, selected, choice)
        if not shards:
            out.print("nothing to do: no shard is left by this choice")
            return 0
        add_partitions(instance, shards)
        name = launch(instance, selected, shards, _resources(selected, labels, learning), _title(choice, shards))
        out.print(f"backfill [bold]{name}[/bold]: {len(shards):,} shards, {', '.join(selected)}", highlight=False)
        if detach:
            return _detached(instance, name)
        return follow(instance, home, name)


def cancel_backfill(name: str) -> int:
    """Cancel a backfill by its id."""
    with open_instance(Home.from_environment()) as instance:
        with errors_in_one_line(LookupError, ValueError):
            cancel(instance, name)
        if not daemon_is_alive(instance):
            err.print("no daemon runs: it is cancelled as soon as one does (unsam ui)")
    out.print(f"backfill {name} is being cancelled; finished images are kept")
    return 0


def follow(instance: dg.DagsterInstance, home: Home, name: str) -> int:
    """Show progress until a backfill is over, with a daemon of our own where none runs; Ctrl-C lets it go on."""
    with ExitStack() as stack:
        ensure = _DaemonKeeper(instance, home, stack)
        try:
            with ended_by_signals():
                seen = _watch(instance, name, ensure)
        except KeyboardInterrupt:
            waits = "; queued shards wait for a daemon (unsam ui)" if ensure.started else ""
            err.print(f"not followed any more{waits}; to stop it: unsam backfill --cancel {name}")
            return 130
    return _conclude(instance, seen)


@dataclass
class _DaemonKeeper:
    instance: dg.DagsterInstance
    home: Home
    stack: ExitStack
    started: bool = False

    def __call__(self) -> None:
        if not self.started and not daemon_is_alive(self.instance):
            log = self.stack.enter_context(own_daemon(self.instance, self.home))
            err.print(f"no daemon runs: this command runs one until it ends (log: {log})", highlight=False)
            self.started = True


def _watch(instance: dg.DagsterInstance, name: str, ensure: Callable[[], None]) -> BackfillProgress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err) as bar:
        task = bar.add_task(name)
        while True:
            ensure()
            seen = progress_of(instance, name)
            text = f"{seen.running} running, {seen.queued} queued, {seen.failed} failed"
            bar.update(task, total=seen.total, completed=seen.succeeded + seen.failed, description=text)
            if seen.is_over:
                return seen
            time.sleep(_POLL_SECONDS)


def _conclude(instance: dg.DagsterInstance, seen: BackfillProgress) -> int:
    took = duration((seen.ended or time.time()) - seen.begun)
    out.print(f"backfill {seen.name}: {seen.succeeded:,} done, {seen.failed:,} failed, {seen.state.lower()} in {took}")
    if seen.error:
        err.print(f"[red]{seen.error.splitlines()[0]}[/red]", highlight=False)
    filters = dg.RunsFilter(tags={"dagster/backfill": seen.name}, statuses=[dg.DagsterRunStatus.FAILURE])
    failed = (
        [failed_run(instance, record) for record in instance.get_run_records(filters, limit=10)] if seen.failed else []
    )
    if failed:
        out.print(table("Failures", ["shard", "run", "reason"], [(f.subject, f.run[:8], f.reason) for f in failed]))
    return 0 if seen.state.startswith("COMPLETED") and not seen.failed else 1


def _detached(instance: dg.DagsterInstance, name: str) -> int:
    if not daemon_is_alive(instance):
        err.print("no daemon runs: the backfill waits until one does (unsam ui)")
    err.print(f"follow it with unsam status; cancel it with unsam backfill --cancel {name}")
    return 0


def _chosen(
    home: Home, instance: dg.DagsterInstance, labels: LabelRequest, assets: Sequence[str], choice: Choice
) -> list[str]:
    known = registered(home)
    wanted = [*choice.shards, *(read_shard_file(choice.file) if choice.file else ())]
    shards = select_shards(known, wanted or known)
    if choice.stale:
        shards = sorted(_stale(home, shards, labels, assets) - active_shards(instance).keys())
    if choice.failed:
        states = label_states(home, shards, current_recipe(labels))
        shards = [shard for shard in shards if shard in failed_shards(instance, states)]
    return shards


def _stale(home: Home, shards: Iterable[str], labels: LabelRequest, assets: Sequence[str]) -> set[str]:
    names = list(shards)
    of_labels = [asset for asset in assets if asset in LABEL_ASSETS]
    later = [asset for asset in assets if asset in LATER_ASSETS]
    found: set[str] = set()
    if of_labels:
        found.update(stale_shards(label_states(home, names, current_recipe(labels, with_weights=True)), of_labels))
    if later:
        found.update(stale_shards(stored_states(home, names, later), later))
    return found


def _resources(
    assets: Sequence[str], labels: LabelRequest, learning: LearningRequest
) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    if any(asset in LABEL_ASSETS for asset in assets):
        found["labelling"] = labels.resource_config()
    if any(asset in LEARNT_ASSETS for asset in assets):
        found["learning"] = learning.resource_config([])
    return found


def _refuse_unknown(assets: Iterable[str]) -> None:
    unknown = [asset for asset in assets if asset not in _PARTITIONED]
    if unknown:
        raise LookupError(f"no asset made by shards: {', '.join(unknown)}; there are {', '.join(_PARTITIONED)}")


def _title(choice: Choice, shards: Sequence[str]) -> str:
    which = "stale" if choice.stale else "failed" if choice.failed else "chosen"
    return f"unsam backfill: {len(shards)} {which} shards"
