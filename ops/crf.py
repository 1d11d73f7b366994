"""Dense CRF by mean field (Kraehenbuehl and Koltun 2011), one lattice for all masks of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ops.crf_windows import Window, boxes_of_labels, boxes_of_masks, group_boxes
from ops.kernels import kernel
from ops.mean_field import add_to_totals, divide_by_totals, keep_largest, set_exponentials, set_sigmoids
from ops.permutohedral import Lattice, build_lattice, stack
from ops.settings import CrfSettings

_TILE = 32
_WHOLE_SHARE = 0.7
_INSIDE = 1 / (1 + math.exp(-1))  # CutLER's unary: the softmax of [1 - m, m] (spec 2.2)
_OUTSIDE = 1 - _INSIDE


class DenseCrf:
    """Dense CRFs over the pixels of one image.

    The energy is that of pydensecrf with its defaults: Potts, a Gaussian and a bilateral kernel, each normalised
    symmetrically, mean field from the unary. Source of the constants: spec 2.2.

    Masks or labels are channels of the lattice, four at a time, each within a window that reaches one bilateral
    deviation beyond it. What lies further away is as good as certain after the first iteration, and the first
    iteration is known there without any work.
    """

    def __init__(self, image: np.ndarray, settings: CrfSettings) -> None:
        """Build the lattice of an image.

        Args:
            image: (h, w, 3) uint8 RGB at the size at which the CRF is to run.
            settings: deviations in pixels and grey levels, weights, iterations.

        Raises:
            ValueError: the image is not (h, w, 3) uint8 with at least one pixel.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"an (h, w, 3) uint8 image expected, got {image.shape} {image.dtype}")
        self.size: tuple[int, int] = image.shape[:2]
        self.settings = settings
        self._order = _pixel_order(*self.size)
        features = _bilateral_features(image, self._order, settings.bilateral_sxy, settings.bilateral_srgb)
        bilateral = build_lattice(features).normalised().scaled(math.sqrt(settings.bilateral_compat))
        self._lattice = stack([bilateral, _gaussian(*self.size, settings.gaussian_sxy, settings.gaussian_compat)])
        self._mass = self._lattice.filter(np.ones((len(self._order), 1), np.float32))

    def refine(self, masks: np.ndarray) -> np.ndarray:
        """Run a binary CRF on each mask.

        The two classes' probabilities sum to one, so what their pixels say to each other is 2 K q - K 1, with one
        channel q a mask.

        Args:
            masks: (n, h, w) bool.

        Returns:
            (n, h, w) bool, the likelier class of each pixel; an empty mask stays empty.

        Raises:
            ValueError: masks are not of the image's size.
        """
        if masks.ndim != 3 or masks.shape[1:] != self.size:
            raise ValueError(f"masks of shape (n, {self.size[0]}, {self.size[1]}) expected, got {masks.shape}")
        flat = np.ascontiguousarray(masks, bool).reshape(len(masks), len(self._order))
        refined = np.zeros_like(flat)
        tables = self._lattice.new_tables()
        for window in self._windows(boxes_of_masks(masks)):
            pixels = self._order[window.points]
            for lane, index in enumerate(window.members):
                window.masks[:, lane] = flat[index, pixels]
            self._solve_binary(window, tables)
            for lane, index in enumerate(window.members):
                refined[index, pixels] = window.values[:, lane] > 0.5
        return refined.reshape(masks.shape)

    def refine_partition(self, labels: np.ndarray, confidence: float = _INSIDE) -> np.ndarray:
        """Run one CRF with as many classes as there are labels.

        Args:
            labels: (h, w) integers; each value is a class.
            confidence: probability that a pixel's label is right before its surroundings are looked at.

        Returns:
            (h, w) of the same integer type, the likeliest label of each pixel. About 60 bytes a label and pixel of
            its window are in use meanwhile.

        Raises:
            ValueError: labels are not of the image's size.
        """
        if labels.shape != self.size:
            raise ValueError(f"labels of shape {self.size} expected, got {labels.shape}")
        names, classes = np.unique(labels, return_inverse=True)
        if len(names) == 1:
            return labels.copy()
        own = classes.reshape(-1).astype(np.int32)[self._order]
        windows = list(self._windows(boxes_of_labels(classes.reshape(self.size), len(names))))
        for window in windows:
            window.masks[:, : len(window.members)] = own[window.points, None] == window.members
        refined = np.empty_like(classes.reshape(-1))
        refined[self._order] = self._solve_partition(windows, own, len(names), confidence)
        return names[refined].reshape(self.size)

    def _windows(self, boxes: np.ndarray) -> Iterator[Window]:
        margin = math.ceil(self.settings.bilateral_sxy)
        for members, (top, left, bottom, right) in group_boxes(boxes, margin, self.size):
            if (bottom - top) * (right - left) > _WHOLE_SHARE * len(self._order):
                yield Window(members, np.arange(len(self._order)), self._lattice, self._mass)
                continue
            inside = np.zeros(self.size, bool)
            inside[top:bottom, left:right] = True
            points = np.flatnonzero(inside.reshape(-1)[self._order])
            yield Window(members, points, self._lattice.restricted(points), self._mass[points])

    def _solve_binary(self, window: Window, tables: np.ndarray) -> None:
        """Leave the foreground probabilities in the window's values; outside they start as _OUTSIDE and are 0 then."""
        unary = 2 * window.masks - 1
        bias, gain = unary + np.float32(2 * _OUTSIDE - 1) * window.mass, 2 * (_INSIDE - _OUTSIDE)
        window.values[:] = window.masks
        for iteration in range(self.settings.iterations):
            window.lattice.apply(window.values, tables, window.messages)
            crossed = set_sigmoids(bias, gain, window.messages, window.values)
            if iteration and not crossed:
                return
            bias, gain = unary - window.mass, 2.0

    def _solve_partition(self, windows: list[Window], own: np.ndarray, classes: int, confidence: float) -> np.ndarray:
        """Likeliest class (n,) of each point; outside its window a class is as likely as `others`, and then 0."""
        others = (1 - confidence) / (classes - 1)
        evidence = math.log(confidence / others)
        first = (others, confidence - others)
        tables = self._lattice.new_tables()
        for window in windows:
            window.values[:] = window.masks
        best = own
        for iteration in range(self.settings.iterations):
            before, floor, gain = best, *(first if iteration == 0 else (0.0, 1.0))
            totals = np.zeros(len(own), np.float32)
            largest, best = np.zeros(len(own), np.float32), np.empty_like(own)
            for window in windows:
                window.lattice.apply(window.values, tables, window.messages)
                bias = evidence * window.masks + (floor - 1) * window.mass
                set_exponentials(bias, gain, window.messages, window.values)
                window.values[:, len(window.members) :] = 0
                add_to_totals(window.points, window.values, totals)
                keep_largest(window.points, window.values, window.members.astype(np.int32), largest, best)
            for window in windows:
                divide_by_totals(window.points, totals, window.values)
            if iteration and np.array_equal(before, best):
                break
        return best


