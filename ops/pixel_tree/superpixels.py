"""The leaves of the tree: watershed basins of the boundary map, and what is summed over each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.morphology import local_minima
from skimage.segmentation import watershed

from ops.pixel_tree.stages import sample_map

_STEPS = 4096  # levels of boundary strength in a unit
_LIGHTNESS_BINS, _HUE_BINS = 8, 12


@dataclass(frozen=True)
class Leaves:
    """Superpixels of one image and additive descriptors (sums over pixels), n leaves.

    Shapes:
        labels: (H, W) int32 in 0 … n - 1. rows, columns: (n,) centre of each, as shares of height and width.
        area: (n,) float32 pixels. frame: (n,) float32, pixels that lie on the frame of the image.
        colour: (n, 3) Lab. histogram: (n, bins). embedding: (n, D), the stages side by side; stage i is
            columns blocks[i]:blocks[i + 1].
    """

    labels: np.ndarray
    area: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    frame: np.ndarray
    colour: np.ndarray
    histogram: np.ndarray
    embedding: np.ndarray
    blocks: np.ndarray

    def __len__(self) -> int:
        return len(self.area)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        return self.rows, self.columns


def segment_leaves(detail: np.ndarray, most: int) -> np.ndarray:
    """Watershed basins of a boundary map (H, W) as int32 labels from 0, smoothed until there are at most `most`.

    The map is rounded, so that a flat image is one basin and not the noise of its own arithmetic. A basin has one
    minimum, and minima are counted sooner than basins are flooded.
    """
    sigma = 0.0
    while True:
        relief = ndimage.gaussian_filter(detail, sigma) if sigma else detail
        relief = np.rint(relief * _STEPS).astype(np.int32)
        minima, count = ndimage.label(local_minima(relief, connectivity=1))
        if count <= most:
            return np.maximum(watershed(relief, minima).astype(np.int32) - 1, 0)
        sigma += 0.5


def describe_leaves(labels: np.ndarray, lab: np.ndarray, stages: list[np.ndarray]) -> Leaves:
    """Sum colours, histograms and the features of all stages, (h_i, w_i, d_i) each, over every leaf."""
    height, width = labels.shape
    count = int(labels.max()) + 1
    flat = labels.reshape(-1)
    area = np.bincount(flat, minlength=count).astype(np.float32)
    rows = np.bincount(flat, np.repeat(np.arange(height) + 0.5, width), count) / area / height
    columns = np.bincount(flat, np.tile(np.arange(width) + 0.5, height), count) / area / width
    embedding = np.concatenate([sample_map(stage, rows, columns) for stage in stages], axis=1) * area[:, None]
    colour = np.stack([np.bincount(flat, lab[..., k].reshape(-1), count) for k in range(3)], axis=1)
    blocks = np.cumsum([0] + [stage.shape[-1] for stage in stages]).astype(np.int64)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return Leaves(
        labels=labels,
        area=area,
        rows=rows,
        columns=columns,
        frame=np.bincount(border, minlength=count).astype(np.float32),
        colour=colour.astype(np.float32),
        histogram=_histograms(flat, lab, count),
        embedding=embedding.astype(np.float32),
        blocks=blocks,
    )


def _histograms(flat: np.ndarray, lab: np.ndarray, count: int) -> np.ndarray:
    """Linear-binned histograms of L, a and b side by side, each leaf's row summing to its area."""
    parts = []
    ranges = ((_LIGHTNESS_BINS, 0.0, 100.0), (_HUE_BINS, -60.0, 60.0), (_HUE_BINS, -60.0, 60.0))
    for channel, (bins, low, high) in enumerate(ranges):
        scaled = (lab[..., channel].reshape(-1) - low) / (high - low) * (bins - 1)
        position = np.clip(scaled, 0, bins - 1.001)
        lower = position.astype(np.int64)
        share = position - lower
        cells = flat.astype(np.int64) * bins + lower
        sums = np.bincount(cells, 1 - share, count * bins) + np.bincount(cells + 1, share, count * bins)
        parts.append(sums.reshape(count, bins))
    return (np.concatenate(parts, axis=1) / len(ranges)).astype(np.float32)
