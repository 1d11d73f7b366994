"""Write a version of a shard and die by SIGKILL at one chosen change to the disk; run by test_crashes.py.

Usage: `python killed_writer.py HOME count` writes undisturbed and prints how many changes there were;
`python killed_writer.py FOLDER 3 17 …` dies at the 3rd change in the home FOLDER/3, at the 17th in FOLDER/17, ….
"""

import functools
import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np

from stores.home import Home
from stores.mask_store import MaskShardWriter
from stores.masks import MaskSet

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}


@functools.cache
def images(count: int = 4) -> dict[str, MaskSet]:
    """Masks of random bits, which do not compress: several chunks."""
    random = np.random.default_rng(0)
    masks = {}
    for index in range(count):
        dense = random.random((2, 800, 900)) < 0.5
        masks[f"{index}.jpg"] = MaskSet.from_dense(dense, (800, 900), score=random.random(2))
    return masks


def write(home: str) -> int:
    """Resume and finish version v2; returns how many images had to be computed."""
    shard = images()
    writer = MaskShardWriter(Home(home).versions("masks", "a", "s"), "v2", shard)
    todo = [key for key in shard if key not in writer.done()]
    for key in todo:
        writer.add(key, shard[key])
    writer.finish({"version": 2})
    return len(todo)


def die_at(home: str, change: int) -> itertools.count:
    counter = itertools.count(1)

    def hook(event: str, arguments: tuple) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and str(arguments[0]).startswith(home) and next(counter) == change:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return counter


def forked(home: Path, change: int) -> None:
    """Die in a child, so that the imports are paid for once."""
    child = os.fork()
    if child == 0:
        die_at(str(home), change)
        write(str(home))
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    if sys.argv[2] == "count":
        changes = die_at(str(root), 0)
        write(str(root))
        print(next(changes) - 1)
    else:
        for number in sys.argv[2:]:
            forked(root / number, int(number))