@lru_cache(maxsize=4)
def _pixel_order(height: int, width: int) -> np.ndarray:
    """Pixels (height · width,) tile by tile, so that what follows each other in memory lies close in the image."""
    rows, columns = np.indices((height, width))
    tiles = (rows // _TILE) * math.ceil(width / _TILE) + columns // _TILE
    return np.argsort(tiles.reshape(-1), kind="stable")


@lru_cache(maxsize=4)
def _gaussian(height: int, width: int, sxy: float, compat: float) -> Lattice:
    """The Gaussian kernel depends on the image's size alone."""
    pixels = _pixel_order(height, width)
    features = np.stack([pixels % width, pixels // width], axis=1) / sxy
    return build_lattice(features).normalised().scaled(math.sqrt(compat))


@kernel
def _bilateral_features(image: np.ndarray, order: np.ndarray, sxy: float, srgb: float) -> np.ndarray:
    """Features (n, 5) float32 of the pixels in the given order: x, y, r, g, b in standard deviations."""
    width = image.shape[1]
    features = np.empty((len(order), 5), np.float32)
    for point in range(len(order)):
        row, column = order[point] // width, order[point] % width
        features[point, 0] = column / sxy
        features[point, 1] = row / sxy
        for channel in range(3):
            features[point, 2 + channel] = image[row, column, channel] / srgb
    return features
