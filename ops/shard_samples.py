"""A few images of a shard, to be shown: evenly spread, the same each time, those that cannot be read left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ops.settings import LimitSettings
from ops.stage_workers import REFUSABLE, read_image
from stores.shards import ShardSource


def sample_images(
    source: ShardSource, keys: Sequence[str], limits: LimitSettings, count: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Key and pixels (H, W, 3) of at most `count` of the images `keys`."""
    reader = source.open()
    for key in spread(keys, count):
        try:
            image = read_image(reader, key, limits)
        except REFUSABLE:
            continue
        yield key, image


def spread(keys: Sequence[str], count: int) -> list[str]:
    """At most `count` of the keys, evenly spread."""
    positions = np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(int)
    return [keys[position] for position in np.unique(positions)]
