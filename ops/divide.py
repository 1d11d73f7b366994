"""Objects of one image in its own frame: MaskCut on its tokens, brought to pixels and refined (spec 2.2)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from models.backbone import BackboneDefaults
from ops.features import normalise_tokens
from ops.maskcut import maskcut
from ops.refine import refine_masks
from ops.settings import LabelSettings
from stores.masks import SOURCES, MaskSet


def divide_image(image: np.ndarray, tokens: np.ndarray, settings: LabelSettings, defaults: BackboneDefaults) -> MaskSet:
    """MaskCut's objects of an (H, W, 3) uint8 image whose features are `tokens` (h, w, C).

    Returns:
        One mask an object, in the order in which they were cut; the CRF's shape where `divide.refine` asks for it.
    """
    tau = defaults.tau if settings.divide.tau is None else settings.divide.tau
    found = maskcut(normalise_tokens(tokens, defaults.centre), settings.divide, tau).masks
    height, width = image.shape[:2]
    dense = [np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)) for mask in found]
    masks = MaskSet.from_dense(dense, (height, width), source=SOURCES.index("divide"))
    masks = masks.take(np.flatnonzero(masks.areas() > 0))
    return refine_masks(image, masks, settings.crf) if settings.divide.refine and len(masks) else masks
