"""One tree of masks an image: each hangs under the smallest mask that contains it."""

from __future__ import annotations

import numpy as np
from numba import njit

from ops.granularity import granularity
from ops.packed_masks import PackedMasks, share_at_least
from stores.masks import NO_PARENT, MaskSet

CONTAINED = 0.9  # the share of a mask that must lie inside its parent, as in the papers' coverage filter (spec 3.2)


def build_tree(masks: MaskSet, contained: float = CONTAINED, packed: PackedMasks | None = None) -> MaskSet:
    """The same masks, in the same order, with `parent`, `level` and `granularity` filled.

    A parent is the smallest mask that is larger and holds at least the share `contained` of the child's pixels. Of
    masks of one size the earlier counts as the larger; of parents of one size the later is taken. An empty mask is a
    root. Granularity is relative to the masks under the same root.

    Args:
        packed: the same masks, where a caller has packed them already.
    """
    packed = packed or PackedMasks.of(masks)
    order = np.argsort(-packed.areas, kind="stable")
    parents = _parents(packed.words, packed.starts, packed.boxes, packed.areas, order, contained)
    levels = np.zeros(len(masks), np.int16)
    roots = np.arange(len(masks))
    for mask in order:
        parent = parents[mask]
        if parent != NO_PARENT:
            levels[mask] = levels[parent] + 1
            roots[mask] = roots[parent]
    return masks.with_columns(parent=parents, level=levels, granularity=granularity(packed.areas, roots))


def check_tree(masks: MaskSet, contained: float = CONTAINED) -> list[str]:
    """What is wrong with the tree columns, one sentence a problem; empty when they are what `build_tree` would fill."""
    n = len(masks)
    problems = [f"mask {i}: parent {masks.parent[i]} of {n} masks" for i in np.flatnonzero(_no_index(masks.parent, n))]
    if problems:
        return problems
    expected = build_tree(masks, contained)
    for i in range(n):
        if masks.parent[i] != expected.parent[i]:
            problems.append(f"mask {i}: parent {masks.parent[i]}, but {expected.parent[i]} is its smallest container")
        elif masks.level[i] != expected.level[i]:
            problems.append(f"mask {i}: level {masks.level[i]} at depth {expected.level[i]}")
        elif not abs(masks.granularity[i] - expected.granularity[i]) < 1e-3:
            problems.append(f"mask {i}: granularity {masks.granularity[i]}, should be {expected.granularity[i]:.3f}")
    return problems


def _no_index(parents: np.ndarray, count: int) -> np.ndarray:
    return (parents < NO_PARENT) | (parents >= count)


@njit(cache=True, nogil=True)
def _parents(words, starts, boxes, areas, order, contained):
    """Parent of each mask; `order` lists them from large to small, so that the nearest container before is it."""
    parents = np.full(len(order), NO_PARENT, np.int32)
    for position in range(1, len(order)):
        child = order[position]
        needed = max(1.0, contained * areas[child])
        for before in range(position - 1, -1, -1):
            parent = order[before]
            if share_at_least(needed, words, starts[child], boxes[child], words, starts[parent], boxes[parent]):
                parents[child] = parent
                break
    return parents
