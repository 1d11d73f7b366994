"""Masks of a photo by a grouping model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ops.grouping.consensus import consensus
from ops.grouping.settings import GroupingPrediction
from ops.grouping.views import propose, turns
from ops.pixel_tree.recipe import working_image
from ops.settings import PixelTreeSettings
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel


def grouped_masks(image: np.ndarray, model: GroupingModel, settings: GroupingPrediction, most: int = 1000) -> MaskSet:
    """At most `most` masks of one uint8 RGB (H, W, 3) image at every granularity, best first, without a tree."""
    options = PixelTreeSettings()
    proposed = [
        propose(image, view, model, options, settings.candidates, settings.quality_weight, leader)
        for view, leader in turns(settings.views, model.head_count)
    ]
    frame = working_image(image, max(view.side for view in settings.views)).shape[:2]
    return consensus(image, [found for found in proposed if found is not None], settings, frame, most)
