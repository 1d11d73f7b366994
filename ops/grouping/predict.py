"""Masks of a photo by a grouping model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ops.grouping.consensus import consensus
from ops.grouping.settings import GroupingPrediction
from ops.grouping.views import Looks, backbone_maps, embedding_maps, propose
from ops.pixel_tree.recipe import working_image
from ops.settings import PixelTreeSettings
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel


@lru_cache(maxsize=1)
def looks_of(model: GroupingModel) -> Mapping[str, Looks]:
    """What a view's `features` stand for; both of them come from the model's own weights."""
    from models.grouping import backbone_of

    return {"backbone": backbone_maps(backbone_of(model)), "model": embedding_maps(model)}


def grouped_masks(
    image: np.ndarray,
    looks: Mapping[str, Looks],
    settings: GroupingPrediction,
    most: int = 1000,
) -> MaskSet:
    """At most `most` masks of one uint8 RGB (H, W, 3) image at every granularity, best first, without a tree.

    Args:
        looks: of `looks_of`.
    """
    options = PixelTreeSettings()
    proposed = [propose(image, view, looks[view.features], options, settings.candidates) for view in settings.views]
    frame = working_image(image, max(view.side for view in settings.views)).shape[:2]
    return consensus(image, [found for found in proposed if found is not None], settings, frame, most)
