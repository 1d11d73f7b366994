"""Label maps and activations as pictures: side by side for the page and for the user interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from ops.pictures import contact_sheet, resized
from ops.settings import LimitSettings
from ops.shard_samples import sample_images
from stores.label_map_store import LabelShardReader
from stores.label_maps import voc_palette
from stores.shards import ShardSource

TILE = 224
_SHOWN = 4
_GAP = 6
_TINT = 0.65


def labels_over(image: np.ndarray, labels: np.ndarray, side: int = TILE) -> np.ndarray:
    """Classes in VOC's colours over their photo, (h, w, 3) uint8; background keeps the photo, 255 is white.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        side: longer side of the picture in pixels.
    """
    small = resized(image, side)
    own = np.asarray(Image.fromarray(labels).resize(small.shape[1::-1], Image.Resampling.NEAREST))
    share = np.where(own > 0, _TINT, 0.0)[..., None]
    palette = voc_palette()
    palette[255] = 255
    return np.round(small * (1 - share) + palette[own] * share).astype(np.uint8)


def heat_over(image: np.ndarray, heat: np.ndarray, side: int = TILE) -> np.ndarray:
    """Activations (H, W) uint8 over their photo, from the photo's grey to red, (h, w, 3) uint8."""
    small = resized(image, side)
    share = np.asarray(Image.fromarray(heat).resize(small.shape[1::-1], Image.Resampling.BILINEAR))[..., None] / 255
    grey = np.repeat(small.mean(axis=2, keepdims=True) * 0.6, 3, axis=2)
    return np.round(grey * (1 - share) + np.array([255, 60, 30]) * share).clip(0, 255).astype(np.uint8)


def panel(image: np.ndarray, heat: np.ndarray | None, layers: Mapping[str, np.ndarray], side: int = TILE) -> np.ndarray:
    """Photo, heat and label maps beside each other, (h, w, 3) uint8."""
    pictures = [resized(image, side), *([] if heat is None else [heat_over(image, heat, side)])]
    pictures += [labels_over(image, labels, side) for labels in layers.values()]
    return contact_sheet(pictures, columns=len(pictures), tile=side, gap=_GAP)


def captioned(picture: np.ndarray, words: Mapping[int, str], side: int) -> np.ndarray:
    """A row of tiles (h, w, 3) uint8 with words in the top left corner of some; `words` by the number of the tile."""
    drawn = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawn)
    for number, text in words.items():
        place = (number * (side + _GAP) + 3, 2)
        pen.rectangle(pen.textbbox(place, text), fill="white")
        pen.text(place, text, fill="black")
    return np.asarray(drawn)


def label_sheet(
    source: ShardSource, readers: Sequence[LabelShardReader], heat: LabelShardReader | None, limits: LimitSettings
) -> np.ndarray:
    """A few images of a shard, each as photo, heat where there is a reader for it, and the labels of each reader."""
    rows = []
    for key, image in sample_images(source, readers[-1].keys, limits, _SHOWN):
        layers = {str(index): reader.layer(key, "labels") for index, reader in enumerate(readers) if key in reader}
        rows.append(panel(image, heat.layer(key, "heat") if heat else None, layers))
    return contact_sheet(rows, columns=1, tile=max((row.shape[1] for row in rows), default=TILE))
