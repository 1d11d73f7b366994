"""Order, near-copies and outlines of what several views agree on."""

import numpy as np
import pytest
from pydantic import ValidationError

from ops.grouping.agreement import pool
from ops.grouping.consensus import Electorate, choose, consensus, ranks
from ops.grouping.settings import GroupingPrediction
from tests.ops.grouping.made_views import frames, proposed, random_view

SIZE = (10, 14)
PHOTO = np.zeros((*SIZE, 3), np.uint8)
SETTINGS = GroupingPrediction()


def choose_slowly(iou, odds, settings, most):
    kept, worths, left = [], [], set(range(len(odds)))

    def worth(i):
        nearest = max((iou[i, j] for j in kept), default=0)
        repeated = (nearest - settings.repeated_overlap) / (settings.largest_overlap - settings.repeated_overlap)
        crowded = sum(iou[i, j] ** 2 for j in kept)
        return odds[i] - settings.crowding * crowded - settings.repetition * min(max(repeated, 0), 1)

    while left and len(kept) < most:
        best = max(left, key=worth)
        worths.append(worth(best))
        kept.append(best)
        left = {i for i in left - {best} if iou[i, best] <= settings.largest_overlap}
    return kept, worths


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("most", [4, 60])
@pytest.mark.parametrize(
    "settings", [SETTINGS, GroupingPrediction(crowding=0.0, largest_overlap=0.7), GroupingPrediction(repetition=0.0)]
)
def test_order_against_a_plain_loop(seed, most, settings):
    generator = np.random.default_rng(seed)
    half = np.triu(generator.uniform(size=(60, 60)) ** 3, 1)
    iou, odds = half + half.T + np.eye(60), generator.normal(0, 3, 60)
    kept, score = choose(iou, odds, settings, most)
    expected, worths = choose_slowly(iou, odds, settings, most)
    assert kept.tolist() == expected
    np.testing.assert_allclose(np.log(score / (1 - score.astype(float))), worths, atol=1e-2, rtol=1e-3)
    assert (np.diff(score) <= 0).all()


def test_a_smaller_thing_elsewhere_comes_before_a_third_way_to_say_the_same():
    alike = np.array([[1, 0.7, 0.7, 0], [0.7, 1, 0.7, 0], [0.7, 0.7, 1, 0], [0, 0, 0, 1]])
    odds = np.array([3.0, 2.9, 2.8, 1.9])
    assert choose(alike, odds, SETTINGS, 4)[0].tolist() == [0, 1, 3, 2]
    assert choose(alike, odds, GroupingPrediction(crowding=0, repetition=0), 4)[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("repeated", "largest"), [(0.9, 0.9), (0.8, 0.7)])
def test_overlaps_out_of_order_are_refused(repeated, largest):
    with pytest.raises(ValidationError, match=r"repeated_overlap .* must be below largest_overlap"):
        GroupingPrediction(repeated_overlap=repeated, largest_overlap=largest)


def ranks_slowly(found, agreement, settings):
    odds, view_of = [], found.view_of()
    for index, score in enumerate(found.score):
        own = np.log(score / (1 - score))
        words, weights = [own], [1.0]
        for view in range(len(found.views)):
            partner = found.partner[index, view]
            if view != view_of[index] and found.iou[index, partner] >= settings.least_vote:
                words.append(np.log(found.score[partner] / (1 - found.score[partner])))
                weights.append(found.best[index, view])
        mean = np.average(words, weights=weights)
        odds.append((1 - settings.shared_score) * own + settings.shared_score * mean)
    return np.array(odds) - settings.agreement_weight * (1 - agreement)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [SETTINGS, GroupingPrediction(shared_score=1.0, least_vote=0.3)])
def test_ranks_against_a_plain_loop(seed, settings):
    found = pool([random_view(seed * 3 + view, SIZE) for view in range(3)], SIZE)
    assert ((found.best >= settings.least_vote).sum(axis=1) > 1).any()
    agreement = found.agreement()
    np.testing.assert_allclose(
        ranks(found, agreement, settings), ranks_slowly(found, agreement, settings), rtol=1e-4, atol=1e-3
    )


