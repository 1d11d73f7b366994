"""Run one stage over a shard: what an earlier run finished is kept, the rest goes to the pool, one writer gathers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.fanout import Fanout
from ops.progress import StageProgress
from ops.stage_workers import REFUSABLE, Labelled
from stores.feature_store import FeatureShardWriter
from stores.mask_store import MaskShardWriter
from stores.shard_writer import ShardWriter
from stores.versions import Versions, version_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class StageReport:
    """What a stage did with a shard.

    Attributes:
        version: now current.
        images: that the shard has; computed: of these in this run.
        failed: reason by key of images that were quarantined here.
        seconds: wall time of the run; phases: seconds of workers, by phase.
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
) -> StageReport:
    """Compute what `writer` lacks and publish the whole.

    Args:
        provenance: what decides the content; `writer.version` is its hash.
        factory: makes a worker, once an actor.
        name: of stage and shard, for progress.
        log: takes progress lines.

    Raises:
        FanoutError: an unexpected error in a worker; what was finished stays for the next run.
        OutOfSpace: the disk is full; likewise.
    """
    begun = time.perf_counter()
    done = writer.done()
    waiting = [key for key in writer.image_keys if key not in done]
    failed: dict[str, str] = {}
    phases: dict[str, float] = {}
    with StageProgress(name, len(writer.image_keys), len(done), log) as progress:
        for outcome in pool.map(factory, waiting, refusable=REFUSABLE, ordered=False, progress=progress):
            if outcome.reason is not None:
                failed[outcome.item] = outcome.reason
            else:
                _add(writer, outcome.item, outcome.value, phases)
    writer.finish(provenance, failed)
    return StageReport(
        writer.version, len(writer.image_keys), len(waiting), failed, time.perf_counter() - begun, phases
    )


def mask_writer(versions: Versions, provenance: Mapping[str, Any], keys: Sequence[str]) -> MaskShardWriter:
    """The writer of the version of masks that `provenance` describes."""
    return MaskShardWriter(versions, version_of(provenance), keys)


def _add(writer: ShardWriter, key: str, value: Any, phases: dict[str, float]) -> None:
    if isinstance(writer, FeatureShardWriter):
        writer.add(key, value)
    elif isinstance(writer, MaskShardWriter) and isinstance(value, Labelled):
        writer.add(key, value.masks)
        for phase, seconds in value.seconds.items():
            phases[phase] = phases.get(phase, 0.0) + seconds
    else:
        raise TypeError(f"{type(writer).__name__} cannot keep a {type(value).__name__}")
