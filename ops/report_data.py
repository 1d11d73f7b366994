"""What the report's page knows of a photo and its masks, packed small enough to be written into the page."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from ops.mask_colours import mask_colours
from ops.mask_partition import scaled_down
from stores.masks import SOURCES, MaskSet


def layer_data(name: str, masks: MaskSet, max_side: int) -> dict[str, object]:
    """One set of masks as the page's `Layer` reads it.

    Args:
        name: what the page calls the set.
        masks: masks with granularity.
        max_side: longest side in pixels of the page's label maps; masks that vanish at that size are only counted.

    Returns:
        JSON values: a list a column, `runs` (number of runs of each mask), `bytes` (base64 of the runs, see
        `packed_runs`), `colours` (base64 of n x 3 bytes), `hidden` (number of masks left out).
    """
    small, kept = scaled_down(masks, max_side)
    counts, packed = packed_runs(small)
    return {
        "name": name,
        "hidden": len(masks) - len(small),
        "parent": small.parent.tolist(),
        "level": small.level.tolist(),
        "score": _rounded(small.score),
        "granularity": _rounded(small.granularity),
        "theta": _rounded(small.theta),
        "source": [SOURCES[source] for source in small.source],
        "area": masks.areas()[kept].tolist(),
        "colours": base64.b64encode(mask_colours(small).tobytes()).decode(),
        "runs": counts.tolist(),
        "bytes": base64.b64encode(packed).decode(),
    }


def packed_runs(masks: MaskSet) -> tuple[np.ndarray, bytes]:
    """All masks as runs of pixels: the number of runs of each mask, (n,) int64, and zlib-compressed bytes.

    A run is its first pixel's index in the flattened image and its length. Each is written as the difference to the
    run before it, where the start is expected one row further down and the first run follows a run of length 0 one row
    above the image; differences are zigzag-coded and written in base 128, least significant group first.
    """
    counts = np.zeros(len(masks), np.int64)
    numbers = [np.zeros(0, np.int64)]
    for index in range(len(masks)):
        starts, lengths = _runs(masks, index)
        counts[index] = len(starts)
        steps = np.diff(starts, prepend=-masks.size[1]) - masks.size[1]
        numbers.append(np.stack([steps, np.diff(lengths, prepend=0)], axis=1).reshape(-1))
    return counts, zlib.compress(_signed_varints(np.concatenate(numbers)), 9)


def _runs(masks: MaskSet, index: int) -> tuple[np.ndarray, np.ndarray]:
    x, y, _, _ = (int(value) for value in masks.boxes[index])
    edges = np.diff(np.pad(masks.crop(index), ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, lefts = np.nonzero(edges == 1)
    rights = np.nonzero(edges == -1)[1]
    return (rows + y) * masks.size[1] + lefts + x, rights - lefts


def _signed_varints(numbers: np.ndarray) -> bytes:
    zigzag = ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)
    shifts = np.arange(0, 35, 7, dtype=np.uint64)
    groups = (zigzag[:, None] >> shifts) & np.uint64(127)
    needed = np.maximum(1, (groups > 0).cumsum(axis=1).argmax(axis=1) + 1)
    place = np.arange(len(shifts))
    more = place < needed[:, None] - 1
    return (groups | (more.astype(np.uint64) << np.uint64(7))).astype(np.uint8)[place < needed[:, None]].tobytes()


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
