"""Dagster and Ray, start-up included, against the same calls in a plain loop of one process: wall time of a shard.

Run: `python -m benchmarks.orchestration [--photos FOLDER] [--images 200] [--rounds 3] [--preset small] [--set
KNOB=VALUE]`. Both sides
are processes of their own, begin with an empty home, run the same functions on the same files and end with the same
masks in a mask store, which is checked. The plain loop leaves all cores to torch; Ray has an actor on every core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine, median_ratio, verdict
from benchmarks.photos import DATA
from stores.home import Home
from stores.manifests import registered
from stores.mask_store import MaskShardReader, open_masks

BAR = 1.15
PLAIN = "plain"


def main() -> None:
    options = _options()
    if options.plain:
        plain_loop(Path(options.photos), Home(options.plain), options.preset, options.overrides)
        return
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="unsam-orchestration-") as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        chosen = sorted(Path(options.photos).glob("*.jpg"))[: options.images]
        for path in chosen:
            shutil.copy(path, folder / path.name)
        plain, orchestrated = [], []
        for number in range(options.rounds):
            place = Path(scratch) / str(number)
            settings = ["--preset", options.preset, *(f"--set={override}" for override in options.overrides)]
            plain.append(_timed_plain(folder, place / PLAIN, settings))
            orchestrated.append(_timed_command(folder, place / "unsam", settings))
            _assert_same_masks(Home(str(place / PLAIN)), Home(str(place / "unsam")))
    changed = f" with {', '.join(options.overrides)}" if options.overrides else ""
    print(f"{len(chosen)} photos, preset {options.preset}{changed}, medians of {options.rounds}")
    print(f"plain loop {statistics.median(plain):.1f} s, unsam label {statistics.median(orchestrated):.1f} s")
    ratio = median_ratio(orchestrated, plain)
    print(f"ratio {ratio:.2f} (bar <= {BAR}): {verdict(ratio <= BAR)}")


def plain_loop(folder: Path, home: Home, preset: str, overrides: list[str]) -> None:
    """What the assets of a shard compute, called one after the other."""
    from ops.presets import load_settings
    from ops.stage_workers import DivideFinish, HierarchyWorker, TokenWorker
    from stores.manifests import build_manifest, register
    from stores.mask_store import MaskShardWriter
    from stores.shards import discover

    settings = load_settings(preset, overrides=overrides)
    (source,) = discover(str(folder))
    register(home, [source])
    keys = build_manifest(source).keys
    objects = MaskShardWriter(home.versions("masks", "ncut_masks", source.shard), PLAIN, keys)
    tokens, finish = TokenWorker(source, settings)(), DivideFinish(settings)
    for key in keys:
        objects.add(key, finish(tokens(key)).content)
    objects.finish({})
    versions = home.versions("masks", "hierarchical_masks", source.shard)
    masks = MaskShardWriter(versions, PLAIN, keys)
    worker = HierarchyWorker(source, settings, open_masks(home, "ncut_masks", source.shard))()
    for key in keys:
        masks.add(key, worker(key).content)
    masks.finish({})


def _timed_plain(folder: Path, home: Path, settings: list[str]) -> float:
    command = ["-m", "benchmarks.orchestration", "--plain", str(home), "--photos", str(folder), *settings]
    return _timed(command, dict(os.environ))


def _timed_command(folder: Path, home: Path, settings: list[str]) -> float:
    output = home.with_suffix(".json")
    code = "from pipelines.cli import main; main()"
    command = ["-c", code, "label", str(folder), "-o", str(output), *settings]
    return _timed(command, os.environ | {"UNSAM_HOME": str(home)})


def _timed(command: list[str], environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _assert_same_masks(one: Home, other: Home) -> None:
    first, second = _masks(one), _masks(other)
    if first.keys != second.keys:
        raise AssertionError(f"{len(first.keys)} and {len(second.keys)} images")
    for key in first.keys:
        if not np.array_equal(first[key].bits, second[key].bits):
            raise AssertionError(f"the masks of {key} differ")


def _masks(home: Home) -> MaskShardReader:
    (shard,) = registered(home)
    return open_masks(home, "hierarchical_masks", shard)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", default=str(DATA / "photos"), help="folder of JPEG files")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", action="append", dest="overrides", default=[], help="as of unsam label")
    parser.add_argument("--plain", help="home of the plain loop, which is all that runs then")
    return parser.parse_args()


if __name__ == "__main__":
    main()
