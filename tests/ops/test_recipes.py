"""Both recipes from a photo to its tree, with the backbone that ships."""

import dataclasses

import numpy as np
import pytest
import skimage.data

from models.backbones import load_backbone
from ops.features import extract
from ops.mask_tree import check_tree
from ops.recipes import divide, hierarchy
from ops.settings import (
    BackboneSettings,
    ConquerSettings,
    CrfSettings,
    LabelSettings,
    PixelTreeSettings,
)
from stores.masks import SOURCES, MaskSet

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPES = ("paper", "pixel_tree")
FLAT = np.full((60, 90, 3), 100, np.uint8)


def settings(recipe):
    return LabelSettings(
        recipe=recipe,
        backbone=BackboneSettings(size=160),
        crf=CrfSettings(size=120, iterations=3),
        conquer=ConquerSettings(crop_size=96),
        pixel_tree=PixelTreeSettings(side=160, feature_side=160, max_masks=80),
    )


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(precision="float32")


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[:301, :403][::2, ::2])


@pytest.fixture(scope="module")
def results(backbone, photo):
    found = {}
    for recipe in RECIPES:
        objects = divide(photo, backbone, settings(recipe))
        found[recipe] = objects, hierarchy(photo, objects, backbone, settings(recipe))
    return found


def same(first: MaskSet, second: MaskSet) -> None:
    for field in dataclasses.fields(MaskSet):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name), err_msg=field.name)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_photo_gets_a_valid_tree(results, photo, recipe):
    objects, tree = results[recipe]
    assert 1 <= len(objects) <= 3
    assert tree.size == photo.shape[:2]
    assert len(tree) > 3 * len(objects)
    assert check_tree(tree) == []
    assert tree.level.max() >= 2
    assert (tree.areas() > 0).all()
    assert np.isfinite(tree.score).all()
    assert ((tree.granularity >= 0.1) & (tree.granularity <= 1)).all()
    assert {SOURCES[source] for source in np.unique(tree.source)} <= {"divide", "conquer", "tree"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_same_masks_again(results, photo, backbone, recipe):
    objects, tree = results[recipe]
    again = divide(photo, backbone, settings(recipe))
    same(again, objects)
    same(hierarchy(photo, again, backbone, settings(recipe)), tree)


def test_tokens_at_hand_give_the_same_objects(results, photo, backbone):
    [tokens] = extract(backbone, [photo], 160)
    same(divide(photo, backbone, settings("paper"), tokens=tokens), results["paper"][0])


def test_pixel_tree_keeps_its_budget_and_the_paper_has_parts(results):
    assert len(results["pixel_tree"][1]) <= 80
    assert "conquer" in {SOURCES[source] for source in results["paper"][1].source}


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_flat_colour(backbone, recipe):
    """No masks are a valid answer; what there is must be a tree."""
    objects = divide(FLAT, backbone, settings(recipe))
    tree = hierarchy(FLAT, objects, backbone, settings(recipe))
    assert tree.size == FLAT.shape[:2]
    assert check_tree(tree) == []


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("size", [(8, 8), (9, 120), (121, 8)])
def test_thin_images(backbone, recipe, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    objects = divide(image, backbone, settings(recipe))
    assert check_tree(hierarchy(image, objects, backbone, settings(recipe))) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_objects_still_give_a_hierarchy(backbone, photo, recipe):
    tree = hierarchy(photo, MaskSet.empty(photo.shape[:2]), backbone, settings(recipe))
    assert len(tree)
    assert check_tree(tree) == []
