"""MaskCut once more, step by step as spec 2.2 has it, dense and slow: what `ops.maskcut` is compared with.

The solver is the papers' own: LAPACK's generalised eigen-solve in double precision, of the smallest values only.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.ndimage import label


def plain_affinity(tokens, tau, eps):
    """Step 2: weights (n, n) of tokens (n, C) that are unit or zero."""
    return np.where(tokens @ tokens.T > tau, 1.0, eps)


def plain_vector(weights):
    """Step 3: second generalised eigenvector, its entry of largest magnitude positive, and its value.

    Also how well these are determined: the least of the gap to the next value, and of the share by which the largest
    magnitude of one sign exceeds that of the other.
    """
    degrees = np.diag(weights.sum(axis=1))
    values, vectors = eigh(degrees - weights, degrees, subset_by_index=[1, min(2, len(weights) - 1)])
    vector = vectors[:, 0]
    gap = values[1] - values[0] if len(values) > 1 else np.inf
    lead = abs(vector.max() + vector.min()) / np.abs(vector).max()
    return vector * np.sign(vector[np.argmax(np.abs(vector))]), values[0], min(gap, lead)


def plain_foreground(vector, there):
    """Steps 4 to 6 on a grid (h, w): every component of the object's side, and the label of its seed's."""
    inside = there & (vector > vector[there].mean())
    corners = int(inside[0, 0]) + int(inside[0, -1]) + int(inside[-1, 0]) + int(inside[-1, -1])
    seed = np.unravel_index(np.argmax(np.where(there, vector, -np.inf)), vector.shape)
    if corners >= 3:
        inside = there & ~inside
        seed = np.unravel_index(np.argmin(np.where(there, vector, np.inf)), vector.shape)
    labels, _ = label(inside)
    return labels, labels[seed]


def plain_maskcut(tokens, settings, tau):
    """Masks (n, h, w) bool and eigenvalues of unit tokens (h, w, C), and the least margin of its cuts."""
    grid, flat = tokens.shape[:2], tokens.reshape(-1, tokens.shape[2])
    masks, values, least_margin = [], [], np.inf
    painted, previous = np.zeros(grid, bool), np.zeros(grid, bool)
    for iteration in range(settings.max_masks):
        kept = ~painted.ravel() if settings.painted == "remove" else np.ones(painted.size, bool)
        if kept.sum() < 2:
            break
        vector = np.zeros(painted.size)
        weights = plain_affinity((flat * ~painted.reshape(-1, 1))[kept], np.float32(tau), settings.eps)
        vector[kept], value, margin = plain_vector(weights)
        if value > settings.max_eigenvalue or value > 1 - 1e-9:
            break
        least_margin = min(least_margin, margin)
        labels, principal = plain_foreground(vector.reshape(grid), kept.reshape(grid))
        mask = labels == principal
        others = painted if settings.overlap_with == "union" else previous
        overlap = (mask & others).sum() / (mask | others).sum()
        if iteration and (overlap > settings.overlap_iou or mask.mean() <= settings.min_area):
            if settings.after_rejection == "stop":
                break
            previous = np.zeros(grid, bool)
            continue
        if (mask & ~painted).any():
            masks.append(mask & ~painted)
            values.append(value)
        painted, previous = painted | mask, mask
    return np.array(masks, bool).reshape(-1, *grid), values, least_margin
