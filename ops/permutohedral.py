"""Gaussian filtering in high dimensions on the permutohedral lattice (Adams, Baek and Davis 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ops.kernels import kernel
from ops.lattice_kernels import LANES, blur, gather, splat
from ops.lattice_numbering import find_neighbours, number_vertices, renumber

_KEY_LIMIT = 2**62


@dataclass(frozen=True, eq=False)
class Lattice:
    """A symmetric linear filter W B Wᵀ over n points; a Gaussian one, or a sum of several.

    Shapes for n points of a d-dimensional lattice with m vertices:
        vertices: (n, d + 1) int32, rows of the table of vertex values.
        weights: (n, d + 1) float32, barycentric, times the root of the filter's scale.
        neighbours: per summand (d + 1, m, 2) int32: the vertices before and after along each direction, counted
            within the summand; m where there is none.

    The tables of a sum lie one after the other, each closed by its row of zeros.
    """

    vertices: np.ndarray
    weights: np.ndarray
    neighbours: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def rows(self) -> int:
        """Rows of a table of vertex values."""
        return sum(part.shape[1] + 1 for part in self.neighbours)

    def new_tables(self) -> np.ndarray:
        """Working memory for `apply`, (2, rows, LANES)."""
        return np.empty((2, self.rows, LANES), np.float32)

    def apply(self, values: np.ndarray, tables: np.ndarray, filtered: np.ndarray) -> None:
        """Filter (n, LANES) float32 values into an array like it; the tables may be larger than needed."""
        table, scratch = tables[:, : self.rows]
        table[:] = 0
        splat(self.vertices, self.weights, values, table)
        start = 0
        for part in self.neighbours:
            stop = start + part.shape[1] + 1
            scratch[stop - 1] = 0
            blur(part, table[start:stop], scratch[start:stop])
            start = stop
        gather(self.vertices, self.weights, table, filtered)

    def filter(self, values: np.ndarray) -> np.ndarray:
        """Filter any number of channels, (n, c) float32 -> (n, c) float32."""
        filtered = np.empty(values.shape, np.float32)
        tables = self.new_tables()
        for start in range(0, values.shape[1], LANES):
            block = values[:, start : start + LANES]
            lanes = np.zeros((len(values), LANES), np.float32)
            lanes[:, : block.shape[1]] = block
            self.apply(lanes, tables, lanes)
            filtered[:, start : start + LANES] = lanes[:, : block.shape[1]]
        return filtered

    def scaled(self, factors: np.ndarray | float) -> Lattice:
        """The filter with a factor, (n,) or one for all, on each point's input and output."""
        factors = np.broadcast_to(np.asarray(factors, np.float32), (len(self),))
        return replace(self, weights=self.weights * factors[:, None])

    def normalised(self) -> Lattice:
        """The filter N K N with N = diag(K 1)^-1/2 (the symmetric normalisation of Kraehenbuehl and Koltun 2013)."""
        mass = self.filter(np.ones((len(self), 1), np.float32))[:, 0]
        return self.scaled(1 / np.sqrt(mass + 1e-20))

    def restricted(self, points: np.ndarray) -> Lattice:
        """The filter among some of the points, (k,) indices; they keep the order in which they are given.

        Vertices further than one step from these points' own are left out, and with them the blur that takes
        three steps through empty places; what that changes is far below the filter's own error.
        """
        vertices = self.vertices[points]
        touched = _touched(vertices, self.rows)
        kept, neighbours, start = np.empty(self.rows, np.int32), [], 0
        total = 0
        for part in self.neighbours:
            stop = start + part.shape[1] + 1
            count, restricted = _restrict(part, touched[start:stop], kept[start:stop], total)
            neighbours.append(restricted)
            total += count + 1
            start = stop
        return Lattice(kept[vertices], self.weights[points], tuple(neighbours))


