"""The boundary benchmark against brute force on small maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from skimage.morphology import thin

from ops.prompt_evaluation.edges import (
    EdgeCounts,
    count_edges,
    edges_of_masks,
    human_counts,
    outer_boundary,
    score_edges,
    thin_edges,
)


def lines(seed: int, size: tuple[int, int] = (40, 50)) -> np.ndarray:
    generator = np.random.default_rng(seed)
    drawn = np.zeros(size, bool)
    for _ in range(4):
        if generator.random() < 0.5:
            drawn[generator.integers(size[0])] = True
        else:
            drawn[:, generator.integers(size[1])] = True
    return thin(drawn)


def matched_by_cost(edges: np.ndarray, truth: np.ndarray, reach: float) -> int:
    """The benchmark's formulation: least cost, where leaving a pixel alone costs far more than any pair."""
    a, b = np.argwhere(edges), np.argwhere(truth)
    distance = np.sqrt(((a[:, None] - b[None]) ** 2).sum(2)) if len(a) and len(b) else np.zeros((len(a), len(b)))
    costs = np.where(distance <= reach, distance, 1000.0)
    rows, columns = linear_sum_assignment(costs)
    return int((costs[rows, columns] < 1000).sum())


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_least_cost_matching(seed: int) -> None:
    truths = [lines(seed), lines(seed + 10)]
    strength = np.where(lines(seed) | np.roll(lines(seed), 1, 0), 0.4, 0) + np.where(lines(seed + 20), 0.5, 0)
    thresholds = np.array([0.2, 0.45, 0.95])
    reach = 0.0075 * np.hypot(40, 50)
    counts = count_edges(strength, truths, thresholds)
    for index, threshold in enumerate(thresholds):
        edges = thin(strength >= threshold)
        assert counts.recalled[index] == sum(matched_by_cost(edges, truth, reach) for truth in truths)
        assert counts.found[index] == edges.sum()
        assert counts.truth[index] == sum(truth.sum() for truth in truths)
        assert counts.precise[index] <= counts.found[index]
    assert counts.found[-1] in (0, thin(strength >= 0.95).sum())


def test_a_perfect_map_and_an_empty_one() -> None:
    truth = lines(0)
    perfect = count_edges(truth.astype(float), [truth])
    scores = score_edges([perfect, perfect])
    assert scores.ods == scores.ois == pytest.approx(1)
    assert scores.ap == pytest.approx(1, abs=0.02)
    empty = score_edges([count_edges(np.zeros((40, 50)), [truth])])
    assert (empty.ods, empty.ap, empty.r50) == (0, 0, 0)
    with pytest.raises(ValueError, match="no images"):
        score_edges([])


def test_a_shift_within_the_tolerance_costs_nothing_and_one_beyond_all() -> None:
    truth = np.zeros((300, 400), bool)
    truth[100, 20:380] = True
    for shift, expected in ((3, 1.0), (5, 0.0)):
        counts = count_edges(np.roll(truth, shift, 0).astype(float), [truth], np.array([0.5]))
        assert counts.recalled[0] / counts.truth[0] == pytest.approx(expected, abs=0.03)


def test_ods_is_one_threshold_for_all_and_ois_each_images_own() -> None:
    good_low = EdgeCounts(np.array([90, 10]), np.array([100, 100]), np.array([90, 10]), np.array([100, 10]))
    good_high = EdgeCounts(np.array([100, 80]), np.array([100, 100]), np.array([100, 80]), np.array([900, 100]))
    scores = score_edges([good_low, good_high], np.array([0.3, 0.7]))

    def f(recall: float, precision: float) -> float:
        return 2 * recall * precision / (recall + precision)

    assert scores.ods == pytest.approx(max(f(190 / 200, 190 / 1000), f(90 / 200, 90 / 110)))
    assert scores.ois == pytest.approx(f(170 / 200, 170 / 200))
    assert scores.ois > scores.ods


def test_people_against_each_other() -> None:
    truth = lines(0)
    counts = list(human_counts([truth, truth, lines(1)]))
    assert len(counts) == 3
    assert counts[0].precise[0] == truth.sum()
    assert not list(human_counts([truth]))


def test_edges_of_a_disc_are_its_circle() -> None:
    rows, columns = np.indices((60, 60))
    distance = np.hypot(rows - 30, columns - 30) - 18
    chance = 1 / (1 + np.exp(distance))
    edges = edges_of_masks(iter([(chance, chance > 0.5)]), (60, 60))
    drawn = edges > 0.5
    assert np.abs(distance[drawn]).max() < 1.5
    assert 70 < drawn.sum() < 260
    assert edges.max() <= 1
    assert not edges_of_masks(iter([]), (5, 5)).any()


def test_outer_boundary_leaves_out_the_frame() -> None:
    mask = np.zeros((6, 6), bool)
    mask[:, :3] = True
    expected = np.zeros((6, 6), bool)
    expected[:, 2:4] = True
    np.testing.assert_array_equal(outer_boundary(mask), expected)


@pytest.mark.parametrize("across", [False, True])
def test_a_broad_ridge_becomes_a_line(across: bool) -> None:
    profile = np.exp(-0.5 * ((np.arange(40) - 20) / 3) ** 2)
    ridge = np.tile(profile, (30, 1)) if across else np.tile(profile[:, None], (1, 30))
    kept = thin_edges(ridge) > 0
    line = kept[:, 18:23] if across else kept[18:23].T
    assert line[:, 2].all()
    assert line.sum(1).max() <= 3
