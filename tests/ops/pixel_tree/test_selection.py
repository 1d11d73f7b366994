"""The budget, and non-maximum suppression against a dense one."""

from __future__ import annotations

import numpy as np
import pytest

from ops.pixel_tree.proposals import LeafSets, join_sets
from ops.pixel_tree.selection import select


def sample_sets(seed: int, count: int = 60, leaves: int = 12) -> tuple[LeafSets, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    member = rng.random((count, leaves)) < rng.uniform(0.2, 0.9, (count, 1))
    member[:, 0] |= ~member.any(axis=1)
    leaf_area = rng.integers(1, 50, leaves).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(member.sum(axis=1))]).astype(np.int64)
    sets = LeafSets(offsets, np.nonzero(member)[1].astype(np.int32))
    return sets, member, leaf_area, np.round(rng.random(count), 1).astype(np.float32)


def dense_suppression(
    member: np.ndarray, leaf_area: np.ndarray, scores: np.ndarray, most: int, largest_iou: float
) -> list[int]:
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        overlaps = [
            leaf_area[member[index] & member[other]].sum() / leaf_area[member[index] | member[other]].sum()
            for other in kept
        ]
        if len(kept) < most and all(overlap <= largest_iou for overlap in overlaps):
            kept.append(index)
    return kept


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("largest_iou", [0.0, 0.5, 0.8, 1.0])
def test_selection_is_exact(most: int, largest_iou: float) -> None:
    for seed in range(5):
        sets, member, leaf_area, scores = sample_sets(seed)
        kept = select(sets, scores, member @ leaf_area, leaf_area, most, largest_iou)
        assert kept.tolist() == dense_suppression(member, leaf_area, scores, most, largest_iou)


def test_taken_and_joined_sets_keep_their_leaves() -> None:
    sets, member, _, _ = sample_sets(9)
    chosen = np.array([5, 0, 59])
    twice = join_sets([sets.take(chosen), sets.take(np.array([], np.int64)), sets])
    expected = [np.flatnonzero(row).tolist() for row in [*member[chosen], *member]]
    assert [twice.leaves[a:b].tolist() for a, b in zip(twice.offsets[:-1], twice.offsets[1:], strict=True)] == expected
