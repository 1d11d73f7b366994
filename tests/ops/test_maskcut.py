"""MaskCut against a plain version of spec 2.2, knob by knob."""

import numpy as np
import pytest

from benchmarks.plain_maskcut import plain_maskcut
from models.backbones import load_backbone
from ops.features import extract, normalise_tokens
from ops.maskcut import foreground, maskcut
from ops.sample_photos import SAMPLE_PHOTOS
from ops.settings import DivideSettings
from stores.images import decode_image

pytestmark = pytest.mark.usefixtures("one_thread")

PAPER = {"painted": "zero", "overlap_with": "previous", "after_rejection": "continue"}
TAU = 0.3


def planted(seed, grid=(12, 15), objects=3, noise=0.25, channels=24):
    """Rectangles of a direction each on a background of its own; noise leaves a few edges between them."""
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((objects + 1, channels)) / np.sqrt(channels)
    where = np.zeros(grid, int)
    for index in range(1, objects + 1):
        h, w = generator.integers(3, 6, 2)
        top, left = generator.integers(1, grid[0] - h), generator.integers(1, grid[1] - w)
        where[top : top + h, left : left + w] = index
    tokens = directions[where] + noise * generator.standard_normal((*grid, channels))
    return normalise_tokens(tokens, centre=False), where


def two_kinds(noise):
    """Two rectangles, each of its own kind, far from each other on a background."""
    where = np.zeros((14, 16), int)
    where[2:7, 2:7], where[8:12, 9:14] = 1, 2
    generator = np.random.default_rng(0)
    tokens = np.eye(3, 24)[where] + noise / np.sqrt(24) * generator.standard_normal((*where.shape, 24))
    return normalise_tokens(tokens, centre=False), where


def scattered():
    """Two squares and a speck of one kind, and a smaller thing of another."""
    where = np.zeros((12, 16), int)
    where[2:6, 2:6] = where[7:11, 9:13] = where[1, 14] = 1
    where[9:11, 2:5] = 2
    return normalise_tokens(np.eye(3)[where], centre=False), where


@pytest.mark.parametrize("painted", ["remove", "zero"])
@pytest.mark.parametrize("overlap_with", ["union", "previous"])
@pytest.mark.parametrize("after_rejection", ["stop", "continue"])
def test_same_masks_as_the_plain_version(painted, overlap_with, after_rejection):
    """Wherever the eigenvalues are apart; of a multiple one no vector is the right one."""
    settings = DivideSettings(
        painted=painted, overlap_with=overlap_with, after_rejection=after_rejection, max_masks=6, min_area=0.015
    )
    compared = 0
    for seed in range(40):
        tokens, _ = planted(seed, noise=0.1 + 0.02 * (seed % 10))
        masks, values, least_margin = plain_maskcut(tokens, settings, TAU)
        if least_margin < 1e-6:
            continue
        ours = maskcut(tokens, settings, TAU)
        np.testing.assert_array_equal(ours.masks, masks, err_msg=f"seed {seed}")
        np.testing.assert_allclose(ours.eigenvalues, values, atol=1e-8)
        compared += 1
    assert compared >= 25


@pytest.fixture(scope="module")
def photo_tokens():
    backbone = load_backbone(precision="float32")
    photos = [decode_image(photo.path.read_bytes()) for photo in SAMPLE_PHOTOS[:4]]
    return [normalise_tokens(tokens, centre=True) for tokens in extract(backbone, photos, 192)]


@pytest.mark.parametrize("knobs", [{}, PAPER], ids=str)
def test_same_masks_on_photos(photo_tokens, knobs):
    settings = DivideSettings(**knobs)
    for tokens in photo_tokens:
        masks, _, _ = plain_maskcut(tokens, settings, 0.15)
        np.testing.assert_array_equal(maskcut(tokens, settings, 0.15).masks, masks)
        assert len(masks)


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.4])
def test_planted_objects_are_found(noise):
    tokens, where = two_kinds(noise)
    masks = maskcut(tokens, DivideSettings(), TAU).masks
    found = {mask.tobytes() for mask in masks}
    assert {(where == 1).tobytes(), (where == 2).tobytes()} <= found
    assert not (masks.sum(axis=0) > 1).any()


@pytest.mark.parametrize(
    ("components", "max_masks", "expected"),
    [("seed", 1, [16]), ("all", 8, [16, 16, 6]), ("all", 2, [16, 16]), ("all", 1, [16])],
)
def test_components_of_one_object(components, max_masks, expected):
    """Two squares of one kind are one cut: the seed's component alone, or both, but never the speck beside them."""
    tokens, where = scattered()
    found = maskcut(tokens, DivideSettings(components=components, max_masks=max_masks), TAU)
    assert [int(mask.sum()) for mask in found.masks][: len(expected)] == expected
    assert len(found.masks) <= max_masks
    assert not found.masks[:, 1, 14].any()
    assert all(len(np.unique(where[mask])) == 1 for mask in found.masks[: len(expected)])


def test_both_components_come_from_the_same_cut():
    found = maskcut(scattered()[0], DivideSettings(components="all"), TAU)
    assert found.eigenvalues[0] == found.eigenvalues[1]
    assert found.steps[0] == found.steps[1]


def test_fewer_masks_are_the_first_of_more():
    tokens, _ = planted(3, objects=4)
    more = maskcut(tokens, DivideSettings(max_masks=5), TAU)
    for count in range(1, len(more.masks) + 1):
        np.testing.assert_array_equal(maskcut(tokens, DivideSettings(max_masks=count), TAU).masks, more.masks[:count])


