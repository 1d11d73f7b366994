"""Splat, blur and slice on a lattice's table of vertex values (Adams, Baek and Davis 2010, section 3).

A table has one row a vertex and a last row that stays zero, which absent neighbours point to. All kernels work on
`LANES` channels at once: a row is then one vector register.
"""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel

LANES = 4


@kernel
def splat(vertices: np.ndarray, weights: np.ndarray, values: np.ndarray, table: np.ndarray) -> None:
    """Add each point's values to its vertices.

    Shapes for n points on d + 1 vertices each: vertices (n, d + 1) int32, weights (n, d + 1) float32,
    values (n, LANES) float32, table (rows, LANES) float32.
    """
    for point in range(vertices.shape[0]):
        for corner in range(vertices.shape[1]):
            vertex = vertices[point, corner]
            weight = weights[point, corner]
            for lane in range(LANES):
                table[vertex, lane] += weight * values[point, lane]


@kernel
def gather(vertices: np.ndarray, weights: np.ndarray, table: np.ndarray, values: np.ndarray) -> None:
    """Replace each point's values by the weighted sum of its vertices': the transpose of `splat`, called slicing."""
    for point in range(vertices.shape[0]):
        first, second, third, fourth = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for corner in range(vertices.shape[1]):
            vertex = vertices[point, corner]
            weight = weights[point, corner]
            first += weight * table[vertex, 0]
            second += weight * table[vertex, 1]
            third += weight * table[vertex, 2]
            fourth += weight * table[vertex, 3]
        values[point, 0], values[point, 1], values[point, 2], values[point, 3] = first, second, third, fourth


@kernel
def blur(neighbours: np.ndarray, table: np.ndarray, scratch: np.ndarray) -> None:
    """Blur the table in place with (1/2, 1, 1/2) along each of the lattice's directions.

    Shapes for m vertices: neighbours (directions, m, 2) int32, table and scratch (m + 1, LANES) float32; the last
    row of both is zero.
    """
    source, target = table, scratch
    for direction in range(neighbours.shape[0]):
        for vertex in range(neighbours.shape[1]):
            before = neighbours[direction, vertex, 0]
            after = neighbours[direction, vertex, 1]
            for lane in range(LANES):
                sides = source[before, lane] + source[after, lane]
                target[vertex, lane] = source[vertex, lane] + np.float32(0.5) * sides
        source, target = target, source
    if neighbours.shape[0] % 2:
        for vertex in range(neighbours.shape[1]):
            for lane in range(LANES):
                table[vertex, lane] = scratch[vertex, lane]
