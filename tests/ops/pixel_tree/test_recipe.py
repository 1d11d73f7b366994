"""The whole recipe on real photos, odd shapes and odd contents, with the backbone whose weights are installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import astronaut, chelsea, coffee

from models.backbone import Backbone
from models.backbones import load_backbone
from ops.mask_tree import check_tree
from ops.recipes import hierarchy
from ops.settings import LabelSettings, PixelTreeSettings
from stores.masks import COLUMN_DTYPES, SOURCES, MaskSet

SMALL = PixelTreeSettings(side=192, feature_side=192, max_masks=120)
TINY = PixelTreeSettings(side=128, feature_side=128, max_masks=60)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(precision="float32")


@pytest.fixture(scope="module")
def usual(backbone: Backbone) -> MaskSet:
    return label(coffee()[::2, ::2], backbone)


@pytest.fixture(scope="module")
def with_all_leads(backbone: Backbone) -> MaskSet:
    return label(astronaut(), backbone, SMALL)


def label(image: np.ndarray, backbone: Backbone, options: PixelTreeSettings = TINY) -> MaskSet:
    return hierarchy(image, MaskSet.empty(image.shape[:2]), backbone, LabelSettings(pixel_tree=options))


def assert_same(first: MaskSet, second: MaskSet) -> None:
    for name in ("boxes", "bits", "offsets", *COLUMN_DTYPES):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@pytest.mark.parametrize("photo", [astronaut, chelsea, coffee])
def test_photos_get_a_tree_of_ranked_masks(photo, backbone: Backbone) -> None:
    image = photo()
    masks = label(image, backbone, SMALL)
    assert 60 < len(masks) <= SMALL.max_masks
    assert masks.size == image.shape[:2]
    assert (np.diff(masks.score) <= 0).all()
    assert (masks.source == SOURCES.index("tree")).all()
    assert masks.level.max() >= 3
    check_tree(masks)
    assert len({masks.dense(i).tobytes() for i in range(len(masks))}) == len(masks)


def test_the_face_is_found(with_all_leads: MaskSet) -> None:
    """The astronaut's head: some mask covers a hand-drawn ellipse well."""
    rows, columns = np.mgrid[:512, :512]
    head = ((rows - 120) / 90) ** 2 + ((columns - 225) / 62) ** 2 < 1
    masks = with_all_leads
    overlap = [(m & head).sum() / (m | head).sum() for m in (masks.dense(i) for i in range(len(masks)))]
    assert max(overlap) > 0.6


@pytest.mark.parametrize("most", [1, 17])
def test_the_budget_keeps_the_best(most: int, usual: MaskSet, backbone: Backbone) -> None:
    """A smaller budget gives the first masks of a larger one, whatever their place in the tree."""
    image = coffee()[::2, ::2]
    few = label(image, backbone, TINY.model_copy(update={"max_masks": most}))
    assert len(few) == most
    for index in range(most):
        np.testing.assert_array_equal(few.dense(index), usual.dense(index))


def test_runs_agree_to_the_bit(usual: MaskSet, backbone: Backbone) -> None:
    assert_same(usual, label(coffee()[::2, ::2], backbone))


def test_thread_counts_change_no_more_than_rounding(backbone: Backbone) -> None:
    """torch adds up in another order on another number of threads; the masks hardly notice."""
    threads = torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(label(chelsea(), backbone))
    torch.set_num_threads(threads)
    shapes = [{masks.dense(i).tobytes() for i in range(len(masks))} for masks in found]
    assert len(shapes[0] & shapes[1]) > 0.9 * len(shapes[0])
    np.testing.assert_allclose(found[0].score.mean(), found[1].score.mean(), rtol=1e-3)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_image_has_no_masks(value: int, backbone: Backbone) -> None:
    assert len(label(np.full((90, 120, 3), value, np.uint8), backbone)) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 3), (8, 8), (9, 400), (400, 9), (31, 33)])
def test_any_shape(size: tuple[int, int], backbone: Backbone) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    masks = label(image, backbone)
    assert masks.size == size
    assert len(masks) <= TINY.max_masks
    assert (masks.areas() > 0).all()


def test_two_halves(backbone: Backbone) -> None:
    """Where one edge is all there is, its two sides are found to the pixel."""
    image = np.zeros((80, 120, 3), np.uint8)
    image[:, 50:] = 230
    masks = label(image, backbone)
    found = {int(masks.dense(i)[:, :50].sum()) - int(masks.dense(i)[:, 50:].sum()) for i in range(len(masks))}
    assert found & {80 * 50, -80 * 70}


@pytest.mark.parametrize(
    "change",
    [
        {"trees": 1},
        {"objects": False},
        {"growth": 0},
        {"pairs": 0, "triplets": 0},
        {"boundaries": "sobel"},
        {"deep_features": False},
        {"ranked_by": ("size",)},
    ],
)
def test_every_lead_matters_and_can_be_switched_off(change: dict, with_all_leads: MaskSet, backbone: Backbone) -> None:
    masks = label(astronaut(), backbone, SMALL.model_copy(update=change))
    check_tree(masks)
    assert masks.bits.tobytes() != with_all_leads.bits.tobytes()


def test_a_large_photo_is_labelled_at_its_own_size(backbone: Backbone) -> None:
    image = np.repeat(np.repeat(coffee(), 2, axis=0), 2, axis=1)
    masks = label(image, backbone)
    assert masks.size == image.shape[:2]
    check_tree(masks)
