"""From nested clusters of a crop's tokens to masks of parts that lie inside their object (spec 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

from ops.upsample import upsample_mask
from stores.masks import tight_box

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Part:
    """One part: its tight box (x, y, w, h) in the frame of the crop, its (h, w) bool mask, its theta.

    `until` is the last theta at which it was still a cluster by itself.
    """

    box: Box
    crop: np.ndarray
    theta: float
    until: float


@dataclass(frozen=True)
class _Cluster:
    level: int
    label: int
    theta: float
    until: float


def parts_of_leaves(
    pixels: np.ndarray,
    levels: np.ndarray,
    thetas: tuple[float, ...],
    inside: np.ndarray,
    min_size: int,
    coverage: float,
) -> list[Part]:
    """Parts as unions of the finest clusters, which are brought to pixels once, so that parts nest exactly.

    Coverage is counted on the finest clusters' pixels, so that only the parts that pass it are ever drawn.

    Args:
        pixels: (H, W) int32, the finest clusters in pixels; some may have none.
        levels: (levels, h, w) int32 of `merge_levels`.
        thetas: one a level.
        inside: (H, W) bool, the object in the frame of its crop.
        min_size: smallest cluster in tokens.
        coverage: a part stays if more than this share of it lies inside the object.
    """
    leaves = int(levels[0].max()) + 1
    areas = np.bincount(pixels.reshape(-1), minlength=leaves)
    covered = np.bincount(pixels[inside], minlength=leaves)
    boxes = _boxes(pixels, leaves)
    parts = []
    for cluster in _clusters(levels, thetas, min_size, repeat=False):
        members = np.zeros(leaves, bool)
        members[levels[0][levels[cluster.level] == cluster.label]] = True
        if covered[members].sum() > coverage * areas[members].sum():
            box = _union(boxes[members & (areas > 0)])
            x, y, w, h = box
            parts.append(Part(box, members[pixels[y : y + h, x : x + w]], cluster.theta, cluster.until))
    return parts


def parts_one_by_one(
    levels: np.ndarray, thetas: tuple[float, ...], inside: np.ndarray, min_size: int, coverage: float
) -> list[Part]:
    """Parts as the papers' code makes them: each cluster of each level upsampled by itself, copies included."""
    parts = []
    for cluster in _clusters(levels, thetas, min_size, repeat=True):
        mask = upsample_mask(levels[cluster.level] == cluster.label, inside.shape)
        if (mask & inside).sum() > coverage * mask.sum():
            box = tight_box(mask)
            x, y, w, h = box
            parts.append(Part(box, mask[y : y + h, x : x + w], cluster.theta, cluster.until))
    return parts


def _clusters(levels: np.ndarray, thetas: tuple[float, ...], min_size: int, *, repeat: bool) -> Iterator[_Cluster]:
    """Clusters that are large enough, level by level; a level of a single cluster gives none (spec 3.1).

    A cluster that stays as it is over several levels comes once, or with `repeat` once a level.
    """
    sizes = [np.bincount(level.reshape(-1)) for level in levels]
    for depth, level in enumerate(levels):
        if len(sizes[depth]) == 1:
            return
        firsts = np.unique(level, return_index=True)[1]
        for label in np.flatnonzero(sizes[depth] >= min_size):
            counts = [sizes[d][levels[d].reshape(-1)[firsts[label]]] for d in range(len(levels))]
            if not repeat and depth and counts[depth - 1] == counts[depth]:
                continue
            until = max(d for d in range(len(levels)) if counts[d] == counts[depth])
            yield _Cluster(depth, int(label), thetas[depth], thetas[until])


def _boxes(pixels: np.ndarray, count: int) -> np.ndarray:
    """Tight box of each label as left, top, right, bottom, (count, 4); labels without pixels stay zero."""
    boxes = np.zeros((count, 4), np.int64)
    for label, found in enumerate(find_objects(pixels + 1, count)):
        if found is not None:
            rows, columns = found
            boxes[label] = columns.start, rows.start, columns.stop, rows.stop
    return boxes


def _union(boxes: np.ndarray) -> Box:
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    return int(left), int(top), int(right - left), int(bottom - top)
