"""The best candidates within the budget, near-copies left out."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel
from ops.pixel_tree.proposals import LeafSets


def select(
    sets: LeafSets, scores: np.ndarray, set_area: np.ndarray, leaf_area: np.ndarray, most: int, largest_iou: float
) -> np.ndarray:
    """Greedy non-maximum suppression over leaf sets, exact.

    Args:
        sets: m candidates. scores: (m,), higher first; equal ones in their order.
        set_area: (m,) pixels. leaf_area: (n,) pixels.
        most: how many to keep.
        largest_iou: a candidate that overlaps a kept one more than this is left out.

    Returns:
        (k,) int64 indices of the kept candidates, best first.
    """
    order = np.argsort(-scores, kind="stable")
    return _suppress(order, sets.offsets, sets.leaves, set_area.astype(np.float32), leaf_area, most, largest_iou)


@kernel
def _suppress(order, offsets, leaves, set_area, leaf_area, most, largest_iou):
    """Each leaf lists the kept sets that hold it, so an intersection costs only what the candidate's leaves list."""
    kept = np.zeros(most, np.int64)
    count = 0
    head = np.full(len(leaf_area), -1, np.int64)
    following, owner = np.zeros(1 << 14, np.int64), np.zeros(1 << 14, np.int64)
    used = 0
    shared = np.zeros(most, np.float32)
    for candidate in order:
        if count == most:
            break
        members = leaves[offsets[candidate] : offsets[candidate + 1]]
        shared[:count] = 0
        for leaf in members:
            entry = head[leaf]
            while entry >= 0:
                shared[owner[entry]] += leaf_area[leaf]
                entry = following[entry]
        copy = False
        for k in range(count):
            if shared[k] > largest_iou * (set_area[candidate] + set_area[kept[k]] - shared[k]):
                copy = True
                break
        if copy:
            continue
        if used + len(members) > len(owner):
            room = 2 * (used + len(members))
            more_following, more_owner = np.zeros(room, np.int64), np.zeros(room, np.int64)
            more_following[:used], more_owner[:used] = following[:used], owner[:used]
            following, owner = more_following, more_owner
        for leaf in members:
            following[used], owner[used] = head[leaf], count
            head[leaf] = used
            used += 1
        kept[count] = candidate
        count += 1
    return kept[:count]
