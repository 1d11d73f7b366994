"""Non-maximum suppression of masks: exact, or with the window of the papers' code (spec 3.2)."""

from __future__ import annotations

import numpy as np
from numba import njit

from ops.overlap import WordRows, intersection
from stores.masks import MaskSet


def distinct(masks: MaskSet) -> np.ndarray:
    """Indices of the masks without exact copies of earlier ones, ascending."""
    kept: list[int] = []
    by_box: dict[bytes, list[np.ndarray]] = {}
    for i in range(len(masks)):
        bits = masks.bits[masks.offsets[i] : masks.offsets[i + 1]]
        same_box = by_box.setdefault(masks.boxes[i].tobytes(), [])
        if not any(np.array_equal(bits, other) for other in same_box):
            same_box.append(bits)
            kept.append(i)
    return np.array(kept, np.int64)


def suppress(
    masks: MaskSet, iou: float, *, window: int | None = None, priority: np.ndarray | None = None
) -> np.ndarray:
    """Keep masks in order of priority and drop each that overlaps a kept one by more than `iou`.

    Args:
        masks: n masks of one image.
        iou: the largest intersection over union that two kept masks may have.
        window: as the papers' code: a kept mask is compared with the `window - 1` next ones only, kept or dropped,
            so that copies further away survive (spec 3.2); None compares all.
        priority: (n,), higher goes first; None takes the area. The earlier of two equal masks goes first.

    Returns:
        Indices of the kept masks, highest priority first.
    """
    ranks = masks.areas() if priority is None else np.asarray(priority)
    order = np.argsort(-ranks, kind="stable")
    if window is None:
        order = order[distinct(masks.take(order))]
    rows = WordRows.of(masks.take(order))
    reach = len(order) if window is None else window
    return order[_sweep(rows.words, rows.offsets, rows.layout, rows.areas, iou, reach)]


@njit(cache=True, nogil=True)
def _sweep(words, offsets, layout, areas, iou, reach):
    """Which masks stay, (n,) bool; an IoU is at most the ratio of the areas, so that most pairs need no counting."""
    n = len(areas)
    kept = np.ones(n, np.bool_)
    for i in range(n):
        if not kept[i]:
            continue
        for j in range(i + 1, min(n, i + reach)):
            if not kept[j] or min(areas[i], areas[j]) <= iou * max(areas[i], areas[j]):
                continue
            shared = intersection(words, offsets, layout, i, j)
            kept[j] = shared <= iou * (areas[i] + areas[j] - shared)
    return kept
