"""Candidate masks of a merge tree: its nodes, and unions of neighbours that did not merge with each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from ops.kernels import kernel
from ops.pixel_tree.merging import MergeTree
from ops.settings import PixelTreeSettings

NONE = -1
_MOST_PARTNERS = 12  # pairs of one node that may join into triplets


@dataclass(frozen=True)
class LeafSets:
    """m sets of leaves: set i is leaves[offsets[i]:offsets[i + 1]]; offsets (m + 1,) int64, leaves int32."""

    offsets: np.ndarray
    leaves: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def membership(self, leaves: int) -> csr_array:
        """(m, leaves) float32, 1 where a set holds a leaf."""
        return csr_array((np.ones(len(self.leaves), np.float32), self.leaves, self.offsets), shape=(len(self), leaves))

    def take(self, indices: np.ndarray) -> LeafSets:
        lengths = (self.offsets[1:] - self.offsets[:-1])[indices]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        parts = [self.leaves[self.offsets[i] : self.offsets[i + 1]] for i in indices]
        return LeafSets(offsets, np.concatenate(parts) if parts else np.zeros(0, np.int32))


def join_sets(parts: list[LeafSets]) -> LeafSets:
    """All sets of several lists, in order."""
    starts = np.cumsum([0] + [len(part.leaves) for part in parts])
    offsets = [part.offsets[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
    return LeafSets(np.concatenate([[0], *offsets]).astype(np.int64), np.concatenate([part.leaves for part in parts]))


@dataclass(frozen=True)
class Candidates:
    """Nodes, pairs and triplets of one tree, m in all.

    nodes: (m, 3) int32, NONE where there are fewer. edges: (m, 3) int64, the edges between its nodes, or NONE.
    """

    nodes: np.ndarray
    edges: np.ndarray

    def total(self, values: np.ndarray, between: np.ndarray | None = None) -> np.ndarray:
        """Sum of node values (N, ...) over each candidate's nodes, less twice the edge values `between` (M, ...)."""
        shape = (-1, 3, *[1] * (values.ndim - 1))
        total = np.where((self.nodes >= 0).reshape(shape), values[self.nodes], 0).sum(axis=1)
        if between is None:
            return total
        return total - 2 * np.where((self.edges >= 0).reshape(shape), between[self.edges], 0).sum(axis=1)


def propose(tree: MergeTree, options: PixelTreeSettings) -> Candidates:
    """Nodes that differ from their parent, and the unions of neighbours that came closest to merging.

    Unions of neighbouring regions are what MCG (Pont-Tuset et al. 2017) adds to a hierarchy: objects whose parts
    merge with the background first are still found. Pairs are taken in order of their priority against that of the
    merges which took their nodes; triplets are two such pairs with one node in common.
    """
    total = tree.area[tree.parent < 0].sum()
    large = tree.area >= options.smallest * total
    has_parent = tree.parent >= 0
    parent_area = np.where(has_parent, tree.area[tree.parent], np.inf)
    single = np.flatnonzero(large & has_parent & (tree.area < options.near_copy * parent_area))
    edges, excess = _best_pairs(tree, large, max(options.pairs, options.triplets), options.least_ratio)
    triple_nodes, triple_edges = _best_triplets(tree, edges, excess, options.triplets)
    edges = edges[: options.pairs]
    none = np.full(len(single) + len(edges), NONE)
    nodes = np.stack([np.concatenate([single, tree.first[edges]]), none, none], axis=1)
    nodes[len(single) :, 1] = tree.second[edges]
    between = np.stack([none, none, none], axis=1)
    between[len(single) :, 0] = edges
    return Candidates(
        np.concatenate([nodes, triple_nodes]).astype(np.int32), np.concatenate([between, triple_edges]).astype(np.int64)
    )


