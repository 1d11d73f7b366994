"""Objects grown from seeds: level sets of geodesic distance (Krähenbühl and Koltun 2014) on a coarse cut of a tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from ops.pixel_tree.merging import MergeTree
from ops.pixel_tree.superpixels import Leaves

_FEATURE_WEIGHT = 0.5
_FRAME_QUANTILE = 0.25
_LARGEST_SHARE = 0.8
_SOFTENING = 0.1


@dataclass(frozen=True)
class Cut:
    """The k regions of a merge tree at the time when only k were left, and their E borders.

    Shapes:
        nodes: (k,) tree nodes. first, second: (E,) indices into them. edges: (E,) the tree's edges.
    """

    nodes: np.ndarray
    first: np.ndarray
    second: np.ndarray
    edges: np.ndarray


def cut_tree(tree: MergeTree, count: int) -> Cut:
    """The regions when `count` were left; fewer where the tree has fewer leaves."""
    time = max(tree.leaf_count, len(tree.area) - count + 1)
    merged = np.where(tree.parent >= 0, tree.parent, len(tree.area))
    alive = (np.arange(len(tree.area)) < time) & (merged >= time)
    index = np.cumsum(alive) - 1
    edges = np.flatnonzero(alive[tree.first] & alive[tree.second])
    return Cut(np.flatnonzero(alive), index[tree.first[edges]], index[tree.second[edges]], edges)


def grow(tree: MergeTree, cut: Cut, leaves: Leaves, levels: int, background: float, smallest: float) -> np.ndarray:
    """Unions of regions around every region, where the next one is much farther than the last.

    Distance is the shortest path over borders, in dissimilarity, plus the difference of deep features from the seed's.
    What is as near to the frame of the image as to the seed is pushed away.

    Args:
        levels: how many unions of each seed, those with the widest relative gap.
        background: how much of the distance to the frame is taken off.
        smallest: least area of a union, as a share of the image.

    Returns:
        (m, k) bool, which regions each union has; no two alike.
    """
    distance = _distances(tree, cut, leaves, background)
    order = np.argsort(distance, axis=1, kind="stable")
    sorted_distance = np.take_along_axis(distance, order, axis=1)
    area = tree.area[cut.nodes].astype(np.float64)
    share = np.cumsum(area[order], axis=1)[:, :-1] / area.sum()
    gap = np.diff(sorted_distance, axis=1) / (sorted_distance[:, :-1] + _SOFTENING)
    gap = np.where((share > smallest) & (share < _LARGEST_SHARE), gap, 0)
    last = np.argsort(-gap, axis=1, kind="stable")[:, :levels]
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(len(order)), order.shape), axis=1)
    seeds, columns = np.nonzero(np.take_along_axis(gap, last, axis=1) > 0)
    member = rank[seeds] <= last[seeds, columns][:, None]
    _, distinct = np.unique(np.packbits(member, axis=1), axis=0, return_index=True)
    return member[np.sort(distinct)]


def _distances(tree: MergeTree, cut: Cut, leaves: Leaves, background: float) -> np.ndarray:
    """(k, k), row by row from each seed, least 0."""
    count = len(cut.nodes)
    ends = np.concatenate([cut.first, cut.second]), np.concatenate([cut.second, cut.first])
    lengths = np.tile(tree.dissimilarity[cut.edges].astype(np.float64), 2)
    paths = dijkstra(coo_array((lengths, ends), shape=(count, count)).tocsr())
    scale = np.median(paths[np.isfinite(paths)])
    features = _deep_features(tree, cut, leaves)
    distance = paths / max(scale, 1e-9) + _FEATURE_WEIGHT * (1 - features @ features.T)
    on_frame = tree.accumulate(leaves.frame[:, None])[cut.nodes, 0] > 0
    distance = distance - background * np.quantile(distance[:, on_frame], _FRAME_QUANTILE, axis=1)
    return distance - distance.min(axis=1, keepdims=True)


def _deep_features(tree: MergeTree, cut: Cut, leaves: Leaves) -> np.ndarray:
    """(k, D) mean features of the deeper half of the stages; the product of two rows is their mean cosine."""
    embedding = tree.accumulate(leaves.embedding)[cut.nodes]
    stages = len(leaves.blocks) - 1
    deep = range(stages // 2, stages)
    parts = []
    for stage in deep:
        part = embedding[:, leaves.blocks[stage] : leaves.blocks[stage + 1]]
        parts.append(part / (np.linalg.norm(part, axis=1, keepdims=True) + 1e-9))
    return np.concatenate(parts, axis=1) / np.sqrt(len(deep))
