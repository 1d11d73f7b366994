"""From a photo to its masks, on photos that scikit-image ships."""

import numpy as np
import pytest
import torch
from skimage import data

from models.grouping import beside, build_grouping
from models.grouping_config import GroupingConfig
from ops.grouping.looking import look
from ops.grouping.odds import log_odds
from ops.grouping.predict import grouped_masks
from ops.grouping.settings import GroupingPrediction, View
from ops.grouping.views import find_candidates, propose, turns
from ops.model_stages import predicted_tree
from ops.pixel_tree.stages import sample_map
from ops.settings import PixelTreeSettings
from ops.training_settings import PredictionSettings
from stores.masks import SOURCES

SIDE = 96
SMALL = GroupingPrediction(views=(View(side=SIDE), View(side=SIDE, mirrored=True, boundaries="sobel")), candidates=200)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_grouping(GroupingConfig(dim=16, embedding=8)).eval()


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:240:2, :320:2]


@pytest.fixture(scope="module")
def masks(model, photo):
    return predicted_tree(model, photo, PredictionSettings(max_masks=40, grouping=SMALL), "round2")


def test_masks_are_a_tree_best_first_with_their_agreement(masks, photo):
    assert 10 < len(masks) <= 40
    assert masks.size == photo.shape[:2]
    assert (np.diff(masks.score) <= 0).all()
    assert ((masks.confidence >= 0) & (masks.confidence <= 1)).all()
    assert (masks.source == SOURCES.index("round2")).all()
    assert (masks.areas() > 0).all()
    for index, parent in enumerate(masks.parent):
        if parent >= 0:
            assert masks.areas()[parent] >= masks.areas()[index]


def test_no_two_masks_are_near_copies(masks):
    dense = np.stack([masks.dense(i).reshape(-1) for i in range(len(masks))]).astype(int)
    shared = dense @ dense.T
    iou = shared / (dense.sum(1)[:, None] + dense.sum(1) - shared)
    assert np.triu(iou, 1).max() < 1


def test_the_same_photo_gives_the_same_masks(model, masks, photo):
    again = predicted_tree(model, photo, PredictionSettings(max_masks=40, grouping=SMALL), "round2")
    np.testing.assert_array_equal(again.bits, masks.bits)


def test_fewer_masks_are_the_best_of_more(model, masks, photo):
    few = predicted_tree(model, photo, PredictionSettings(max_masks=5, grouping=SMALL))
    np.testing.assert_array_equal(few.boxes, masks.boxes[:5])
    sure = predicted_tree(model, photo, PredictionSettings(max_masks=40, min_score=0.9, grouping=SMALL))
    assert 0 < len(sure) < len(masks)
    assert sure.score.min() >= 0.9


def test_a_mirrored_view_is_turned_back(model, photo):
    """Its candidates lie where those of the mirrored photo do, mirrored."""
    options = PixelTreeSettings()
    turned = propose(photo, View(side=SIDE, mirrored=True), model, options, 50)
    plain = propose(np.ascontiguousarray(photo[:, ::-1]), View(side=SIDE), model, options, 50)
    np.testing.assert_array_equal(turned.labels, plain.labels[:, ::-1])
    np.testing.assert_array_equal(turned.sets.leaves, plain.sets.leaves)


@pytest.mark.parametrize(
    ("count", "heads", "leaders"),
    [(1, 1, [0]), (1, 2, [1]), (2, 1, [0, 0]), (2, 2, [0, 1]), (4, 2, [0, 1, 0, 1]), (4, 3, [2, 0, 1, 2])],
)
def test_heads_lead_in_turn_and_the_own_one_last(count: int, heads: int, leaders: list[int]):
    views = [View(side=64 + index) for index in range(count)]
    assert turns(views, heads) == list(zip(views, leaders, strict=True))


@pytest.mark.parametrize(
    ("leader", "order"),
    [(-1, ["first", "second", "third"]), (1, ["third", "first", "second"]), (0, ["second", "third", "first"])],
)
def test_trees_heed_all_heads_and_the_one_that_leads_last(model, photo, leader, order):
    torch.manual_seed(1)
    second = beside(model, 5).eval()
    third, options, view = beside(second, 5).eval(), PixelTreeSettings(), SMALL.views[0]
    seen = {
        name: look(photo, view, one, options).embedding
        for name, one in (("first", model), ("second", second), ("third", third))
    }
    together = look(photo, view, third, options, leader)
    np.testing.assert_array_equal(together.embedding, seen[order[-1]])
    leaves = together.leaves
    blocks = np.split(leaves.embedding, leaves.blocks[1:-1], axis=1)
    for got, name in zip(blocks, order, strict=True):
        expected = sample_map(seen[name], leaves.rows, leaves.columns) * leaves.area[:, None]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


def shares(found):
    """Area of each candidate as a share of the photo, leaf by leaf."""
    leaves = found.looked.leaves
    return np.array([leaves.area[own].sum() for own in np.split(found.sets.leaves, found.sets.offsets[1:-1])]) / (
        leaves.area.sum()
    )


@pytest.mark.parametrize("smallest", [0.0005, 0.004, 0.03])
def test_no_region_is_smaller_than_the_least_area(model, photo, smallest):
    found = find_candidates(photo, View(side=SIDE, smallest=smallest), model, PixelTreeSettings(), 10_000)
    assert smallest <= shares(found).min() < 3 * smallest


def test_a_photo_without_a_region_that_large_has_no_masks(model, photo):
    views = tuple(view.model_copy(update={"smallest": 0.95}) for view in SMALL.views)
    assert len(grouped_masks(photo, model, SMALL.model_copy(update={"views": views}))) == 0
    one = SMALL.model_copy(update={"views": (views[0], SMALL.views[1])})
    alone = SMALL.model_copy(update={"views": SMALL.views[1:]})
    np.testing.assert_array_equal(grouped_masks(photo, model, one).bits, grouped_masks(photo, model, alone).bits)


def test_a_region_below_the_share_loses_by_its_size(model, photo):
    plain, losing = (
        find_candidates(photo, View(side=SIDE, small=0.05, smallness=loss), model, PixelTreeSettings(), 10_000)
        for loss in (0.0, 1.5)
    )
    np.testing.assert_array_equal(plain.sets.leaves, losing.sets.leaves)
    lost = log_odds(plain.score) - log_odds(losing.score)
    np.testing.assert_allclose(lost, 1.5 * np.log(0.05 / np.minimum(shares(plain), 0.05)), atol=0.02)
    assert 0 < np.count_nonzero(lost > 0.1) < len(lost)


def test_masks_of_two_heads_are_not_those_of_one(model, photo):
    torch.manual_seed(1)
    two = beside(model, 5).eval()
    assert not np.array_equal(grouped_masks(photo, two, SMALL, 40).bits, grouped_masks(photo, model, SMALL, 40).bits)


@pytest.mark.parametrize("shape", [(40, 60), (8, 8), (9, 300)])
def test_a_photo_of_one_colour_has_no_masks(model, shape):
    masks = grouped_masks(np.full((*shape, 3), 90, np.uint8), model, SMALL)
    assert len(masks) == 0
    assert masks.size == shape


def test_a_large_photo_keeps_its_own_outlines(model, photo):
    large = np.kron(photo, np.ones((3, 3, 1), np.uint8))
    masks = grouped_masks(large, model, SMALL, 20)
    assert masks.size == large.shape[:2]
    assert len(masks) > 5
