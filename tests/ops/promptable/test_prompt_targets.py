"""Many-to-many matching against UnSAM's one big assignment and against brute force."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from ops.bit_targets import BitTargets
from ops.promptable.targets import assign, choose_targets, containing, of_granularity

GENERATOR = np.random.default_rng(0)


def targets_of(masks: np.ndarray, counts: tuple[int, ...]) -> BitTargets:
    return BitTargets(torch.from_numpy(np.packbits(masks, axis=2)), counts, masks.shape[2])


def test_masks_that_contain_a_click() -> None:
    masks = GENERATOR.random((7, 20, 30)) < 0.4
    targets = targets_of(masks, (3, 4))
    clicks = np.array([[0, 0], [29, 19], [8, 7], [15, 3]])
    for image, part in ((0, masks[:3]), (1, masks[3:])):
        found = containing(targets, image, clicks)
        for n, (x, y) in enumerate(clicks):
            assert found[n].tolist() == [bool(mask[y, x]) for mask in part]


@pytest.mark.parametrize("choice", ["spread", "best", "random"])
def test_chosen_targets_hold_the_own_mask_and_follow_the_rule(choice: str) -> None:
    areas, scores = np.arange(1, 21) ** 2, GENERATOR.random(20)
    candidates = np.arange(3, 20)
    for own in candidates:
        chosen = choose_targets(candidates, int(own), 6, areas, scores, choice, np.random.default_rng(own))
        assert own in chosen
        assert len(set(chosen)) == 6
        assert set(chosen) <= set(candidates)
        others = set(chosen) - {int(own)}
        if choice == "best":
            assert len(others & set(candidates[np.argsort(-scores[candidates])[:6]])) >= 5
        if choice == "spread":
            groups = np.array_split(candidates, 6)
            assert sum(candidate in others for group in groups for candidate in [group[scores[group].argmax()]]) >= 5
    assert choose_targets(candidates[:4], 4, 6, areas, scores, choice, GENERATOR).tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(5))
def test_a_larger_granularity_never_asks_for_a_smaller_mask(seed: int) -> None:
    generator = np.random.default_rng(seed)
    areas = generator.permutation(np.arange(1, 31) ** 2)
    nested = np.sqrt(areas / areas.max()).astype(np.float32)
    for granularity in (nested, generator.uniform(0.1, 1, 30).astype(np.float32)):
        candidates = generator.choice(30, 12, replace=False)
        asked = np.linspace(0.1, 1, 50)
        chosen = [of_granularity(candidates, float(value), granularity, areas) for value in asked]
        assert set(chosen) <= set(candidates.tolist())
        assert (np.diff(areas[chosen]) >= 0).all()
    for own in candidates:
        assert of_granularity(candidates, float(nested[own]), nested, areas) == own


@pytest.mark.parametrize("seed", range(5))
def test_assignment_is_unsams_block_diagonal_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    clicks, outputs, masks = 4, 3, 9
    costs = generator.random((clicks * outputs, masks))
    targets = [np.sort(generator.choice(masks, generator.integers(1, 6), replace=False)) for _ in range(clicks)]
    found = assign(torch.from_numpy(costs), targets, outputs)
    # Theirs: one row an output, one column a pair of click and target, and 1e6 off the blocks (spec 7.3).
    columns = [(click, target) for click, wanted in enumerate(targets) for target in wanted]
    big = np.full((clicks * outputs, len(columns)), 1e6)
    for place, (click, target) in enumerate(columns):
        block = slice(click * outputs, (click + 1) * outputs)
        big[block, place] = costs[block, target]
    rows, places = linear_sum_assignment(big)
    theirs = {
        (row // outputs, row % outputs, columns[p][1]) for row, p in zip(rows, places, strict=True) if big[row, p] < 1e6
    }
    assert set(zip(*(part.tolist() for part in found), strict=True)) == theirs
    for click, wanted in enumerate(targets):
        block = costs[click * outputs : (click + 1) * outputs][:, wanted]
        small, large = (block, block.T) if len(block) <= len(wanted) else (block.T, block)
        del large
        best = min(
            sum(small[i, j] for i, j in enumerate(order))
            for order in itertools.permutations(range(small.shape[1]), len(small))
        )
        mine = found[0] == click
        assert costs[click * outputs + found[1][mine], found[2][mine]].sum() == pytest.approx(best)