def _best_pairs(tree: MergeTree, large: np.ndarray, most: int, least_ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges between large nodes that did not merge with each other, and their excess, ascending."""
    a, b = tree.first, tree.second
    smaller, larger = np.minimum(tree.area[a], tree.area[b]), np.maximum(tree.area[a], tree.area[b])
    possible = large[a] & large[b] & (smaller > least_ratio * larger) & (tree.parent[a] != tree.parent[b])
    edges = np.flatnonzero(possible)
    paid = tree.priority[tree.merged_edge[tree.parent[np.stack([a[edges], b[edges]])]]].max(axis=0)
    excess = tree.priority[edges] / (paid + 1e-9)
    order = np.argsort(excess, kind="stable")[:most]
    return edges[order], excess[order]


def _best_triplets(tree: MergeTree, edges: np.ndarray, excess: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (t, 3) and edges (t, 3) of two pairs that share a node, least sum of excesses first."""
    if not most or not len(edges):
        return np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)
    middle = np.concatenate([tree.first[edges], tree.second[edges]])
    end = np.concatenate([tree.second[edges], tree.first[edges]])
    pair = np.tile(np.arange(len(edges)), 2)
    order = np.argsort(middle, kind="stable")
    one, two = _pairs_within_groups(middle[order])
    one, two = order[one], order[two]
    _, start, stop = _leaf_order(tree.children, tree.parent, tree.leaf_count)
    apart = (stop[end[one]] <= start[end[two]]) | (stop[end[two]] <= start[end[one]])
    apart &= _lived_together(tree, end[one], end[two])
    one, two = one[apart], two[apart]
    best = np.argsort(excess[pair[one]] + excess[pair[two]], kind="stable")[:most]
    one, two = one[best], two[best]
    closing = _edge_between(tree, end[one], end[two])
    nodes = np.stack([middle[one], end[one], end[two]], axis=1)
    return nodes, np.stack([edges[pair[one]], edges[pair[two]], closing], axis=1)


def _pairs_within_groups(sorted_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All index pairs i < j with equal keys; keys sorted."""
    boundaries = np.flatnonzero(np.diff(sorted_keys, prepend=-1, append=-1))
    firsts, seconds = [], []
    for begin, finish in pairwise(boundaries.tolist()):
        i, j = _index_pairs(min(finish - begin, _MOST_PARTNERS))
        firsts.append(begin + i)
        seconds.append(begin + j)
    return np.concatenate(firsts), np.concatenate(seconds)


@cache
def _index_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(count, 1)


def _lived_together(tree: MergeTree, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether nodes a and b were regions at one time, so that the tree has their common border, elementwise."""
    merged = np.where(tree.parent >= 0, tree.parent, len(tree.area))
    return np.maximum(a, b) < np.minimum(merged[a], merged[b])


def _edge_between(tree: MergeTree, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The edge between nodes a and b, or NONE, elementwise."""
    count = np.int64(len(tree.area))
    codes = np.minimum(tree.first, tree.second) * count + np.maximum(tree.first, tree.second)
    order = np.argsort(codes)
    wanted = np.minimum(a, b) * count + np.maximum(a, b)
    place = np.minimum(np.searchsorted(codes, wanted, sorter=order), len(codes) - 1)
    return np.where(codes[order[place]] == wanted, order[place], NONE)


def leaf_sets(tree: MergeTree, candidates: Candidates) -> LeafSets:
    """The leaves of every candidate."""
    order, start, stop = _leaf_order(tree.children, tree.parent, tree.leaf_count)
    lengths = np.where(candidates.nodes >= 0, (stop - start)[candidates.nodes], 0)
    offsets = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))]).astype(np.int64)
    leaves = _gather(offsets[-1], order, start[candidates.nodes].reshape(-1), lengths.reshape(-1))
    return LeafSets(offsets, leaves)


def region_sets(tree: MergeTree, nodes: np.ndarray, member: np.ndarray) -> LeafSets:
    """The leaves of unions of disjoint nodes (k,): member (m, k) bool."""
    order, start, stop = _leaf_order(tree.children, tree.parent, tree.leaf_count)
    lengths = (stop - start)[nodes]
    offsets = np.concatenate([[0], np.cumsum(member @ lengths)]).astype(np.int64)
    picked = np.nonzero(member)[1]
    return LeafSets(offsets, _gather(offsets[-1], order, start[nodes][picked], lengths[picked]))


@kernel
def _leaf_order(children: np.ndarray, parent: np.ndarray, leaf_count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaves in depth-first order, so that node i owns order[start[i]:stop[i]]."""
    nodes = len(children)
    order = np.zeros(leaf_count, np.int32)
    start, stop = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    stack = np.zeros(nodes + 1, np.int32)
    placed = 0
    for root in range(nodes - 1, -1, -1):
        if parent[root] >= 0:
            continue
        stack[0], height = root, 1
        while height > 0:
            height -= 1
            node = stack[height]
            start[node] = placed
            if node < leaf_count:
                order[placed] = node
                placed += 1
            else:
                stack[height], stack[height + 1] = children[node, 1], children[node, 0]
                height += 2
    for node in range(nodes):
        stop[node] = start[node] + 1 if node < leaf_count else stop[children[node, 1]]
    return order, start, stop


@kernel
def _gather(total: int, order: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Runs of `order` one after the other."""
    leaves = np.empty(total, np.int32)
    placed = 0
    for run in range(len(starts)):
        leaves[placed : placed + lengths[run]] = order[starts[run] : starts[run] + lengths[run]]
        placed += lengths[run]
    return leaves
