"""Grown unions against a brute force over paths, regions and sets of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.segmentation import slic

from ops.pixel_tree.growth import Cut, cut_tree, grow
from ops.pixel_tree.merging import MergeTree, MergeWeights, merge_regions
from ops.pixel_tree.proposals import region_sets
from ops.pixel_tree.ranking import measure_grown, measure_sets
from ops.pixel_tree.region_graph import RegionGraph, connect
from ops.pixel_tree.superpixels import Leaves, describe_leaves

WEIGHTS = MergeWeights(boundary=(1.0, 0.5, 2.0), colour=1.0, histogram=0.7, shallow=0.8, deep=1.2, size=0.4)


def sample(seed: int) -> tuple[Leaves, RegionGraph, MergeTree]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (24, 30, 3)).astype(np.uint8)
    labels = slic(image, 40, compactness=50.0, start_label=0).astype(np.int32)
    grids = [rng.standard_normal((4, 5, 6)).astype(np.float32) for _ in range(4)]
    leaves = describe_leaves(labels, image.astype(np.float32), grids)
    graph = connect(labels, rng.uniform(0, 1, (3, 24, 30)).astype(np.float32))
    return leaves, graph, merge_regions(leaves, graph, WEIGHTS)


def leaves_below(tree: MergeTree, node: int) -> set[int]:
    if node < tree.leaf_count:
        return {node}
    return leaves_below(tree, tree.children[node, 0]) | leaves_below(tree, tree.children[node, 1])


def shortest_paths(cut: Cut, lengths: np.ndarray) -> np.ndarray:
    """Floyd and Warshall."""
    paths = np.full((len(cut.nodes), len(cut.nodes)), np.inf)
    np.fill_diagonal(paths, 0)
    paths[cut.first, cut.second] = paths[cut.second, cut.first] = lengths
    for middle in range(len(paths)):
        paths = np.minimum(paths, paths[:, middle, None] + paths[middle])
    return paths


@pytest.mark.parametrize("count", [2, 7, 15, 10_000])
def test_a_cut_parts_the_leaves(count: int) -> None:
    leaves, graph, tree = sample(0)
    cut = cut_tree(tree, count)
    assert len(cut.nodes) == min(count, len(leaves))
    regions = [leaves_below(tree, node) for node in cut.nodes]
    assert sorted(leaf for region in regions for leaf in region) == list(range(len(leaves)))
    region_of = {leaf: index for index, region in enumerate(regions) for leaf in region}
    pairs = {tuple(sorted((region_of[a], region_of[b]))) for a, b in zip(graph.first, graph.second, strict=True)} - {
        (index, index) for index in range(len(regions))
    }
    assert sorted(tuple(sorted(pair)) for pair in zip(cut.first, cut.second, strict=True)) == sorted(pairs)


@pytest.mark.parametrize("seed", range(3))
def test_unions_are_level_sets_around_their_seed(seed: int) -> None:
    """Without features every union is the set of all regions nearer than some distance to one seed."""
    leaves, _, tree = sample(seed)
    same = np.ones_like(leaves.embedding)
    plain = Leaves(**{**vars(leaves), "embedding": same})
    cut = cut_tree(tree, 12)
    paths = shortest_paths(cut, tree.dissimilarity[cut.edges])
    unions = grow(tree, cut, plain, levels=3, background=0.0, smallest=0.0)
    assert len(unions) == len({union.tobytes() for union in unions}) > 12
    for union in unions:
        assert any(row[union].max() < row[~union].min() for row in paths)


def test_the_frame_pushes_away_what_is_near_it() -> None:
    """A union that holds the frame is rarer when nearness to the frame counts."""
    leaves, _, tree = sample(1)
    cut = cut_tree(tree, 20)
    on_frame = tree.accumulate(leaves.frame[:, None])[cut.nodes, 0] > 0
    shares = [
        grow(tree, cut, leaves, levels=4, background=background, smallest=0.0)[:, on_frame].mean()
        for background in (0.0, 1.0)
    ]
    assert shares[1] < shares[0]


@pytest.mark.parametrize("seed", range(3))
def test_leaf_sets_and_measures_of_unions(seed: int) -> None:
    leaves, graph, tree = sample(seed)
    cut = cut_tree(tree, 10)
    unions = grow(tree, cut, leaves, levels=4, background=0.5, smallest=0.01)
    sets = region_sets(tree, cut.nodes, unions)
    regions = [leaves_below(tree, node) for node in cut.nodes]
    for index, union in enumerate(unions):
        expected = set().union(*(regions[region] for region in np.flatnonzero(union)))
        assert sorted(sets.leaves[sets.offsets[index] : sets.offsets[index + 1]]) == sorted(expected)
    measured, anew = measure_grown(tree, cut, unions, leaves), measure_sets(sets, leaves, graph, 1.0)
    np.testing.assert_allclose(measured.area, anew.area, rtol=1e-5)
    np.testing.assert_allclose(measured.values[:, [0, 1, 3]], anew.values[:, [0, 1, 3]], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(measured.cues, anew.cues, rtol=1e-3, atol=1e-3)
    assert measured.area.min() > 0.01 * leaves.area.sum()
