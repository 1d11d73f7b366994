"""Two Ray workers on the CPU against one: labels of the same photos, the same stage, both pools started beforehand.

Run: `python -m benchmarks.two_workers [--photos FOLDER] [--images 48] [--rounds 3]`. Each worker has one core, so this
machine needs two that nothing else uses. The masks of both sides are checked to be the same. What two plain processes
without Ray gain over one, on the same photos in the same run, is what this machine's two cores can give.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine, median_ratio, verdict
from benchmarks.photos import DATA
from ops.fanout import Fanout
from ops.pool_actor import THREAD_VARIABLES
from ops.presets import load_settings
from ops.stage_workers import DivideFinish, Made, TokenWorker
from stores.shards import discover

BAR = 1.8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", default=str(DATA / "photos"), help="folder of JPEG files")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    print(describe_machine())
    source = discover(options.photos, shard_size=options.images)[0]
    keys = [member.key for member in source.members]
    settings = load_settings("small")
    factory, finish = TokenWorker(source, settings), DivideFinish(settings)
    alone, together, plain_alone, plain_together = [], [], [], []
    with Fanout(actors=2) as cluster:
        cluster.connect()
        for _ in range(options.rounds):
            seconds, one = _timed(1, factory, keys, finish)
            alone.append(seconds)
            seconds, two = _timed(2, factory, keys, finish)
            together.append(seconds)
            if not all(np.array_equal(a.content.bits, b.content.bits) for a, b in zip(one, two, strict=True)):
                raise AssertionError("one worker and two made different masks")
            plain_alone.append(_plainly(1, factory, keys, finish))
            plain_together.append(_plainly(2, factory, keys, finish))
    ratio = median_ratio(alone, together)
    print(f"{len(keys)} photos of {Path(options.photos).name}, medians of {options.rounds}")
    print(f"one plain process ÷ two: {median_ratio(plain_alone, plain_together):.2f}")
    print(f"one worker ÷ two workers: {ratio:.2f} (bar >= {BAR}): {verdict(ratio >= BAR)}")


def _timed(actors: int, factory: TokenWorker, keys: list[str], finish: DivideFinish) -> tuple[float, list[Made]]:
    """Seconds of the work alone: the actors have loaded their backbone on a first photo each."""
    with Fanout(actors=actors) as pool:
        list(pool.map(factory, keys[: 2 * actors], finish))
        begun = time.perf_counter()
        outcomes = list(pool.map(factory, keys, finish))
        seconds = time.perf_counter() - begun
        pool.release()
    return seconds, [outcome.value for outcome in outcomes]


def _plainly(processes: int, factory: TokenWorker, keys: list[str], finish: DivideFinish) -> float:
    """Seconds until the slowest of `processes` has done its share, each with one thread and its backbone loaded."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes)
    seconds = context.SimpleQueue()
    shares = [keys[first::processes] for first in range(processes)]
    started = [context.Process(target=_share, args=(factory, share, finish, ready, seconds)) for share in shares]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return max(seconds.get() for _ in started)


def _share(
    factory: TokenWorker, keys: list[str], finish: DivideFinish, ready: Barrier, seconds: SimpleQueue[float]
) -> None:
    work = factory()
    finish(work(keys[0]))
    ready.wait()
    begun = time.perf_counter()
    for key in keys:
        finish(work(key))
    seconds.put(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
