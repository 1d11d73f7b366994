"""The heap merge against the plain O(n * E) algorithm of spec 3.1."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.merge import PlainMerge
from ops.merge import merge_levels

THETAS = (0.9, 0.7, 0.5, 0.3, 0.1)


def blobs(seed, h, w, channels, noise):
    """A grid of a few regions with a common direction each, and noise."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(0, (h, w), (6, 2))
    y, x = np.mgrid[:h, :w]
    region = np.argmin([(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in centres], axis=0)
    directions = generator.normal(size=(6, channels))
    return (directions[region] + noise * generator.normal(size=(h, w, channels))).astype(np.float32)


@pytest.mark.parametrize("noise", [0.2, 0.8, 2.0, 50.0])
@pytest.mark.parametrize(("h", "w"), [(12, 12), (7, 19), (1, 17), (9, 1), (1, 1), (20, 16)])
def test_equals_the_plain_algorithm(h, w, noise):
    tokens = blobs(h * w, h, w, 24, noise)
    np.testing.assert_array_equal(merge_levels(tokens, THETAS), PlainMerge(tokens).levels(THETAS))


@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_ties_go_to_the_older_pair(seed, h, w):
    """Tokens on a small integer grid: most similarities are tied, and every sum and square is exact in float32."""
    tokens = np.random.default_rng(seed).integers(-1, 2, (h, w, 2)).astype(np.float32)
    np.testing.assert_array_equal(merge_levels(tokens, THETAS), PlainMerge(tokens).levels(THETAS))


def test_a_tie_by_hand():
    """a and c are as similar to b; the pair (a, b) is older, and then c is too far from the sum of both."""
    tokens = np.array([[[1, 0], [1, 1], [0, 1]]], np.float32)
    assert merge_levels(tokens, (0.7,)).tolist() == [[[0, 0, 1]]]
    assert merge_levels(tokens[:, ::-1], (0.7,)).tolist() == [[[0, 0, 1]]]


def test_a_longer_token_weighs_more():
    tokens = np.array([[[10, 0], [0.6, 0.6], [0, 1]]], np.float32)
    assert merge_levels(tokens, (0.7, 0.1)).tolist() == [[[0, 0, 1]], [[0, 0, 1]]]
    assert merge_levels(tokens / np.linalg.norm(tokens, axis=-1, keepdims=True), (0.7, 0.1)).tolist()[1] == [[0, 0, 0]]


def test_each_level_is_a_union_of_the_one_before():
    levels = merge_levels(blobs(3, 24, 24, 16, 1.5), THETAS)
    for finer, coarser in pairwise(levels):
        pairs = np.unique(np.stack([finer.ravel(), coarser.ravel()]), axis=1)
        assert len(pairs[0]) == finer.max() + 1


def test_everything_merges_into_one():
    assert merge_levels(np.ones((5, 6, 3), np.float32), (0.9, 0.5)).max() == 0


def test_an_all_zero_token_is_similar_to_nothing():
    tokens = np.ones((3, 3, 4), np.float32)
    tokens[1, 1] = 0
    assert merge_levels(tokens, (0.5,))[0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_half_precision_sums_equal_numpy_half():
    tokens = blobs(5, 12, 12, 24, 1.0)
    np.testing.assert_array_equal(
        merge_levels(tokens, THETAS, "float16"), PlainMerge(tokens, np.float16).levels(THETAS)
    )


@pytest.mark.parametrize(
    ("tokens", "thetas", "message"),
    [
        (np.ones((4, 4)), (0.5,), "shape"),
        (np.ones((0, 4, 2)), (0.5,), "shape"),
        (np.full((2, 2, 2), np.nan), (0.5,), "finite"),
        (np.ones((2, 2, 2)), (0.5, 0.6), "descend"),
    ],
)
def test_bad_input(tokens, thetas, message):
    with pytest.raises(ValueError, match=message):
        merge_levels(tokens, thetas)
