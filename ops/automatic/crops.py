"""Which parts of a photo are looked at, and where they are clicked (spec 10.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ops.automatic.settings import GeneratorSettings

_NEAR_EDGE = 20
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Crop:
    """A part of a photo: left, top, right, bottom in its pixels, and the layer (0: the whole photo)."""

    box: Box
    layer: int

    @property
    def area(self) -> int:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def cut(self, image: np.ndarray) -> np.ndarray:
        left, top, right, bottom = self.box
        return np.ascontiguousarray(image[top:bottom, left:right])


def crops_of(size: tuple[int, int], settings: GeneratorSettings) -> list[Crop]:
    """The whole photo of (H, W) `size`, then (2^i)² overlapping crops for each layer i; too small ones are left out."""
    height, width = size
    crops = [Crop((0, 0, width, height), 0)]
    for layer in range(1, settings.crop_n_layers + 1):
        across = 2**layer
        overlap = int(settings.crop_overlap_ratio * min(size) * (2 / across))
        crop_width, crop_height = (math.ceil((overlap * (across - 1) + length) / across) for length in (width, height))
        lefts = [int((crop_width - overlap) * i) for i in range(across)]
        tops = [int((crop_height - overlap) * i) for i in range(across)]
        crops += [
            Crop((left, top, min(left + crop_width, width), min(top + crop_height, height)), layer)
            for left in lefts
            for top in tops
        ]
    return crops


def grid_points(size: tuple[int, int], layer: int, settings: GeneratorSettings) -> np.ndarray:
    """Clicks (n², 2) of x and y in pixels of a crop of (H, W) `size`, row by row."""
    count = max(1, int(settings.points_per_side / settings.crop_n_points_downscale_factor**layer))
    places = (np.arange(count) + 0.5) / count
    x, y = np.meshgrid(places, places)
    return np.stack([x.ravel(), y.ravel()], 1) * [size[1], size[0]]


def cut_by_crop(boxes: np.ndarray, crop: Box, size: tuple[int, int]) -> np.ndarray:
    """Whether each box (n, 4) of left, top, right, bottom in the photo comes near an edge that is the crop's alone."""
    edges = np.array(crop)
    photo = np.array([0, 0, size[1], size[0]])
    near_crop = np.abs(boxes - edges) <= _NEAR_EDGE
    near_photo = np.abs(boxes - photo) <= _NEAR_EDGE
    return (near_crop & ~near_photo).any(1)
