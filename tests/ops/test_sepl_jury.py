"""Votes of several covers against a plain count of votes over covers that are made one by one."""

import numpy as np
import pytest

from ops.mask_tree import build_tree
from ops.sepl.jury import best_of, jurors, plurality
from ops.sepl.presets import resolve_sepl
from ops.sepl.relabel import relabel
from ops.sepl.settings import SEPL_PRESETS, SeplSettings
from stores.masks import MaskSet

SIZE = (24, 30)
JURY = SEPL_PRESETS["jury"].model_copy(update={"budgets": (4, 9, 30)})


def random_case(seed: int) -> tuple[np.ndarray, MaskSet]:
    """Labels of rectangles, a few of them 255, and rectangles as masks with scores, as a tree."""
    generator = np.random.default_rng(seed)

    def rectangle() -> np.ndarray:
        (top, bottom), (left, right) = (np.sort(generator.integers(0, side + 1, 2)) for side in SIZE)
        mask = np.zeros(SIZE, bool)
        mask[top : bottom + 1, left : right + 1] = True
        return mask

    labels = np.zeros(SIZE, np.uint8)
    for label in (3, 7, 255, 3):
        labels[rectangle()] = label
    masks = MaskSet.from_dense([rectangle() for _ in range(20)], SIZE, score=generator.permutation(20) / 20)
    return labels, build_tree(masks)


def voted_slowly(labels: np.ndarray, masks: MaskSet, settings: SeplSettings) -> np.ndarray:
    votes = np.zeros((256, *SIZE))
    rows, columns = np.indices(SIZE)
    for price in settings.prices:
        for budget in settings.budgets:
            best = np.sort(np.argsort(-masks.score)[:budget])
            alone = settings.model_copy(update={"prices": (), "mask_share": price})
            votes[relabel(labels, masks.take(best), 8, alone).labels, rows, columns] += 1
    votes[labels, rows, columns] += settings.own_votes
    winner = votes.argmax(axis=0).astype(np.uint8)
    winner[(labels == 255) & (winner == 0)] = 255
    return winner


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("own_votes", [0.0, 3.0, 9.5])
def test_each_pixel_has_the_label_with_the_most_votes(seed, own_votes):
    labels, masks = random_case(seed)
    settings = JURY.model_copy(update={"own_votes": own_votes})
    np.testing.assert_array_equal(relabel(labels, masks, 8, settings).labels, voted_slowly(labels, masks, settings))


def test_a_label_map_that_outvotes_all_covers_stays():
    labels, masks = random_case(0)
    assert (relabel(labels, masks, 8, JURY.model_copy(update={"own_votes": 10.0})).labels == labels).all()


def test_one_price_and_no_vote_of_its_own_is_a_cover():
    labels, masks = random_case(1)
    one = JURY.model_copy(update={"prices": (0.5,), "budgets": (), "own_votes": 0.0})
    cover = SEPL_PRESETS["cover"].model_copy(update={"mask_share": 0.5, "class_share": 0.1})
    voted, covered = (relabel(labels, masks, 8, settings) for settings in (one, cover))
    np.testing.assert_array_equal(voted.labels, covered.labels)
    assert (voted.chosen, voted.bare, voted.vanished) == (covered.chosen, covered.bare, covered.vanished)


def test_without_masks_nothing_changes():
    labels, _ = random_case(2)
    done = relabel(labels, MaskSet.empty(SIZE), 8, JURY)
    assert (done.labels == labels).all()
    assert done.chosen == 0


def test_wins_of_equal_votes_go_to_the_lowest_label():
    maps = [np.array([[1, 2, 0]], np.uint8), np.array([[2, 2, 5]], np.uint8)]
    assert plurality(maps, [1, 1]).tolist() == [[1, 2, 0]]
    assert plurality(maps, [1, 2]).tolist() == [[2, 2, 5]]


def test_budgets_take_the_best():
    assert best_of(np.array([0.1, 0.9, 0.5]), 2).tolist() == [False, True, True]
    assert best_of(np.array([0.1, 0.9]), None).all()


def test_every_price_goes_with_every_budget():
    seen = [(settings.mask_share, budget) for settings, budget in jurors(JURY)]
    assert seen == [(price, budget) for price in (0.4, 0.5, 0.6) for budget in (4, 9, 30)]
    assert jurors(SEPL_PRESETS["paper"]) == [(SEPL_PRESETS["paper"], None)]


def test_prices_can_be_set_by_hand():
    assert resolve_sepl("jury", ["prices=[0.5]", "own_votes=0"]).prices == (0.5,)
