"""How many pixels two masks share, counted 64 at a time and never on full frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from stores.masks import MaskSet


@dataclass(frozen=True, eq=False)
class WordRows:
    """Masks with each row in 64-bit words that start at columns 0, 64, 128, … of the image.

    Shapes for n masks: words (words,) uint64; offsets (n + 1,) int64 into them; layout (n, 4) int64: first word
    column, first row, words a row, rows; areas (n,) int64 in pixels.
    """

    words: np.ndarray
    offsets: np.ndarray
    layout: np.ndarray
    areas: np.ndarray

    @classmethod
    def of(cls, masks: MaskSet) -> WordRows:
        x, y, w, h = masks.boxes.astype(np.int64).T
        first, last = x // 64, -(-(x + w) // 64)
        layout = np.stack([first, y, last - first, h], axis=1)
        offsets = np.concatenate([[0], np.cumsum(layout[:, 2] * layout[:, 3])])
        words = np.zeros(offsets[-1], np.uint64)
        for i in range(len(masks)):
            bits = np.zeros((h[i], 64 * layout[i, 2]), bool)
            bits[:, x[i] % 64 : x[i] % 64 + w[i]] = masks.crop(i)
            words[offsets[i] : offsets[i + 1]] = np.packbits(bits, bitorder="little").view(np.uint64)
        return cls(words, offsets, layout, masks.areas())


@njit(cache=True, nogil=True)
def intersection(words: np.ndarray, offsets: np.ndarray, layout: np.ndarray, i: int, j: int) -> int:
    """Pixels that masks i and j of a `WordRows` share; its arrays one by one, as numba wants them."""
    left = max(layout[i, 0], layout[j, 0])
    right = min(layout[i, 0] + layout[i, 2], layout[j, 0] + layout[j, 2])
    top = max(layout[i, 1], layout[j, 1])
    bottom = min(layout[i, 1] + layout[i, 3], layout[j, 1] + layout[j, 3])
    total = 0
    if left >= right:
        return total
    for row in range(top, bottom):
        a = offsets[i] + (row - layout[i, 1]) * layout[i, 2] - layout[i, 0]
        b = offsets[j] + (row - layout[j, 1]) * layout[j, 2] - layout[j, 0]
        for word in range(left, right):
            total += set_bits(words[a + word] & words[b + word])
    return total


@njit(cache=True, nogil=True, inline="always")
def set_bits(word):
    """How many bits of a 64-bit word are set."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)
