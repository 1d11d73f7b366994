"""Suppression against dense masks compared pair by pair, and the papers' windowed counts of spec 3.2."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.nms import distinct, suppress
from ops.overlap import WordRows, intersection
from stores.masks import MaskSet


def random_masks(seed, count=40, size=(90, 200)):
    """Ellipses, many of them slightly moved or exact copies of earlier ones, one empty."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    masks = [np.zeros(size, bool)]
    while len(masks) < count:
        kind = generator.integers(4)
        if kind == 0:
            masks.append(masks[generator.integers(len(masks))])
        elif kind == 1:
            masks.append(np.roll(masks[generator.integers(len(masks))], generator.integers(-2, 3, 2), (0, 1)))
        else:
            cy, cx, ry, rx = generator.uniform((0, 0, 3, 3), (size[0], size[1], 40, 90))
            masks.append(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
    return masks


def plain_suppress(masks, iou, priority=None):
    areas = np.array([mask.sum() for mask in masks])
    order = sorted(range(len(masks)), key=lambda i: -(areas if priority is None else priority)[i])
    kept = []
    for i in order:
        overlaps = [(masks[i] & masks[k]).sum() / max((masks[i] | masks[k]).sum(), 1) for k in kept]
        copies = [np.array_equal(masks[i], masks[k]) for k in kept]
        if not any(copies) and all(overlap <= iou for overlap in overlaps):
            kept.append(i)
    return kept


@pytest.mark.parametrize("iou", [0.0, 0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("by_priority", [False, True])
def test_equals_pairwise_comparison_of_dense_masks(iou, by_priority):
    for seed in range(4):
        masks = random_masks(seed)
        priority = np.random.default_rng(seed).permutation(len(masks)) if by_priority else None
        kept = suppress(MaskSet.from_dense(masks, masks[0].shape), iou, priority=priority)
        assert kept.tolist() == plain_suppress(masks, iou, priority)


@given(st.lists(st.tuples(*[st.integers(0, 140)] * 4), min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_intersection_counts_pixels(rectangles):
    masks = [np.zeros((141, 141), bool) for _ in rectangles]
    for mask, (top, left, bottom, right) in zip(masks, rectangles, strict=True):
        mask[top:bottom, left:right] = True
        mask[::3, ::2] = False
    rows = WordRows.of(MaskSet.from_dense(masks, (141, 141)))
    for i, a in enumerate(masks):
        for j, b in enumerate(masks):
            assert intersection(rows.words, rows.offsets, rows.layout, i, j) == (a & b).sum()


def square(x, side=20):
    mask = np.zeros((40, 80), bool)
    mask[5 : 5 + side, x : x + side] = True
    return mask


@pytest.mark.parametrize(
    ("masks", "windowed", "exact"),
    [
        ([square(0)] * 6, 2, 1),
        ([square(0)] * 11, 3, 1),
        ([square(0), square(40)] * 6, 4, 2),
    ],
)
def test_window_of_five_keeps_the_copies_that_the_papers_keep(masks, windowed, exact):
    packed = MaskSet.from_dense(masks, (40, 80))
    assert len(suppress(packed, 0.9, window=5)) == windowed
    assert len(suppress(packed, 0.9)) == exact


def test_overlap_of_exactly_the_limit_stays():
    half = square(0)
    half[:, 10:] = False
    assert suppress(MaskSet.from_dense([half, square(0)], (40, 80)), 0.5).tolist() == [1, 0]
    assert suppress(MaskSet.from_dense([half, square(0)], (40, 80)), 0.49).tolist() == [1]


def test_distinct_keeps_the_first_of_equals():
    masks = [square(0), square(9), square(0), square(9), square(1)]
    assert distinct(MaskSet.from_dense(masks, (40, 80))).tolist() == [0, 1, 4]


def test_no_masks():
    assert suppress(MaskSet.empty((5, 5)), 0.9).tolist() == []
