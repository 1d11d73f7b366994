"""What describes a region to `models.learned_odds`: its measures, what it holds, and what lies around it."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array

from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.ranking import MEASURES
from ops.pixel_tree.region_graph import RegionGraph
from ops.pixel_tree.stages import sample_map
from ops.pixel_tree.superpixels import Leaves

_SMALL = 1e-6
_COHERENCE = 4  # what `_coherence` says
_PLACE = 3  # what `_place` says


def descriptor_count(axes: int) -> int:
    """How many numbers describe a region where `axes` are kept of the backbone's map."""
    return len(MEASURES) + _COHERENCE + _PLACE + 2 * axes


def describe_regions(
    sets: LeafSets, measures: np.ndarray, leaves: Leaves, graph: RegionGraph, compressed: np.ndarray
) -> np.ndarray:
    """(m, descriptor_count) float32 of m leaf sets.

    Args:
        sets: the regions. measures: (m, len(MEASURES)) of them.
        leaves: whose first stage are embeddings. graph: of these leaves.
        compressed: (h, w, axes), the backbone's map along its axes.
    """
    count = len(leaves)
    member = sets.membership(count)
    inner = row_shares(csr_array(member * leaves.area))
    around = row_shares(_border(member, graph, count))
    embedding = leaves.embedding[:, leaves.blocks[0] : leaves.blocks[1]] / leaves.area[:, None]
    semantic = sample_map(compressed, leaves.rows, leaves.columns)
    parts = [
        measures,
        _coherence(inner @ embedding, around @ embedding),
        _place(member, inner, leaves),
        inner @ semantic,
        around @ semantic,
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def adjacency(graph: RegionGraph, weights: np.ndarray, count: int) -> csr_array:
    """(count, count), symmetric: the weight (E,) of the border between each two of the graph's leaves."""
    ends = np.concatenate([graph.first, graph.second]), np.concatenate([graph.second, graph.first])
    return coo_array((np.tile(weights, 2), ends), shape=(count, count)).tocsr()


def _border(member: csr_array, graph: RegionGraph, count: int) -> csr_array:
    """(m, count), the length of the border of each region with each leaf outside it."""
    touching = csr_array(member @ adjacency(graph, graph.length, count))
    return csr_array(touching - touching.multiply(member))


def row_shares(weights: csr_array) -> csr_array:
    """Rows that sum to 1; of nothing, nothing."""
    total = np.maximum(weights.sum(axis=1), _SMALL)
    return csr_array(weights.multiply((1 / total)[:, None]))


def _coherence(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """(m, 4): how alike pixels inside are, and around it; how alike both are, as cosine and as product."""
    own, other = (np.linalg.norm(mean, axis=1) for mean in (inside, outside))
    product = (inside * outside).sum(axis=1)
    return np.stack([own, other, product / np.maximum(own * other, _SMALL), product], axis=1)


def _place(member: csr_array, inner: csr_array, leaves: Leaves) -> np.ndarray:
    """(m, 3): height of the centre, its distance from the middle across, and pixels on the frame over √area."""
    across = np.abs(inner @ leaves.columns - 0.5)
    framed = (member @ leaves.frame) / np.sqrt(np.maximum(member @ leaves.area, 1))
    return np.stack([inner @ leaves.rows, across, framed], axis=1)