def build_lattice(features: np.ndarray) -> Lattice:
    """Lattice that approximates the filter exp(-|f_i - f_j|² / 2) over points with features f.

    Points that are near to each other should follow each other: it keeps the work within the processor's cache.

    Args:
        features: (n, d) float32, in standard deviations; n and d at least 1.

    Raises:
        ValueError: features are no finite (n, d) array, or are spread too wide to be numbered.
    """
    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2 or not features.size:
        raise ValueError(f"features of shape (n, d) expected, got {features.shape}")
    low, high = _feature_range(features)
    if not np.isfinite([low, high]).all():
        raise ValueError("features must be finite")
    scale = _axis_scale(features.shape[1])
    smallest, strides = _numbering(low * scale, high * scale)
    weights, keys = _embed(features, scale.astype(np.float32), smallest, strides)
    weights *= np.sqrt(1 / (1 + 2.0 ** -features.shape[1]))
    vertices, keys = number_vertices(keys)
    order = np.argsort(keys, kind="stable")
    renumber(vertices, order)
    return Lattice(vertices, weights, (find_neighbours(keys[order], strides),))


def stack(lattices: Sequence[Lattice]) -> Lattice:
    """The sum of several filters over the same points, as one."""
    if len({len(lattice) for lattice in lattices}) != 1:
        raise ValueError("filters over the same points expected, at least one")
    starts = np.cumsum([0] + [lattice.rows for lattice in lattices[:-1]])
    vertices = [lattice.vertices + np.int32(start) for lattice, start in zip(lattices, starts, strict=True)]
    weights = [lattice.weights for lattice in lattices]
    neighbours = sum((lattice.neighbours for lattice in lattices), ())
    return Lattice(np.concatenate(vertices, 1), np.concatenate(weights, 1), neighbours)


def _axis_scale(dimensions: int) -> np.ndarray:
    """Factors that make a blurred splat on the lattice have unit variance (Adams et al. 2010, section 4.2)."""
    axis = np.arange(1, dimensions + 1)
    return np.sqrt(2 / 3) * (dimensions + 1) / np.sqrt(axis * (axis + 1))


