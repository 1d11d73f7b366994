"""The best candidates within the budget, near-copies left out."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel
from ops.pixel_tree.proposals import LeafSets

_GROUPS = 32
_ROUNDING = 1.001  # room for what float32 loses


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
    """Compares a candidate leaf by leaf only with the few kept sets that may be near-copies of it.

    The leaves are split into `_GROUPS` groups. Two sets differ by at least what they differ by in the area of each
    group; sets of IoU t differ by less than (1 - t) / (1 + t) of the sum of their areas.
    """
    kept, count = np.zeros(most, np.int64), 0
    areas, own = np.zeros((most, _GROUPS), np.float32), np.zeros(_GROUPS, np.float32)
    inside = np.zeros(len(leaf_area), np.bool_)
    largest_difference = (1 - largest_iou) / (1 + largest_iou) * _ROUNDING
    for candidate in order:
        if count == most:
            break
        members = leaves[offsets[candidate] : offsets[candidate + 1]]
        own[:] = 0
        for leaf in members:
            inside[leaf] = True
            own[leaf % _GROUPS] += leaf_area[leaf]
        area, copy = set_area[candidate], False
        for k in range(count):
            other = set_area[kept[k]]
            if min(area, other) <= largest_iou * max(area, other):
                continue
            allowed, difference = largest_difference * (area + other), np.float32(0)
            for group in range(_GROUPS):
                difference += abs(own[group] - areas[k, group])
                if difference > allowed:
                    break
            if difference > allowed:
                continue
            shared = np.float32(0)
            for leaf in leaves[offsets[kept[k]] : offsets[kept[k] + 1]]:
                if inside[leaf]:
                    shared += leaf_area[leaf]
            if shared > largest_iou * (area + other - shared):
                copy = True
                break
        for leaf in members:
            inside[leaf] = False
        if not copy:
            areas[count], kept[count] = own, candidate
            count += 1
    return kept[:count]
