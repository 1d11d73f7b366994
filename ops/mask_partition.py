"""Masks that may nest and overlap, painted into one label map: what is on top at a granularity."""

from __future__ import annotations

import numpy as np

from stores.masks import COLUMN_DTYPES, MaskSet, tight_box

NOTHING = -1


def fitted_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """(H, W) scaled down so that the longer side is at most `max_side` pixels; never up, no side below 1.

    Raises:
        ValueError: `max_side` is not positive.
    """
    if max_side < 1:
        raise ValueError(f"max_side must be at least 1 pixel, got {max_side}")
    scale = min(1.0, max_side / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def scaled_down(masks: MaskSet, max_side: int) -> tuple[MaskSet, np.ndarray]:
    """The masks of the image scaled so that its longer side is at most `max_side`, and which of `masks` they were.

    Every pixel takes the value under its centre, so that masks which nest or are disjoint still do and are. Masks
    that fall between the pixels are left out, and their children get their parents.

    Returns:
        m <= n masks in their old order, and their (m,) indices among `masks`.

    Raises:
        ValueError: `max_side` is not positive.
    """
    size = fitted_size(masks.size, max_side)
    if size == tuple(masks.size):
        return masks, np.arange(len(masks))
    rows, columns = (_centres(old, new) for old, new in zip(masks.size, size, strict=True))
    sampled = [_sampled(masks, index, rows, columns) for index in range(len(masks))]
    kept = np.flatnonzero([crop.size for _, crop in sampled])
    values = masks.take(kept)
    boxes = np.array([sampled[index][0] for index in kept], np.int32).reshape(-1, 4)
    crops = [sampled[index][1] for index in kept]
    columns_kept = {name: getattr(values, name) for name in COLUMN_DTYPES}
    return MaskSet.from_crops(size, boxes, crops, **columns_kept), kept


def partition_at(masks: MaskSet, granularity: float) -> np.ndarray:
    """Which mask each pixel shows at a granularity: the coarsest one there that is not coarser than `granularity`.

    Where all masks of a pixel are coarser, it shows the smallest of them, so that the picture stays covered from the
    finest to the coarsest setting. A mask under a parent that shows is left out altogether, also where it
    sticks out of it; of masks that overlap without nesting the smaller one is on top.

    Args:
        masks: masks with parents and granularity (`ops.mask_tree.build_tree` fills them).
        granularity: in [0.1, 1].

    Returns:
        (H, W) int32, an index into `masks`, or -1 where there is none.

    Raises:
        ValueError: a mask has no granularity.
    """
    if np.isnan(masks.granularity).any():
        raise ValueError("masks without granularity; fill it by ops.mask_tree.build_tree first")
    coarser = masks.granularity > granularity
    has_parent = masks.parent >= 0
    topmost = ~coarser & (~has_parent | coarser[masks.parent])
    large_first = np.argsort(-masks.areas(), kind="stable")
    order = np.concatenate([large_first[coarser[large_first]], large_first[topmost[large_first]]])
    return painted(masks, order)


def painted(masks: MaskSet, order: np.ndarray) -> np.ndarray:
    """The masks `order` painted one over the other, the last one on top: (H, W) int32, -1 where there is none."""
    labels = np.full(masks.size, NOTHING, np.int32)
    for index in order:
        x, y, w, h = masks.boxes[index]
        labels[y : y + h, x : x + w][masks.crop(index)] = index
    return labels


def _centres(old: int, new: int) -> np.ndarray:
    return ((np.arange(new) + 0.5) * old / new).astype(np.int64)


def _sampled(
    masks: MaskSet, index: int, rows: np.ndarray, columns: np.ndarray
) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """Mask `index` at the given rows and columns of the image: its tight box (x, y, w, h) among them, and its crop."""
    x, y, w, h = masks.boxes[index]
    top, bottom = np.searchsorted(rows, (y, y + h))
    left, right = np.searchsorted(columns, (x, x + w))
    crop = masks.crop(index)[rows[top:bottom] - y][:, columns[left:right] - x]
    inner_x, inner_y, inner_w, inner_h = tight_box(crop)
    box = (int(left) + inner_x, int(top) + inner_y, inner_w, inner_h)
    return box, crop[inner_y : inner_y + inner_h, inner_x : inner_x + inner_w]
