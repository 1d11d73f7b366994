"""Point-sampled mask losses on the CPU: value and gradient in one pass, without a tensor a step in between.

`transformers` makes a dozen tensors of (masks, points) an output; most of a training step on a CPU goes there. Here
each mask is one loop over its points. `ops.mask_losses` has the same in torch operations, for other devices.
"""

from __future__ import annotations

import math

import numpy as np

from ops.kernels import kernel


@kernel
def sample_shared_points(bits: np.ndarray, width: int, points: np.ndarray, values: np.ndarray) -> None:
    """Bilinear values of all masks `bits` (M, H, W / 8) at points (P, 2) into `values` (M, P)."""
    for mask in range(len(bits)):
        for point in range(len(points)):
            values[mask, point] = _bilinear_bit(bits[mask], width, points[point, 0], points[point, 1])


@kernel
def point_losses(
    logits: np.ndarray,
    bits: np.ndarray,
    width: int,
    target_of: np.ndarray,
    candidates: np.ndarray,
    others: np.ndarray,
    uncertain: int,
    weights: tuple[float, float],
    drop_iou: float,
    span: tuple[int, int],
    losses: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Binary cross-entropy and dice of masks `span[0]` to `span[1]` at their points, and their gradient.

    Shapes for K matched masks: logits (K, h, w) float32; bits (T, H, W / 8) uint8; target_of (K,), rows of `bits`;
    candidates (K, C, 2), of which the `uncertain` ones with the smallest absolute logit are used; others (K, R, 2),
    all used. Filled: losses (K, 2), BCE mean over points and dice; gradient (K, h, w), zeros before, of
    `weights[0] * BCE + weights[1] * dice`. A mask whose soft IoU is at most `drop_iou` has neither.
    """
    count = uncertain + others.shape[1]
    points = np.empty((count, 2), np.float32)
    probabilities = np.empty(count)
    targets = np.empty(count)
    for mask in range(span[0], span[1]):
        _pick_points(logits[mask], candidates[mask], others[mask], uncertain, points)
        target = bits[target_of[mask]]
        entropy = 0.0
        shared = 0.0
        total = 0.0
        positive = 0.0
        for i in range(count):
            logit = _bilinear(logits[mask], points[i, 0], points[i, 1])
            truth = _bilinear_bit(target, width, points[i, 0], points[i, 1])
            decay = math.exp(-abs(logit))
            probability = 1 / (1 + decay) if logit >= 0 else decay / (1 + decay)
            entropy += max(logit, 0.0) - logit * truth + math.log1p(decay)
            shared += probability * truth
            total += probability + truth
            positive += truth
            probabilities[i] = probability
            targets[i] = truth
        if drop_iou >= 0 and shared <= drop_iou * (total - shared):
            losses[mask] = 0
            continue
        losses[mask, 0] = entropy / count
        losses[mask, 1] = 1 - (2 * shared + 1) / (total + 1)
        ratio = (2 * shared + 1) / (total + 1)
        for i in range(count):
            probability = probabilities[i]
            slope = (ratio - 2 * targets[i]) / (total + 1) * probability * (1 - probability)
            change = weights[0] * (probability - targets[i]) / count + weights[1] * slope
            _spread(gradient[mask], points[i, 0], points[i, 1], change)


@kernel
def _pick_points(logits, candidates, others, uncertain, points):
    """The candidates with the smallest absolute logits, then the others, into `points`."""
    doubt = np.empty(len(candidates), np.float32)
    for i in range(len(candidates)):
        doubt[i] = abs(_bilinear(logits, candidates[i, 0], candidates[i, 1]))
    used = 0
    if uncertain > 0:
        limit = np.partition(doubt, uncertain - 1)[uncertain - 1]
        for i in range(len(candidates)):
            if doubt[i] < limit:
                points[used] = candidates[i]
                used += 1
        for i in range(len(candidates)):
            if used == uncertain:
                break
            if doubt[i] == limit:
                points[used] = candidates[i]
                used += 1
    points[used : used + len(others)] = others


@kernel
def _bilinear(grid, x, y):
    """Value of `grid` (h, w) at x, y in [0, 1]; zero outside, as `grid_sample` with `align_corners=False`."""
    height, width = grid.shape
    u = x * np.float32(width) - np.float32(0.5)
    v = y * np.float32(height) - np.float32(0.5)
    left = math.floor(u)
    top = math.floor(v)
    across = u - left
    down = v - top
    value = 0.0
    if top >= 0:
        if left >= 0:
            value += (1 - across) * (1 - down) * grid[top, left]
        if left + 1 < width:
            value += across * (1 - down) * grid[top, left + 1]
    if top + 1 < height:
        if left >= 0:
            value += (1 - across) * down * grid[top + 1, left]
        if left + 1 < width:
            value += across * down * grid[top + 1, left + 1]
    return value


@kernel
def _spread(grid, x, y, amount):
    """Add `amount` to the pixels that `_bilinear` reads, by their weights."""
    height, width = grid.shape
    u = x * np.float32(width) - np.float32(0.5)
    v = y * np.float32(height) - np.float32(0.5)
    left = math.floor(u)
    top = math.floor(v)
    across = u - left
    down = v - top
    if top >= 0:
        if left >= 0:
            grid[top, left] += (1 - across) * (1 - down) * amount
        if left + 1 < width:
            grid[top, left + 1] += across * (1 - down) * amount
    if top + 1 < height:
        if left >= 0:
            grid[top + 1, left] += (1 - across) * down * amount
        if left + 1 < width:
            grid[top + 1, left + 1] += across * down * amount


@kernel
def _bilinear_bit(bits, width, x, y):
    """`_bilinear` of a packed mask (H, W / 8)."""
    height = bits.shape[0]
    u = x * np.float32(width) - np.float32(0.5)
    v = y * np.float32(height) - np.float32(0.5)
    left = math.floor(u)
    top = math.floor(v)
    across = u - left
    down = v - top
    value = 0.0
    for row in range(max(top, 0), min(top + 2, height)):
        weight = down if row > top else 1 - down
        for column in range(max(left, 0), min(left + 2, width)):
            if (bits[row, column >> 3] >> (7 - (column & 7))) & 1:
                value += weight * (across if column > left else 1 - across)
    return value
