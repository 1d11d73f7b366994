"""Masks and partitions of an image, made to follow its edges by a dense CRF (spec 2.2, 3.3)."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import binary_fill_holes

from ops.crf import DenseCrf
from ops.settings import CrfSettings
from ops.sharp_upsample import upsample_sharply
from ops.upsample import upsample_labels
from stores.masks import COLUMN_DTYPES, MaskSet, tight_box

_FRAME = 480  # long side in pixels of the photos for which the settings' deviations are stated


def refine_masks(image: np.ndarray, masks: MaskSet, settings: CrfSettings, *, photo_side: int | None = None) -> MaskSet:
    """Refine each mask by itself with a binary CRF, fill its holes, and bring it back to the image's size.

    A mask that changes beyond recognition, IoU below `min_iou`, keeps its old shape, or is dropped with
    `drop_changed`, unless that would leave the image without any mask.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: of the same size.
        photo_side: long side in pixels of the photo that the image is a crop of; None stands for the image's own.

    Returns:
        The masks in their order, boxes anew, columns as they were. Masks that were nested need not be so any more.

    Raises:
        ValueError: masks and image differ in size.
    """
    if tuple(masks.size) != image.shape[:2]:
        raise ValueError(f"masks of (H, W) = {tuple(masks.size)} for an image of {image.shape[:2]}")
    if not len(masks):
        return masks
    small = _shrunk(image, settings.size)
    before = np.stack([_shrunk_mask(masks.dense(index), small.shape[:2]) for index in range(len(masks))])
    after = _crf(small, image, settings, photo_side).refine(before)
    for mask in after:
        _fill_holes(mask)
    recognised = _ious(before, after) >= settings.min_iou
    refined = _reshaped(image, masks, small, after, recognised)
    if settings.drop_changed and recognised.any():
        return refined.take(np.flatnonzero(recognised))
    return refined


def refine_leaves(
    image: np.ndarray, labels: np.ndarray, settings: CrfSettings, *, photo_side: int | None = None
) -> np.ndarray:
    """Refine a partition with one CRF of as many classes; unions of its labels follow the image's edges and nest.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (h, w) int32, at the image's size or coarser, as a grid of tokens.
        photo_side: long side in pixels of the photo that the image is a crop of; None stands for the image's own.

    Returns:
        (H, W) int32; a label may have lost all its pixels.
    """
    small = _shrunk(image, settings.size)
    if labels.shape == image.shape[:2] != small.shape[:2]:
        rows, columns = (np.arange(s) * n // s for s, n in zip(small.shape[:2], labels.shape, strict=True))
        coarse = labels[np.ix_(rows, columns)]
    else:
        coarse = upsample_labels(labels, small.shape[:2])
    refined = _crf(small, image, settings, photo_side).refine_partition(coarse)
    return upsample_sharply(refined, small, image)


def _crf(small: np.ndarray, image: np.ndarray, settings: CrfSettings, photo_side: int | None) -> DenseCrf:
    """A CRF whose deviations are the same share of the photo at every size."""
    scale = max(small.shape[:2]) / max(image.shape[:2]) * (photo_side or max(image.shape[:2])) / _FRAME
    deviations = {"gaussian_sxy": settings.gaussian_sxy * scale, "bilateral_sxy": settings.bilateral_sxy * scale}
    return DenseCrf(small, settings.model_copy(update=deviations))


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """The image with a long side of at most `side` pixels, its aspect kept; never enlarged."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _shrunk_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size[::-1], Image.Resampling.BOX)) > 127


def _fill_holes(mask: np.ndarray) -> None:
    x, y, w, h = tight_box(mask)
    crop = mask[y : y + h, x : x + w]
    crop[:] = binary_fill_holes(crop)


def _ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of (n, h, w) masks one by one; 0 for two empty ones."""
    shared, either = (first & second).sum((1, 2)), (first | second).sum((1, 2))
    return shared / np.maximum(either, 1)


def _reshaped(
    image: np.ndarray, masks: MaskSet, small: np.ndarray, after: np.ndarray, recognised: np.ndarray
) -> MaskSet:
    """The masks with the recognised ones in their new shapes at full size."""
    boxes, crops = masks.boxes.copy(), [masks.crop(index) for index in range(len(masks))]
    for index in np.flatnonzero(recognised):
        top, left, bottom, right = _full_size_box(after[index], image.shape[:2])
        drawn = upsample_sharply(after[index].view(np.uint8), small, image, (top, left, bottom, right)) > 0
        x, y, w, h = tight_box(drawn)
        if w:
            boxes[index], crops[index] = (left + x, top + y, w, h), drawn[y : y + h, x : x + w]
    return MaskSet.from_crops(masks.size, boxes, crops, **{name: getattr(masks, name) for name in COLUMN_DTYPES})


def _full_size_box(mask: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a small mask can have pixels at full size: top, left, bottom, right."""
    x, y, w, h = tight_box(mask)
    rows, columns = size[0] / mask.shape[0], size[1] / mask.shape[1]
    top, left = int((y - 2) * rows), int((x - 2) * columns)
    bottom, right = int((y + h + 2) * rows) + 1, int((x + w + 2) * columns) + 1
    return max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])
