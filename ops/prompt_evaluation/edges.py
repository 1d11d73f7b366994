"""Edges from a promptable model's masks, and the BSDS500 benchmark that scores them (spec 10.4).

The benchmark is Martin, Fowlkes and Malik's (2004): boundary maps are thresholded, thinned, and matched one to one
with each annotator's boundaries; a pair may be 0.0075 of the image's diagonal apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import sobel
from scipy.spatial import cKDTree
from skimage.morphology import thin

from ops.prompt_evaluation.bipartite import largest_matching

TOLERANCE = 0.0075
THRESHOLDS = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class EdgeCounts:
    """Matched pixels of one image at each of T thresholds.

    Shapes: recalled and truth (T,), boundary pixels of all annotators that were found, and all of them; precise and
    found (T,), pixels of the map that an annotator drew too, and all of them.
    """

    recalled: np.ndarray
    truth: np.ndarray
    precise: np.ndarray
    found: np.ndarray


@dataclass(frozen=True)
class EdgeScores:
    """ODS and OIS, the best F-measures at one threshold for all images and at each image's own; AP, the area below
    the precision-recall curve; R50, recall at a precision of one half; threshold, of ODS."""

    ods: float
    ois: float
    ap: float
    r50: float
    threshold: float

    def numbers(self) -> dict[str, float]:
        return {"ODS": self.ods, "OIS": self.ois, "AP": self.ap, "R50": self.r50}


def count_edges(
    strength: np.ndarray, boundaries: Sequence[np.ndarray], thresholds: np.ndarray = THRESHOLDS
) -> EdgeCounts:
    """Match a boundary map with every annotator's at every threshold.

    Args:
        strength: (H, W) in [0, 1], already thin (`thin_edges`).
        boundaries: (H, W) bool of each annotator.
    """
    reach = TOLERANCE * float(np.hypot(*strength.shape))
    counts = np.zeros((4, len(thresholds)), np.int64)
    total = sum(int(boundary.sum()) for boundary in boundaries)
    possible = np.argwhere(strength >= thresholds.min())
    place_of = np.full(strength.shape, -1)
    place_of[tuple(possible.T)] = np.arange(len(possible))
    annotators = [_Neighbours.of(possible, np.argwhere(boundary), reach) for boundary in boundaries]
    before = None
    for index, threshold in enumerate(thresholds):
        drawn = np.zeros(len(possible), bool)
        drawn[place_of[thin(strength >= threshold)]] = True
        if before is not None and np.array_equal(drawn, before):
            counts[:, index] = counts[:, index - 1]
            continue
        before = drawn
        precise = np.zeros(len(possible), bool)
        for neighbours in annotators:
            matched = neighbours.matched(drawn)
            counts[0, index] += len(matched)
            precise[matched] = True
        counts[1:, index] = total, precise.sum(), drawn.sum()
    return EdgeCounts(*counts)


def score_edges(images: Sequence[EdgeCounts], thresholds: np.ndarray = THRESHOLDS) -> EdgeScores:
    """Pool the images of a data set.

    Raises:
        ValueError: no images.
    """
    if not images:
        raise ValueError("no images to score")
    totals = EdgeCounts(*(sum(getattr(image, name) for image in images) for name in EdgeCounts.__annotations__))
    recall, precision = _curve(totals)
    f = _f_measure(recall, precision)
    best = int(f.argmax())
    chosen = np.array([_at_best(image) for image in images]).sum(0)
    ois = float(_f_measure(*(np.atleast_1d(value) for value in _curve(EdgeCounts(*chosen))))[0])
    return EdgeScores(float(f[best]), ois, *_area(recall, precision), float(thresholds[best]))


def human_counts(boundaries: Sequence[np.ndarray]) -> Iterator[EdgeCounts]:
    """Each annotator against the others, at a single threshold: how well people do (ODS about 0.80)."""
    for index in range(len(boundaries)):
        others = [boundary for other, boundary in enumerate(boundaries) if other != index]
        if others:
            yield count_edges(boundaries[index].astype(np.float64), others, np.array([0.5]))


def edges_of_masks(probabilities: Iterator[tuple[np.ndarray, np.ndarray]], size: tuple[int, int]) -> np.ndarray:
    """SAM's edge map: the largest Sobel gradient of any mask's probability map, zero off the mask's outer boundary.

    Args:
        probabilities: of each mask its probabilities (H, W) and the mask (H, W) bool.

    Returns:
        (H, W) in [0, 1], thin.
    """
    strength = np.zeros(size, np.float32)
    for chance, mask in probabilities:
        gradient = np.hypot(sobel(chance, 0), sobel(chance, 1))
        np.maximum(strength, np.where(outer_boundary(mask), gradient, 0), out=strength)
    highest = float(strength.max())
    return thin_edges(strength / highest if highest else strength)


def outer_boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels on either side of the mask's edge, (H, W) bool; the frame of the image is no edge."""
    edge = np.zeros_like(mask)
    across, down = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def thin_edges(strength: np.ndarray) -> np.ndarray:
    """Non-maximum suppression across the edge (Canny's): what is weaker than a neighbour across becomes 0.

    Directions come from the second derivatives of the smoothed map, as in Dollár's edge detector.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    smooth = gaussian_filter(strength.astype(np.float64), 1.0)
    dy, dx = np.gradient(smooth)
    dyy, dyx = np.gradient(dy)
    _, dxx = np.gradient(dx)
    along = 0.5 * np.arctan2(2 * dyx, dxx - dyy)  # of the largest second derivative: down the length of a ridge
    across_x, across_y = -np.sin(along), np.cos(along)
    rows, columns = np.indices(strength.shape)
    kept = np.ones(strength.shape, bool)
    for side in (-1, 1):
        beside = map_coordinates(smooth, [rows + side * across_y, columns + side * across_x], order=1, mode="nearest")
        kept &= smooth * 1.01 >= beside
    return np.where(kept, strength, 0)


@dataclass(frozen=True)
class _Neighbours:
    """Pairs of a map's possible pixels and one annotator's pixels that are near enough, sorted by the former.

    Attributes: pixels and drawn, (pairs,) indices of both; possible and count, how many there are of each.
    """

    pixels: np.ndarray
    drawn: np.ndarray
    possible: int
    count: int

    @classmethod
    def of(cls, possible: np.ndarray, boundary: np.ndarray, reach: float) -> _Neighbours:
        if not len(possible) or not len(boundary):
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), len(possible), len(boundary))
        pairs = cKDTree(possible).sparse_distance_matrix(cKDTree(boundary), reach, output_type="ndarray")
        pairs = pairs[np.lexsort((pairs["j"], pairs["i"]))]
        return cls(pairs["i"], pairs["j"], len(possible), len(boundary))

    def matched(self, chosen: np.ndarray) -> np.ndarray:
        """Indices of the chosen pixels (possible,) bool that a largest one-to-one matching pairs."""
        kept = chosen[self.pixels]
        if not kept.any():
            return np.zeros(0, np.int64)
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.pixels[kept], minlength=self.possible))])
        partners = largest_matching(starts, self.drawn[kept].astype(np.int64), self.count)
        return np.flatnonzero(partners >= 0)


def _curve(counts: EdgeCounts) -> tuple[np.ndarray, np.ndarray]:
    recall = counts.recalled / np.maximum(counts.truth, 1)
    return recall, counts.precise / np.maximum(counts.found, 1)


def _f_measure(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return 2 * recall * precision / np.maximum(recall + precision, 1e-12)


def _at_best(image: EdgeCounts) -> np.ndarray:
    best = int(_f_measure(*_curve(image)).argmax())
    return np.array([getattr(image, name)[best] for name in EdgeCounts.__annotations__])


def _area(recall: np.ndarray, precision: np.ndarray) -> tuple[float, float]:
    """AP and R50 of a curve, interpolated at every hundredth of recall that it reaches, as the benchmark's script."""
    order = np.unique(recall, return_index=True)[1]
    if len(order) < 2:
        only = float(precision[order[0]] * recall[order[0]])
        return only, float(recall[order[0]]) if precision[order[0]] >= 0.5 else 0.0
    grid = np.arange(0, 1.0001, 0.01)
    values = np.interp(grid, recall[order], precision[order], left=0, right=0)
    levels = np.unique(precision, return_index=True)[1]
    r50 = float(np.interp(0.5, precision[levels], recall[levels], left=recall.max(), right=0))
    return float(values.sum() * 0.01), r50
