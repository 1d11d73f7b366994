"""Mask logits of a coarse grid to packed masks of the photo, row by row, without a full-size logit (spec 4.4)."""

from __future__ import annotations

import math

import numpy as np

from ops.kernels import kernel


@kernel
def positive_boxes(logits: np.ndarray, size: tuple[int, int], boxes: np.ndarray) -> None:
    """Boxes x0, y0, x1, y1 of the photo's pixels that can have a positive logit, into (n, 4); zeros where none can.

    A bilinear value is positive only beside a positive grid point.
    """
    for mask in range(len(logits)):
        height, width = logits[mask].shape
        left, top, right, bottom = width, height, -1, -1
        for row in range(height):
            for column in range(width):
                if logits[mask, row, column] > 0:
                    left, right = min(left, column), max(right, column)
                    top, bottom = min(top, row), max(bottom, row)
        if right < 0:
            boxes[mask] = 0
            continue
        across, down = size[1] / width, size[0] / height
        boxes[mask, 0] = max(0, math.floor((left - 0.5) * across) - 1)
        boxes[mask, 1] = max(0, math.floor((top - 0.5) * down) - 1)
        boxes[mask, 2] = min(size[1], math.ceil((right + 1.5) * across) + 1)
        boxes[mask, 3] = min(size[0], math.ceil((bottom + 1.5) * down) + 1)


@kernel
def enlarge(logits: np.ndarray, size: tuple[int, int], box: np.ndarray, mask: np.ndarray) -> tuple[float, int]:
    """Where the logits (h, w), resized bilinearly to `size`, are positive inside `box`, into `mask` (rows, columns).

    As `interpolate` with `align_corners=False`: a pixel's centre is looked up, the border is repeated.

    Returns:
        Sum of the probabilities of the positive pixels, and their number.
    """
    height, width = logits.shape
    line = np.empty(width, np.float32)
    total = 0.0
    count = 0
    for row in range(box[3] - box[1]):
        v = min(max((box[1] + row + 0.5) * height / size[0] - 0.5, 0.0), height - 1.0)
        top = math.floor(v)
        bottom = min(top + 1, height - 1)
        down = np.float32(v - top)
        for column in range(width):
            line[column] = logits[top, column] + down * (logits[bottom, column] - logits[top, column])
        for column in range(box[2] - box[0]):
            u = min(max((box[0] + column + 0.5) * width / size[1] - 0.5, 0.0), width - 1.0)
            left = math.floor(u)
            right = min(left + 1, width - 1)
            value = line[left] + np.float32(u - left) * (line[right] - line[left])
            mask[row, column] = value > 0
            if value > 0:
                total += 1 / (1 + math.exp(-value))
                count += 1
    return total, count