def _numbering(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mixed-radix numbering of lattice coordinates: the smallest coordinate and the stride of each axis.

    Args:
        low, high: (d,) smallest and largest scaled feature on each axis.
    """
    dimensions = len(low)
    tail_low = np.cumsum(low[::-1])[::-1]
    tail_high = np.cumsum(high[::-1])[::-1]
    axis = np.arange(dimensions)
    margin = 3 * (dimensions + 1)
    smallest = np.floor(tail_low - axis * np.append(0, high[:-1])).astype(np.int64) - margin
    largest = np.ceil(tail_high - axis * np.append(0, low[:-1])).astype(np.int64) + margin
    spans = [int(span) for span in largest - smallest + 1]
    strides = [1]
    for span in spans[:0:-1]:
        strides.append(strides[-1] * span)
    if strides[-1] * spans[0] >= _KEY_LIMIT:
        raise ValueError(f"features spread over {spans} lattice steps do not fit 62 bits; use larger deviations")
    return smallest, np.array(strides[::-1], np.int64)


@kernel
def _feature_range(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = features[0].astype(np.float64)
    high = low.copy()
    for point in range(features.shape[0]):
        for axis in range(features.shape[1]):
            value = features[point, axis]
            if not value >= low[axis]:
                low[axis] = value
            if not value <= high[axis]:
                high[axis] = value
    return low, high


@kernel
def _embed(
    features: np.ndarray, scale: np.ndarray, smallest: np.ndarray, strides: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric weights (n, d + 1) in each point's simplex, and the numbers of its vertices (n, d + 1)."""
    points, dimensions = features.shape
    corners = dimensions + 1
    weights = np.empty((points, corners), np.float32)
    keys = np.empty((points, corners), np.int64)
    offset = np.empty(corners, np.float32)
    base = np.empty(corners, np.int64)
    rank = np.empty(corners, np.int64)
    axis_of_rank = np.empty(corners, np.int64)
    diagonal = strides.sum()
    for point in range(points):
        _elevate(features[point], scale, offset)
        _nearest_remainder_zero(offset, base, rank)
        key = np.int64(0)
        for axis in range(corners):
            axis_of_rank[rank[axis]] = axis
            if axis < dimensions:
                key += (base[axis] - smallest[axis]) * strides[axis]
        last = offset[axis_of_rank[dimensions]]
        weights[point, 0] = np.float32(1) + (last - offset[axis_of_rank[0]]) / np.float32(corners)
        keys[point, 0] = key
        for corner in range(1, corners):
            low_axis = axis_of_rank[corners - corner]
            high_axis = axis_of_rank[dimensions - corner]
            weights[point, corner] = (offset[high_axis] - offset[low_axis]) / np.float32(corners)
            key += diagonal
            if low_axis < dimensions:
                key -= corners * strides[low_axis]
            keys[point, corner] = key
    return weights, keys


@kernel
def _elevate(feature: np.ndarray, scale: np.ndarray, elevated: np.ndarray) -> None:
    """Position in the plane where d + 1 coordinates sum to zero."""
    total = np.float32(0)
    for axis in range(len(feature), 0, -1):
        component = feature[axis - 1] * scale[axis - 1]
        elevated[axis] = total - np.float32(axis) * component
        total += component
    elevated[0] = total


@kernel
def _nearest_remainder_zero(elevated: np.ndarray, base: np.ndarray, rank: np.ndarray) -> None:
    """Nearest vertex whose coordinates are multiples of d + 1; `elevated` becomes the offset from it.

    rank sorts the offsets from large (0) to small (d): it names the simplex around that vertex.
    """
    corners = len(elevated)
    excess = np.int64(0)
    for axis in range(corners):
        multiple = np.int64(np.floor(elevated[axis] / np.float32(corners) + np.float32(0.5)))
        base[axis] = multiple * corners
        elevated[axis] -= np.float32(base[axis])
        excess += multiple
        rank[axis] = 0
    for axis in range(corners):
        for other in range(axis + 1, corners):
            smaller = np.int64(elevated[axis] < elevated[other])
            rank[axis] += smaller
            rank[other] += 1 - smaller
    for axis in range(corners):
        rank[axis] += excess
        turn = np.int64(rank[axis] < 0) - np.int64(rank[axis] >= corners)
        rank[axis] += turn * corners
        base[axis] += turn * corners
        elevated[axis] -= np.float32(turn * corners)


@kernel
def _touched(vertices: np.ndarray, rows: int) -> np.ndarray:
    touched = np.zeros(rows, np.bool_)
    for point in range(vertices.shape[0]):
        for corner in range(vertices.shape[1]):
            touched[vertices[point, corner]] = True
    return touched


@kernel
def _restrict(neighbours: np.ndarray, touched: np.ndarray, kept: np.ndarray, start: int) -> tuple[int, np.ndarray]:
    """Keep touched vertices and those next to them.

    Fills kept[v] with v's new row, counted from `start` on; returns how many are kept and their neighbours.
    """
    directions, vertices, _ = neighbours.shape
    near = touched.copy()
    for direction in range(directions):
        for vertex in range(vertices):
            if touched[vertex]:
                near[neighbours[direction, vertex, 0]] = True
                near[neighbours[direction, vertex, 1]] = True
    count = 0
    for vertex in range(vertices):
        if near[vertex]:
            kept[vertex] = start + count
            count += 1
    restricted = np.full((directions, count, 2), count, np.int32)
    for direction in range(directions):
        for vertex in range(vertices):
            if not near[vertex]:
                continue
            for side in range(2):
                neighbour = neighbours[direction, vertex, side]
                if neighbour < vertices and near[neighbour]:
                    restricted[direction, kept[vertex] - start, side] = kept[neighbour] - start
    return count, restricted
