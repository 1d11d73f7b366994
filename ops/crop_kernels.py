"""Masks of a photo cut to a crop, bit by bit, without a dense mask."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel


@kernel
def cut_masks(
    bits: np.ndarray,
    offsets: np.ndarray,
    boxes: np.ndarray,
    order: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    least_area: int,
    cut: np.ndarray,
) -> np.ndarray:
    """Fill `cut` with the first masks of `order` that show at least `least_area` pixels.

    Args:
        bits, offsets, boxes: of a `MaskSet`. order: (k,) indices of its masks.
        rows, columns: (S,) int64, the photo's pixel that each row and column of the crop shows.
        cut: (M, S, ceil(S / 8)) uint8 zeros, packed rows; M is the most that are wanted.

    Returns:
        (m,) int64, the masks that are now in cut[:m].
    """
    kept = np.empty(len(cut), np.int64)
    count = 0
    for index in order:
        if count == len(cut):
            break
        x, y, width, height = boxes[index]
        first, last = _span(columns, x, x + width)
        area = 0
        for row in range(len(rows)):
            if rows[row] < y or rows[row] >= y + height:
                continue
            start = 8 * offsets[index] + (rows[row] - y) * width - x
            for column in range(first, last):
                place = start + columns[column]
                if (bits[place >> 3] >> (7 - (place & 7))) & 1:
                    cut[count, row, column >> 3] |= 128 >> (column & 7)
                    area += 1
        if area >= least_area:
            kept[count] = index
            count += 1
        elif area:
            cut[count] = 0
    return kept[:count]


@kernel
def _span(places: np.ndarray, start: int, stop: int) -> tuple[int, int]:
    """From where to where places, ascending or descending, lie in [start, stop)."""
    first = 0
    while first < len(places) and not start <= places[first] < stop:
        first += 1
    last = first
    while last < len(places) and start <= places[last] < stop:
        last += 1
    return first, last
