"""Lanczos on bits against LAPACK on the papers' generalised problem."""

import numpy as np
import pytest
from scipy.linalg import eigh

from ops.affinity import BinaryAffinity
from ops.eigen import dense_second_eigenvector, fix_sign, second_eigenvector
from ops.features import normalise_tokens

EPS = 1e-5
pytestmark = pytest.mark.usefixtures("one_thread")


def block_tokens(seed, count, blocks, noise, channels=16):
    """Tokens of a few groups with a common direction each, and noise."""
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((blocks, channels))
    group = np.sort(generator.integers(0, blocks, count))
    return normalise_tokens(directions[group] + noise * generator.standard_normal((count, channels)), centre=False)


def generalised(weights):
    """Second smallest pair of (D - A) x = lambda D x, and the gap to the third (spec 2.2 step 3)."""
    degrees = np.diag(weights.sum(axis=1))
    values, vectors = eigh(degrees - weights, degrees, subset_by_index=[0, min(2, len(weights) - 1)])
    return vectors[:, 1], values[1], (values[2] - values[1] if len(values) > 2 else np.inf)


def bipartition(vector):
    return vector > vector.mean()


def same_up_to_complement(first, second):
    return (first == second).all() or (first != second).all()


def test_bipartitions_are_those_of_the_dense_solver():
    """200 random block graphs; where two eigenvalues coincide the vector is not determined, and none is asked for."""
    asked = same = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        tokens = block_tokens(
            seed, int(generator.integers(20, 140)), int(generator.integers(2, 7)), generator.uniform(0.2, 1)
        )
        graph = BinaryAffinity.from_tokens(tokens, generator.uniform(0.1, 0.5), EPS)
        vector, value, gap = generalised(graph.dense())
        if gap < 1e-6:
            continue
        found = second_eigenvector(graph)
        asked += 1
        same += same_up_to_complement(bipartition(found.vector), bipartition(vector))
        assert found.eigenvalue == pytest.approx(value, abs=1e-8)
        assert gap - 1e-9 <= found.gap <= 1.1 * gap
    assert asked >= 150
    assert same >= 0.99 * asked


@pytest.mark.parametrize("paint", ["isolate", "remove"])
def test_painted_graphs(paint):
    painted = np.arange(120) % 5 == 0
    graph = getattr(BinaryAffinity.from_tokens(block_tokens(3, 120, 4, 0.6), 0.2, EPS), paint)(painted)
    kept = np.flatnonzero(graph.alive)
    vector, value, _ = generalised(graph.dense()[np.ix_(kept, kept)])
    found = second_eigenvector(graph)
    assert same_up_to_complement(bipartition(found.vector[kept]), bipartition(vector))
    assert found.eigenvalue == pytest.approx(value, abs=1e-9)
    assert not found.vector[~graph.alive].any()


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_graphs_that_fall_apart(blocks):
    """Blocks joined by eps only: Lanczos finds one of several equal vectors, which still separates whole blocks."""
    group = np.repeat(np.arange(blocks), 30 + 7 * np.arange(blocks))
    graph = BinaryAffinity.from_tokens(np.eye(blocks, dtype=np.float32)[group], 0.5, EPS)
    found = second_eigenvector(graph)
    assert found.eigenvalue < 0.01
    side = bipartition(found.vector)
    assert 0 < side.sum() < len(side)
    for block in range(blocks):
        assert len(set(side[group == block])) == 1


def test_one_block_has_no_structure():
    graph = BinaryAffinity.from_tokens(np.ones((50, 1), np.float32), 0.5, EPS)
    assert second_eigenvector(graph).eigenvalue == pytest.approx(1)


@pytest.mark.parametrize("solve", [second_eigenvector, dense_second_eigenvector])
def test_two_tokens(solve):
    found = solve(BinaryAffinity.from_tokens(np.eye(2, dtype=np.float32), 0.5, EPS))
    assert found.gap == np.inf
    assert found.eigenvalue == pytest.approx(2 * EPS / (1 + EPS))
    assert found.vector[0] == pytest.approx(-found.vector[1])


@pytest.mark.parametrize("alive", [0, 1])
def test_fewer_than_two_tokens(alive):
    graph = BinaryAffinity.from_tokens(np.eye(4, dtype=np.float32), 0.5, EPS).remove(np.arange(4) >= alive)
    with pytest.raises(ValueError, match="two tokens"):
        second_eigenvector(graph)


def test_what_lanczos_cannot_separate_is_solved_densely():
    graph = BinaryAffinity.from_tokens(block_tokens(5, 90, 4, 0.8), 0.2, EPS)
    lanczos, dense = second_eigenvector(graph), second_eigenvector(graph, max_steps=2)
    assert (lanczos.solver, dense.solver, dense.steps) == ("lanczos", "dense", 2)
    assert same_up_to_complement(bipartition(lanczos.vector), bipartition(dense.vector))
    assert lanczos.eigenvalue == pytest.approx(dense.eigenvalue)


def test_a_ring_has_no_unique_vector_but_the_one_found_solves_the_equation():
    angles = 2 * np.pi * np.arange(48) / 48
    tokens = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    graph = BinaryAffinity.from_tokens(tokens, np.cos(2 * np.pi * 2.5 / 48), EPS)
    found = second_eigenvector(graph)
    weights = graph.dense()
    degrees = np.diag(weights.sum(axis=1))
    residual = (degrees - weights) @ found.vector - found.eigenvalue * degrees @ found.vector
    assert np.abs(residual).max() < 1e-6 * np.abs(found.vector).max()
    assert found.eigenvalue == pytest.approx(generalised(weights)[1], abs=1e-9)


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        ([1.0, -3.0, 2.0], [-1.0, 3.0, -2.0]),
        ([1.0, -2.0, 3.0], [1.0, -2.0, 3.0]),
        ([-2.0, 2.0, 1.0], [2.0, -2.0, -1.0]),
        ([2.0, -2.0, 1.0], [2.0, -2.0, 1.0]),
    ],
)
def test_largest_entry_is_positive_and_the_first_of_equals_counts(vector, expected):
    assert fix_sign(np.array(vector)).tolist() == expected


def test_same_answer_every_time():
    graph = BinaryAffinity.from_tokens(block_tokens(6, 200, 5, 0.7), 0.2, EPS)
    first, second = second_eigenvector(graph), second_eigenvector(graph)
    np.testing.assert_array_equal(first.vector, second.vector)
    assert first.vector[np.argmax(np.abs(first.vector))] > 0
