"""The second eigenvector of a normalised cut (Shi and Malik 2000; spec 2.2 step 3, speed.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal

from ops.affinity import BinaryAffinity
from ops.kernels import kernel

MAX_STEPS = 400
SMALLEST_GAP = 1e-6
_START_SEED = 0


@dataclass(frozen=True, eq=False)
class CutVector:
    """Solution of (D - A) x = lambda D x for the second smallest lambda.

    vector: (n,) float64, x; 0 outside the graph. Its sign is fixed: the entry of largest magnitude is positive, and of
        equal magnitudes the one of lowest index counts.
    eigenvalue: lambda in [0, 2], the relaxed value of the normalised cut; 0 falls apart by itself, 1 is structureless.
    gap: third smallest lambda minus this one, by Lanczos an estimate from above; the smaller, the less the vector is
        determined. Infinite for two tokens.
    steps: matrix-vector products that it took.
    solver: "dense" where Lanczos could not separate the two values.
    """

    vector: np.ndarray
    eigenvalue: float
    gap: float
    steps: int
    solver: Literal["lanczos", "dense"]


def second_eigenvector(graph: BinaryAffinity, tolerance: float = 1e-6, max_steps: int = MAX_STEPS) -> CutVector:
    """Second eigenvector of the normalised cut of a graph with at least two tokens.

    Lanczos on M = D^-1/2 A D^-1/2, whose trivial vector D^1/2 1 is projected out, with full reorthogonalisation. It
    ends when the residual is `tolerance` times the gap to the next value, which bounds the vector's error, and times
    lambda itself: in a graph that falls apart, the values of its parts lie that close together. What does not get
    there in `max_steps`, or whose gap is below `SMALLEST_GAP`, is solved densely. Where the value is multiple, no
    vector is the right one: what comes out then depends on the fixed start vector.

    Raises:
        ValueError: fewer than two tokens in the graph.
    """
    if np.count_nonzero(graph.alive) < 2:
        raise ValueError("a cut needs at least two tokens in the graph")
    degrees = graph.degrees()
    scale = np.where(graph.alive, 1 / np.sqrt(np.where(graph.alive, degrees, 1.0)), 0.0)
    trivial = np.sqrt(degrees / degrees.sum())
    found = _lanczos(graph, scale, trivial, tolerance, max_steps)
    if found is None:
        return dense_second_eigenvector(graph, max_steps)
    vector, value, next_value, steps = found
    return CutVector(fix_sign(scale * vector), 1 - value, value - next_value, steps, "lanczos")


def dense_second_eigenvector(graph: BinaryAffinity, steps: int = 0) -> CutVector:
    """The same by LAPACK on the dense matrix, in float64; `steps` counts what was tried before."""
    alive = np.flatnonzero(graph.alive)
    weights = graph.dense()[np.ix_(alive, alive)]
    scale = 1 / np.sqrt(weights.sum(axis=1))
    first = max(0, len(alive) - 3)
    values, vectors = eigh(weights * scale * scale[:, None], subset_by_index=[first, len(alive) - 1])
    vector = np.zeros(len(graph))
    vector[alive] = scale * vectors[:, -2]
    gap = values[-2] - values[-3] if len(values) > 2 else np.inf
    return CutVector(fix_sign(vector), float(1 - values[-2]), float(gap), steps, "dense")


def fix_sign(vector: np.ndarray) -> np.ndarray:
    """`vector` or its negative, so that the entry of largest magnitude, the first of equal ones, is positive."""
    return vector if vector[np.argmax(np.abs(vector))] >= 0 else -vector


def _lanczos(
    graph: BinaryAffinity, scale: np.ndarray, trivial: np.ndarray, tolerance: float, max_steps: int
) -> tuple[np.ndarray, float, float, int] | None:
    """Largest eigenpair of M beside the trivial one, the value after it and the steps; None if it is not separated."""
    room = min(max_steps, int(np.count_nonzero(graph.alive)) - 1)
    basis = np.empty((room + 2, len(graph)))
    basis[0] = trivial
    basis[1] = np.random.default_rng(_START_SEED).standard_normal(len(graph)) * graph.alive
    _orthonormalise(basis, 1)
    diagonal, beside = np.empty(room), np.empty(room)
    for step in range(1, room + 1):
        image = scale * graph.multiply(scale * basis[step])
        diagonal[step - 1] = basis[step] @ image
        basis[step + 1] = image
        beside[step - 1] = _orthonormalise(basis, step + 1)
        exhausted = step == room or beside[step - 1] < np.finfo(float).eps * 16
        if not exhausted and step % max(1, step // 8):
            continue
        values, weights = eigh_tridiagonal(diagonal[:step], beside[: step - 1])
        next_value = values[-2] if step > 1 else -np.inf
        gap = values[-1] - next_value
        residual = beside[step - 1] * abs(weights[-1, -1])
        if residual <= tolerance * min(gap, 1 - values[-1]) and gap >= SMALLEST_GAP:
            return weights[:, -1] @ basis[1 : step + 1], values[-1], next_value, step
        if exhausted:
            break
    return None


@kernel
def _orthonormalise(basis: np.ndarray, row: int) -> float:
    """Make row `row` orthogonal to the unit rows before it, twice for rounding's sake, and unit; returns its length."""
    vector = basis[row]
    for _ in range(2):
        for earlier in range(row):
            overlap = 0.0
            for j in range(len(vector)):
                overlap += basis[earlier, j] * vector[j]
            for j in range(len(vector)):
                vector[j] -= overlap * basis[earlier, j]
    length = np.sqrt(np.sum(vector * vector))
    if length > 0:
        vector /= length
    return length
