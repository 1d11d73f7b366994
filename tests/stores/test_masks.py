"""stores/masks.py: packing, boxes, selection and joining, against dense arrays."""

import numpy as np
import pytest

from stores.masks import COLUMN_DTYPES, NO_PARENT, MaskSet, concatenate, tight_box
from tests.stores.samples import blobs

SIZE = (37, 53)


@pytest.mark.parametrize("size", [SIZE, (1, 1), (1, 64), (64, 1), (8, 8)])
def test_dense_masks_come_back(size):
    dense = np.concatenate([blobs(20, 0, size), np.zeros((1, *size), bool), np.ones((1, *size), bool)])
    masks = MaskSet.from_dense(dense, size)
    assert len(masks) == 22
    np.testing.assert_array_equal([masks.dense(index) for index in range(22)], dense)
    np.testing.assert_array_equal(masks.areas(), dense.sum(axis=(1, 2)))
    np.testing.assert_array_equal(masks.offsets[1:] - masks.offsets[:-1], (masks.boxes[:, 2:].prod(axis=1) + 7) // 8)


def test_boxes_are_tight():
    for mask in blobs(30, 1):
        rows, columns = np.nonzero(mask)
        x, y, w, h = tight_box(mask)
        if len(rows):
            assert (x, y, x + w, y + h) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        else:
            assert (x, y, w, h) == (0, 0, 0, 0)


def test_columns_have_their_types_defaults_and_values():
    masks = MaskSet.from_dense(blobs(3, 2), SIZE, score=0.25, level=[0, 1, 2], parent=[NO_PARENT, 0, 1])
    assert {name: getattr(masks, name).dtype for name in COLUMN_DTYPES} == COLUMN_DTYPES
    assert masks.score.tolist() == [0.25] * 3
    assert masks.level.tolist() == [0, 1, 2]
    assert np.isnan(masks.theta).all()
    assert np.isnan(masks.granularity).all()
    changed = masks.with_columns(score=[1, 2, 3])
    assert changed.score.tolist() == [1, 2, 3]
    assert changed.level.tolist() == [0, 1, 2]
    assert masks.score.tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: MaskSet.from_dense([np.ones((3, 4), bool)], (4, 3)), "mask of shape"),
        (lambda: MaskSet.from_crops((9, 9), [[0, 0, 2, 3]], [np.ones((2, 3), bool)]), "crop of shape"),
        (lambda: MaskSet.from_crops((9, 9), [[0, 0, 2, 3]], []), "1 boxes for 0 crops"),
        (lambda: MaskSet.from_dense([np.ones((3, 4), bool)], (3, 4), colour=1), "unknown columns"),
        (lambda: MaskSet.from_dense([np.ones((3, 4), bool)], (3, 4), score=[1, 2]), "broadcast"),
        (lambda: concatenate([]), "one image size"),
        (lambda: concatenate([MaskSet.empty((2, 2)), MaskSet.empty((2, 3))]), "one image size"),
    ],
)
def test_contradictions_are_refused(make, error):
    with pytest.raises(ValueError, match=error):
        make()


@pytest.mark.parametrize("kept", [[], [3], [4, 0, 2], [5, 4, 3, 2, 1, 0], [0, 2, 5]])
def test_take_keeps_masks_and_gives_orphans_their_nearest_kept_ancestor(kept):
    parents = [NO_PARENT, 0, 1, 2, NO_PARENT, 3]
    dense = blobs(6, 3)
    masks = MaskSet.from_dense(dense, SIZE, parent=parents, score=np.arange(6))
    taken = masks.take(kept)
    assert len(taken) == len(kept)
    for position, index in enumerate(kept):
        np.testing.assert_array_equal(taken.dense(position), dense[index])
    assert taken.score.tolist() == [float(index) for index in kept]
    for position, index in enumerate(kept):
        ancestors = []
        while (index := parents[index]) != NO_PARENT:
            ancestors.append(index)
        expected = next((kept.index(ancestor) for ancestor in ancestors if ancestor in kept), NO_PARENT)
        assert taken.parent[position] == expected


def test_concatenate_joins_masks_and_keeps_parents_inside_their_part():
    first = MaskSet.from_dense(blobs(3, 4), SIZE, parent=[NO_PARENT, 0, 1], source=1)
    second = MaskSet.from_dense(blobs(2, 5), SIZE, parent=[1, NO_PARENT], source=2)
    joined = concatenate([first, MaskSet.empty(SIZE), second])
    assert joined.parent.tolist() == [NO_PARENT, 0, 1, 4, NO_PARENT]
    assert joined.source.tolist() == [1, 1, 1, 2, 2]
    np.testing.assert_array_equal(
        [joined.dense(index) for index in range(5)], np.concatenate([blobs(3, 4), blobs(2, 5)])
    )


def test_an_image_without_masks_is_valid():
    empty = MaskSet.empty(SIZE)
    assert len(empty) == 0
    assert empty.areas().shape == (0,)
    assert len(empty.take([])) == 0
    assert len(concatenate([empty, empty])) == 0
    assert empty.bits.dtype == np.uint8
