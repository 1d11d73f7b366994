"""MaskCut's objects in the frame of the image, before and after their refinement."""

import numpy as np
import pytest

from models.backbone import BackboneDefaults
from ops.divide import divide_image
from ops.features import normalise_tokens
from ops.maskcut import maskcut
from ops.settings import CrfSettings, DivideSettings, LabelSettings
from stores.masks import SOURCES

pytestmark = pytest.mark.usefixtures("one_thread")

DEFAULTS = BackboneDefaults(tau=0.3, thetas=(0.5,), centre=False, size=64)
GRID = (12, 16)


def settings(refine=False, **divide):
    return LabelSettings(divide=DivideSettings(refine=refine, **divide), crf=CrfSettings(size=96, iterations=4))


def scene(grid=GRID):
    """Tokens (h, w, 24) with two objects on a background, and where these are."""
    h, w = grid
    where = np.zeros(grid, int)
    where[h // 6 : h // 2, w // 6 : w // 2] = 1
    where[2 * h // 3 : h - 1, 2 * w // 3 : w - 1] = 2
    noise = 0.05 * np.random.default_rng(0).standard_normal((h, w, 24))
    return np.eye(3, 24)[where] + noise, where


def picture(where, size, contrast=60):
    """An (H, W, 3) image in which every object has its colour, with some noise on it."""
    rows, columns = (np.arange(size[axis]) * where.shape[axis] // size[axis] for axis in (0, 1))
    colours = np.array([[90, 90, 90], [90 + contrast, 60, 60], [60, 60, 90 + contrast]])
    noise = np.random.default_rng(1).normal(0, 6, (*size, 3))
    return np.clip(colours[where[np.ix_(rows, columns)]] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(96, 128), (97, 131), (300, 41), (8, 9), (5, 200)])
@pytest.mark.parametrize("refine", [False, True])
def test_masks_are_in_the_frame_of_the_image(size, refine):
    tokens, where = scene()
    masks = divide_image(picture(where, size), tokens, settings(refine), DEFAULTS)
    assert masks.size == size
    assert len(masks) == 2
    assert (masks.areas() > 0).all()
    assert (masks.boxes[:, :2] >= 0).all()
    assert (masks.boxes[:, 0] + masks.boxes[:, 2] <= size[1]).all()
    assert (masks.boxes[:, 1] + masks.boxes[:, 3] <= size[0]).all()
    assert (masks.source == SOURCES.index("divide")).all()


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_every_token_becomes_a_square_of_pixels(scale):
    tokens, where = scene()
    size = (GRID[0] * scale, GRID[1] * scale)
    masks = divide_image(picture(where, size), tokens, settings(), DEFAULTS)
    on_grid = maskcut(normalise_tokens(tokens, False), DivideSettings(), DEFAULTS.tau).masks
    for index, mask in enumerate(on_grid):
        np.testing.assert_array_equal(masks.dense(index), mask.repeat(scale, axis=0).repeat(scale, axis=1))


def test_an_image_smaller_than_the_grid_keeps_only_what_has_pixels():
    tokens, where = scene()
    tokens[0, 15] = 5 * np.eye(24)[7]
    masks = divide_image(picture(where, (3, 4)), tokens, settings(max_masks=6, min_area=0.0), DEFAULTS)
    assert masks.size == (3, 4)
    assert (masks.areas() > 0).all()


def test_refined_masks_follow_the_edges_of_the_image():
    """The image's objects are two pixels off the tokens' grid; the CRF finds that, nearest upsampling cannot."""
    tokens, where = scene()
    image = np.roll(picture(where, (96, 128), contrast=110), (2, 2), axis=(0, 1))
    truth = [np.roll((where == k).repeat(8, axis=0).repeat(8, axis=1), (2, 2), axis=(0, 1)) for k in (1, 2)]

    def worst(masks):
        dense = [masks.dense(index) for index in range(len(masks))]
        return min(max((mask & one).sum() / (mask | one).sum() for mask in dense) for one in truth)

    coarse, refined = (divide_image(image, tokens, settings(refine), DEFAULTS) for refine in (False, True))
    assert worst(refined) > 0.9 > 0.8 > worst(coarse)


@pytest.mark.parametrize("drop_changed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_refining_never_leaves_an_image_without_masks(seed, drop_changed):
    """Colours that have nothing to do with the objects."""
    tokens, _ = scene()
    image = np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    chosen = settings(True)
    chosen = chosen.model_copy(update={"crf": chosen.crf.model_copy(update={"drop_changed": drop_changed})})
    masks = divide_image(image, tokens, chosen, DEFAULTS)
    assert len(masks)
    assert (masks.areas() > 0).all()


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("centre", [False, True])
def test_one_flat_colour_has_no_objects(refine, centre):
    defaults = BackboneDefaults(tau=0.3, thetas=(0.5,), centre=centre, size=64)
    flat = np.full((50, 70, 3), 128, np.uint8)
    masks = divide_image(flat, np.ones((*GRID, 8)), settings(refine), defaults)
    assert len(masks) == 0
    assert masks.size == (50, 70)


def test_tau_is_the_backbones_unless_the_settings_name_one():
    """Kinds whose cosine is 0.5: joined at the backbone's threshold, apart at a higher one."""
    _, where = scene()
    tokens = normalise_tokens(np.eye(3)[where] + 0.37, centre=False)
    image = picture(where, (96, 128))
    assert len(divide_image(image, tokens, settings(), DEFAULTS)) == 0
    assert len(divide_image(image, tokens, settings(tau=0.8), DEFAULTS)) == 2
