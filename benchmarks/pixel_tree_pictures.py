"""The pictures of docs/labels.md, from scikit-image's sample photos.

python -m benchmarks.pixel_tree_pictures docs/pictures
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from skimage.color import label2rgb
from skimage.data import astronaut, coffee

from models.backbones import load_backbone
from ops.pictures import jpeg_under, overlay_at_granularity, resized
from ops.pixel_tree.boundaries import find_boundaries
from ops.pixel_tree.recipe import pixel_tree, working_image
from ops.pixel_tree.stages import stage_maps
from ops.pixel_tree.superpixels import segment_leaves
from ops.settings import LabelSettings
from stores.masks import MaskSet

_SIDE = 320
_GRANULARITIES = (0.2, 0.5, 0.9)


def steps_picture(image: np.ndarray, masks: MaskSet, stages: list[np.ndarray], settings: LabelSettings) -> np.ndarray:
    """Photo, boundary map, superpixels, and the partition at three granularities, in two rows of three."""
    working = working_image(image, settings.pixel_tree.side)
    detail = find_boundaries(working, stages[0]).detail
    grey = np.clip(255 * detail / np.quantile(detail, 0.99), 0, 255).astype(np.uint8)
    leaves = label2rgb(segment_leaves(detail, settings.pixel_tree.max_leaves), working, kind="avg", bg_label=-1)
    tiles = [image, np.repeat(grey[..., None], 3, axis=2), leaves.astype(np.uint8)]
    tiles += [overlay_at_granularity(image, masks, granularity) for granularity in _GRANULARITIES]
    return _rows([resized(tile, _SIDE) for tile in tiles], 3)


def ranked_picture(image: np.ndarray, masks: MaskSet, count: int = 24) -> np.ndarray:
    """The first masks in order, each alone on its darkened photo."""
    tiles = [np.where(masks.dense(i)[..., None], image, image // 5).astype(np.uint8) for i in range(count)]
    return _rows([resized(tile, _SIDE // 2) for tile in tiles], 6)


def _rows(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    height, width = (min(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    cropped = [tile[:height, :width] for tile in tiles]
    return np.concatenate([np.concatenate(cropped[i : i + columns], axis=1) for i in range(0, len(tiles), columns)])


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    settings, backbone = LabelSettings(), load_backbone()

    def label(image: np.ndarray) -> MaskSet:
        return pixel_tree(image, MaskSet.empty(image.shape[:2]), backbone, settings)

    cup, person = coffee(), astronaut()
    stages = stage_maps(working_image(cup, settings.pixel_tree.side), backbone, settings.pixel_tree.feature_side)
    (folder / "labels_coffee.jpg").write_bytes(jpeg_under(steps_picture(cup, label(cup), stages, settings)))
    (folder / "labels_astronaut_ranked.jpg").write_bytes(jpeg_under(ranked_picture(person, label(person))))


if __name__ == "__main__":
    main()
