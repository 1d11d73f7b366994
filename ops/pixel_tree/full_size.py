"""From leaves at working size to masks at the size of the photo."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from ops.pixel_tree.proposals import LeafSets
from stores.masks import MaskSet

_SIGMA = 1.0


def labels_at_size(labels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Leaf labels (h, w) carried to the size of the uint8 RGB (H, W, 3) image.

    A larger photo is not just enlarged: pixels next to an enlarged border are given to leaves anew, by a watershed of
    the photo's own gradient from the pixels that are certain.
    """
    size = image.shape[:2]
    if labels.shape == size:
        return labels
    rows = (np.arange(size[0]) * labels.shape[0] + labels.shape[0] // 2) // size[0]
    columns = (np.arange(size[1]) * labels.shape[1] + labels.shape[1] // 2) // size[1]
    enlarged = labels[np.minimum(rows, labels.shape[0] - 1)][:, np.minimum(columns, labels.shape[1] - 1)]
    if size[0] <= labels.shape[0]:
        return enlarged
    reach = int(np.ceil(size[0] / labels.shape[0]))
    return _resettle(enlarged, image, reach)


def _resettle(labels: np.ndarray, image: np.ndarray, reach: int) -> np.ndarray:
    window = 2 * reach + 1
    certain = ndimage.minimum_filter(labels, window) == ndimage.maximum_filter(labels, window)
    markers = np.where(certain, labels + 1, 0)
    lost = np.bincount(markers.reshape(-1), minlength=labels.max() + 2)[1:] == 0
    markers = np.where(lost[labels], labels + 1, markers)
    grey = image.mean(axis=2, dtype=np.float32)
    relief = ndimage.gaussian_gradient_magnitude(grey, _SIGMA)
    # Flooding starts only at the rim of what is certain; the queue need not hold the rest.
    open_or_rim = ndimage.maximum_filter(markers == 0, 3)
    flooded = watershed(relief, markers, mask=open_or_rim)
    return np.where(markers > 0, markers, flooded).astype(np.int32) - 1


def masks_of_sets(labels: np.ndarray, sets: LeafSets, scores: np.ndarray) -> MaskSet:
    """Masks in the frame of a label map (H, W), one a leaf set, empty ones left out."""
    boxes_of_leaves = leaf_boxes(labels, count=1 + int(max(labels.max(), sets.leaves.max(initial=0))))
    boxes, crops, kept = [], [], []
    member = np.zeros(len(boxes_of_leaves), bool)
    for index in range(len(sets)):
        leaves = sets.leaves[sets.offsets[index] : sets.offsets[index + 1]]
        top, left, bottom, right = box_around(boxes_of_leaves[leaves])
        if bottom <= top or right <= left:
            continue
        member[leaves] = True
        crops.append(member[labels[top:bottom, left:right]])
        member[leaves] = False
        boxes.append((left, top, right - left, bottom - top))
        kept.append(index)
    return MaskSet.from_crops(labels.shape, np.array(boxes, np.int32).reshape(-1, 4), crops, score=scores[kept])


def box_around(boxes: np.ndarray) -> np.ndarray:
    """(4,) top, left, bottom, right around boxes (n, 4) of the same."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def leaf_boxes(labels: np.ndarray, count: int) -> np.ndarray:
    """(count, 4) top, left, bottom, right of every leaf, the last two exclusive.

    A leaf that a smaller photo has no room for has an inverted box.
    """
    height, width = labels.shape
    boxes = np.full((count, 4), 0, np.int64)
    boxes[:, 0], boxes[:, 1] = height, width
    for index, found in enumerate(ndimage.find_objects(labels + 1)):
        if found is not None:
            boxes[index] = found[0].start, found[1].start, found[0].stop, found[1].stop
    return boxes
