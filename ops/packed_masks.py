"""Do two masks share so many pixels? Answered on the packed crops as they are stored: nothing is unpacked.

Questions of the form "at least so many" end early: boxes and areas decide most pairs, and rows are counted only until
the answer is known. `ops.overlap` counts whole intersections.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numba import njit

from ops.overlap import set_bits
from stores.masks import MaskSet

_WORD = 64


@dataclass(frozen=True, eq=False)
class PackedMasks:
    """Crops of n masks, one after the other without gaps between their rows.

    Shapes: words (words,) uint64, the first pixel in the highest bit; starts (n,) int64, the bit at which a mask
    begins; boxes (n, 4) int64 x, y, w, h; areas (n,) int64 in pixels.
    """

    words: np.ndarray
    starts: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray

    @classmethod
    def of(cls, masks: MaskSet) -> PackedMasks:
        words = np.zeros(len(masks.bits) // 8 + 2, np.uint64)
        words.view(np.uint8)[: len(masks.bits)] = masks.bits
        if sys.byteorder == "little":
            words.byteswap(inplace=True)
        areas = _areas(words, masks.offsets)
        return cls(words, masks.offsets[:-1] * 8, masks.boxes.astype(np.int64), areas)

    def take(self, which: np.ndarray | slice) -> PackedMasks:
        """Some of the masks; their pixels are not copied."""
        return PackedMasks(self.words, self.starts[which], self.boxes[which], self.areas[which])


@njit(cache=True, nogil=True)
def share_at_least(needed, a_words, a_start, a_box, b_words, b_start, b_box):
    """Do two masks of `PackedMasks` have `needed` pixels in common? Arrays one by one, as numba wants them."""
    left, right = max(a_box[0], b_box[0]), min(a_box[0] + a_box[2], b_box[0] + b_box[2])
    top, bottom = max(a_box[1], b_box[1]), min(a_box[1] + a_box[3], b_box[1] + b_box[3])
    width = right - left
    if width <= 0 or width * (bottom - top) < needed:
        return False
    shared = 0
    for row in range(top, bottom):
        if shared + width * (bottom - row) < needed:
            return False
        a = a_start + (row - a_box[1]) * a_box[2] + left - a_box[0]
        b = b_start + (row - b_box[1]) * b_box[2] + left - b_box[0]
        for column in range(0, width, _WORD):
            both = _bits_from(a_words, a + column) & _bits_from(b_words, b + column)
            rest = width - column
            if rest < _WORD:
                both >>= np.uint64(_WORD - rest)
            shared += set_bits(both)
        if shared >= needed:
            return True
    return False


@njit(cache=True, nogil=True)
def _areas(words, offsets):
    """Pixels of each mask; the bits behind its last pixel, up to the next byte, are zero."""
    areas = np.zeros(len(offsets) - 1, np.int64)
    for mask in range(len(areas)):
        place, end = offsets[mask] * 8, offsets[mask + 1] * 8
        while place < end:
            word = _bits_from(words, place)
            if end - place < _WORD:
                word >>= np.uint64(_WORD - (end - place))
            areas[mask] += set_bits(word)
            place += _WORD
    return areas


@njit(cache=True, nogil=True, inline="always")
def _bits_from(words, place):
    """The 64 bits that begin at bit `place`."""
    word, shift = place >> 6, np.uint64(place & 63)
    if shift == 0:
        return words[word]
    return (words[word] << shift) | (words[word + 1] >> (np.uint64(_WORD) - shift))
