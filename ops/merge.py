"""Iterative merging of a token grid into nested clusters (spec 3.1), by a binary heap with lazy deletion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numba import njit

_NORM_FLOOR = 1e-12  # torch.nn.functional.normalize's, so that an all-zero token is similar to nothing


def merge_levels(
    tokens: np.ndarray, thetas: Sequence[float], accumulate: Literal["float32", "float16"] = "float32"
) -> np.ndarray:
    """Merge 4-connected neighbours, most similar first, and take a snapshot at every theta (spec 3.1).

    A cluster's feature is the sum of its tokens, its similarity to a neighbour the cosine of both sums. While the
    most similar pair reaches theta it becomes one cluster; between equal pairs the one that came to be first goes
    first, and a new cluster meets its neighbours in the order of their own making. Clusters carry over from theta
    to theta, so that each level is a union of the clusters of the level before.

    Args:
        tokens: (h, w, C) float features, not normalised: a longer token weighs more.
        thetas: cosine thresholds, descending.
        accumulate: precision of the sums; `float16` is what the papers' code does on a GPU (spec 1.4).

    Returns:
        int32 (len(thetas), h, w): cluster numbers 0, 1, … of each level, in order of their first token, row by row.

    Raises:
        ValueError: tokens of another shape, not finite, or thetas that rise.
    """
    tokens = np.ascontiguousarray(tokens, np.float32)
    if tokens.ndim != 3 or 0 in tokens.shape:
        raise ValueError(f"tokens of shape (h, w, C) expected, got {tokens.shape}")
    if not np.isfinite(tokens).all():
        raise ValueError("tokens hold values that are not finite")
    if any(later > earlier for earlier, later in pairwise(thetas)):
        raise ValueError(f"thetas must descend, got {tuple(thetas)}")
    h, w, channels = tokens.shape
    sums = tokens.reshape(h * w, channels).copy()
    if accumulate == "float16":
        _round_to_half(sums.reshape(-1))
    levels = _merge(sums, h, w, np.asarray(thetas, np.float32), accumulate == "float16")
    return levels.reshape(len(thetas), h, w)


@njit(cache=True, nogil=True)
def _merge(sums: np.ndarray, h: int, w: int, thetas: np.ndarray, halve: bool) -> np.ndarray:
    """Clusters are numbered by birth, tokens first; rows of `sums` are reused.

    A cluster owns the edges that were made at its birth (a token those to later tokens), which lie together. The
    heap holds one edge an owner, its best; a best edge to a cluster that is gone is replaced when it comes to the top.
    """
    n = h * w
    row = np.arange(2 * n)
    norms = np.empty(2 * n, np.float32)
    for cluster in range(n):
        norms[cluster] = _norm(sums[cluster])
    successor = np.full(2 * n, -1, np.int32)
    seen = np.full(2 * n, -1, np.int32)
    neighbour_starts, neighbour_counts, pool, used = _grid_neighbours(h, w)
    edge_starts, other, keys, edges = _grid_edges(sums, norms, neighbour_starts, neighbour_counts, pool)
    heap = np.empty(2 * n, np.int32)
    owners = np.empty(len(keys), np.int32)
    size = 0
    for cluster in range(n):
        size = _push_best(cluster, edge_starts, other, keys, successor, owners, heap, size)

    levels = np.empty((len(thetas), n), np.int32)
    new = n
    for level in range(len(thetas)):
        while size > 0 and keys[heap[0]] >= thetas[level]:
            best = heap[0]
            size = _pop(heap, keys, size)
            i, j = other[best], owners[best]
            if successor[j] >= 0:
                continue
            if successor[i] >= 0:
                size = _push_best(j, edge_starts, other, keys, successor, owners, heap, size)
                continue
            successor[i] = successor[j] = new
            row[new] = row[i]
            _add(sums[row[i]], sums[row[j]], halve)
            norms[new] = _norm(sums[row[new]])

            room = neighbour_counts[i] + neighbour_counts[j]
            pool = _with_room(pool, used + room)
            other, owners = _with_room(other, edges + room), _with_room(owners, edges + room)
            keys = _with_room(keys, edges + room)
            count = _gather_neighbours(i, j, new, neighbour_starts, neighbour_counts, pool, used, successor, seen)
            neighbour_starts[new], neighbour_counts[new] = used, count
            for neighbour in pool[used : used + count]:
                start = neighbour_starts[neighbour]
                _replace_neighbour(pool[start : start + neighbour_counts[neighbour]], i, j, new)
                other[edges] = neighbour
                keys[edges] = _cosine(sums, row[neighbour], row[new], norms[neighbour], norms[new])
                edges += 1
            used += count
            edge_starts[new + 1] = edges
            size = _push_best(new, edge_starts, other, keys, successor, owners, heap, size)
            new += 1
        _number_clusters(successor, levels[level])
    return levels


@njit(cache=True, nogil=True)
def _grid_neighbours(h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """4-neighbours of every token as `pool[starts[i]:starts[i] + counts[i]]`, and the used length of the pool."""
    n = h * w
    starts = np.zeros(2 * n, np.int64)
    counts = np.zeros(2 * n, np.int32)
    pool = np.empty(8 * n, np.int32)
    used = 0
    for y in range(h):
        for x in range(w):
            token = y * w + x
            starts[token] = used
            for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                if 0 <= y + dy < h and 0 <= x + dx < w:
                    pool[used] = (y + dy) * w + x + dx
                    used += 1
            counts[token] = used - starts[token]
    return starts, counts, pool, used


@njit(cache=True, nogil=True)
def _grid_edges(sums, norms, neighbour_starts, neighbour_counts, pool):
    """Every pair of neighbouring tokens once, of token i as `edge_starts[i]:edge_starts[i + 1]`, with its cosine."""
    n = len(sums)
    edge_starts = np.zeros(2 * n + 1, np.int64)
    other = np.empty(8 * n, np.int32)
    keys = np.empty(8 * n, np.float32)
    edges = 0
    for i in range(n):
        start = neighbour_starts[i]
        for j in pool[start : start + neighbour_counts[i]]:
            if j > i:
                other[edges] = j
                keys[edges] = _cosine(sums, i, j, norms[i], norms[j])
                edges += 1
        edge_starts[i + 1] = edges
    return edge_starts, other, keys, edges


@njit(cache=True, nogil=True)
def _push_best(cluster, edge_starts, other, keys, successor, owners, heap, size):
    """Put the most similar edge of a cluster to a living one on the heap, the first of equals; the heap's size."""
    best = -1
    for edge in range(edge_starts[cluster], edge_starts[cluster + 1]):
        if successor[other[edge]] < 0 and (best < 0 or keys[edge] > keys[best]):
            best = edge
    if best < 0:
        return size
    owners[best] = cluster
    return _push(heap, keys, size, best)


