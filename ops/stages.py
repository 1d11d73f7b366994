"""Run one stage over a shard: what an earlier run finished is kept, the rest goes to the pool, one writer gathers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.fanout import Fanout
from ops.phases import Stopwatch
from ops.progress import StageProgress
from ops.stage_workers import REFUSABLE
from stores.shard_writer import ShardWriter

Say = Callable[[str], None]
Provenance = dict[str, Any]


@dataclass(frozen=True)
class StageReport:
    """What a stage did with a shard.

    Attributes:
        version: now current.
        images: that the stage was given.
        computed: of these in this run; the others were there already.
        failed: reason by key of images that were quarantined in this run.
        seconds: wall time.
        phases: seconds of all workers together, by phase.
    """

    version: str
    images: int
    computed: int
    failed: dict[str, str]
    seconds: float
    phases: dict[str, float] = field(default_factory=dict)


def run_stage(
    writer: ShardWriter,
    provenance: Mapping[str, Any],
    factory: Callable[[], Callable[[str], Any]],
    pool: Fanout,
    name: str,
    log: Say | None = None,
    finish: Callable[[Any], Any] | None = None,
) -> StageReport:
    """Compute what `writer` lacks and publish the whole.

    Args:
        provenance: what decides the content; `writer.version` is its hash.
        factory: makes a worker, once an actor, which turns a key into `Made` (or into what `finish` takes).
        name: of stage and shard, for progress.
        log: takes progress lines.
        finish: the part of the work that needs no GPU.

    Raises:
        FanoutError: an unexpected error in a worker; what was finished stays for the next run.
        OutOfSpace: the disk is full; likewise.
    """
    begun = time.perf_counter()
    done = writer.done()
    waiting = [key for key in writer.image_keys if key not in done]
    failed: dict[str, str] = {}
    watch = Stopwatch()
    with StageProgress(name, len(writer.image_keys), len(done), log) as progress:
        for outcome in pool.map(factory, waiting, finish, refusable=REFUSABLE, ordered=False, progress=progress):
            if outcome.reason is not None:
                failed[outcome.item] = outcome.reason
                continue
            watch.add(outcome.value.seconds)
            with watch.phase("store"):
                writer.add(outcome.item, outcome.value.content)
    with watch.phase("store"):
        writer.finish(provenance, failed)
    seconds = time.perf_counter() - begun
    return StageReport(writer.version, len(writer.image_keys), len(waiting), failed, seconds, watch.seconds)
