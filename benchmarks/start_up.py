"""What a command waits for before its work begins: the code location, and the workers of each run.

Run: `python -m benchmarks.start_up [--rounds 3] [--shards 3]`. The code location is imported by a process of its own,
with and without the libraries that only steps need. Shards of one small photo are labelled with a pool of actors that
all runs share, as a command does, and with one for each run. Fresh homes, all files warm in the page cache.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
from PIL import Image
from skimage import data

from benchmarks.machine import describe_machine
from ops.fanout import Fanout
from pipelines.instance import open_instance
from pipelines.registration import register_paths
from pipelines.runner import LabelRequest, ShardRun, materialise
from stores.home import Home

LOCATION = "import pipelines.definitions"
FOR_STEPS = "import numba, scipy.stats, tensorboardX, torch"
SIZE = (240, 160)
Labelling = Callable[[dg.DagsterInstance, Sequence[str]], list[ShardRun]]


def importing(code: str) -> float:
    """Seconds that a new interpreter takes to run `code`."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def shared(instance: dg.DagsterInstance, shards: Sequence[str]) -> list[ShardRun]:
    return list(materialise(instance, shards, LabelRequest("small")))


def each_its_own(instance: dg.DagsterInstance, shards: Sequence[str]) -> list[ShardRun]:
    """On one Ray, too."""
    with Fanout() as cluster:
        cluster.connect()
        return [run for shard in shards for run in materialise(instance, [shard], LabelRequest("small"))]


def labelling(label: Labelling, count: int, folder: Path) -> list[float]:
    """Seconds of each run over `count` shards of one photo, with a home of their own in `folder`."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(data.astronaut()).resize(SIZE).rotate(number).save(photos / f"{number}.jpg")
    os.environ["UNSAM_HOME"] = str(folder / "home")  # runs look there
    home = Home.from_environment()
    with open_instance(home) as instance:
        shards = register_paths(home, instance, [str(photos)], shard_size=1).shards
        runs = label(instance, shards)
    failed = [run.error for run in runs if run.error]
    if failed:
        raise RuntimeError(failed[0])
    return [run.seconds for run in runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shards", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    print(describe_machine())
    pairs = [(importing(LOCATION), importing(f"{FOR_STEPS}; {LOCATION}")) for _ in range(arguments.rounds)]
    light, heavy = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"code location {light:.1f} s, with what steps import {heavy:.1f} s: {light / heavy:.2f} of it")
    with tempfile.TemporaryDirectory(prefix="unsam-start-up-") as scratch:
        later = {}
        for label in (shared, each_its_own):
            first, *others = labelling(label, arguments.shards, Path(scratch) / label.__name__)
            later[label] = statistics.median(others)
            print(f"{label.__name__}: first run {first:.1f} s, others {later[label]:.1f} s")
    print(f"later runs with actors of their own ÷ with shared ones: {later[each_its_own] / later[shared]:.2f}")


if __name__ == "__main__":
    main()