def test_a_limit_on_the_eigenvalue_ends_it_at_the_first_worse_cut():
    tokens, _ = planted(5)
    every = maskcut(tokens, DivideSettings(max_masks=6), TAU)
    assert len(every.masks) >= 3
    for count in range(len(every.masks)):
        limit = every.eigenvalues[count] - 1e-6
        expected = next(i for i, value in enumerate(every.eigenvalues) if value > limit)
        found = maskcut(tokens, DivideSettings(max_masks=6, max_eigenvalue=limit), TAU)
        np.testing.assert_array_equal(found.masks, every.masks[:expected])


@pytest.mark.parametrize("min_area", [0.0, 0.05, 0.5])
def test_small_masks_after_the_first_end_it(min_area):
    for seed in range(10):
        tokens, _ = planted(seed, objects=4)
        masks = maskcut(tokens, DivideSettings(max_masks=6, min_area=min_area), TAU).masks
        assert all(mask.mean() > min_area for mask in masks[1:])


def test_the_papers_code_takes_what_it_has_just_rejected():
    """Spec 2.3, 1: after a rejection the same cut comes again, and passes, for nothing is remembered of the last."""
    settings = DivideSettings(**PAPER, max_masks=8)
    fixed = settings.model_copy(update={"overlap_with": "union", "after_rejection": "stop"})
    more = 0
    for seed in range(40):
        tokens, _ = planted(seed, objects=2)
        faithful, stopped = (maskcut(tokens, choice, TAU) for choice in (settings, fixed))
        count = len(stopped.masks)
        np.testing.assert_array_equal(faithful.masks[:count], stopped.masks)
        more += len(faithful.masks) > count
    assert more >= 5


@pytest.mark.parametrize("knob", ["overlap_with", "after_rejection", "painted"])
def test_each_of_the_papers_ways_matters(knob):
    differ = 0
    for seed in range(40):
        tokens, _ = planted(seed)
        paper = maskcut(tokens, DivideSettings(**PAPER, max_masks=8), TAU).masks
        knobs = {name: value for name, value in PAPER.items() if name != knob}
        differ += not np.array_equal(paper, maskcut(tokens, DivideSettings(**knobs, max_masks=8), TAU).masks)
    assert differ >= 3


def test_removed_tokens_never_come_back():
    for seed in range(10):
        tokens, _ = planted(seed, objects=4)
        masks = maskcut(tokens, DivideSettings(max_masks=8, overlap_iou=1.0), TAU).masks
        assert masks.sum(axis=0).max() <= 1


@pytest.mark.parametrize("painted", ["remove", "zero"])
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_a_grid_without_contrast_has_no_objects(painted, fill):
    tokens = normalise_tokens(np.full((10, 10, 4), fill), centre=False)
    found = maskcut(tokens, DivideSettings(painted=painted), TAU)
    assert found.masks.shape == (0, 10, 10)
    assert found.eigenvalues.shape == found.gaps.shape == found.steps.shape == (0,)


@pytest.mark.parametrize("grid", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 40), (40, 1), (3, 5)])
@pytest.mark.parametrize("knobs", [{}, PAPER, {"components": "all"}], ids=str)
def test_tiny_grids(grid, knobs):
    tokens = normalise_tokens(np.random.default_rng(0).standard_normal((*grid, 6)), centre=False)
    masks = maskcut(tokens, DivideSettings(**knobs), TAU).masks
    assert masks.shape[1:] == grid
    assert masks.any(axis=(1, 2)).all()
    assert (masks.sum(axis=0) <= 1).all()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.ones((4, 4)), "shape"),
        (np.ones((1, 4, 4, 2)), "shape"),
        (np.full((2, 2, 3), np.nan), "not finite"),
        (np.full((2, 2, 3), np.inf), "not finite"),
    ],
)
def test_tokens_that_are_none(tokens, message):
    with pytest.raises(ValueError, match=message):
        maskcut(tokens, DivideSettings(), TAU)


# The object is where the vector is far from its mean, unless that side holds three corners of the grid.
VECTORS = {
    "object": ([[0, 0, 0, 0], [0, 5, 5, 0], [0, 5, 5, 0], [0, 0, 0, 0]], [[5, 6, 9, 10]]),
    "touches two corners": ([[5, 5, 5, 5], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], [[0, 1, 2, 3]]),
    "three corners": ([[5, 5, 5, 5], [5, 0, 0, 5], [5, 0, -1, 5], [5, 5, 5, 0]], [[5, 6, 9, 10], [15]]),
    "two parts": ([[0, 0, 0, 0], [3, 0, 5, 5], [3, 0, 5, 5], [0, 0, 0, 0]], [[6, 7, 10, 11], [4, 8]]),
    "the smaller part has the seed": ([[0, 4, 4, 0], [0, 4, 4, 0], [0, 0, 0, 0], [5, 0, 0, 0]], [[12], [1, 2, 5, 6]]),
    "diagonal is not connected": ([[0, 0, 0, 0], [0, 5, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0]], [[5], [10]]),
}


@pytest.mark.parametrize("name", VECTORS)
def test_which_side_is_the_object(name):
    values, expected = VECTORS[name]
    vector, alive = np.array(values, float), np.ones((4, 4), bool)
    parts = foreground(vector, alive, every_component=True)
    assert [np.flatnonzero(part).tolist() for part in parts] == expected
    [principal] = foreground(vector, alive, every_component=False)
    assert np.flatnonzero(principal).tolist() == expected[0]


def test_tokens_outside_the_graph_are_on_no_side():
    vector = np.array([[0, 0, 0, 0], [0, 5, 5, 0], [0, 5, 5, 0], [0, 0, 0, 0]], float)
    alive = np.ones((4, 4), bool)
    alive[1, 1] = alive[0, 0] = False
    [part] = foreground(np.where(alive, vector, 0), alive, every_component=False)
    assert np.flatnonzero(part).tolist() == [6, 9, 10]
