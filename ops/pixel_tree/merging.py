"""Greedy merging of a region graph, least dissimilar neighbours first, by a binary heap with lazy deletion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush

import numpy as np

from ops.kernels import kernel
from ops.pixel_tree.region_graph import RegionGraph
from ops.pixel_tree.superpixels import Leaves


@dataclass(frozen=True)
class MergeWeights:
    """Weights of the dissimilarity of two neighbours; each term is about 1 for a clear change.

    boundary: one a cue of the graph, those of `boundaries.CUES` first, for the mean along the shared border.
    colour: distance of mean Lab colours. histogram: chi-squared.
    shallow, deep: mean over the first and the second half of the backbone's stages of half of 1 - cosine.
    size: exponent of the smaller region's share of the image, so that small regions are merged earlier.
    """

    boundary: tuple[float, ...]
    colour: float
    histogram: float
    shallow: float
    deep: float
    size: float

    def without_features(self) -> MergeWeights:
        """The same with all that comes from the backbone switched off."""
        return replace(self, boundary=(*self.boundary[:-1], 0.0), shallow=0.0, deep=0.0)

    def with_features(self, factor: float) -> MergeWeights:
        """The same with the features' own terms, not their boundary cue, `factor` times as heavy."""
        return replace(self, shallow=self.shallow * factor, deep=self.deep * factor)

    def with_cue(self, weight: float) -> MergeWeights:
        """The same for graphs with one more boundary cue (`region_graph.with_cue`)."""
        return replace(self, boundary=(*self.boundary, weight))

    def vector(self, stages: int) -> np.ndarray:
        """Weights of the raw terms: boundary cues, colour, histogram, then one a stage."""
        half = max(stages // 2, 1)
        features = [self.shallow / half] * half + [self.deep / max(stages - half, 1)] * (stages - half)
        scaled = [self.colour / 7, self.histogram / 0.08, *(weight / 0.13 for weight in features)]
        return np.array([*self.boundary, *scaled], np.float64)


@dataclass(frozen=True)
class MergeTree:
    """Binary tree over n leaves; node n + k came to be by the k-th merge. N nodes, M edges ever made.

    Shapes:
        leaf_count: n. children: (N, 2) int32, -1 for leaves. parent: (N,) int32, -1 for a root.
        area: (N,) float32 pixels.
        merged_edge: (N,) int64, the edge whose removal made this node; -1 for leaves.
        first, second: (M,) int32 neighbours that existed at one time; the graph's own edges come first.
        length: (M,) float32. strength: (M, K) float32 sums along the border.
        dissimilarity: (M,) float32, weighted terms. priority: (M,) float32, the same after the size factor.
    """

    leaf_count: int
    children: np.ndarray
    parent: np.ndarray
    area: np.ndarray
    merged_edge: np.ndarray
    first: np.ndarray
    second: np.ndarray
    length: np.ndarray
    strength: np.ndarray
    dissimilarity: np.ndarray
    priority: np.ndarray

    def accumulate(self, leaf_values: np.ndarray, swallowed: np.ndarray | None = None) -> np.ndarray:
        """Sums of leaf values (n, K) over every node, (N, K); each merge takes away its node's row of `swallowed`."""
        values = np.zeros((len(self.area), leaf_values.shape[1]), np.float32)
        values[: self.leaf_count] = leaf_values
        _sum_children(values, self.children, self.leaf_count, np.zeros_like(values) if swallowed is None else swallowed)
        return values


def merge_regions(leaves: Leaves, graph: RegionGraph, weights: MergeWeights) -> MergeTree:
    """Merge neighbours until none are left; between equal priorities the edge that came to be first goes first."""
    return MergeTree(
        len(leaves),
        *_merge(
            graph.first,
            graph.second,
            graph.length,
            graph.strength,
            leaves.area,
            leaves.colour,
            leaves.histogram,
            leaves.embedding,
            leaves.blocks,
            weights.vector(len(leaves.blocks) - 1),
            weights.size,
        ),
    )


@kernel
def _sum_children(values: np.ndarray, children: np.ndarray, leaf_count: int, swallowed: np.ndarray) -> None:
    for node in range(leaf_count, len(children)):
        values[node] = values[children[node, 0]] + values[children[node, 1]] - swallowed[node]


@kernel
def _dissimilarity(a, b, border, length, area, colour, histogram, embedding, norms, blocks, weights):
    """Weighted terms of `MergeWeights` for nodes a and b, and a border's cue sums and length."""
    cues = len(border)
    total = 0.0
    for k in range(cues):
        total += weights[k] * border[k] / length
    inverse_a, inverse_b = 1 / area[a], 1 / area[b]
    distance = 0.0
    for k in range(colour.shape[1]):
        distance += (colour[a, k] * inverse_a - colour[b, k] * inverse_b) ** 2
    total += weights[cues] * np.sqrt(distance)
    chi = 0.0
    for k in range(histogram.shape[1]):
        share_a, share_b = histogram[a, k] * inverse_a, histogram[b, k] * inverse_b
        if share_a + share_b > 0:
            chi += (share_a - share_b) ** 2 / (share_a + share_b)
    total += weights[cues + 1] * 0.5 * chi
    stages = len(blocks) - 1
    for stage in range(stages):
        dot = np.float32(0)
        for k in range(blocks[stage], blocks[stage + 1]):
            dot += embedding[a, k] * embedding[b, k]
        total += weights[cues + 2 + stage] * (0.5 - 0.5 * dot / (norms[a, stage] * norms[b, stage] + 1e-9))
    return total


@kernel
def _set_norms(node: int, embedding: np.ndarray, blocks: np.ndarray, norms: np.ndarray) -> None:
    for stage in range(len(blocks) - 1):
        norms[node, stage] = np.sqrt((embedding[node, blocks[stage] : blocks[stage + 1]] ** 2).sum())


@kernel
def _with_room(values, size):
    """The same rows in an array of `size` rows."""
    grown = np.zeros((size, *values.shape[1:]), values.dtype)
    grown[: len(values)] = values
    return grown


@kernel
def _link(edge: int, a: int, b: int, head: np.ndarray, following: np.ndarray) -> None:
    """Put an edge into the incidence lists of both its ends; half-edge 2e belongs to a, 2e + 1 to b."""
    following[2 * edge] = head[a]
    head[a] = 2 * edge
    following[2 * edge + 1] = head[b]
    head[b] = 2 * edge + 1


@kernel
def _merge(first0, second0, length0, strength0, area0, colour0, histogram0, embedding0, blocks, weights, size_exponent):
    leaf_count, made = len(area0), len(first0)
    nodes, room = 2 * leaf_count - 1, 4 * made + 16
    area, colour, histogram, embedding = (
        _with_room(area0, nodes),
        _with_room(colour0, nodes),
        _with_room(histogram0, nodes),
        _with_room(embedding0, nodes),
    )
    norms = np.zeros((nodes, len(blocks) - 1), np.float32)
    for leaf in range(leaf_count):
        _set_norms(leaf, embedding, blocks, norms)
    first, second = _with_room(first0, room), _with_room(second0, room)
    length, strength = _with_room(length0, room), _with_room(strength0, room)
    dissimilarity, priority = np.zeros(room, np.float32), np.zeros(room, np.float32)
    head, following = np.full(nodes, -1, np.int64), np.full(2 * room, -1, np.int64)
    children, parent = np.full((nodes, 2), -1, np.int32), np.full(nodes, -1, np.int32)
    merged_edge, seen = np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64)
    total_area = area0.sum()
    heap = [(np.float32(0), np.int64(0)) for _ in range(0)]
    fresh, node = 0, leaf_count  # edges from `fresh` on have no priority yet
    while True:
        for edge in range(fresh, made):
            a, b = first[edge], second[edge]
            _link(edge, a, b, head, following)
            dissimilarity[edge] = _dissimilarity(
                a, b, strength[edge], length[edge], area, colour, histogram, embedding, norms, blocks, weights
            )
            priority[edge] = dissimilarity[edge] * (min(area[a], area[b]) / total_area) ** size_exponent
            heappush(heap, (priority[edge], np.int64(edge)))
        fresh = made
        chosen = np.int64(-1)
        while len(heap) > 0 and chosen < 0:
            chosen = heappop(heap)[1]
            if parent[first[chosen]] >= 0 or parent[second[chosen]] >= 0:
                chosen = np.int64(-1)
        if chosen < 0:
            break
        a, b = first[chosen], second[chosen]
        children[node, 0], children[node, 1], merged_edge[node] = a, b, chosen
        parent[a], parent[b] = node, node
        area[node] = area[a] + area[b]
        colour[node] = colour[a] + colour[b]
        histogram[node] = histogram[a] + histogram[b]
        embedding[node] = embedding[a] + embedding[b]
        _set_norms(node, embedding, blocks, norms)
        for child in (a, b):
            half = head[child]
            while half >= 0:
                edge = half // 2
                other = second[edge] if first[edge] == child else first[edge]
                half = following[half]
                if parent[other] >= 0:
                    continue
                if seen[other] < fresh:
                    if made == room:
                        room *= 2
                        first, second = _with_room(first, room), _with_room(second, room)
                        length, strength = _with_room(length, room), _with_room(strength, room)
                        dissimilarity, priority = _with_room(dissimilarity, room), _with_room(priority, room)
                        following = _with_room(following, 2 * room)
                    seen[other] = made
                    first[made], second[made] = other, node
                    made += 1
                length[seen[other]] += length[edge]
                strength[seen[other]] += strength[edge]
        node += 1
    return (
        children[:node].copy(),
        parent[:node].copy(),
        area[:node].copy(),
        merged_edge[:node].copy(),
        first[:made].copy(),
        second[:made].copy(),
        length[:made].copy(),
        strength[:made].copy(),
        dissimilarity[:made].copy(),
        priority[:made].copy(),
    )
