"""Order, near-copies and outlines of what several views agree on."""

import numpy as np
import pytest

from ops.grouping.agreement import pool
from ops.grouping.consensus import Electorate, choose, consensus, ranks
from ops.grouping.settings import GroupingPrediction
from tests.ops.grouping.made_views import frames, proposed, random_view

SIZE = (10, 14)
PHOTO = np.zeros((*SIZE, 3), np.uint8)
SETTINGS = GroupingPrediction()


def choose_slowly(iou, score, settings, most):
    kept, apart = [], []
    for i in sorted(range(len(score)), key=lambda i: -score[i]):
        if any(iou[i, j] > settings.largest_overlap for j in kept):
            continue
        kept.append(i)
        if not any(iou[i, j] > settings.crowded_overlap for j in apart):
            apart.append(i)
    odds = {i: np.log(score[i] / (1 - score[i])) - (0 if i in apart else settings.crowding) for i in kept}
    return sorted(kept, key=lambda i: -odds[i])[:most]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("most", [4, 60])
def test_order_against_a_plain_loop(seed, most):
    generator = np.random.default_rng(seed)
    half = np.triu(generator.uniform(size=(60, 60)) ** 3, 1)
    iou, score = half + half.T + np.eye(60), generator.permutation(60).astype(np.float32) / 61 + 0.005
    kept, ranked = choose(iou, score, SETTINGS, most)
    assert kept.tolist() == choose_slowly(iou, score, SETTINGS, most)
    assert (np.diff(ranked) < 0).all()
    assert ((ranked > 0) & (ranked < 1)).all()


def test_agreement_moves_the_log_odds():
    score = np.array([0.5, 0.5, 0.9], np.float32)
    np.testing.assert_allclose(
        ranks(score, np.array([1.0, 0.5, 0.5]), 8), [0.5, 1 / (1 + np.e**4), 9 / (9 + np.e**4)], rtol=1e-5
    )
    np.testing.assert_allclose(ranks(np.array([0.0, 1.0], np.float32), np.ones(2), 8), [0, 1], atol=1e-5)


def test_outlines_are_what_most_views_have():
    views = [random_view(seed, SIZE) for seed in range(3)]
    found = pool(views, SIZE)
    dense = np.concatenate([frames(view) for view in views])
    electorate = Electorate(PHOTO, found)
    for index in range(len(dense)):
        ballots = np.where(found.best[index] >= 0.5, found.best[index], 0)
        (x, y, w, h), crop = electorate.outline(ballots, found.partner[index])
        votes = sum(ballot * dense[partner] for ballot, partner in zip(ballots, found.partner[index], strict=True))
        wanted = votes > ballots.sum() / 2
        frame = np.zeros(SIZE, bool)
        frame[y : y + h, x : x + w] = crop
        np.testing.assert_array_equal(frame, wanted)


def test_a_mask_that_only_one_view_has_keeps_its_outline():
    halves = np.zeros((4, 4), int)
    halves[:, 2:] = 1
    views = [proposed(halves, [[0], [1]], [0.6, 0.4]), proposed(halves.T, [[0]], [0.5])]
    masks = consensus(np.zeros((4, 4, 3), np.uint8), views, SETTINGS, (4, 4), 10)
    dense = {masks.dense(i).tobytes() for i in range(len(masks))}
    assert dense == {(halves == 0).tobytes(), (halves == 1).tobytes(), (halves.T == 0).tobytes()}
    np.testing.assert_allclose(masks.confidence, np.full(3, 1 / 3), atol=1e-6)
    assert (np.diff(masks.score) <= 0).all()


def test_what_all_views_have_comes_first():
    halves = np.zeros((4, 4), int)
    halves[:, 2:] = 1
    corner = np.zeros((4, 4), int)
    corner[:2, :2] = 1
    views = [proposed(halves, [[0]], [0.3]), proposed(halves, [[0]], [0.3]), proposed(corner, [[1]], [0.5])]
    masks = consensus(np.zeros((4, 4, 3), np.uint8), views, SETTINGS, (4, 4), 10)
    assert len(masks) == 2
    np.testing.assert_array_equal(masks.dense(0), halves == 0)


def test_no_view_found_anything():
    masks = consensus(PHOTO, [], SETTINGS, SIZE, 10)
    assert len(masks) == 0
    assert masks.size == SIZE
