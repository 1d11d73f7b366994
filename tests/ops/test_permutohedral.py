"""The lattice against the same lattice in dictionaries, point by point, and against the exact Gaussian filter."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.permutohedral import build_lattice, stack


def dictionary_filter(features, values):
    """Adams, Baek and Davis 2010, sections 3 and 4, by the book: coordinates are tuples, tables are dictionaries."""
    count, d = features.shape
    axes = np.arange(1, d + 1)
    scaled = features.astype(np.float64) * np.sqrt(2 / 3) * (d + 1) / np.sqrt(axes * (axes + 1))
    embedding = np.zeros((d + 1, d))
    for axis in range(d):
        embedding[: axis + 1, axis] = 1
        embedding[axis + 1, axis] = -(axis + 1)
    table, splats = {}, []
    for point in range(count):
        corners = simplex(embedding @ scaled[point])
        splats.append(corners)
        for vertex, weight in corners.items():
            table[vertex] = table.get(vertex, 0) + weight * values[point]
    for axis in range(d + 1):
        step = np.ones(d + 1, int)
        step[axis] -= d + 1
        table = {
            vertex: value
            + 0.5 * table.get(tuple((np.array(vertex) + step).tolist()), 0)
            + 0.5 * table.get(tuple((np.array(vertex) - step).tolist()), 0)
            for vertex, value in table.items()
        }
    sliced = [sum(weight * table[vertex] for vertex, weight in corners.items()) for corners in splats]
    return np.array(sliced) / (1 + 2.0**-d)


def simplex(position):
    """The d + 1 lattice points around a position in the plane, with barycentric weights from a linear system."""
    corners = len(position)
    nearest = np.round(position / corners).astype(int) * corners
    offset = position - nearest
    excess = nearest.sum() // corners
    order = np.argsort(-offset, kind="stable")
    if excess > 0:
        nearest[order[corners - excess :]] -= corners
    elif excess < 0:
        nearest[order[:-excess]] += corners
    order = np.argsort(-(position - nearest), kind="stable")
    vertices = []
    for kind in range(corners):
        canonical = np.full(corners, kind)
        canonical[order[corners - kind :]] -= corners
        vertices.append(nearest + canonical)
    system = np.vstack([np.array(vertices).T, np.ones(corners)])
    weights = np.linalg.lstsq(system, np.append(position, 1), rcond=None)[0]
    assert weights.min() > -1e-6
    return {tuple(vertex.tolist()): weight for vertex, weight in zip(vertices, weights, strict=True)}


def exact_kernel(features):
    distance = ((features[:, None].astype(np.float64) - features[None]) ** 2).sum(-1)
    return np.exp(-distance / 2)


def scattered(seed, count, d, spread):
    return (np.random.default_rng(seed).normal(size=(count, d)) * spread).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_equals_the_lattice_in_dictionaries(d, spread):
    features = scattered(d, 60, d, spread)
    values = np.random.default_rng(9).normal(size=(60, 7)).astype(np.float32)
    np.testing.assert_allclose(
        build_lattice(features).filter(values), dictionary_filter(features, values), rtol=1e-3, atol=1e-4
    )


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_equals_the_lattice_in_dictionaries_anywhere(seed, d, count):
    features = scattered(seed, count, d, 3) + np.float32(seed % 100)
    values = np.ones((count, 1), np.float32)
    np.testing.assert_allclose(
        build_lattice(features).filter(values), dictionary_filter(features, values), rtol=2e-3, atol=1e-3
    )


@pytest.mark.parametrize(("d", "error"), [(1, 0.03), (2, 0.04), (3, 0.05), (5, 0.1)])
def test_is_near_the_exact_gaussian(d, error):
    """Relative error of the filtered values over a dense cloud of points: the lattice's own, as in the paper."""
    features = np.random.default_rng(1).uniform(0, 2.5, (2500, d)).astype(np.float32)
    values = np.random.default_rng(2).uniform(0, 1, (2500, 3)).astype(np.float32)
    kernel = exact_kernel(features)
    mass = kernel.sum(1, keepdims=True)
    expected = (kernel / np.sqrt(mass) / np.sqrt(mass).T) @ values
    found = build_lattice(features).normalised().filter(values)
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < error


