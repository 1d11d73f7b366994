"""`unsam status`: shards by state, pace, GPUs, backfills, and the reasons of what failed."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence

from pipelines.backfills import BackfillProgress
from pipelines.commands.console import out, table
from pipelines.daemon import daemon_is_alive
from pipelines.instance import open_instance
from pipelines.overview import STATES, Overview, overview
from pipelines.recipe import current_recipe
from pipelines.runner import LabelRequest
from stores.home import Home

_GPU_QUERY = ("name", "utilization.gpu", "memory.used", "memory.total")


def status(request: LabelRequest, failures: int) -> int:
    """Print where everything stands; exit code 1 where shards have failed."""
    home = Home.from_environment()
    with open_instance(home) as instance:
        seen = overview(home, instance, current_recipe(request), failures)
        alive = daemon_is_alive(instance)
    _print(seen, alive)
    return 1 if seen.states["failed"] else 0


def _print(seen: Overview, alive: bool) -> None:
    out.print(f"[bold]{seen.shards:,} shards[/bold]: {_counts(seen)}", highlight=False)
    rows = [
        (asset, *(counts[state] for state in ("fresh", "stale", "missing"))) for asset, counts in seen.assets.items()
    ]
    out.print(table("Assets", ["asset", "fresh", "stale", "missing"], rows))
    for reason, count in seen.stale.most_common(5):
        out.print(f"stale: {count:,} shards, changed since: {reason}", highlight=False)
    out.print(_pace(seen), highlight=False)
    for line in _gpus():
        out.print(line, highlight=False)
    for pool in seen.pools:
        out.print(f"pool {pool.name}: {pool.used} of {pool.limit} in use, {pool.waiting} waiting", highlight=False)
    out.print(
        "daemon: alive" if alive else "daemon: none; unsam ui or unsam backfill starts one, and queued runs wait for it"
    )
    if seen.backfills:
        columns = ["backfill", "state", "shards", "done", "failed", "running", "queued", "time left"]
        out.print(table("Backfills", columns, [_backfill_row(backfill) for backfill in seen.backfills]))
    if seen.failures:
        failed = [(failure.subject, failure.run[:8], _ago(failure.ended), failure.reason) for failure in seen.failures]
        out.print(table("Failures", ["shard", "run", "when", "reason"], failed))
        out.print("again, failures only: [bold]unsam backfill --failed[/bold]")


def _counts(seen: Overview) -> str:
    return ", ".join(f"{seen.states[state]:,} {state}" for state in STATES if seen.states[state]) or "none"


def _pace(seen: Overview) -> str:
    pace = seen.pace
    if not pace.shards or pace.seconds <= 0:
        return "pace: no shard was finished within the last hour"
    rate = pace.shards / pace.seconds
    left = seen.shards - seen.states["fresh"] - seen.states["failed"]
    eta = f"; all fresh in {duration(left / rate)}" if left else ""
    return f"pace: {rate * 3600:,.0f} shards an hour, {pace.photos / pace.seconds:,.2f} photos a second{eta}"


def _gpus() -> Sequence[str]:
    if shutil.which("nvidia-smi") is None:
        return ["GPU: none on this machine"]
    command = ["nvidia-smi", f"--query-gpu={','.join(_GPU_QUERY)}", "--format=csv,noheader,nounits"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    if result.returncode:
        return [f"GPU: nvidia-smi says: {result.stderr.strip() or result.stdout.strip()}"]
    rows = [[cell.strip() for cell in line.split(",")] for line in result.stdout.splitlines()]
    return [
        f"GPU {index}: {name}, {busy} % busy, {used} of {total} MiB"
        for index, (name, busy, used, total) in enumerate(rows)
    ]


def _backfill_row(backfill: BackfillProgress) -> tuple[object, ...]:
    left = backfill.seconds_left
    return (
        backfill.name,
        backfill.state.lower(),
        backfill.total,
        backfill.succeeded,
        backfill.failed,
        backfill.running,
        backfill.queued,
        "" if left is None else duration(left),
    )


def duration(seconds: float) -> str:
    """As `2 d 3 h`, `3 h 20 min`, `4 min` or `20 s`."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _ago(moment: float) -> str:
    return f"{duration(max(time.time() - moment, 0))} ago"
