"""Point-sampled mask losses on the CPU: value and gradient in one pass, without a tensor a step in between.

`transformers` makes a dozen tensors of (masks, points) an output; most of a training step on a CPU goes there. Here
each mask is one loop over its points, on a copy with a rim of zeros, so that no point needs a test for the border.
`ops.mask_losses` has the same in torch operations, for other devices.
"""

from __future__ import annotations

import math

import numpy as np

from ops.kernels import kernel

_HALF = np.float32(0.5)
_ONE = np.float32(1)


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
    probabilities = np.empty(count, np.float32)
    targets = np.empty(count, np.float32)
    doubt = np.empty(candidates.shape[1], np.float32)
    rimmed = np.zeros((logits.shape[1] + 2, logits.shape[2] + 2), np.float32)
    slopes = np.zeros_like(rimmed)
    for mask in range(span[0], span[1]):
        rimmed[1:-1, 1:-1] = logits[mask]
        _pick_points(rimmed, candidates[mask], others[mask], uncertain, doubt, points)
        target = bits[target_of[mask]]
        entropy, shared, total = 0.0, 0.0, 0.0
        for i in range(count):
            logit = _bilinear(rimmed, points[i, 0], points[i, 1])
            truth = _bilinear_bit(target, width, points[i, 0], points[i, 1])
            decay = math.exp(-abs(logit))
            share = _ONE / (_ONE + decay)
            probability = share if logit >= 0 else decay * share
            entropy += max(logit, np.float32(0)) - logit * truth + math.log1p(decay)
            shared += probability * truth
            total += probability + truth
            probabilities[i] = probability
            targets[i] = truth
        if drop_iou >= 0 and shared <= drop_iou * (total - shared):
            losses[mask] = 0
            continue
        ratio = (2 * shared + 1) / (total + 1)
        losses[mask, 0] = entropy / count
        losses[mask, 1] = 1 - ratio
        slopes[:] = 0
        of_entropy, of_dice, level = (
            np.float32(weights[0] / count),
            np.float32(weights[1] / (total + 1)),
            np.float32(ratio),
        )
        for i in range(count):
            probability, truth = probabilities[i], targets[i]
            slope = (level - 2 * truth) * probability * (_ONE - probability)
            _spread(slopes, points[i, 0], points[i, 1], of_entropy * (probability - truth) + of_dice * slope)
        gradient[mask] = slopes[1:-1, 1:-1]


@kernel
def _pick_points(rimmed, candidates, others, uncertain, doubt, points):
    """The candidates with the smallest absolute logits, then the others, into `points`."""
    for i in range(len(candidates)):
        doubt[i] = abs(_bilinear(rimmed, candidates[i, 0], candidates[i, 1]))
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
    points[used:] = others


@kernel
def _bilinear(rimmed, x, y):
    """Value at x, y in [0, 1] of the map inside the rim (1 + h + 1, 1 + w + 1), as `grid_sample` with zeros outside."""
    u = x * np.float32(rimmed.shape[1] - 2) + _HALF
    v = y * np.float32(rimmed.shape[0] - 2) + _HALF
    left, top = np.int32(u), np.int32(v)
    across, down = u - np.float32(left), v - np.float32(top)
    upper = rimmed[top, left] + across * (rimmed[top, left + 1] - rimmed[top, left])
    lower = rimmed[top + 1, left] + across * (rimmed[top + 1, left + 1] - rimmed[top + 1, left])
    return upper + down * (lower - upper)


@kernel
def _spread(rimmed, x, y, amount):
    """Add `amount` to the pixels that `_bilinear` reads, by their weights."""
    u = x * np.float32(rimmed.shape[1] - 2) + _HALF
    v = y * np.float32(rimmed.shape[0] - 2) + _HALF
    left, top = np.int32(u), np.int32(v)
    across, down = u - np.float32(left), v - np.float32(top)
    above, below = (_ONE - down) * amount, down * amount
    rimmed[top, left] += (_ONE - across) * above
    rimmed[top, left + 1] += across * above
    rimmed[top + 1, left] += (_ONE - across) * below
    rimmed[top + 1, left + 1] += across * below


@kernel
def _bilinear_bit(bits, width, x, y):
    """As `_bilinear`, of a packed mask (H, W / 8) without a rim."""
    u = x * np.float32(width) + _HALF
    v = y * np.float32(bits.shape[0]) + _HALF
    right, bottom = np.int32(u), np.int32(v)
    across, down = u - np.float32(right), v - np.float32(bottom)
    upper = _pair(bits, width, bottom - 1, right, across)
    lower = _pair(bits, width, bottom, right, across)
    return upper + down * (lower - upper)


@kernel
def _pair(bits, width, row, right, across):
    """Row `row` between the pixels `right - 1` and `right`; zero outside."""
    if row < 0 or row >= bits.shape[0]:
        return np.float32(0)
    first, second = np.float32(0), np.float32(0)
    if right >= 1:
        first = np.float32((bits[row, (right - 1) >> 3] >> (7 - ((right - 1) & 7))) & 1)
    if right < width:
        second = np.float32((bits[row, right >> 3] >> (7 - (right & 7))) & 1)
    return first + across * (second - first)
