"""The backbone's features of several depths, compressed and freed of the dilation's row pattern."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from models.backbone import Backbone
from models.input_sides import nearest_side
from ops.features import normalise_pixels

DIMENSIONS = 32  # kept of each stage
_OVERSAMPLING = 8
_FLOOR = 1e-6
_MANY_TOKENS, _SAMPLE_STEP = 1500, 3  # of many tokens every third finds the axes


def stage_maps(image: np.ndarray, backbone: Backbone, side: int) -> list[np.ndarray]:
    """Unit features of every stage, shallow to deep: float32 (h_i, w_i, DIMENSIONS) each.

    Args:
        image: uint8 RGB (H, W, 3).
        backbone: with `.stages`.
        side: length in pixels of the longer side of the network's input; the aspect is kept to a multiple of 32.
    """
    with torch.inference_mode():
        stages = [stage[0].cpu().numpy() for stage in backbone.stages(network_input(image, side))]
    return [compress(stage) for stage in stages]


def network_input(image: np.ndarray, side: int) -> torch.Tensor:
    """Normalised pixels (1, 3, h, w) of a uint8 RGB image whose longer side is brought to `side`, multiples of 32."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = nearest_side(width * scale), nearest_side(height * scale)
    resized = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    return normalise_pixels(resized[None])


def compress(features: np.ndarray, dimensions: int = DIMENSIONS) -> np.ndarray:
    """Centred features (h, w, C) on their principal axes as unit vectors, (h, w, min(dimensions, C)) float32.

    A dilated network computes odd and even rows (and columns) of tokens apart, and their norms differ; the filter
    (1, 2, 1) / 4 is zero at just that frequency. Axes by a subspace iteration with a fixed start (Halko et al. 2011).
    """
    height, width, channels = features.shape
    tokens = features.reshape(-1, channels).astype(np.float32)
    tokens = tokens - tokens.mean(axis=0)
    kept = min(dimensions, channels)
    sample = tokens[:: _SAMPLE_STEP if len(tokens) > _MANY_TOKENS else 1]
    start = np.random.default_rng(0).standard_normal((channels, min(kept + _OVERSAMPLING, channels)), np.float32)
    basis = np.linalg.qr(sample.T @ (sample @ start))[0]
    basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    reduced = tokens @ basis
    axes = np.linalg.svd(reduced.T @ reduced)[2][:kept]
    compressed = (reduced @ axes.T).reshape(height, width, kept)
    for axis in (0, 1):
        compressed = ndimage.convolve1d(compressed, np.array([0.25, 0.5, 0.25], np.float32), axis=axis, mode="nearest")
    return compressed / (np.linalg.norm(compressed, axis=-1, keepdims=True) + _FLOOR)


def sample_map(grid: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear samples (n, d) of a (h, w, d) grid at positions given as shares of its height and width in [0, 1]."""
    height, width = grid.shape[:2]
    y = np.clip(rows * height - 0.5, 0, height - 1)
    x = np.clip(columns * width - 0.5, 0, width - 1)
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down = (y - top)[:, None].astype(np.float32)
    across = (x - left)[:, None].astype(np.float32)
    upper = grid[top, left] * (1 - across) + grid[top, right] * across
    lower = grid[bottom, left] * (1 - across) + grid[bottom, right] * across
    return upper * (1 - down) + lower * down
