"""Covers against every set of masks without nesting, and what they do where the presets of the paper fail."""

from itertools import combinations

import numpy as np
import pytest

from ops.mask_tree import build_tree
from ops.sepl.cover import as_tree, best_cover, worth
from ops.sepl.relabel import relabel
from ops.sepl.settings import SEPL_PRESETS
from stores.masks import MaskSet
from tests.labelled_shards import grid_masks

SIZE = (24, 30)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def best_sum(worths: np.ndarray, classes: np.ndarray, parents: np.ndarray, label: int) -> float:
    """The largest sum over all sets of masks of a class of which none is below another."""
    own = [int(i) for i in np.flatnonzero((classes == label) & (worths > 0))]
    best = 0.0
    for count in range(1, len(own) + 1):
        for chosen in combinations(own, count):
            if not any(set(_above(parents, mask)) & set(chosen) for mask in chosen):
                best = max(best, float(worths[list(chosen)].sum()))
    return best


def _above(parents: np.ndarray, mask: int) -> list[int]:
    found = []
    while (mask := int(parents[mask])) >= 0:
        found.append(mask)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_no_other_set_without_nesting_is_worth_more(seed: int) -> None:
    generator = np.random.default_rng(seed)
    corners = [np.sort(generator.integers(0, 25, (2, 2)), axis=0) for _ in range(9)]
    masks = build_tree(MaskSet.from_dense([box(*low, *high) for low, high in corners], SIZE))
    worths, classes = generator.normal(size=9), generator.integers(0, 3, 9).astype(np.uint8)
    taken = best_cover(worths, classes, masks)
    for label in (1, 2):
        own = np.flatnonzero(taken & (classes == label))
        assert not any(set(_above(masks.parent, int(mask))) & set(own.tolist()) for mask in own)
        assert worths[own].sum() == pytest.approx(best_sum(worths, classes, masks.parent, label))
    assert not taken[classes == 0].any()


def test_worth_counts_right_pixels_wrong_ones_and_masks() -> None:
    overlaps, areas, pixels = np.array([[4, 6], [2, 0]]), np.array([10, 2]), np.array([6, 6])
    np.testing.assert_allclose(worth(overlaps, areas, pixels, 0.5, 0.1), [[-1.6, 0.4], [0.4, -1.6]])


def test_the_object_is_taken_and_neither_its_part_nor_its_surroundings() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[6:12, 6:14] = 3
    nested = [box(6, 6, 9, 10), box(5, 5, 13, 15), box(0, 0, 24, 30)]
    repaired = relabel(labels, MaskSet.from_dense(nested, SIZE), 21, SEPL_PRESETS["cover"])
    np.testing.assert_array_equal(repaired.labels == 3, nested[1])
    assert repaired.chosen == 1


def test_two_objects_in_one_mask_keep_their_own() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[4:10, 4:10], labels[14:20, 18:24] = 1, 2
    masks = [box(3, 3, 21, 25), box(4, 3, 10, 11), box(13, 18, 21, 24)]
    repaired = relabel(labels, MaskSet.from_dense(masks, SIZE), 21, SEPL_PRESETS["cover"])
    np.testing.assert_array_equal(repaired.labels == 1, masks[1])
    np.testing.assert_array_equal(repaired.labels == 2, masks[2])


def test_masks_without_a_tree_get_one_and_others_keep_theirs() -> None:
    tree = grid_masks(SIZE)
    assert as_tree(tree) is tree
    bare = tree.with_columns(parent=np.full(len(tree), -1, np.int32))
    np.testing.assert_array_equal(as_tree(bare).parent, tree.parent)
    assert len(as_tree(MaskSet.empty(SIZE))) == 0