@njit(cache=True, nogil=True)
def _gather_neighbours(i, j, new, starts, counts, pool, used, successor, seen):
    """Write the living neighbours of i and j, each once and by number, to `pool[used:]`; their count."""
    count = 0
    for cluster in (i, j):
        for neighbour in pool[starts[cluster] : starts[cluster] + counts[cluster]]:
            if successor[neighbour] < 0 and seen[neighbour] != new:
                seen[neighbour] = new
                pool[used + count] = neighbour
                count += 1
    pool[used : used + count].sort()
    return count


@njit(cache=True, nogil=True)
def _replace_neighbour(neighbours, i, j, new):
    """Put the new cluster in the place of i or j; the other one, if there, is dead and skipped from now on."""
    for position in range(len(neighbours)):
        if neighbours[position] == i or neighbours[position] == j:
            neighbours[position] = new
            return


@njit(cache=True, nogil=True)
def _number_clusters(successor, labels):
    """Number the living clusters by their first token; path halving keeps the look-up short."""
    numbers = np.full(len(successor), -1, np.int32)
    found = 0
    for token in range(len(labels)):
        cluster = token
        while successor[cluster] >= 0:
            if successor[successor[cluster]] >= 0:
                successor[cluster] = successor[successor[cluster]]
            cluster = successor[cluster]
        if numbers[cluster] < 0:
            numbers[cluster] = found
            found += 1
        labels[token] = numbers[cluster]


@njit(cache=True, nogil=True)
def _add(total, addend, halve):
    for channel in range(len(total)):
        total[channel] += addend[channel]
    if halve:
        _round_to_half(total)


@njit(cache=True, nogil=True)
def _round_to_half(vector):
    """Round to the 11 significant bits of float16 in place (Veltkamp's splitting); its range is not imitated."""
    for channel in range(len(vector)):
        scaled = vector[channel] * np.float32(2**13 + 1)
        vector[channel] = scaled - (scaled - vector[channel])


@njit(cache=True, nogil=True, fastmath=True)
def _norm(vector):
    total = np.float32(0)
    for value in vector:
        total += value * value
    return max(np.float32(np.sqrt(total)), np.float32(_NORM_FLOOR))


@njit(cache=True, nogil=True, fastmath=True)
def _cosine(sums, i, j, norm_i, norm_j):
    total = np.float32(0)
    a, b = sums[i], sums[j]
    for channel in range(len(a)):
        total += a[channel] * b[channel]
    return total / (norm_i * norm_j)


@njit(cache=True, nogil=True, inline="always")
def _before(keys, a, b):
    """Whether edge a leaves the heap before edge b: more similar, or as similar and older."""
    return keys[a] > keys[b] or (keys[a] == keys[b] and a < b)


@njit(cache=True, nogil=True)
def _push(heap, keys, size, edge):
    child = size
    while child > 0:
        parent = (child - 1) >> 1
        if not _before(keys, edge, heap[parent]):
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = edge
    return size + 1


@njit(cache=True, nogil=True)
def _pop(heap, keys, size):
    size -= 1
    edge = heap[size]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and _before(keys, heap[child + 1], heap[child]):
            child += 1
        if not _before(keys, heap[child], edge):
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = edge
    return size


@njit(cache=True, nogil=True)
def _with_room(array, needed):
    if needed <= len(array):
        return array
    grown = np.empty(2 * needed, array.dtype)
    grown[: len(array)] = array
    return grown
