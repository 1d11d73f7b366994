"""Token grids to pixels: a label map by the vote of the nearest tokens, or one mask as the papers' code does it."""

from __future__ import annotations

import numpy as np
from numba import njit
from PIL import Image

_SHARPNESS = -0.5  # Keys' cubic kernel, the one that Pillow calls bicubic


def upsample_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Every pixel takes the label with the largest bicubic weight among its 4 x 4 nearest tokens.

    It is the partition that bicubic interpolation of each label's own mask votes for; where a union of labels is
    asked for, the union of their pixels is exact, so that nested clusters stay nested. Equal votes go to the label
    of the earlier token.

    Args:
        labels: (h, w) int32.
        size: (H, W) in pixels.

    Returns:
        (H, W) int32.
    """
    rows, row_weights = _taps(labels.shape[0], size[0])
    columns, column_weights = _taps(labels.shape[1], size[1])
    return _vote(np.ascontiguousarray(labels, np.int32), rows, row_weights, columns, column_weights)


def upsample_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One (h, w) mask to (H, W) by Pillow's bicubic filter, cut at half its largest value (spec 3.2)."""
    resized = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size[::-1], Image.Resampling.BICUBIC))
    return resized > 127


def _taps(tokens: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel along one axis its 4 nearest tokens (pixels, 4) and their weights; the border is repeated."""
    centres = (np.arange(pixels) + 0.5) * tokens / pixels - 0.5
    offsets = np.arange(-1, 3)
    nearest = np.floor(centres).astype(np.int64)[:, None] + offsets
    weights = _cubic(np.abs(centres[:, None] - nearest)).astype(np.float32)
    return np.clip(nearest, 0, tokens - 1), weights


def _cubic(distance: np.ndarray) -> np.ndarray:
    a = _SHARPNESS
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


@njit(cache=True, nogil=True)
def _vote(labels, rows, row_weights, columns, column_weights):
    height, width = len(rows), len(columns)
    result = np.empty((height, width), np.int32)
    candidates = np.empty(16, np.int32)
    votes = np.empty(16, np.float32)
    for y in range(height):
        for x in range(width):
            found = 0
            for a in range(4):
                for b in range(4):
                    label = labels[rows[y, a], columns[x, b]]
                    slot = 0
                    while slot < found and candidates[slot] != label:
                        slot += 1
                    if slot == found:
                        candidates[slot], votes[slot] = label, 0
                        found += 1
                    votes[slot] += row_weights[y, a] * column_weights[x, b]
            best = 0
            for slot in range(1, found):
                if votes[slot] > votes[best]:
                    best = slot
            result[y, x] = candidates[best]
    return result
