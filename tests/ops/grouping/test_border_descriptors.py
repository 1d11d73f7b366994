"""What describes a border, against dense matrices and loops over the borders of a small label map."""

import numpy as np
import pytest

from ops.grouping.border_descriptors import border_descriptor_count, describe_borders
from ops.pixel_tree.region_graph import connect
from ops.pixel_tree.superpixels import describe_leaves

LABELS = np.array(
    [
        [0, 0, 1, 1, 1, 2],
        [0, 0, 1, 1, 2, 2],
        [3, 3, 4, 4, 2, 2],
        [3, 3, 4, 4, 5, 5],
    ]
)
AXES = 2


@pytest.fixture(scope="module")
def made():
    generator = np.random.default_rng(0)
    embedding = generator.standard_normal((4, 6, 3)).astype(np.float32)
    lab = (generator.random((4, 6, 3)) * [100, 60, 60]).astype(np.float32)
    leaves = describe_leaves(LABELS, lab, [embedding, embedding])
    graph = connect(LABELS, generator.random((3, 4, 6)).astype(np.float32))
    return leaves, graph, generator.standard_normal((6, AXES)).astype(np.float32)


def spread(values: np.ndarray, open_length: np.ndarray, steps: int) -> np.ndarray:
    """Every step each leaf takes half of what its neighbours have, by how open the borders are."""
    for _ in range(steps):
        around = np.stack([row @ values / row.sum() for row in open_length])
        values = (values + around) / 2
    return values


def described(edge: int, leaves, graph, semantic, plain: bool, side: int) -> np.ndarray:
    """One border by itself."""
    count = len(leaves)
    open_length, cues = np.zeros((count, count)), graph.strength / graph.length[:, None]
    strength, length = np.zeros(count), np.zeros(count)
    for a, b, long, (gradient, histogram, _), summed in zip(
        graph.first, graph.second, graph.length, cues, graph.strength, strict=True
    ):
        open_length[a, b] = open_length[b, a] = long * np.exp(-2 * gradient - histogram)
        for end in (a, b):
            strength[end] += summed.sum()
            length[end] += long
    one, other = graph.first[edge], graph.second[edge]
    share = sorted(leaves.area[[one, other]] / leaves.area.sum())
    row = [*cues[edge], np.log(graph.length[edge]), *np.log(share)]
    for steps in (0, 4, 16):
        means = [
            spread(values, open_length, steps)
            for values in (
                leaves.colour / leaves.area[:, None] / 30,
                leaves.histogram / leaves.area[:, None],
                leaves.embedding[:, :3] / leaves.area[:, None],
                semantic,
            )
        ]
        (c1, h1, e1, s1), (c2, h2, e2, s2) = ([mean[end] for mean in means] for end in (one, other))
        chi = sum((p - q) ** 2 / (p + q) for p, q in zip(h1, h2, strict=True) if p + q > 0) / 2
        angle = 0.5 - 0.5 * (e1 @ e2) / np.linalg.norm(e1) / np.linalg.norm(e2)
        row += [*np.abs(c1 - c2), np.linalg.norm(c1 - c2), chi, angle, np.linalg.norm(e1 - e2), s1 @ s2]
        row += [*np.abs(s1 - s2)]
        if steps == 4:
            row += [*(s1 + s2) / 2]
    around = [open_length[end] @ (strength / length) / open_length[end].sum() for end in (one, other)]
    return np.array([*row, cues[edge].sum() - sum(around) / 2, float(plain), np.log(side / 640)])


@pytest.mark.parametrize(("plain", "side"), [(False, 640), (True, 448)])
def test_borders_are_described_as_one_by_one(made, plain, side):
    leaves, graph, semantic = made
    got = describe_borders(leaves, graph, semantic, plain, side)
    assert got.shape == (len(graph.first), border_descriptor_count(AXES))
    assert got.dtype == np.float32
    for edge in range(len(graph.first)):
        np.testing.assert_allclose(got[edge], described(edge, leaves, graph, semantic, plain, side), atol=2e-5)


def test_a_flat_photo_has_no_borders_to_describe():
    labels = np.zeros((4, 6), np.int32)
    leaves = describe_leaves(labels, np.zeros((4, 6, 3), np.float32), [np.ones((2, 2, 3), np.float32)] * 2)
    graph = connect(labels, np.zeros((3, 4, 6), np.float32))
    got = describe_borders(leaves, graph, np.zeros((1, AXES), np.float32), False, 640)
    assert got.shape == (0, border_descriptor_count(AXES))
