"""What a one-shard run of a backfill costs beside its work, told apart by where it goes.

Run: `python -m benchmarks.backfill_overhead [--shards 6] [--images 4] [--standing]`. The overhead does not depend on
how long the work takes, so small shards show it. Dagster's part is what the bar is for: from the first run's start to
the last one's end, less the bodies of the assets, by the events around them. A body holds the start of Ray, its actors
and their backbone too, which any process would need; they are printed beside it. With `--standing` all runs share one
Ray cluster and two go side by side, as in deploy/dagster.yaml; then only the sum can be told.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml

from benchmarks.machine import describe_machine, verdict
from benchmarks.photos import DATA
from ops.fanout import Fanout, usable_cores
from ops.staleness import LABEL_ASSETS
from pipelines.backfills import launch
from pipelines.commands.backfill import follow
from pipelines.instance import PROJECT, open_instance
from pipelines.registration import register_paths
from pipelines.runner import LabelRequest
from stores.home import Home
from stores.manifests import registered

BAR, WORK_SECONDS = 0.10, 120.0
ACTORS = usable_cores()
_BEGINNINGS = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_INPUT)


@dataclass(frozen=True)
class Spent:
    """Seconds: from the first run's start to the last one's end; of all runs; of the bodies of their assets; and of all
    workers in the phases of their work.
    """

    wall: float
    runs: float
    bodies: float
    workers: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", default=str(DATA / "photos"), help="folder of JPEG files")
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--standing", action="store_true", help="one Ray for all runs, two runs at once")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="unsam-overhead-") as scratch, ExitStack() as stack:
        home = Home(f"{scratch}/home")
        folders = _shards(Path(options.photos), Path(scratch) / "photos", options.shards, options.images)
        _settings(Path(scratch) / "home" / "dagster", 2 if options.standing else 1)
        if options.standing:
            stack.enter_context(_standing_ray())
        with open_instance(home) as instance:
            register_paths(home, instance, [str(folder) for folder in folders])
            resources = {"labelling": LabelRequest("small").resource_config()}
            name = launch(instance, LABEL_ASSETS, registered(home), resources)
            if follow(instance, home, name):
                raise RuntimeError("the backfill failed; unsam status says why")
            spent = _spent(instance)
    print(f"{options.shards} shards of {options.images} photos: {spent.wall:.1f} s")
    whole = (spent.wall - spent.workers / ACTORS) / options.shards
    print(f"all that is not a worker's work: {whole:.1f} s a run, {whole / WORK_SECONDS:.1%} of {WORK_SECONDS:g} s")
    if options.standing:
        return
    dagster = (spent.wall - spent.bodies) / options.shards
    between = (spent.wall - spent.runs) / options.shards
    print(f"of which Dagster {dagster:.1f} s a run: {between:.1f} s from one run's end to the next one's first event,")
    print(f"{dagster - between:.1f} s of steps, checks and events; the rest starts Ray, its actors and their backbone")
    ratio = dagster / WORK_SECONDS
    print(f"Dagster's overhead at {WORK_SECONDS:g} s of work: {ratio:.1%} (bar <= {BAR:.0%})", end=": ")
    print(verdict(ratio <= BAR))


def _shards(photos: Path, folder: Path, shards: int, images: int) -> list[Path]:
    """Folders of different photos, each a shard."""
    paths = iter(sorted(photos.glob("*.jpg")))
    folders = [folder / f"shard{number}" for number in range(shards)]
    for place in folders:
        place.mkdir(parents=True)
        for _ in range(images):
            shutil.copy(next(paths), place)
    return folders


def _settings(folder: Path, at_once: int) -> None:
    """The project's dagster.yaml with as many runs at once."""
    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    settings["concurrency"]["runs"]["max_concurrent_runs"] = at_once
    settings["concurrency"]["pools"]["default_limit"] = at_once
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))


def _standing_ray() -> Fanout:
    """A local cluster that the runs find by RAY_ADDRESS until the benchmark ends."""
    import ray

    cluster = Fanout()
    cluster.connect()
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return cluster


def _spent(instance: dg.DagsterInstance) -> Spent:
    records = instance.get_run_records()
    starts, ends = [record.start_time or 0.0 for record in records], [record.end_time or 0.0 for record in records]
    workers = 0.0
    for asset in LABEL_ASSETS[1:]:
        for one in instance.fetch_materializations(dg.AssetKey(asset), limit=len(records)).records:
            phases = one.asset_materialization.metadata["worker_seconds_by_phase"]
            if isinstance(phases, dg.TableMetadataValue):
                workers += sum(float(str(row.data["seconds"])) for row in phases.records)
    bodies = sum(_body_seconds(instance, record.dagster_run.run_id) for record in records)
    return Spent(max(ends) - min(starts), sum(ends) - sum(starts), bodies, workers)


def _body_seconds(instance: dg.DagsterInstance, run: str) -> float:
    """From the last input that a step was handed, or its start, to its output; summed over a run's assets."""
    total, begun = 0.0, {}
    for entry in instance.all_logs(run, {*_BEGINNINGS, dg.DagsterEventType.STEP_OUTPUT}):
        if entry.step_key not in LABEL_ASSETS:
            continue
        if entry.dagster_event and entry.dagster_event.event_type in _BEGINNINGS:
            begun[entry.step_key] = entry.timestamp
        else:
            total += entry.timestamp - begun[entry.step_key]
    return total


if __name__ == "__main__":
    main()
