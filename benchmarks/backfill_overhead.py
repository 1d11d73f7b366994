"""What a one-shard run of a backfill costs beside its work: start of the process, imports, Ray, queue, events, checks.

Run: `python -m benchmarks.backfill_overhead [--shards 6] [--images 4] [--standing]`. The overhead does not depend on
how long the work takes, so small shards show it: wall time from the first run's start to the last one's end, less the
seconds that the stages themselves report, a run. With `--standing` all runs share one Ray cluster and two go side by
side, as in deploy/dagster.yaml.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import yaml

from benchmarks.machine import describe_machine, verdict
from benchmarks.photos import DATA
from ops.fanout import Fanout
from ops.staleness import LABEL_ASSETS
from pipelines.backfills import launch
from pipelines.commands.backfill import follow
from pipelines.instance import PROJECT, open_instance
from pipelines.registration import register_paths
from pipelines.runner import LabelRequest
from stores.home import Home
from stores.manifests import registered

BAR, WORK_SECONDS = 0.10, 120.0


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
            wall, work = _seconds(instance)
    overhead = max(wall - work, 0.0) / options.shards
    ratio = overhead / WORK_SECONDS
    print(f"{options.shards} shards of {options.images} photos: {wall:.1f} s, of which stages {work:.1f} s")
    print(f"overhead {overhead:.1f} s a run; at {WORK_SECONDS:g} s of work {ratio:.1%} (bar <= {BAR:.0%})", end=": ")
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


def _seconds(instance: dg.DagsterInstance) -> tuple[float, float]:
    """Wall seconds from the first start to the last end, and those that the stages report of themselves."""
    records = instance.get_run_records()
    wall = max(record.end_time or 0.0 for record in records) - min(record.start_time or 1e12 for record in records)
    work = 0.0
    for asset in LABEL_ASSETS[1:]:
        found = instance.fetch_materializations(dg.AssetKey(asset), limit=len(records)).records
        work += sum(float(str(one.asset_materialization.metadata["seconds"].value)) for one in found)
    return wall, work


if __name__ == "__main__":
    main()
