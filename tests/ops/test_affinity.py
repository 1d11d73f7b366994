"""The bit-packed graph against its dense definition."""

import numpy as np
import pytest

from ops.affinity import BinaryAffinity

EPS = 1e-5


def unit_tokens(seed, count, channels=12):
    tokens = np.random.default_rng(seed).standard_normal((count, channels)).astype(np.float32)
    return tokens / np.linalg.norm(tokens, axis=1, keepdims=True)


def definition(tokens, tau):
    """Spec 2.2 step 2, cosine by cosine."""
    count = len(tokens)
    return np.array(
        [[1.0 if tokens[i] @ tokens[j] > np.float32(tau) else EPS for j in range(count)] for i in range(count)]
    )


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 31, 32, 33, 100])
@pytest.mark.parametrize("tau", [-0.2, 0.15, 0.6])
def test_weights_are_those_of_the_definition(count, tau):
    tokens = unit_tokens(count, count)
    np.testing.assert_array_equal(BinaryAffinity.from_tokens(tokens, tau, EPS).dense(), definition(tokens, tau))


@pytest.mark.parametrize("count", [479, 480, 481, 1003])
def test_blocks_and_mirrored_tiles_join(count):
    tokens = unit_tokens(count, count)
    dense = BinaryAffinity.from_tokens(tokens, 0.2, EPS).dense()
    cosines = tokens.astype(np.float64) @ tokens.astype(np.float64).T
    clear = np.abs(cosines - 0.2) > 1e-5
    np.testing.assert_array_equal(dense, dense.T)
    np.testing.assert_array_equal(dense[clear], np.where(cosines > 0.2, 1.0, EPS)[clear])


@pytest.mark.parametrize("paint", [None, "isolate", "remove"])
@pytest.mark.parametrize("count", [9, 70, 515])
def test_products_and_degrees(count, paint):
    graph = BinaryAffinity.from_tokens(unit_tokens(count, count), 0.1, EPS)
    generator = np.random.default_rng(count)
    if paint:
        graph = getattr(graph, paint)(generator.random(count) < 0.4)
    vector = generator.standard_normal(count)
    np.testing.assert_allclose(graph.multiply(vector), graph.dense() @ vector, atol=1e-10)
    np.testing.assert_allclose(graph.degrees(), graph.dense().sum(axis=1), atol=1e-10)


def test_isolated_tokens_are_zero_features():
    """The papers' painting: features times zero, and the affinity computed anew."""
    tokens = unit_tokens(0, 60)
    painted = np.random.default_rng(0).random(60) < 0.3
    anew = BinaryAffinity.from_tokens(tokens * ~painted[:, None], 0.1, EPS)
    graph = BinaryAffinity.from_tokens(tokens, 0.1, EPS).isolate(painted)
    np.testing.assert_array_equal(graph.dense(), anew.dense())


def test_removed_tokens_are_not_there():
    tokens = unit_tokens(1, 60)
    first, second = np.random.default_rng(1).random((2, 60)) < 0.2
    kept = ~(first | second)
    graph = BinaryAffinity.from_tokens(tokens, 0.1, EPS).remove(first).remove(second)
    np.testing.assert_array_equal(
        graph.dense()[np.ix_(kept, kept)], BinaryAffinity.from_tokens(tokens[kept], 0.1, EPS).dense()
    )
    assert not graph.dense()[~kept].any()


def test_painting_leaves_the_graph_it_came_from():
    graph = BinaryAffinity.from_tokens(unit_tokens(2, 40), 0.1, EPS)
    before = graph.dense()
    graph.remove(np.arange(40) < 20)
    np.testing.assert_array_equal(graph.dense(), before)
