"""Which masks of a tree explain a class best: a set of which none contains another.

A mask S is worth |S∩P_k| - price · |S| - cost · |P_k| pixels: what it gets right, less its area at a price a pixel,
less a cost for being one more mask. Of every branch of the tree the mask is taken, or the best of what lies below it.
"""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel
from ops.mask_tree import build_tree
from stores.masks import NO_PARENT, MaskSet


def as_tree(masks: MaskSet) -> MaskSet:
    """The masks with `parent` and `level`; those that come without are hung under each other."""
    return build_tree(masks) if len(masks) and (masks.parent == NO_PARENT).all() else masks


def worth(overlaps: np.ndarray, areas: np.ndarray, pixels: np.ndarray, price: float, cost: float) -> np.ndarray:
    """(n, K) float64, pixels that each mask is worth to each class.

    Args:
        overlaps: (n, K) |S∩P_k|. areas: (n,) |S|. pixels: (K,) |P_k|.
        price: of a pixel of S, in [0, 1]; 0.5 weighs wrong pixels as right ones.
        cost: of a mask, as a share of |P_k|.
    """
    return overlaps - price * areas[:, None] - cost * pixels


def best_cover(worths: np.ndarray, classes: np.ndarray, masks: MaskSet) -> np.ndarray:
    """Which masks are taken, (n,) bool: for each class the set without nesting of the largest sum of worths.

    Args:
        worths: (n,) of each mask to its class; what is not positive is never taken.
        classes: (n,) uint8, 0 for none.
        masks: with their tree.
    """
    deep_first = np.argsort(-masks.level, kind="stable")
    return _covered(np.asarray(worths, np.float64), classes, masks.parent, deep_first)


@kernel
def _covered(worths: np.ndarray, classes: np.ndarray, parents: np.ndarray, deep_first: np.ndarray) -> np.ndarray:
    taken = np.zeros(len(worths), np.bool_)
    for label in np.unique(classes):
        if label == 0:
            continue
        below = np.zeros(len(worths))
        wanted = np.zeros(len(worths), np.bool_)
        hidden = np.zeros(len(worths), np.bool_)
        for mask in deep_first:
            own = worths[mask] if classes[mask] == label else 0.0
            wanted[mask] = own > 0 and own >= below[mask]
            if parents[mask] >= 0:
                below[parents[mask]] += max(own, below[mask])
        for mask in deep_first[::-1]:
            above = parents[mask]
            hidden[mask] = above >= 0 and (wanted[above] or hidden[above])
            if wanted[mask] and not hidden[mask]:
                taken[mask] = True
    return taken
