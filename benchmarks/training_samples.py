"""Photos of scikit-image with a stack of superpixel masks: mask sets as large as real labels, without any data set."""

from __future__ import annotations

import numpy as np
from skimage import data
from skimage.segmentation import slic

from stores.masks import MaskSet

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket")
_LEVELS = (8, 32, 120, 340)


class SuperpixelSource:
    """A training source of four photos with about 500 masks each, as many as the default recipe keeps."""

    def __init__(self, levels: tuple[int, ...] = _LEVELS) -> None:
        self._items = [superpixel_masks(getattr(data, name)(), levels) for name in PHOTOS]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        return self._items[index]


def superpixel_masks(image: np.ndarray, levels: tuple[int, ...]) -> tuple[np.ndarray, MaskSet]:
    """A photo and the superpixels of all levels as its masks."""
    masks = []
    for count in levels:
        labels = slic(image, count, compactness=5, start_label=0)
        masks += [labels == label for label in range(labels.max() + 1)]
    return image, MaskSet.from_dense(masks, image.shape[:2])
