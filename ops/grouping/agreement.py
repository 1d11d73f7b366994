"""How much the candidates of several views of one photo agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import numpy as np
from scipy.sparse import coo_array, csr_array

from ops.grouping.views import Proposed


@dataclass(frozen=True)
class Pool:
    """The candidates of V views, n in all, view by view.

    Shapes:
        starts: (V + 1,) int64, where each view's candidates begin. score: (n,) float32, of each in its own view.
        iou: (n, n) float16. best: (n, V) float32, the largest IoU with a candidate of each view; partner: (n, V)
            int64, which candidate that is.
    """

    views: Sequence[Proposed]
    starts: np.ndarray
    score: np.ndarray
    iou: np.ndarray
    best: np.ndarray
    partner: np.ndarray

    def view_of(self) -> np.ndarray:
        """(n,) int64."""
        return np.repeat(np.arange(len(self.views)), np.diff(self.starts))

    def agreement(self) -> np.ndarray:
        """(n,) float32 in [0, 1], the mean over all other views of the largest IoU there; 1 where there is one view."""
        others = len(self.views) - 1
        if not others:
            return np.ones(len(self.score), np.float32)
        return (self.best.sum(axis=1) - 1) / others  # a candidate is its own best in its own view


def pool(views: Sequence[Proposed], size: tuple[int, int]) -> Pool:
    """Compare the candidates of all views in a common frame of (H, W) `size` pixels."""
    pixels = [nearest(view.labels, size).reshape(-1) for view in views]
    members = [_membership(view) for view in views]
    areas = [
        member @ np.bincount(own, minlength=member.shape[1]).astype(np.float32)
        for member, own in zip(members, pixels, strict=True)
    ]
    starts = np.cumsum([0] + [len(view.score) for view in views]).astype(np.int64)
    spans = [slice(int(a), int(b)) for a, b in pairwise(starts)]
    iou = np.zeros((starts[-1], starts[-1]), np.float16)
    best = np.zeros((starts[-1], len(views)), np.float32)
    partner = np.zeros((starts[-1], len(views)), np.int64)
    for i, j in combinations_with_replacement(range(len(views)), 2):
        meeting = _meeting(pixels[i], pixels[j], (members[i].shape[1], members[j].shape[1]))
        shared = (members[i] @ meeting @ members[j].T).toarray()
        block = shared / np.maximum(areas[i][:, None] + areas[j] - shared, 1)
        for rows, columns, values in ((i, j, block), (j, i, block.T)):
            iou[spans[rows], spans[columns]] = values
            best[spans[rows], columns] = values.max(axis=1, initial=0)
            partner[spans[rows], columns] = starts[columns] + values.argmax(axis=1)
    return Pool(views, starts, np.concatenate([view.score for view in views]), iou, best, partner)


def nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map (h, w) brought to (H, W) `size`, nearest pixels."""
    rows, columns = (
        np.minimum((np.arange(to) * at + at // 2) // to, at - 1) for to, at in zip(size, labels.shape, strict=True)
    )
    return labels[rows][:, columns]


def _membership(view: Proposed) -> csr_array:
    """(m, leaves) float32, 1 where a candidate has a leaf."""
    sets = view.sets
    shape = len(sets), int(view.labels.max()) + 1
    return csr_array((np.ones(len(sets.leaves), np.float32), sets.leaves, sets.offsets), shape=shape)


def _meeting(one: np.ndarray, other: np.ndarray, leaves: tuple[int, int]) -> csr_array:
    """How many pixels each leaf of one view shares with each leaf of another, from the leaves of all pixels (n,)."""
    return coo_array((np.ones(len(one), np.float32), (one, other)), shape=leaves).tocsr()
