"""Refinement of mask sets and partitions: sizes, columns, what is kept and what may be dropped."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from ops.crf import DenseCrf
from ops.refine import refine_leaves, refine_masks
from ops.settings import CrfSettings
from stores.masks import MaskSet

COLUMNS = ("score", "level", "theta", "parent", "granularity", "source")
SIZE = (120, 160)


def circles(size=SIZE, seed=0):
    """Coloured discs on a textured ground, and their true masks at that size."""
    generator = np.random.default_rng(seed)
    y, x = (np.mgrid[: size[0], : size[1]].T / np.array(size[::-1]).max()).T
    image = generator.normal(90, 6, (*size, 3))
    truths = []
    for cy, cx, radius, colour in ((0.3, 0.25, 0.17, (220, 40, 40)), (0.45, 0.7, 0.2, (30, 60, 200))):
        truth = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        image[truth] = generator.normal(colour, 6, (truth.sum(), 3))
        truths.append(truth)
    return np.clip(image, 0, 255).astype(np.uint8), np.stack(truths)


def blocky(mask, step=8):
    """A mask as a grid of tokens would have it."""
    h, w = (side // step * step for side in mask.shape)
    tokens = mask[:h, :w].reshape(h // step, step, w // step, step).mean(axis=(1, 3)) > 0.5
    found = np.zeros_like(mask)
    found[:h, :w] = tokens.repeat(step, 0).repeat(step, 1)
    return found


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def mask_set(masks, size=SIZE, **columns):
    return MaskSet.from_dense(list(masks), size, **columns)


@pytest.mark.parametrize(("scale", "side", "least"), [(1, 480, 0.99), (1, 80, 0.96), (4, 480, 0.985), (4, 160, 0.97)])
def test_blocky_masks_take_the_shape_of_their_discs(scale, side, least):
    """At the image's own size, and worked out on a smaller copy."""
    size = SIZE[0] * scale, SIZE[1] * scale
    image, truths = circles(size)
    coarse = [blocky(truth, 8 * scale) for truth in truths]
    assert max(iou(mask, truth) for mask, truth in zip(coarse, truths, strict=True)) < 0.93
    found = refine_masks(image, mask_set(coarse, size), CrfSettings(size=side, bilateral_srgb=20))
    for index, truth in enumerate(truths):
        assert iou(found.dense(index), truth) > least


def test_at_its_own_size_a_mask_is_that_of_the_crf_with_holes_filled():
    image, truths = circles()
    coarse = np.stack([blocky(truth) for truth in truths])
    scale = 160 / 480
    settings = CrfSettings(gaussian_sxy=3 * scale, bilateral_sxy=50 * scale)
    expected = DenseCrf(image, settings).refine(coarse)
    found = refine_masks(image, mask_set(coarse), CrfSettings())
    for index in range(2):
        np.testing.assert_array_equal(found.dense(index), binary_fill_holes(expected[index]))


def test_holes_are_filled():
    image, truths = circles()
    ring = truths[1].copy()
    ring[52:56, 110:114] = False
    image[52:56, 110:114] = (250, 250, 250)
    found = refine_masks(image, mask_set([ring]), CrfSettings())
    np.testing.assert_array_equal(found.dense(0), binary_fill_holes(found.dense(0)))
    assert found.dense(0)[53, 111]


def test_columns_and_order_stay():
    image, truths = circles()
    columns = {
        "score": [0.3, 0.9],
        "level": [0, 1],
        "theta": [0.5, np.nan],
        "parent": [-1, 0],
        "granularity": [1, 0.2],
        "source": [1, 0],
    }
    masks = mask_set([blocky(truth) for truth in truths], **columns)
    found = refine_masks(image, masks, CrfSettings())
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(found, name), getattr(masks, name))


def vanishing():
    """A flat image with one strong disc: the disc's mask stays, a scatter of lone pixels is smoothed away."""
    image, truths = circles()
    lonely = np.zeros(SIZE, bool)
    lonely[100::9, 3::11] = True
    return image, mask_set([truths[0], lonely]), truths[0], lonely


def test_a_mask_that_changes_too_much_keeps_its_shape():
    image, masks, _, lonely = vanishing()
    found = refine_masks(image, masks, CrfSettings())
    np.testing.assert_array_equal(found.dense(1), lonely)


