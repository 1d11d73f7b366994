"""Overlays, feature colours, bounded JPEGs and contact sheets, against definitions written out pixel by pixel."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.color import rgb2lab

from ops.mask_colours import mask_colours
from ops.mask_partition import fitted_size, partition_at, scaled_down
from ops.mask_tree import build_tree
from ops.pictures import (
    as_markdown,
    contact_sheet,
    features_as_colours,
    jpeg_under,
    overlay,
    overlay_at_granularity,
    resized,
)
from stores.masks import MaskSet
from tests.ops.nested_samples import nested_felzenszwalb


@pytest.fixture(scope="module")
def coffee() -> np.ndarray:
    return data.coffee()[::2, ::2].copy()


@pytest.fixture(scope="module")
def nested(coffee: np.ndarray) -> MaskSet:
    return nested_felzenszwalb(coffee, (60, 200, 800))


def random_masks(seed: int, count: int = 25, size: tuple[int, int] = (40, 56)) -> MaskSet:
    """Rectangles that nest, overlap, touch and repeat, a few of them empty."""
    random = np.random.default_rng(seed)
    masks = np.zeros((count, *size), bool)
    for mask in masks[1:]:
        top, left = random.integers(0, size[0]), random.integers(0, size[1])
        mask[top : top + random.integers(1, size[0]), left : left + random.integers(1, size[1])] = True
    masks[-1] = masks[-2]
    return build_tree(MaskSet.from_dense(masks, size, score=random.random(count)))


def slow_partition(masks: MaskSet, granularity: float) -> np.ndarray:
    """The definition in `partition_at`, one pixel at a time."""
    dense = [masks.dense(i) for i in range(len(masks))]
    areas = masks.areas()
    labels = np.full(masks.size, -1)
    for pixel in np.ndindex(*masks.size):
        here = [i for i in range(len(masks)) if dense[i][pixel]]
        fine = [i for i in here if masks.granularity[i] <= granularity]
        shown = [i for i in fine if masks.parent[i] < 0 or masks.granularity[masks.parent[i]] > granularity]
        coarser = [i for i in here if masks.granularity[i] > granularity]
        for candidates in (shown, coarser):
            if candidates:
                labels[pixel] = min(candidates, key=lambda i: (areas[i], -i))
                break
    return labels


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("granularity", [0.1, 0.3, 0.55, 0.9, 1.0])
def test_partition_is_the_definition(seed: int, granularity: float) -> None:
    masks = random_masks(seed)
    np.testing.assert_array_equal(partition_at(masks, granularity), slow_partition(masks, granularity))


def test_partition_of_a_tree_gets_coarser_and_only_joins(nested: MaskSet) -> None:
    finer = partition_at(nested, 0.1)
    counts = []
    for granularity in np.linspace(0.1, 1, 12):
        coarser = partition_at(nested, granularity)
        assert (coarser >= 0).all(), "the finest level covers this photo, so every level must"
        for label in np.unique(finer):
            assert len(np.unique(coarser[finer == label])) == 1
        counts.append(len(np.unique(coarser)))
        finer = coarser
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 3 * counts[-1]


def test_partition_needs_granularity() -> None:
    with pytest.raises(ValueError, match="build_tree"):
        partition_at(MaskSet.from_dense([np.ones((4, 4), bool)], (4, 4)), 0.5)


@pytest.mark.parametrize("max_side", [200, 97, 31, 8, 1])
def test_scaled_masks_take_the_value_under_each_centre(nested: MaskSet, max_side: int) -> None:
    small, kept = scaled_down(nested, max_side)
    height, width = fitted_size(nested.size, max_side)
    assert small.size == (height, width)
    assert max(small.size) == max_side
    rows = [int((row + 0.5) * nested.size[0] / height) for row in range(height)]
    columns = [int((column + 0.5) * nested.size[1] / width) for column in range(width)]
    expected = {i: dense for i in range(len(nested)) if (dense := nested.dense(i)[np.ix_(rows, columns)]).any()}
    assert kept.tolist() == list(expected)
    for index, dense in enumerate(expected.values()):
        np.testing.assert_array_equal(small.dense(index), dense)


def test_scaled_masks_keep_their_columns_and_the_nearest_parent_left() -> None:
    big, middle, small = np.zeros((3, 64, 64), bool)
    big[:], middle[9, 9], small[32:, 32:] = True, True, True
    masks = MaskSet.from_dense([big, middle, small], (64, 64), parent=[-1, 0, 1], score=[1, 2, 3], level=[0, 1, 2])
    scaled, _ = scaled_down(masks, 8)
    assert scaled.score.tolist() == [1, 3]
    assert scaled.parent.tolist() == [-1, 0]
    assert scaled_down(masks, 64)[0] is masks


def test_colours_do_not_depend_on_the_order(nested: MaskSet) -> None:
    colours = mask_colours(nested)
    shuffled = np.random.default_rng(0).permutation(len(nested))
    np.testing.assert_array_equal(mask_colours(nested.take(shuffled)), colours[shuffled])


def test_most_masks_keep_their_colours_when_others_go(nested: MaskSet) -> None:
    kept = np.sort(np.random.default_rng(0).permutation(len(nested))[: len(nested) * 9 // 10])
    before, after = rgb2lab(mask_colours(nested)[kept] / 255), rgb2lab(mask_colours(nested.take(kept)) / 255)
    assert np.mean(np.linalg.norm(before - after, axis=1) < 20) > 0.69


@pytest.mark.parametrize("granularity", [0.1, 0.2, 0.4, 0.7, 1.0])
def test_regions_that_touch_differ_in_colour(nested: MaskSet, granularity: float) -> None:
    labels = partition_at(nested, granularity)
    lab = rgb2lab(mask_colours(nested)[None] / 255)[0]
    distances = []
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        pairs = np.unique(np.stack([one[one != other], other[one != other]], axis=1), axis=0)
        distances.extend(np.linalg.norm(lab[pairs[:, 0]] - lab[pairs[:, 1]], axis=1))
    assert np.mean(np.array(distances) < 20) <= 0.05


def test_a_mask_that_changes_a_little_keeps_its_colour() -> None:
    mask = np.zeros((300, 400), bool)
    mask[60:200, 90:260] = True
    moved = np.zeros_like(mask)
    moved[62:203, 89:262] = True
    before, after = (rgb2lab(mask_colours(MaskSet.from_dense([one], mask.shape)) / 255) for one in (mask, moved))
    assert np.linalg.norm(before - after) < 15


def test_neighbours_of_one_size_differ_in_colour() -> None:
    cells = np.zeros((64, 80, 80), bool)
    for number, cell in enumerate(cells):
        cell[number // 8 * 10 :, number % 8 * 10 :][:10, :10] = True
    grid = mask_colours(MaskSet.from_dense(cells, (80, 80))).astype(int).reshape(8, 8, 3)
    for one, other in ((grid[:, 1:], grid[:, :-1]), (grid[1:], grid[:-1]), (grid[1:, 1:], grid[:-1, :-1])):
        assert np.linalg.norm(one - other, axis=-1).min() > 50


def test_overlay_shows_small_masks_over_large_ones_in_any_order(coffee: np.ndarray, nested: MaskSet) -> None:
    picture = overlay(coffee, nested)
    shuffled = nested.take(np.random.default_rng(1).permutation(len(nested)))
    np.testing.assert_array_equal(overlay(coffee, shuffled), picture)
    small = int(np.argmin(nested.areas()))
    inside = nested.dense(small)
    without = overlay(coffee, nested.take([i for i in range(len(nested)) if i != small]))
    assert (picture[inside] != without[inside]).any()


def test_overlay_draws_the_contour_of_a_mask_that_is_wholly_covered() -> None:
    image = np.full((40, 40, 3), 90, np.uint8)
    left, right, both = np.zeros((3, 40, 40), bool)
    left[8:32, 8:20], right[8:32, 20:32], both[8:32, 8:32] = True, True, True
    picture = overlay(image, MaskSet.from_dense([left, right, both], (40, 40)))
    around, between = picture[8, 8:32].mean(), picture[12:28, 19:21].mean()
    assert around > between > picture[12:28, 10:18].mean()


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("shape", [(50, 70), (1, 1), (3, 900)])
def test_overlay_of_few_masks_and_odd_images(count: int, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    masks = build_tree(MaskSet.from_dense([np.ones(shape, bool)] * count, shape))
    for picture in (overlay(image, masks, 64), overlay_at_granularity(image, masks, 0.5, 64)):
        assert picture.dtype == np.uint8
        assert picture.shape[:2] == fitted_size(shape, 64)


def test_overlay_of_three_thousand_masks_and_twenty_megapixels() -> None:
    image = np.zeros((4000, 5000, 3), np.uint8)
    boxes = np.array([(x * 80, y * 80, 70, 70) for x in range(60) for y in range(50)])
    masks = MaskSet.from_crops((4000, 5000), boxes, [np.ones((70, 70), bool)] * 3000, granularity=1.0)
    for picture in (overlay(image, masks), overlay_at_granularity(image, masks, 1.0)):
        assert picture.shape == (410, 512, 3)
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize(
    ("image", "size", "said"),
    [
        (np.zeros((4, 4), np.uint8), (4, 4), r"\(H, W, 3\) uint8"),
        (np.zeros((4, 4, 4), np.uint8), (4, 4), r"\(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.float32), (4, 4), r"\(H, W, 3\) uint8"),
        (np.zeros((0, 4, 3), np.uint8), (0, 4), r"\(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.uint8), (4, 5), r"\(4, 5\) over one of \(4, 4\)"),
    ],
)
def test_overlay_refuses_other_arrays(image: np.ndarray, size: tuple[int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        overlay(image, MaskSet.empty(size))


def slow_components(tokens: np.ndarray) -> np.ndarray:
    flat = tokens.reshape(-1, tokens.shape[-1])
    _, _, axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    axes = np.stack([axis * np.sign(axis[np.abs(axis).argmax()]) for axis in axes[:3]])
    scores = (flat - flat.mean(axis=0)) @ axes.T
    low, high = np.percentile(scores, (1, 99), axis=0)
    return (np.clip((scores - low) / (high - low), 0, 1) * 255).reshape(*tokens.shape[:2], 3)


def test_features_become_their_three_components() -> None:
    random = np.random.default_rng(3)
    tokens = random.normal(size=(12, 15, 40)) * np.r_[9, 6, 4, np.ones(37)] + 5
    colours = features_as_colours(tokens.astype(np.float32))
    assert np.abs(colours - slow_components(tokens)).max() <= 1
    np.testing.assert_array_equal(features_as_colours(tokens.astype(np.float32)), colours)


def test_one_wild_token_does_not_wash_out_the_colours() -> None:
    tokens = np.random.default_rng(4).normal(size=(16, 16, 8))
    tokens[0, 0] = 1e4
    assert features_as_colours(tokens).reshape(-1, 3).std(axis=0).min() > 20


@pytest.mark.parametrize("shape", [(1, 1, 5), (2, 3, 1), (1, 2, 2), (6, 5, 2)])
def test_small_grids_and_few_channels_have_colours(shape: tuple[int, int, int]) -> None:
    colours = features_as_colours(np.random.default_rng(5).normal(size=shape))
    assert colours.shape == (*shape[:2], 3)
    assert colours.dtype == np.uint8


def test_constant_features_are_grey() -> None:
    assert (features_as_colours(np.full((4, 4, 6), 2.5)) == 128).all()


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (np.zeros((3, 4)), "shape"),
        (np.zeros((0, 4, 3)), "shape"),
        (np.full((2, 2, 2), np.nan), "NaN"),
        (np.full((2, 2, 2), np.inf), "NaN or infinity"),
    ],
)
def test_features_that_are_none_are_refused(tokens: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        features_as_colours(tokens)


@pytest.mark.parametrize("max_bytes", [1_000_000, 60_000, 9_000, 1_500])
@pytest.mark.parametrize("noise", [False, True])
def test_jpeg_stays_under_its_limit(max_bytes: int, noise: bool) -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8) if noise else data.coffee()
    jpeg = jpeg_under(image, max_bytes)
    assert len(jpeg) <= max_bytes
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        assert abs(picture.width / picture.height - image.shape[1] / image.shape[0]) < 0.1
        if max_bytes == 1_000_000:
            assert picture.size == (image.shape[1], image.shape[0])
        assert max_bytes / 4 < len(jpeg) or picture.size == (image.shape[1], image.shape[0])


def test_jpeg_that_cannot_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        jpeg_under(data.coffee(), 100)


def test_markdown_holds_the_picture_within_its_limit() -> None:
    text = as_markdown(data.coffee(), "masks of [a](b) <script>\n", 40_000)
    found = re.fullmatch(r"!\[([^\[\]()<>\n]*)\]\(data:image/jpeg;base64,([A-Za-z0-9+/=]+)\)", text)
    assert found
    assert len(text) - len(found[1]) <= 40_000
    with Image.open(io.BytesIO(base64.b64decode(found[2]))) as picture:
        assert picture.size[0] > 200


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_contact_sheet_holds_every_picture_whole(count: int) -> None:
    shapes = [(40, 80), (90, 30), (10, 10), (64, 64), (20, 70)][:count]
    pictures = [np.full((*shape, 3), 10 + 40 * number, np.uint8) for number, shape in enumerate(shapes)]
    sheet = contact_sheet(pictures, columns=2, tile=64, gap=4)
    assert sheet.shape[1] == 64 * min(2, max(1, count)) + 4 * (min(2, max(1, count)) - 1)
    for number, shape in enumerate(shapes):
        height, width = fitted_size(shape, 64)
        assert (sheet == 10 + 40 * number).all(axis=-1).sum() == height * width


@pytest.mark.parametrize(("size", "max_side", "expected"), [((100, 50), 20, (20, 10)), ((7, 9), 20, (7, 9))])
def test_resized_keeps_the_shape_and_never_enlarges(
    size: tuple[int, int], max_side: int, expected: tuple[int, int]
) -> None:
    assert resized(np.zeros((*size, 3), np.uint8), max_side).shape == (*expected, 3)


def test_a_side_below_one_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="max_side"):
        fitted_size((4, 4), 0)
