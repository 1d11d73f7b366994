"""How long the command line and the sensor take at 2000 registered shards.

Run: `python -m benchmarks.operations [--shards 2000] [--rounds 3]`. Shards are tars of two small files each and labels
of which only pointers and provenance exist, as that is all that both look at. `unsam status` is timed as a process of
its own, start-up included; a tick is one call of what the sensor calls: the first over files it has never seen, the one
that registers and asks for runs, and one with nothing new.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe_machine, verdict
from ops.settings import LabelSettings
from pipelines.instance import add_partitions, open_instance
from pipelines.registration import register_paths
from pipelines.watching import Memory, look
from stores.home import Home
from stores.manifests import registered
from stores.watched import WatchedSource, watch
from tests.label_chains import publish_chain

STATUS_BAR, TICK_BAR = 5.0, 10.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="unsam-operations-") as scratch:
        photos = Path(scratch) / "photos"
        write_tars(photos, options.shards)
        first, working, idle = time_ticks(Home(f"{scratch}/watching"), photos, options.rounds)
        home = Home(f"{scratch}/home")
        label(home, photos)
        status = [time_status(home) for _ in range(options.rounds)]
    print(f"{options.shards} shards, medians of {options.rounds}")
    ticks = {"first sight": first, "1000 new shards": working, "nothing new": idle}
    for name, seconds in ticks.items():
        print(f"sensor tick, {name}: {seconds:.2f} s (bar <= {TICK_BAR:g}): {verdict(seconds <= TICK_BAR)}")
    median = statistics.median(status)
    print(f"unsam status: {median:.2f} s (bar <= {STATUS_BAR:g}): {verdict(median <= STATUS_BAR)}")


def write_tars(folder: Path, count: int) -> None:
    """Tars of two files of 2 kB; nothing here decodes them."""
    folder.mkdir()
    for number in range(count):
        with tarfile.open(folder / f"sa_{number:06d}.tar", "w") as tar:
            for name in ("a.jpg", "b.jpg"):
                member = tarfile.TarInfo(name)
                member.size = 2048
                tar.addfile(member, io.BytesIO(number.to_bytes(4, "big") * 512))


def time_ticks(home: Home, photos: Path, rounds: int) -> tuple[float, float, float]:
    """Median seconds of a tick that sees files first, of the slowest that registers shards, and of one without news."""
    watch(home, [WatchedSource(url=str(photos))])
    first, memory = _timed(home, Memory(), now=0.0)
    working, now = [], 100.0
    while len(registered(home)) < len(list(photos.iterdir())):
        seconds, memory = _timed(home, memory, now)
        working.append(seconds)
        now += 100
    idle = [_timed(home, memory, now + number)[0] for number in range(rounds)]
    return first, max(working), statistics.median(idle)


def label(home: Home, photos: Path) -> None:
    """Register the tars and pretend that most of them are labelled: one in ten stale, one in ten missing."""
    with open_instance(home) as instance:
        register_paths(home, instance, [str(photos)])
        add_partitions(instance, registered(home))
    for number, shard in enumerate(registered(home)):
        if number % 10 != 9:
            publish_chain(home, shard, LabelSettings(recipe="paper") if number % 10 == 8 else None)


def time_status(home: Home) -> float:
    """Seconds of `unsam status`."""
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "status"]
    begun = time.perf_counter()
    subprocess.run(command, env=os.environ | {"UNSAM_HOME": str(home.url)}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _timed(home: Home, memory: Memory, now: float) -> tuple[float, Memory]:
    begun = time.perf_counter()
    stored = Memory.model_validate_json(memory.model_dump_json())
    found = look(home, stored, settle_seconds=60, budget_seconds=5, now=now)
    return time.perf_counter() - begun, found.memory


if __name__ == "__main__":
    main()
