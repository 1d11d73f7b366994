"""Nested masks of any photo by Felzenszwalb's segmentation, for tests that need a plausible tree without a network."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import felzenszwalb

from stores.masks import NO_PARENT, SOURCES, MaskSet

FINEST, SMALLEST = 0.1, 8


def nested_felzenszwalb(image: np.ndarray, scales: tuple[int, ...] = (150, 400, 1000, 3000)) -> MaskSet:
    """Regions at rising scales, each region of one scale handed whole to the region of the next that holds most of it.

    Args:
        image: (H, W, 3) uint8.
        scales: rising Felzenszwalb scales.

    Returns:
        masks in order fine to coarse with parent, level, granularity and a score; exactly nested.
    """
    labels = _regions(image, scales[0])
    masks = [labels == region for region in range(labels.max() + 1)]
    parent = [NO_PARENT] * len(masks)
    mask_of = np.arange(len(masks))
    for scale in scales[1:]:
        labels, region_of = _handed_over(labels, _regions(image, scale))
        mask_of_region = np.full(labels.max() + 1, NO_PARENT)
        for region in range(labels.max() + 1):
            parts = mask_of[region_of == region]
            mask_of_region[region] = parts[0]
            if len(parts) > 1:
                mask_of_region[region] = len(masks)
                masks.append(labels == region)
                parent.append(NO_PARENT)
                for part in parts:
                    parent[part] = len(masks) - 1
        mask_of = mask_of_region
    found = MaskSet.from_dense(masks, image.shape[:2], source=SOURCES.index("tree"))
    return with_tree_columns(found, np.array(parent))


def _regions(image: np.ndarray, scale: int) -> np.ndarray:
    return felzenszwalb(image, scale=scale, sigma=0.6, min_size=scale // 3 + SMALLEST)


def _handed_over(labels: np.ndarray, coarse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each of `labels` the coarse region that holds most of it: the new label map, and each one's region."""
    counts = np.zeros((labels.max() + 1, coarse.max() + 1), np.int64)
    np.add.at(counts, (labels.ravel(), coarse.ravel()), 1)
    _, region_of = np.unique(counts.argmax(axis=1), return_inverse=True)
    return region_of[labels], region_of


def with_tree_columns(masks: MaskSet, parent: np.ndarray) -> MaskSet:
    """Fill level, granularity and score from the parents."""
    roots, levels = _roots_and_levels(parent)
    areas = masks.areas()
    granularity = np.ones(len(masks))
    for root in np.unique(roots):
        members = roots == root
        size = np.sqrt(areas[members])
        if np.ptp(size) > 0:
            granularity[members] = FINEST + (1 - FINEST) * (size - size.min()) / np.ptp(size)
    score = 1 / (1 + levels)
    return masks.with_columns(parent=parent, level=levels, granularity=granularity, score=score)


def _roots_and_levels(parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    roots, levels = np.arange(len(parent)), np.zeros(len(parent), int)
    for i in range(len(parent)):
        node = i
        while parent[node] >= 0:
            node = parent[node]
            levels[i] += 1
        roots[i] = node
    return roots, levels
