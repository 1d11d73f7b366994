"""Where the labels of UnSAM+ come from, to be seen: human masks in one colour, added ones in another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ops.pictures import contact_sheet, overlay
from ops.settings import LimitSettings
from ops.shard_samples import sample_images
from stores.mask_store import MaskShardReader
from stores.masks import SOURCES, MaskSet
from stores.shards import ShardSource

HUMAN_COLOUR, ADDED_COLOUR = (31, 119, 255), (255, 140, 0)
_SHOWN = 6


def origin_overlay(image: np.ndarray, masks: MaskSet, max_side: int = 512) -> np.ndarray:
    """Masks over their photo (H, W, 3): human ones blue, all others orange; (h, w, 3) uint8."""
    human = masks.source == SOURCES.index("human")
    return overlay(image, masks, max_side, np.where(human[:, None], HUMAN_COLOUR, ADDED_COLOUR).astype(np.uint8))


def origin_sheet(
    source: ShardSource, masks: MaskShardReader, annotated: Sequence[str], limits: LimitSettings
) -> np.ndarray:
    """Some photos of a shard with their labels; those with human masks (`annotated`), where there are any."""
    keys = [key for key in masks.keys if key in set(annotated)] or masks.keys
    tiles = [origin_overlay(image, masks[key]) for key, image in sample_images(source, keys, limits, _SHOWN)]
    return contact_sheet(tiles)