def test_is_linear_and_symmetric():
    """Symmetric up to the rim of the occupied vertices, where a blur may find its way in one order of steps only."""
    features = np.random.default_rng(3).uniform(0, 2, (500, 2)).astype(np.float32)
    matrix = build_lattice(features).filter(np.eye(500, dtype=np.float32))
    values = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    np.testing.assert_allclose(build_lattice(features).filter(values), matrix @ values, rtol=1e-3, atol=1e-3)
    assert np.linalg.norm(matrix - matrix.T) < 0.05 * np.linalg.norm(matrix)


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 9])
def test_channels_do_not_mix(channels):
    features = scattered(4, 30, 2, 1)
    values = np.random.default_rng(0).normal(size=(30, channels)).astype(np.float32)
    lattice = build_lattice(features)
    one_by_one = np.concatenate([lattice.filter(values[:, [c]]) for c in range(channels)], axis=1)
    np.testing.assert_allclose(lattice.filter(values), one_by_one, rtol=1e-5, atol=1e-6)


def test_a_sum_of_filters_filters_like_both():
    features = scattered(5, 40, 5, 1)
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    first, second = build_lattice(features), build_lattice(features[:, :2]).scaled(2)
    both = stack([first, second]).filter(values)
    np.testing.assert_allclose(both, first.filter(values) + second.filter(values), rtol=1e-4, atol=1e-4)


def test_scaling_works_on_both_sides():
    features, factors = scattered(6, 20, 2, 1), np.linspace(0.5, 3, 20).astype(np.float32)
    matrix = build_lattice(features).filter(np.eye(20, dtype=np.float32))
    scaled = build_lattice(features).scaled(factors).filter(np.eye(20, dtype=np.float32))
    np.testing.assert_allclose(scaled, matrix * factors[:, None] * factors, rtol=1e-4, atol=1e-5)


def test_some_of_the_points_filter_as_if_the_others_were_silent():
    y, x = np.mgrid[:30, :30]
    features = np.stack([x.ravel() / 3, y.ravel() / 3], axis=1).astype(np.float32)
    lattice = build_lattice(features)
    inside = np.flatnonzero((x.ravel() < 17) & (y.ravel() > 8))
    values = np.zeros((900, 2), np.float32)
    values[inside] = np.random.default_rng(0).uniform(size=(len(inside), 2))
    np.testing.assert_allclose(
        lattice.restricted(inside).filter(values[inside]), lattice.filter(values)[inside], rtol=0.02, atol=1e-3
    )


def test_all_points_restricted_are_all_points():
    lattice = build_lattice(scattered(7, 80, 3, 2))
    values = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    restricted = lattice.restricted(np.arange(80)).filter(values)
    np.testing.assert_allclose(restricted, lattice.filter(values), rtol=1e-5, atol=1e-6)


def test_many_vertices_outgrow_the_first_table():
    """Points on a line, so far apart that each has its vertices to itself: each filters alone."""
    features = np.arange(0, 40_000, dtype=np.float32)[:, None] * 20
    found = build_lattice(features).filter(np.ones((40_000, 1), np.float32))
    assert np.ptp(found) < 0.35
    single = [build_lattice(features[[i]] % 1).filter(np.ones((1, 1), np.float32))[0, 0] for i in (0, 1)]
    assert found[0, 0] == pytest.approx(single[0], rel=1e-3)


def test_copies_of_a_point_share_everything():
    features = np.repeat(scattered(8, 1, 5, 1), 6, axis=0)
    found = build_lattice(features).normalised().filter(np.eye(6, dtype=np.float32))
    np.testing.assert_allclose(found, np.full((6, 6), 1 / 6), rtol=1e-4)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((0, 2)), "shape"),
        (np.zeros(5), "shape"),
        (np.zeros((5, 0)), "shape"),
        (np.array([[0.0, np.nan]]), "finite"),
        (np.array([[np.inf, 1.0]]), "finite"),
        (np.array([[0.0] * 5, [1e6] * 5]), "do not fit 62 bits"),
    ],
)
def test_bad_features(features, message):
    with pytest.raises(ValueError, match=message):
        build_lattice(features)


@pytest.mark.parametrize("sizes", [(), (3, 4)])
def test_filters_of_different_points_do_not_add(sizes):
    with pytest.raises(ValueError, match="same points"):
        stack([build_lattice(np.zeros((size, 1))) for size in sizes])


def test_the_oracles_simplex_is_one():
    """Its vertices are lattice points: coordinates alike modulo d + 1 that sum to zero."""
    for position in itertools.product((-1.3, 0.2, 2.9), (0.1, 1.7)):
        point = np.array([*position, -sum(position)])
        for vertex in simplex(point):
            assert sum(vertex) == 0
            assert len({coordinate % 3 for coordinate in vertex}) == 1
