"""Leaves carried to the size of the photo, against the plain watershed of the whole photo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import astronaut, coffee
from skimage.segmentation import slic, watershed

from ops.pixel_tree.full_size import labels_at_size, masks_of_sets
from ops.pixel_tree.proposals import LeafSets


def plainly_resettled(enlarged: np.ndarray, image: np.ndarray, reach: int) -> np.ndarray:
    """Every pixel that no border is near to is a marker, the whole photo is flooded."""
    window = 2 * reach + 1
    certain = ndimage.minimum_filter(enlarged, window) == ndimage.maximum_filter(enlarged, window)
    markers = np.where(certain, enlarged + 1, 0)
    for leaf in np.setdiff1d(np.unique(enlarged), np.unique(markers) - 1):
        markers[enlarged == leaf] = leaf + 1
    relief = ndimage.gaussian_gradient_magnitude(image.mean(axis=2, dtype=np.float32), 1.0)
    return watershed(relief, markers) - 1


@pytest.mark.parametrize(("photo", "leaves", "factor"), [(astronaut, 300, 2), (coffee, 900, 3), (coffee, 3000, 2)])
def test_borders_are_those_of_a_flooding_of_the_whole_photo(photo, leaves: int, factor: int) -> None:
    image = photo()
    image = image[: image.shape[0] // factor * factor, : image.shape[1] // factor * factor]
    labels = slic(image[::factor, ::factor], leaves, start_label=0).astype(np.int32)
    enlarged = labels.repeat(factor, axis=0).repeat(factor, axis=1)
    expected = plainly_resettled(enlarged, image, reach=factor)
    # Pixels of equal strength are flooded in the order of a heap, which depends on all that lies in it.
    assert (labels_at_size(labels, image) != expected).mean() < 1e-4
    assert (expected != enlarged).any()


def test_leaves_that_a_smaller_photo_has_no_room_for_leave_no_masks() -> None:
    """The last leaf and one in the middle are single pixels that shrinking skips."""
    labels = np.zeros((8, 8), np.int32)
    labels[:, 4:] = 1
    labels[0, 0], labels[7, 7] = 2, 3
    small = labels_at_size(labels, np.zeros((4, 4, 3), np.uint8))
    assert set(np.unique(small)) < {0, 1, 2, 3}
    lost = 3 if 3 not in small else 2
    sets = LeafSets(np.array([0, 1, 2, 4]), np.array([0, lost, 1, lost], np.int32))
    masks = masks_of_sets(small, sets, np.array([0.9, 0.8, 0.7], np.float32))
    np.testing.assert_array_equal(masks.score, np.array([0.9, 0.7], np.float32))
    np.testing.assert_array_equal(masks.dense(0), small == 0)
    np.testing.assert_array_equal(masks.dense(1), small == 1)


def test_a_leaf_set_beyond_the_labels_that_are_left() -> None:
    sets = LeafSets(np.array([0, 1, 2]), np.array([0, 9], np.int32))
    masks = masks_of_sets(np.zeros((4, 4), np.int32), sets, np.array([0.5, 0.4], np.float32))
    assert len(masks) == 1
    assert masks.areas().tolist() == [16]
