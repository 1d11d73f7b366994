"""ops/packed_masks.py against dense masks."""

import numpy as np
import pytest

from ops.packed_masks import PackedMasks, share_at_least
from stores.masks import MaskSet


def random_masks(count: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """(count, H, W) bool: boxes of random places and sizes, each with holes."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((count, *size), bool)
    for mask in masks:
        top, left = (generator.integers(0, side) for side in size)
        bottom, right = generator.integers(top, size[0]) + 1, generator.integers(left, size[1]) + 1
        mask[top:bottom, left:right] = generator.random((bottom - top, right - left)) < generator.random()
    return masks


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 63), (40, 64), (40, 65), (30, 200), (200, 9)])
def test_every_pair_of_masks_against_dense_ones(size):
    dense = random_masks(24, size, seed=sum(size))
    packed = PackedMasks.of(MaskSet.from_dense(dense, size))
    np.testing.assert_array_equal(packed.areas, dense.sum((1, 2)))
    for i in range(len(dense)):
        for j in range(len(dense)):
            shared = int((dense[i] & dense[j]).sum())
            for needed in {1, max(shared, 1), shared + 1}:
                one, other = ((packed.words, packed.starts[k], packed.boxes[k]) for k in (i, j))
                assert share_at_least(needed, *one, *other) == (shared >= needed)


def test_no_masks():
    packed = PackedMasks.of(MaskSet.empty((4, 5)))
    assert len(packed.areas) == len(packed.starts) == 0
