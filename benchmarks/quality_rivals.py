"""Cheap ways to masks that any recipe has to beat, from scikit-image alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from skimage.segmentation import felzenszwalb, slic

from stores.masks import MaskSet, concatenate

_SCALES = (100, 300, 900)
_SEGMENTS = (50, 200)
_BOXES_A_SIDE = (2, 3, 5, 8, 12)
_LEAST_AREA = 100


def felzenszwalb_three_scales(image: np.ndarray) -> MaskSet:
    """All regions of three Felzenszwalb segmentations (sigma 0.8, min_size 100), larger ones first."""
    return _larger_first(_regions(_segmentations(image)))


def superpixels_and_boxes(image: np.ndarray) -> MaskSet:
    """The same, SLIC's regions at two counts and a grid of boxes at five sizes, larger ones first."""
    labels = [*_segmentations(image), *(slic(image, count, start_label=0) for count in _SEGMENTS)]
    boxes = MaskSet.from_dense(_boxes(image.shape[:2]), image.shape[:2])
    return _larger_first(concatenate([_regions(labels), boxes]))


def _segmentations(image: np.ndarray) -> list[np.ndarray]:
    return [felzenszwalb(image, scale=scale, sigma=0.8, min_size=_LEAST_AREA) for scale in _SCALES]


def _regions(label_maps: list[np.ndarray]) -> MaskSet:
    masks = (labels == label for labels in label_maps for label in np.unique(labels))
    return MaskSet.from_dense(masks, label_maps[0].shape)


def _boxes(size: tuple[int, int]) -> Iterable[np.ndarray]:
    for count in _BOXES_A_SIDE:
        rows = np.linspace(0, size[0], count + 1).astype(int)
        columns = np.linspace(0, size[1], count + 1).astype(int)
        for row in range(count):
            for column in range(count):
                box = np.zeros(size, bool)
                box[rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = True
                yield box


def _larger_first(masks: MaskSet) -> MaskSet:
    return masks.with_columns(score=masks.areas() / (masks.size[0] * masks.size[1]))
