"""The two steps from a photo to its mask tree, as the settings' recipe has them."""

from __future__ import annotations

import numpy as np

from models.backbone import Backbone
from ops.divide import divide_image
from ops.features import extract
from ops.settings import LabelSettings
from stores.masks import MaskSet


def divide(
    image: np.ndarray, backbone: Backbone, settings: LabelSettings, *, tokens: np.ndarray | None = None
) -> MaskSet:
    """MaskCut's objects in the frame of the image.

    Args:
        image: (H, W, 3) uint8.
        tokens: (h, w, C) features of the whole image, where they are at hand.
    """
    if tokens is None:
        tokens = extract(backbone, [image], settings.backbone.size)[0]
    return divide_image(image, tokens, settings, backbone.defaults)


def hierarchy(image: np.ndarray, divide: MaskSet, backbone: Backbone, settings: LabelSettings) -> MaskSet:
    """Masks at every granularity with their tree, by the recipe that the settings name.

    Args:
        image: (H, W, 3) uint8.
        divide: MaskCut's objects in its frame.
    """
    if settings.recipe == "pixel_tree":
        from ops.pixel_tree.recipe import pixel_tree

        return pixel_tree(image, divide, backbone, settings)
    from ops.conquer import conquer_image

    return conquer_image(image, divide, backbone, settings)
