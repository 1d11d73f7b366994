"""Integer numbers for lattice vertices: a hash table of 64-bit keys, and neighbours found by merging sorted keys."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel

_HASH_FACTOR = -7046029254386353131  # 2^64 / golden ratio, as a signed number


@kernel
def number_vertices(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of each key among the distinct ones, and these in the order in which they first occur."""
    points, corners = keys.shape
    vertices = np.empty((points, corners), np.int32)
    slots = np.full(1 << 16, -1, np.int32)
    distinct = np.empty(1 << 15, np.int64)
    count = 0
    for point in range(points):
        if count + corners > len(distinct):
            distinct, slots = _grown(distinct[:count], 4 * len(slots))
        for corner in range(corners):
            key = keys[point, corner]
            if point and key == keys[point - 1, corner]:
                vertices[point, corner] = vertices[point - 1, corner]
                continue
            slot = _slot(slots, distinct, key)
            if slots[slot] < 0:
                slots[slot] = count
                distinct[count] = key
                count += 1
            vertices[point, corner] = slots[slot]
    return vertices, distinct[:count].copy()


@kernel
def _slot(slots: np.ndarray, distinct: np.ndarray, key: int) -> int:
    """Where `key` is, or would be, in an open-addressing hash table of 2^k slots."""
    mixed = key * np.int64(_HASH_FACTOR)
    slot = (mixed ^ (mixed >> 32)) & (len(slots) - 1)
    while slots[slot] >= 0 and distinct[slots[slot]] != key:
        slot = (slot + 1) & (len(slots) - 1)
    return int(slot)


@kernel
def _grown(distinct: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    slots = np.full(size, -1, np.int32)
    larger = np.empty(size // 2, np.int64)
    for index in range(len(distinct)):
        larger[index] = distinct[index]
        slots[_slot(slots, larger, distinct[index])] = index
    return larger, slots


@kernel
def renumber(vertices: np.ndarray, order: np.ndarray) -> None:
    """Replace each vertex, in place, by its position in `order`."""
    position = np.empty(len(order), np.int32)
    for index in range(len(order)):
        position[order[index]] = index
    flat = vertices.reshape(-1)
    for index in range(len(flat)):
        flat[index] = position[flat[index]]


@kernel
def find_neighbours(keys: np.ndarray, strides: np.ndarray) -> np.ndarray:
    """Neighbours of vertices in ascending order of their keys: a step adds the same to every key, so merge."""
    count = len(keys)
    corners = len(strides) + 1
    found = np.full((corners, count, 2), count, np.int32)
    for direction in range(corners):
        step = strides.sum()
        if direction < corners - 1:
            step -= corners * strides[direction]
        step = abs(step)
        other = 0
        for vertex in range(count):
            while other < count and keys[other] < keys[vertex] + step:
                other += 1
            if other == count:
                break
            if keys[other] == keys[vertex] + step:
                found[direction, vertex, 1] = other
                found[direction, other, 0] = vertex
    return found
