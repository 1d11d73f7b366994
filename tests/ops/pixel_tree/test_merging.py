"""Merge trees against a brute force that looks at every pair of neighbours before each merge."""

from __future__ import annotations

import numpy as np
import pytest

from ops.pixel_tree.merging import MergeTree, MergeWeights, merge_regions
from ops.pixel_tree.proposals import Candidates, leaf_sets, propose
from ops.pixel_tree.ranking import measure, measure_sets
from ops.pixel_tree.region_graph import RegionGraph, connect
from ops.pixel_tree.superpixels import Leaves, describe_leaves
from ops.settings import PixelTreeSettings

WEIGHTS = MergeWeights(boundary=(1.0, 0.5, 2.0), colour=1.0, histogram=0.7, shallow=0.8, deep=1.2, size=0.4)
BOUNDARY_ONLY = MergeWeights(boundary=(1.0, 0.0, 0.0), colour=0.0, histogram=0.0, shallow=0.0, deep=0.0, size=0.0)


def sample_regions(seed: int, stages: int = 4, size: tuple[int, int] = (17, 23)) -> tuple[Leaves, RegionGraph]:
    """A random Voronoi partition with random colours, features and cues."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, 1, (14, 2)) * size
    pixels = np.stack(np.mgrid[: size[0], : size[1]], axis=-1)[:, :, None]
    nearest = np.argmin(((pixels - seeds) ** 2).sum(axis=-1), axis=-1)
    labels = np.unique(nearest, return_inverse=True)[1].reshape(size).astype(np.int32)
    lab = rng.uniform((0, -50, -50), (100, 50, 50), (*size, 3)).astype(np.float32)
    grids = [rng.standard_normal((3 + stage, 4, 5)).astype(np.float32) for stage in range(stages)]
    cues = rng.uniform(0, 1, (3, *size)).astype(np.float32)
    return describe_leaves(labels, lab, grids), connect(labels, cues)


def brute_force(leaves: Leaves, graph: RegionGraph, weights: MergeWeights) -> list[frozenset[int]]:
    """The leaf set of every merge in order; all sums are taken anew from the leaves each time."""
    regions = [frozenset([leaf]) for leaf in range(len(leaves))]
    merges = []
    while True:
        found = [
            (_priority(leaves, graph, weights, a, b), a, b)
            for i, a in enumerate(regions)
            for b in regions[i + 1 :]
            if _border(graph, a, b).any()
        ]
        if not found:
            return merges
        _, a, b = min(found, key=lambda item: item[0])
        regions = [region for region in regions if region not in (a, b)] + [a | b]
        merges.append(a | b)


def _border(graph: RegionGraph, a: frozenset[int], b: frozenset[int]) -> np.ndarray:
    ends = zip(graph.first.tolist(), graph.second.tolist(), strict=True)
    return np.array([(i in a and j in b) or (i in b and j in a) for i, j in ends])


def _priority(leaves: Leaves, graph: RegionGraph, weights: MergeWeights, a: frozenset[int], b: frozenset[int]) -> float:
    border = _border(graph, a, b)
    terms = list(graph.strength[border].sum(axis=0) / graph.length[border].sum())
    sides = [sorted(a), sorted(b)]
    area = [leaves.area[side].sum() for side in sides]
    colour = [leaves.colour[side].sum(axis=0) / total for side, total in zip(sides, area, strict=True)]
    terms.append(np.linalg.norm(colour[0] - colour[1]))
    p, q = (leaves.histogram[side].sum(axis=0) / total for side, total in zip(sides, area, strict=True))
    terms.append(0.5 * np.divide((p - q) ** 2, p + q, out=np.zeros_like(p), where=p + q > 0).sum())
    for begin, end in zip(leaves.blocks[:-1], leaves.blocks[1:], strict=True):
        u, v = (leaves.embedding[side, begin:end].sum(axis=0) for side in sides)
        terms.append(0.5 - 0.5 * (u @ v) / (np.linalg.norm(u) * np.linalg.norm(v) + 1e-9))
    dissimilarity = weights.vector(len(leaves.blocks) - 1) @ np.array(terms)
    return float(dissimilarity * (min(area) / leaves.area.sum()) ** weights.size)


def node_leaves(tree: MergeTree) -> list[frozenset[int]]:
    found = [frozenset([leaf]) for leaf in range(tree.leaf_count)]
    for a, b in tree.children[tree.leaf_count :]:
        found.append(found[a] | found[b])
    return found


@pytest.mark.parametrize("weights", [WEIGHTS, BOUNDARY_ONLY])
@pytest.mark.parametrize(("seed", "stages"), [(0, 4), (1, 1), (2, 2), (3, 3), (4, 4)])
def test_merges_are_those_of_the_brute_force(seed: int, stages: int, weights: MergeWeights) -> None:
    leaves, graph = sample_regions(seed, stages)
    tree = merge_regions(leaves, graph, weights)
    assert node_leaves(tree)[len(leaves) :] == brute_force(leaves, graph, weights)


def test_the_tree_is_nested_and_its_sums_add_up() -> None:
    leaves, graph = sample_regions(5)
    tree = merge_regions(leaves, graph, WEIGHTS)
    sets = node_leaves(tree)
    assert len(tree.area) == 2 * len(leaves) - 1
    assert np.flatnonzero(tree.parent < 0).tolist() == [len(tree.area) - 1]
    for node, parent in enumerate(tree.parent[:-1]):
        assert sets[node] < sets[parent]
    for node, members in enumerate(sets):
        assert tree.area[node] == pytest.approx(leaves.area[sorted(members)].sum())


def test_parts_that_do_not_touch_stay_apart() -> None:
    leaves, graph = sample_regions(6)
    inside = frozenset(range(4))
    apart = np.array([(a in inside) == (b in inside) for a, b in zip(graph.first, graph.second, strict=True)])
    cut = RegionGraph(graph.first[apart], graph.second[apart], graph.length[apart], graph.strength[apart])
    tree = merge_regions(leaves, cut, WEIGHTS)
    roots = [members for members, parent in zip(node_leaves(tree), tree.parent, strict=True) if parent < 0]
    assert len(roots) >= 2
    assert all(root <= inside or not root & inside for root in roots)


@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_their_leaf_sets_and_measures_hold(seed: int) -> None:
    """The running sums of nodes, pairs and triplets equal what is counted anew from their leaf sets."""
    leaves, graph = sample_regions(seed)
    tree = merge_regions(leaves, graph, WEIGHTS)
    options = PixelTreeSettings(smallest=0.0, pairs=40, triplets=60, least_ratio=0.0, near_copy=1.0)
    candidates = propose(tree, options)
    sets = leaf_sets(tree, candidates)
    nodes = node_leaves(tree)
    kinds = (candidates.nodes >= 0).sum(axis=1)
    assert {1, 2, 3} == set(kinds.tolist())
    for index in range(len(sets)):
        parts = [nodes[node] for node in candidates.nodes[index] if node >= 0]
        members = sets.leaves[sets.offsets[index] : sets.offsets[index + 1]]
        assert len(set(members.tolist())) == len(members) == sum(map(len, parts))
        assert frozenset(members.tolist()) == frozenset().union(*parts)
    measured, expected = measure(tree, candidates, leaves, graph), measure_sets(sets, leaves, graph, 1.0)
    np.testing.assert_allclose(measured.area, expected.area, rtol=1e-5)
    np.testing.assert_allclose(measured.values[:, [0, 1, 3]], expected.values[:, [0, 1, 3]], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(measured.cues, expected.cues, rtol=1e-3, atol=1e-3)


def test_pairs_are_neighbours_that_did_not_merge_with_each_other() -> None:
    leaves, graph = sample_regions(7)
    tree = merge_regions(leaves, graph, WEIGHTS)
    candidates: Candidates = propose(tree, PixelTreeSettings(smallest=0.0, triplets=0, least_ratio=0.0))
    nodes = node_leaves(tree)
    pairs = candidates.nodes[candidates.nodes[:, 1] >= 0]
    assert len(pairs)
    for a, b, _ in pairs:
        assert _border(graph, nodes[a], nodes[b]).any()
        assert nodes[a] | nodes[b] not in nodes
