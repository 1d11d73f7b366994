"""What describes a region, against loops over its leaves and their borders."""

import numpy as np
import pytest

from ops.grouping.descriptors import describe_regions, descriptor_count
from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.ranking import MEASURES
from ops.pixel_tree.region_graph import connect
from ops.pixel_tree.stages import sample_map
from ops.pixel_tree.superpixels import describe_leaves

LABELS = np.array(
    [
        [0, 0, 1, 1, 1, 2],
        [0, 0, 1, 1, 2, 2],
        [3, 3, 4, 4, 2, 2],
        [3, 3, 4, 4, 5, 5],
    ]
)
REGIONS = [[0], [1, 4], [0, 1, 2, 3, 4, 5], [2, 5]]


@pytest.fixture(scope="module")
def made():
    generator = np.random.default_rng(0)
    embedding = generator.standard_normal((4, 6, 3)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=-1, keepdims=True)
    leaves = describe_leaves(LABELS, np.zeros((4, 6, 3), np.float32), [embedding, embedding])
    graph = connect(LABELS, generator.random((2, 4, 6)).astype(np.float32))
    offsets = np.cumsum([0] + [len(region) for region in REGIONS])
    sets = LeafSets(offsets.astype(np.int64), np.concatenate(REGIONS).astype(np.int32))
    measures = generator.standard_normal((len(REGIONS), len(MEASURES))).astype(np.float32)
    compressed = generator.standard_normal((2, 3, 2)).astype(np.float32)
    return leaves, graph, sets, measures, compressed, embedding


def described(region: list[int], leaves, compressed, embedding) -> np.ndarray:
    """All but the measures, pixel by pixel."""
    at_leaf = {
        name: sample_map(grid, leaves.rows, leaves.columns) for name, grid in (("e", embedding), ("s", compressed))
    }
    inside, around = {"e": [], "s": []}, {"e": [], "s": []}
    rows, columns, framed = [], [], np.zeros(0)
    height, width = LABELS.shape
    for row in range(height):
        for column in range(width):
            leaf = LABELS[row, column]
            if leaf not in region:
                continue
            rows.append((row + 0.5) / height)
            columns.append((column + 0.5) / width)
            framed = np.append(framed, (row in (0, height - 1)) + 0 + (column in (0, width - 1)))
            for name in inside:
                inside[name].append(at_leaf[name][leaf])
            for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                y, x = row + down, column + across
                if 0 <= y < height and 0 <= x < width and LABELS[y, x] not in region:
                    for name in around:
                        around[name].append(at_leaf[name][LABELS[y, x]])
    mean = {name: np.mean(values, axis=0) for name, values in inside.items()}
    ring = {name: np.mean(values, axis=0) if values else np.zeros_like(mean[name]) for name, values in around.items()}
    own, other, product = np.linalg.norm(mean["e"]), np.linalg.norm(ring["e"]), mean["e"] @ ring["e"]
    coherence = [own, other, product / (own * other) if other else 0.0, product]
    place = [np.mean(rows), abs(np.mean(columns) - 0.5), framed.sum() / np.sqrt(len(rows))]
    return np.concatenate([coherence, place, mean["s"], ring["s"]])


def test_descriptors_are_those_of_a_loop_over_pixels(made):
    leaves, graph, sets, measures, compressed, embedding = made
    found = describe_regions(sets, measures, leaves, graph, compressed)
    assert found.shape == (len(REGIONS), descriptor_count(2))
    np.testing.assert_array_equal(found[:, : len(MEASURES)], measures)
    for row, region in zip(found[:, len(MEASURES) :], REGIONS, strict=True):
        np.testing.assert_allclose(row, described(region, leaves, compressed, embedding), atol=1e-5)


def test_nothing_to_describe(made):
    leaves, graph, _, measures, compressed, _ = made
    nothing = LeafSets(np.zeros(1, np.int64), np.zeros(0, np.int32))
    assert describe_regions(nothing, measures[:0], leaves, graph, compressed).shape == (0, descriptor_count(2))
