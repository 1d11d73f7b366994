"""Superpixels against flooding every smoothed map until few enough basins are found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from ops.pixel_tree.superpixels import segment_leaves

LEVELS = 4096


def flooded(detail: np.ndarray, most: int) -> tuple[np.ndarray, float]:
    """Labels from 0 by one flood a smoothing, and the smoothing that was enough."""
    for sigma in np.arange(0, 50, 0.5):
        relief = ndimage.gaussian_filter(detail, sigma) if sigma else detail
        labels = watershed(np.rint(relief * LEVELS).astype(np.int32))
        if labels.max() <= most:
            return np.maximum(labels - 1, 0), float(sigma)
    raise AssertionError("never few enough")


@pytest.mark.parametrize(("most", "smoothed"), [(10_000, False), (100, True), (5, True)])
def test_leaves_are_those_of_flooding_at_every_smoothing(most: int, smoothed: bool) -> None:
    detail = ndimage.gaussian_filter(np.random.default_rng(0).random((70, 90)), 1).astype(np.float32)
    labels = segment_leaves(detail, most)
    expected, sigma = flooded(detail, most)
    np.testing.assert_array_equal(labels, expected)
    assert (sigma > 0) == smoothed
    assert 1 < len(np.unique(labels)) <= most


def test_a_flat_map_is_one_leaf() -> None:
    noise = np.random.default_rng(0).random((20, 30)) / LEVELS / 10
    assert not segment_leaves((0.25 + noise).astype(np.float32), 100).any()
