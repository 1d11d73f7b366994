"""Oriented histogram differences: how unlike are the two sides of a line through each pixel (Martin et al. 2004)."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel

UNKNOWN = -1.0  # position of a sample that lies outside the image


def histogram_gradient(positions: np.ndarray, bins: int, radius: int, orientations: int) -> np.ndarray:
    """Half-disc chi-squared differences, the discs taken as rectangles (Catanzaro et al. 2009).

    The image is turned so that each orientation becomes a column scan with running histograms.

    Args:
        positions: (C, H, W) float32, where each pixel falls among the bins, in [0, bins - 1); linear binning.
        bins: histogram length.
        radius: width in pixels of the rectangle on each side; its height is 1.4 times that.
        orientations: how many directions in [0, pi).

    Returns:
        (orientations, C, H, W) float32 in [0, 1].
    """
    _, height, width = positions.shape
    half_height = max(1, round(0.7 * radius))
    gradients = np.empty((orientations, *positions.shape), np.float32)
    for index in range(orientations):
        angle = np.pi * index / orientations
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        turned_height = int(np.ceil(abs(cosine) * height + abs(sine) * width)) + 2
        turned_width = int(np.ceil(abs(cosine) * width + abs(sine) * height)) + 2
        turned = _turn(positions, cosine, sine, turned_height, turned_width)
        gradients[index] = _turn_back(_side_differences(turned, bins, radius, half_height), cosine, sine, height, width)
    return gradients


@kernel
def _turn(source: np.ndarray, cosine: float, sine: float, out_height: int, out_width: int) -> np.ndarray:
    """Nearest-neighbour rotation about the centre; what lies outside is UNKNOWN."""
    channels, height, width = source.shape
    turned = np.full((channels, out_height, out_width), UNKNOWN, np.float32)
    for row in range(out_height):
        for column in range(out_width):
            dx, dy = column - (out_width - 1) / 2, row - (out_height - 1) / 2
            x = int(np.floor(cosine * dx - sine * dy + (width - 1) / 2 + 0.5))
            y = int(np.floor(sine * dx + cosine * dy + (height - 1) / 2 + 0.5))
            if 0 <= x < width and 0 <= y < height:
                for channel in range(channels):
                    turned[channel, row, column] = source[channel, y, x]
    return turned


@kernel
def _turn_back(turned: np.ndarray, cosine: float, sine: float, height: int, width: int) -> np.ndarray:
    """Bilinear inverse of `_turn`, for values that lie half a pixel left of their column."""
    channels, turned_height, turned_width = turned.shape
    result = np.zeros((channels, height, width), np.float32)
    for row in range(height):
        for column in range(width):
            dx, dy = column - (width - 1) / 2, row - (height - 1) / 2
            x = cosine * dx + sine * dy + (turned_width - 1) / 2 + 0.5
            y = -sine * dx + cosine * dy + (turned_height - 1) / 2
            left, top = int(np.floor(x)), int(np.floor(y))
            right_share, bottom_share = x - left, y - top
            for v in range(2):
                for h in range(2):
                    if 0 <= top + v < turned_height and 0 <= left + h < turned_width:
                        share = (bottom_share if v else 1 - bottom_share) * (right_share if h else 1 - right_share)
                        for channel in range(channels):
                            result[channel, row, column] += share * turned[channel, top + v, left + h]
    return result


@kernel
def _side_differences(positions: np.ndarray, bins: int, radius: int, half_height: int) -> np.ndarray:
    """Chi-squared difference of the rectangles left and right of each pixel's left edge, (C, H, W)."""
    channels, height, width = positions.shape
    differences = np.zeros((channels, height, width), np.float32)
    for channel in range(channels):
        columns = np.zeros((width, bins), np.float32)
        for entering in range(min(half_height, height)):
            _count(columns, positions[channel, entering], 1.0)
        for row in range(height):
            if row + half_height < height:
                _count(columns, positions[channel, row + half_height], 1.0)
            if row - half_height - 1 >= 0:
                _count(columns, positions[channel, row - half_height - 1], -1.0)
            _scan_row(columns, radius, 0.05 * radius * (2 * half_height + 1), differences[channel, row])
    return differences


@kernel
def _count(columns: np.ndarray, positions: np.ndarray, sign: float) -> None:
    """Add (or take away) one row of samples to the histogram of each column."""
    for column in range(len(positions)):
        position = positions[column]
        if position >= 0:
            lower = int(position)
            upper_share = position - lower
            columns[column, lower] += sign * (1 - upper_share)
            columns[column, lower + 1] += sign * upper_share


@kernel
def _scan_row(columns: np.ndarray, radius: int, least_mass: float, differences: np.ndarray) -> None:
    """Slide both rectangles along one row of column histograms."""
    width, bins = columns.shape
    left, right = np.zeros(bins, np.float32), np.zeros(bins, np.float32)
    for column in range(min(radius, width)):
        right += columns[column]
    for column in range(width):
        left_mass, right_mass = np.float32(0), np.float32(0)
        for k in range(bins):
            left_mass += left[k]
            right_mass += right[k]
        if left_mass > least_mass and right_mass > least_mass:
            total = np.float32(0)
            for k in range(bins):
                a, b = left[k] / left_mass, right[k] / right_mass
                if a + b > 1e-6:
                    total += (a - b) ** 2 / (a + b)
            differences[column] = 0.5 * total
        for k in range(bins):
            left[k] += columns[column, k]
            right[k] -= columns[column, k]
            if column >= radius:
                left[k] -= columns[column - radius, k]
            if column + radius < width:
                right[k] += columns[column + radius, k]
