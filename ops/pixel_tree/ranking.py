"""How much a candidate looks like a thing: a weighted sum of a few measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ops.pixel_tree.merging import MergeTree
from ops.pixel_tree.proposals import Candidates
from ops.pixel_tree.region_graph import RegionGraph
from ops.pixel_tree.superpixels import Leaves

MEASURES = ("size", "boundary", "separation", "compactness")
WEIGHTS = (0.27, 0.25, 0.8, 1.0)
_STRONG_BOUNDARY = 6.0


@dataclass(frozen=True)
class Measures:
    """One column a name of `MEASURES`; m candidates.

    values: (m, len(MEASURES)) float32. area: (m,) float32 pixels.

    size: log of the share of the image. boundary: mean strength of all cues around the outline, cut off where it is
    strong enough. separation: log of the dissimilarity that its own parent had to overcome. compactness: log of
    4 pi area / perimeter squared, the frame counted in.
    """

    values: np.ndarray
    area: np.ndarray


def measure(tree: MergeTree, candidates: Candidates, leaves: Leaves, graph: RegionGraph) -> Measures:
    outline, strength = _outlines(tree, graph, len(leaves))
    frame = tree.accumulate(leaves.frame[:, None])[:, 0]
    paired = candidates.partner >= 0
    partner, shared = np.maximum(candidates.partner, 0), np.maximum(candidates.edge, 0)

    def joined(values: np.ndarray, between: np.ndarray | None = None) -> np.ndarray:
        mask = paired.reshape(-1, *[1] * (values.ndim - 1))
        total = values[candidates.node] + np.where(mask, values[partner], 0)
        return total if between is None else total - 2 * np.where(mask, between[shared], 0)

    area = joined(tree.area)
    border = joined(outline, tree.length)
    cues = joined(strength, tree.strength).mean(axis=1) * 4 / np.maximum(border, 1)
    perimeter = border + joined(frame)
    parted = _parent_dissimilarity(tree)
    separation = np.where(paired, np.minimum(parted[candidates.node], parted[partner]), parted[candidates.node])
    values = [
        np.log(area / leaves.area.sum()),
        np.minimum(cues, _STRONG_BOUNDARY),
        np.log(separation + 0.1),
        np.log(4 * np.pi * area / perimeter**2),
    ]
    return Measures(np.stack(values, axis=1).astype(np.float32), area)


def _outlines(tree: MergeTree, graph: RegionGraph, leaf_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Length (N,) and summed cues (N, K) of the border of every node to other nodes."""
    borders = np.concatenate([graph.length[:, None], graph.strength], axis=1)
    own = np.zeros((leaf_count, borders.shape[1]), np.float32)
    for ends in (graph.first, graph.second):
        for column in range(borders.shape[1]):
            own[:, column] += np.bincount(ends, borders[:, column], leaf_count)
    swallowed = np.zeros((len(tree.area), borders.shape[1]), np.float32)
    edges = tree.merged_edge[leaf_count:]
    swallowed[leaf_count:] = 2 * np.concatenate([tree.length[edges, None], tree.strength[edges]], axis=1)
    outlines = tree.accumulate(own, swallowed)
    return outlines[:, 0], outlines[:, 1:]


def _parent_dissimilarity(tree: MergeTree) -> np.ndarray:
    """Dissimilarity at which each node was merged away, (N,); a root's is the largest of all merges."""
    merges = tree.dissimilarity[tree.merged_edge[tree.leaf_count :]]
    parted = np.full(len(tree.area), merges.max(initial=0.0), np.float32)
    has_parent = tree.parent >= 0
    parted[has_parent] = tree.dissimilarity[tree.merged_edge[tree.parent[has_parent]]]
    return parted


def scores_of(measures: Measures) -> np.ndarray:
    """Scores in (0, 1), (m,) float32."""
    return (1 / (1 + np.exp(-(measures.values @ np.array(WEIGHTS, np.float32))))).astype(np.float32)