def test_agreement_and_other_views_move_the_log_odds():
    halves = np.zeros((4, 4), int)
    halves[:, 2:] = 1
    views = [proposed(halves, [[0], [1]], [0.5, 0.9]), proposed(halves, [[0]], [0.9])]
    alone, agreement = np.log(9), np.array([1.0, 0.5, 1.0])
    settings = GroupingPrediction(agreement_weight=8, shared_score=0.5)
    np.testing.assert_allclose(
        ranks(pool(views, (4, 4)), agreement, settings), [alone / 4, alone - 4, alone * 3 / 4], rtol=1e-5
    )


def test_scores_of_zero_and_one_have_finite_ranks():
    halves = np.zeros((4, 4), int)
    halves[:, 2:] = 1
    found = pool([proposed(halves, [[0], [1]], [0.0, 1.0]), proposed(halves, [[0]], [1.0])], (4, 4))
    assert np.isfinite(ranks(found, found.agreement(), SETTINGS)).all()


def blurred_slowly(votes, side):
    """Mean over a square around each pixel; beyond the photo its rim goes on."""
    reach = side // 2
    padded = np.pad(votes, reach, mode="edge")
    rows, columns = votes.shape
    return np.array([[padded[r : r + side, c : c + side].mean() for c in range(columns)] for r in range(rows)])


@pytest.mark.parametrize(("majority", "blur"), [(0.5, 1), (0.4, 1), (0.5, 3), (0.37, 3), (0.37, 5)])
def test_outlines_are_what_most_views_have(majority, blur):
    views = [random_view(seed, SIZE) for seed in range(3)]
    found = pool(views, SIZE)
    dense = np.concatenate([frames(view) for view in views])
    electorate = Electorate(PHOTO, found, majority, blur)
    vanished = 0
    for index in range(len(dense)):
        ballots = np.where(found.best[index] >= 0.5, found.best[index], 0)
        (x, y, w, h), crop = electorate.outline(ballots, found.partner[index])
        votes = sum(ballot * dense[partner] for ballot, partner in zip(ballots, found.partner[index], strict=True))
        wanted = blurred_slowly(votes, blur) > majority * ballots.sum()
        if not wanted.any():  # too thin: it keeps its votes as they are
            vanished += 1
            wanted = votes > majority * ballots.sum()
        frame = np.zeros(SIZE, bool)
        frame[y : y + h, x : x + w] = crop
        np.testing.assert_array_equal(frame, wanted)
    assert vanished < len(dense) / 2


def test_a_line_too_thin_for_the_blur_stays():
    line = np.zeros(SIZE, int)
    line[4, 2:12] = 1
    electorate = Electorate(PHOTO, pool([proposed(line, [[1]], [0.5])], SIZE), blur=5)
    (x, y, w, h), crop = electorate.outline(np.ones(1), np.zeros(1, int))
    assert ((x, y, w, h), crop.all()) == ((2, 4, 10, 1), True)


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize(("blur", "smooth"), [(0.0, False), (0.1, True)])
def test_the_blur_grows_with_the_photo(scale, blur, smooth):
    """A thorn on a straight edge goes, be the photo small or large."""
    thorny = np.zeros((40 * scale, 40 * scale), int)
    thorny[20 * scale :] = 1
    thorny[15 * scale : 20 * scale, 20 * scale : 21 * scale] = 1
    photo = np.zeros((*thorny.shape, 3), np.uint8)
    settings = GroupingPrediction(majority=0.5, blur=blur)
    mask = consensus(photo, [proposed(thorny, [[1]], [0.5])], settings, thorny.shape, 1).dense(0)
    assert mask[20 * scale :].all()
    assert mask[: 18 * scale].any() != smooth


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
