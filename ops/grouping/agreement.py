"""How much the candidates of several views of one photo agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import numpy as np
from scipy.sparse import coo_array, csr_array

from ops.grouping.views import Proposed
from ops.kernels import kernel


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

    def voices(self, least: float) -> np.ndarray:
        """(n, V) float32, what each view says of each candidate: its IoU there, 0 below `least` and in its own view."""
        says = np.where(self.best >= least, self.best, 0)
        says[np.arange(len(says)), self.view_of()] = 0
        return says

    def agreement(self, decay: float = 1.0) -> np.ndarray:
        """(n,) float32 in [0, 1], the mean over all other views of the largest IoU there; 1 where there is one view.

        Args:
            decay: what each IoU counts in the mean against the next larger one.
        """
        others = len(self.views) - 1
        if not others:
            return np.ones(len(self.score), np.float32)
        elsewhere = self.best[np.arange(len(self.views)) != self.view_of()[:, None]].reshape(-1, others)
        weight = decay ** np.arange(others, dtype=np.float32)
        return np.sort(elsewhere, axis=1)[:, ::-1] @ (weight / weight.sum())


def pool(views: Sequence[Proposed], size: tuple[int, int]) -> Pool:
    """Compare the candidates of all views in a common frame of (H, W) `size` pixels."""
    pixels = [nearest(view.labels, size).reshape(-1) for view in views]
    counts = [int(view.labels.max()) + 1 for view in views]
    holders = [_holders(view, count) for view, count in zip(views, counts, strict=True)]
    areas = [
        np.add.reduceat(np.bincount(own, minlength=count)[view.sets.leaves], view.sets.offsets[:-1]).astype(np.float32)
        for view, own, count in zip(views, pixels, counts, strict=True)
    ]
    starts = np.cumsum([0] + [len(view.score) for view in views]).astype(np.int64)
    spans = [slice(int(a), int(b)) for a, b in pairwise(starts)]
    iou = np.zeros((starts[-1], starts[-1]), np.float16)
    best = np.zeros((starts[-1], len(views)), np.float32)
    partner = np.zeros((starts[-1], len(views)), np.int64)
    for i, j in combinations_with_replacement(range(len(views)), 2):
        meeting = _meeting(pixels[i], pixels[j], (counts[i], counts[j]))
        sets, holding = views[i].sets, holders[j]
        shared = _shared(
            sets.leaves,
            sets.offsets,
            meeting.indices,
            meeting.indptr,
            meeting.data,
            holding.indices,
            holding.indptr,
            len(views[j].sets),
            counts[j],
            i == j,
        )
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


def _holders(view: Proposed, leaves: int) -> csr_array:
    """(leaves, m), a row for each leaf of a view with the candidates that have it."""
    return view.sets.membership(leaves).T.tocsr()


def _meeting(one: np.ndarray, other: np.ndarray, leaves: tuple[int, int]) -> csr_array:
    """How many pixels each leaf of one view shares with each leaf of another, from the leaves of all pixels (n,)."""
    return coo_array((np.ones(len(one), np.float32), (one, other)), shape=leaves).tocsr()


@kernel
def _shared(
    leaves: np.ndarray,
    offsets: np.ndarray,
    met: np.ndarray,
    met_offsets: np.ndarray,
    met_pixels: np.ndarray,
    holders: np.ndarray,
    holder_offsets: np.ndarray,
    candidates: int,
    others: int,
    same: bool,
) -> np.ndarray:
    """(m, n) float32, pixels that each candidate of one view shares with each of another.

    Args:
        leaves, offsets: leaf sets of the m. met, met_offsets, met_pixels: rows of `_meeting`.
        holders, holder_offsets: rows of `_holders` of the other view, which has `others` leaves and n `candidates`.
        same: the other view is this one, so that half of the pairs need not be counted.
    """
    shared = np.zeros((len(offsets) - 1, candidates), np.float32)
    pixels = np.zeros(others, np.float32)
    touched = np.empty(others, np.int64)
    for candidate in range(len(offsets) - 1):
        count = 0
        for leaf in leaves[offsets[candidate] : offsets[candidate + 1]]:
            for place in range(met_offsets[leaf], met_offsets[leaf + 1]):
                if pixels[met[place]] == 0:
                    touched[count] = met[place]
                    count += 1
                pixels[met[place]] += met_pixels[place]
        row = shared[candidate]
        for other in touched[:count]:
            for place in range(holder_offsets[other], holder_offsets[other + 1]):
                if same and holders[place] > candidate:
                    break
                row[holders[place]] += pixels[other]
            pixels[other] = 0
    if same:
        for candidate in range(len(shared)):
            for earlier in range(candidate):
                shared[earlier, candidate] = shared[candidate, earlier]
    return shared
