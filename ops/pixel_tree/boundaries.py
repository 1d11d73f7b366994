"""Boundary strength of every pixel from colour at two scales and from the backbone's first stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray, rgb2lab
from skimage.filters import sobel
from skimage.transform import resize

from ops.pixel_tree.half_disc import histogram_gradient

CUES = ("gradient", "histogram", "feature")
_LAB_SPREAD = np.array([20.0, 10.0, 10.0], np.float32)  # typical deviations of L, a, b in photos
_BINS = 12
_RADIUS = 5
_ORIENTATIONS = 6
_FINE_SIGMA = 1.2
_FEATURE_SIGMA = 1.0


@dataclass(frozen=True)
class Boundaries:
    """Colours and boundary cues of one image at working size.

    lab: (H, W, 3) float32. cues: (3, H, W) float32, each about 1 on a clear boundary, in the order of `CUES`.
    detail: (H, W) float32, what the superpixels follow.
    """

    lab: np.ndarray
    cues: np.ndarray
    detail: np.ndarray


def find_boundaries(image: np.ndarray, first_stage: np.ndarray) -> Boundaries:
    """Cues of a uint8 RGB (H, W, 3) image and its first stage (h, w, d), unit features."""
    lab = rgb2lab(image).astype(np.float32)
    fine = _colour_gradient(lab)
    half = histogram_strength(lab, 2)
    quarter = _enlarge(histogram_strength(lab, 4), half.shape)
    size = lab.shape[:2]
    histogram = _enlarge(half, size)
    detail = fine + 3 * _enlarge(half + 0.5 * quarter, size)
    feature = _enlarge(feature_strength(first_stage), size)
    return Boundaries(lab, np.stack([5 * fine, 3 * histogram, 6 * feature]), detail)


def sobel_boundaries(image: np.ndarray) -> Boundaries:
    """The same from the Sobel filter of brightness alone, in place of every cue."""
    lab = rgb2lab(image).astype(np.float32)
    strength = (5 * sobel(rgb2gray(image))).astype(np.float32)
    return Boundaries(lab, np.stack([strength] * len(CUES)), strength)


def _colour_gradient(lab: np.ndarray) -> np.ndarray:
    """Largest directional derivative of Lab over all directions (Di Zenzo 1986), (H, W)."""
    channels = np.moveaxis(lab / _LAB_SPREAD, -1, 0)
    sigma = (0, _FINE_SIGMA, _FINE_SIGMA)
    return _largest_derivative(
        ndimage.gaussian_filter(channels, sigma, order=(0, 0, 1)),
        ndimage.gaussian_filter(channels, sigma, order=(0, 1, 0)),
        axis=0,
    )


def feature_strength(features: np.ndarray) -> np.ndarray:
    """Largest directional derivative of a (h, w, d) feature grid, (h, w)."""
    sigma = (_FEATURE_SIGMA, _FEATURE_SIGMA, 0)
    return _largest_derivative(
        ndimage.gaussian_filter(features, sigma, order=(0, 1, 0), mode="nearest"),
        ndimage.gaussian_filter(features, sigma, order=(1, 0, 0), mode="nearest"),
        axis=-1,
    )


def _largest_derivative(dx: np.ndarray, dy: np.ndarray, axis: int) -> np.ndarray:
    xx, yy, xy = (dx * dx).sum(axis), (dy * dy).sum(axis), (dx * dy).sum(axis)
    return np.sqrt(0.5 * (xx + yy) + np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)).astype(np.float32)


def histogram_strength(lab: np.ndarray, shrink: int) -> np.ndarray:
    """Largest half-disc difference over orientations, summed over L, a, b, at 1 / `shrink` of the size."""
    small = _shrink(lab, shrink)
    scaled = np.stack([small[..., 0] / 100, (small[..., 1] + 60) / 120, (small[..., 2] + 60) / 120])
    positions = np.clip(scaled * (_BINS - 1), 0, _BINS - 1.001).astype(np.float32)
    return histogram_gradient(positions, _BINS, _RADIUS, _ORIENTATIONS).sum(axis=1).max(axis=0)


def _shrink(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor x factor blocks; edge pixels are repeated where a block is not full."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor, -1)
    return blocks.mean(axis=(1, 3))


def _enlarge(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return resize(values, size, order=1, mode="edge", anti_aliasing=False).astype(np.float32)
