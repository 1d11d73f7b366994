"""MaskCut: objects of one image by repeated normalised cuts of its tokens (CutLER; spec 2.2, fixes of 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy import ndimage

from ops.affinity import BinaryAffinity
from ops.eigen import CutVector, second_eigenvector
from ops.settings import DivideSettings

_STRUCTURELESS = 1 - 1e-9
_CORNERS_OF_BACKGROUND = 3


@dataclass(frozen=True, eq=False)
class TokenMasks:
    """Masks of n objects on a token grid, in the order in which they were cut, and what each cut looked like.

    masks: (n, h, w) bool, disjoint. eigenvalues: (n,) value of the cut, lower is cleaner. gaps: (n,) distance of the
    next eigenvalue; a mask with a tiny gap is one of several equally good ones. steps: (n,) products of the solver.
    """

    masks: np.ndarray
    eigenvalues: np.ndarray
    gaps: np.ndarray
    steps: np.ndarray


def maskcut(tokens: np.ndarray, settings: DivideSettings, tau: float) -> TokenMasks:
    """Cut objects out of a grid of unit tokens until none is left, or `settings.max_masks` are found.

    Args:
        tokens: (h, w, C) float32 of length 1 (`ops.features.normalise_tokens`); h and w may differ and may be 1.
        settings: limits, and where to follow the papers' code instead of its fixes.
        tau: edge threshold on the cosine.

    Raises:
        ValueError: tokens of another shape or not finite.
    """
    tokens = np.asarray(tokens, np.float32)
    if tokens.ndim != 3:
        raise ValueError(f"tokens of shape (h, w, C) expected, got {tokens.shape}")
    if not np.isfinite(tokens).all():
        raise ValueError("tokens hold values that are not finite")
    grid = tokens.shape[:2]
    found = list(islice(_objects(tokens, settings, tau), settings.max_masks))
    return TokenMasks(
        masks=np.array([mask for mask, _ in found], bool).reshape(-1, *grid),
        eigenvalues=np.array([cut.eigenvalue for _, cut in found], np.float64),
        gaps=np.array([cut.gap for _, cut in found], np.float64),
        steps=np.array([cut.steps for _, cut in found], np.int64),
    )


def _objects(tokens: np.ndarray, settings: DivideSettings, tau: float) -> Iterator[tuple[np.ndarray, CutVector]]:
    """Accepted components and their cuts; a mask never holds what an earlier one has."""
    grid = tokens.shape[:2]
    graph = BinaryAffinity.from_tokens(tokens.reshape(-1, tokens.shape[2]), tau, settings.eps)
    painted = np.zeros(grid, bool)
    previous = np.zeros(grid, bool)
    for index in range(settings.max_masks):
        if np.count_nonzero(graph.alive) < 2:
            return
        cut = second_eigenvector(graph, settings.tolerance)
        if cut.eigenvalue > min(settings.max_eigenvalue, _STRUCTURELESS):
            return
        parts = foreground(cut.vector.reshape(grid), graph.alive.reshape(grid), settings.components == "all")
        others = painted if settings.overlap_with == "union" else previous
        if index and _rejected(parts[0], others, settings):
            if settings.after_rejection == "stop":
                return
            previous = np.zeros(grid, bool)
            continue
        parts = [parts[0], *(part for part in parts[1:] if part.mean() > settings.min_area)]
        for part in parts:
            if (part & ~painted).any():
                yield part & ~painted, cut
        previous = np.any(parts, axis=0)
        painted = painted | previous
        paint = graph.remove if settings.painted == "remove" else graph.isolate
        graph = paint(previous.ravel())


def foreground(vector: np.ndarray, alive: np.ndarray, every_component: bool) -> list[np.ndarray]:
    """Objects on the foreground side of a cut (spec 2.2 steps 4 to 6).

    The cut is at the vector's mean. The side of the entry of largest magnitude, the seed, is the foreground, unless it
    holds three corners of the grid or more: then it is the other side, whose seed is its farthest entry. Ties go to
    the lowest index.

    Args:
        vector: (h, w), its entry of largest magnitude positive. alive: (h, w) bool, tokens in the graph.
        every_component: give all 4-connected components, the seed's first, then by falling area; else the seed's only.
    """
    inside = alive & (vector > vector[alive].mean())
    corners = inside[[0, 0, -1, -1], [0, -1, 0, -1]]
    if np.count_nonzero(corners) >= _CORNERS_OF_BACKGROUND:
        vector, inside = -vector, alive & ~inside
    seed = np.argmax(np.where(alive, vector, -np.inf))
    labels, count = ndimage.label(inside)
    principal = labels.ravel()[seed]
    if not every_component:
        return [labels == principal]
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    others = [label for label in np.argsort(-areas, kind="stable") + 1 if label != principal]
    return [labels == label for label in (principal, *others)]


def _rejected(mask: np.ndarray, others: np.ndarray, settings: DivideSettings) -> bool:
    overlap = np.count_nonzero(mask & others) / np.count_nonzero(mask | others)
    return bool(overlap > settings.overlap_iou or mask.mean() <= settings.min_area)