def test_or_is_dropped_as_the_papers_do():
    image, masks, disc, _ = vanishing()
    found = refine_masks(image, masks, CrfSettings(drop_changed=True))
    assert len(found) == 1
    assert iou(found.dense(0), disc) > 0.95


@pytest.mark.parametrize("drop_changed", [False, True])
def test_never_are_all_masks_lost(drop_changed):
    image, masks, _, lonely = vanishing()
    found = refine_masks(image, masks.take([1]), CrfSettings(drop_changed=drop_changed))
    assert len(found) == 1
    np.testing.assert_array_equal(found.dense(0), lonely)


@pytest.mark.parametrize("side", [480, 40])
@pytest.mark.parametrize("drop_changed", [False, True])
@pytest.mark.parametrize("kind", ["flat", "noise", "discs"])
def test_no_image_is_left_without_masks(kind, drop_changed, side):
    images = {
        "flat": np.full((*SIZE, 3), 77, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8),
        "discs": circles()[0],
    }
    single = np.zeros(SIZE, bool)
    single[17, 23] = True
    line = np.zeros(SIZE, bool)
    line[:, 80] = True
    masks = mask_set([single, line, np.zeros(SIZE, bool), np.ones(SIZE, bool)])
    settings = CrfSettings(size=side, drop_changed=drop_changed)
    for chosen in ([0], [1], [0, 1], [2], [0, 1, 2, 3]):
        found = refine_masks(images[kind], masks.take(chosen), settings)
        assert 0 < len(found) <= len(chosen)
        if chosen != [2]:
            assert found.areas().max() > 0


def test_no_masks_stay_none():
    assert len(refine_masks(circles()[0], MaskSet.empty(SIZE), CrfSettings())) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 500)])
def test_thin_images(size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    found = refine_masks(image, mask_set([np.ones(size, bool)], size), CrfSettings(size=100))
    np.testing.assert_array_equal(found.dense(0), np.ones(size, bool))
    assert refine_leaves(image, np.zeros((1, 2), np.int32), CrfSettings(size=100)).shape == size


def test_masks_of_another_size():
    with pytest.raises(ValueError, match=r"masks of \(H, W\) = \(5, 5\) for an image of \(120, 160\)"):
        refine_masks(circles()[0], MaskSet.empty((5, 5)), CrfSettings())


@pytest.mark.parametrize(("scale", "side"), [(1, 480), (1, 100), (3, 160)])
def test_leaves_take_the_shape_of_their_discs(scale, side):
    """From a grid of tokens, and from a map at the image's size."""
    size = SIZE[0] * scale, SIZE[1] * scale
    image, truths = circles(size)
    partition = truths[0] + 2 * truths[1].astype(np.int32)
    grid = partition[4 * scale :: 8 * scale, 4 * scale :: 8 * scale].astype(np.int32)
    for labels in (grid, grid.repeat(8 * scale, 0).repeat(8 * scale, 1)):
        found = refine_leaves(image, labels, CrfSettings(size=side, bilateral_srgb=20))
        assert found.shape == size
        assert found.dtype == np.int32
        for label, truth in enumerate(truths, start=1):
            assert iou(found == label, truth) > 0.95


def test_leaves_are_a_partition_whose_names_stay():
    image, _ = circles()
    labels = np.random.default_rng(0).integers(10, 30, (15, 20)).astype(np.int32)
    found = refine_leaves(image, labels, CrfSettings(size=80))
    assert set(np.unique(found)) <= set(np.unique(labels))


def test_deviations_are_a_share_of_the_photo():
    """A crop and the photo that it is cut from are refined alike; an enlarged photo as the photo itself."""
    image, truths = circles()
    coarse = blocky(truths[1])
    whole = refine_masks(image, mask_set([coarse]), CrfSettings()).dense(0)
    top, bottom, left, right = 20, 95, 60, 160
    part = mask_set([coarse[top:bottom, left:right]], (bottom - top, right - left))
    cut = refine_masks(image[top:bottom, left:right], part, CrfSettings(), photo_side=160).dense(0)
    assert iou(cut, whole[top:bottom, left:right]) > 0.98
    double = [array.repeat(2, 0).repeat(2, 1) for array in (image, coarse, whole)]
    enlarged = refine_masks(double[0], mask_set([double[1]], double[1].shape), CrfSettings()).dense(0)
    assert iou(enlarged, double[2]) > 0.98
