"""Candidate masks of a merge tree: its nodes, and unions of two neighbours that did not merge with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ops.compiled import compiled
from ops.pixel_tree.merging import MergeTree

NO_PARTNER = -1


@dataclass(frozen=True)
class LeafSets:
    """m sets of leaves: set i is leaves[offsets[i]:offsets[i + 1]]; offsets (m + 1,) int64, leaves int32."""

    offsets: np.ndarray
    leaves: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

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
    """Nodes and pairs of one tree.

    node: (m,) int32. partner: (m,) int32, the second node of a pair or NO_PARTNER. edge: (m,) int64, the edge between
    both, or -1.
    """

    node: np.ndarray
    partner: np.ndarray
    edge: np.ndarray


def propose(tree: MergeTree, smallest: float, near_copy: float, most_pairs: int, least_ratio: float) -> Candidates:
    """Nodes that differ from their parent, and the pairs that came closest to merging.

    Pairs of neighbouring regions are what MCG (Pont-Tuset et al. 2017) adds to a hierarchy: objects whose parts
    merge with the background first are still found.

    Args:
        smallest: least area, as a share of the image.
        near_copy: a node that fills more than this share of its parent gives way to the parent.
        most_pairs: how many pairs, in order of their priority against that of the merges which took their nodes.
        least_ratio: smaller over larger area of a pair.
    """
    total = tree.area[tree.parent < 0].sum()
    large = tree.area >= smallest * total
    has_parent = tree.parent >= 0
    parent_area = np.where(has_parent, tree.area[tree.parent], np.inf)
    nodes = np.flatnonzero(large & has_parent & (tree.area < near_copy * parent_area)).astype(np.int32)
    edges = _best_pairs(tree, large, most_pairs, least_ratio)
    return Candidates(
        node=np.concatenate([nodes, tree.first[edges]]),
        partner=np.concatenate([np.full(len(nodes), NO_PARTNER, np.int32), tree.second[edges]]),
        edge=np.concatenate([np.full(len(nodes), -1, np.int64), edges]),
    )


def _best_pairs(tree: MergeTree, large: np.ndarray, most: int, least_ratio: float) -> np.ndarray:
    a, b = tree.first, tree.second
    smaller, larger = np.minimum(tree.area[a], tree.area[b]), np.maximum(tree.area[a], tree.area[b])
    possible = large[a] & large[b] & (smaller > least_ratio * larger) & (tree.parent[a] != tree.parent[b])
    edges = np.flatnonzero(possible)
    paid = tree.priority[tree.merged_edge[tree.parent[np.stack([a[edges], b[edges]])]]].max(axis=0)
    excess = tree.priority[edges] / (paid + 1e-9)
    return edges[np.argsort(excess, kind="stable")[:most]]


def leaf_sets(tree: MergeTree, candidates: Candidates) -> LeafSets:
    """The leaves of every candidate."""
    order, start, stop = _leaf_order(tree.children, tree.parent, tree.leaf_count)
    partner = np.maximum(candidates.partner, 0)
    lengths = (stop - start)[candidates.node]
    partner_lengths = np.where(candidates.partner >= 0, (stop - start)[partner], 0)
    offsets = np.concatenate([[0], np.cumsum(lengths + partner_lengths)]).astype(np.int64)
    leaves = _gather(offsets, order, start[candidates.node], lengths, start[partner], partner_lengths)
    return LeafSets(offsets, leaves)


@compiled
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


@compiled
def _gather(offsets, order, start, lengths, partner_start, partner_lengths):
    leaves = np.empty(offsets[-1], np.int32)
    for i in range(len(lengths)):
        middle = offsets[i] + lengths[i]
        leaves[offsets[i] : middle] = order[start[i] : start[i] + lengths[i]]
        leaves[middle : offsets[i + 1]] = order[partner_start[i] : partner_start[i] + partner_lengths[i]]
    return leaves
