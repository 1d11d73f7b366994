"""Overlaps of candidates of several views against dense masks."""

import numpy as np
import pytest

from ops.grouping.agreement import nearest, pool
from tests.ops.grouping.made_views import frames, proposed, random_view

SIZE = (10, 14)


def dense_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.reshape(len(a), -1).astype(int), b.reshape(len(b), -1).astype(int)
    shared = a @ b.T
    return shared / (a.sum(1)[:, None] + b.sum(1) - shared)


def test_overlaps_of_all_candidates_of_all_views():
    views = [random_view(seed, SIZE, candidates=5 + seed) for seed in range(3)]
    found = pool(views, SIZE)
    together = np.concatenate([frames(view) for view in views])
    wanted = dense_iou(together, together)
    np.testing.assert_allclose(found.iou, wanted, atol=1e-3)
    np.testing.assert_array_equal(found.view_of(), np.repeat([0, 1, 2], [5, 6, 7]))
    for view in range(3):
        of_view = wanted[:, found.view_of() == view]
        np.testing.assert_allclose(found.best[:, view], of_view.max(1), atol=1e-6)
        np.testing.assert_array_equal(found.partner[:, view], found.starts[view] + of_view.argmax(1))
    others = [[wanted[i, found.view_of() == v].max() for v in range(3) if v != found.view_of()[i]] for i in range(18)]
    np.testing.assert_allclose(found.agreement(), np.mean(others, axis=1), atol=1e-5)
    weighted = [(max(pair) + 0.6 * min(pair)) / 1.6 for pair in others]
    np.testing.assert_allclose(found.agreement(decay=0.6), weighted, atol=1e-5)


def test_views_of_other_sizes_are_compared_in_the_common_frame():
    small = proposed(np.array([[0, 1], [2, 3]]), [[0, 1], [3]], [0.9, 0.5])
    large = proposed(np.kron(np.array([[0, 1], [2, 3]]), np.ones((4, 4), int)), [[0, 1], [0], [3]], [0.9, 0.8, 0.5])
    found = pool([small, large], (4, 4))
    np.testing.assert_allclose(found.iou[:2, 2:], [[1, 0.5, 0], [0, 0, 1]])
    np.testing.assert_allclose(found.agreement(), [1, 1, 1, 0.5, 1])


def test_one_view_agrees_with_itself():
    np.testing.assert_array_equal(pool([random_view(0, SIZE)], SIZE).agreement(), np.ones(9))


@pytest.mark.parametrize("size", [(2, 3), (4, 6), (5, 7), (1, 1)])
def test_nearest_takes_the_pixel_below_each_centre(size):
    labels = np.arange(24).reshape(4, 6)
    brought = nearest(labels, size)
    assert brought.shape == size
    for row in range(size[0]):
        for column in range(size[1]):
            at = min(int((row + 0.5) * 4 / size[0]), 3), min(int((column + 0.5) * 6 / size[1]), 5)
            assert brought[row, column] == labels[at]
