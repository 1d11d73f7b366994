"""Holes and islands: small ones are removed from masks (spec 10.2, last step)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label

from stores.masks import MaskSet, tight_box

_EIGHT = np.ones((3, 3), int)


def without_small_regions(masks: MaskSet, smallest: int) -> tuple[MaskSet, np.ndarray]:
    """Masks with holes, then islands, of fewer than `smallest` pixels removed; the largest island always stays.

    Regions are 8-connected, as SAM's; what reaches the outside of a mask's box is no hole.

    Returns:
        the masks, and (n,) bool: which of them were changed.
    """
    boxes, crops = np.zeros((len(masks), 4), np.int32), []
    changed = np.zeros(len(masks), bool)
    for index in range(len(masks)):
        x, y, _, _ = (int(value) for value in masks.boxes[index])
        before = masks.crop(index)
        after = _without_islands(_without_holes(before, smallest), smallest)
        changed[index] = not np.array_equal(after, before)
        left, top, w, h = tight_box(after) if after.size else (0, 0, 0, 0)
        boxes[index] = (x + left, y + top, w, h) if w else 0
        crops.append(after[top : top + h, left : left + w])
    cleaned = MaskSet.from_crops(masks.size, boxes, crops)
    columns = ("score", "level", "theta", "parent", "granularity", "source", "confidence")
    return cleaned.with_columns(**{name: getattr(masks, name) for name in columns}), changed


def _without_holes(mask: np.ndarray, smallest: int) -> np.ndarray:
    regions, count = label(~np.pad(mask, 1), _EIGHT)
    filled = np.bincount(regions.ravel(), minlength=count + 1) < smallest
    filled[[0, regions[0, 0]]] = False
    return mask | filled[regions][1:-1, 1:-1]


def _without_islands(mask: np.ndarray, smallest: int) -> np.ndarray:
    regions, count = label(mask, _EIGHT)
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    areas[0] = 0
    kept = areas >= smallest
    kept[int(areas.argmax())] = True
    kept[0] = False
    return kept[regions]
