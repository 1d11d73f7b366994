"""The frame of a photo and that of the model's square input, and the way from one to the other (spec 10.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image

from ops.features import normalise_pixels

_TAPS = 3


@dataclass(frozen=True)
class Taps:
    """How the values along one side of a photo follow from those along one side of a grid of logits.

    Shapes for n pixels: first (n,) int64, the first of three neighbouring grid values; weights (n, 3) float32.
    """

    first: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Frame:
    """A photo of (H, W) `size` whose longer side becomes `side` pixels; the rest of the square is padding.

    Coordinates are scaled as SAM does it: by the rounded sides' ratio, without a half pixel's shift.
    """

    size: tuple[int, int]
    side: int

    @property
    def input_size(self) -> tuple[int, int]:
        """(h, w) of the photo inside the square."""
        height, width = (max(1, int(length * self.side / max(self.size) + 0.5)) for length in self.size)
        return height, width

    def pixels(self, image: np.ndarray) -> torch.Tensor:
        """The model's input (1, 3, side, side) of a uint8 RGB photo (H, W, 3)."""
        height, width = self.input_size
        resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        square = torch.zeros(1, 3, self.side, self.side)
        square[:, :, :height, :width] = normalise_pixels(resized[None])
        return square

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Points (..., 2), x and y in pixels of the photo, as float32 pixels of the input."""
        height, width = self.input_size
        return np.asarray(coords, np.float32) * np.array([width / self.size[1], height / self.size[0]], np.float32)

    def apply_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (..., 4) of left, top, right, bottom likewise."""
        corners = np.asarray(boxes, np.float32)
        return self.apply_coords(corners.reshape(*corners.shape[:-1], 2, 2)).reshape(corners.shape)

    def apply_coords_torch(self, coords: torch.Tensor, original_size: tuple[int, ...] | None = None) -> torch.Tensor:
        """As `apply_coords`, under the name and with the arguments of SAM's `ResizeLongestSide`."""
        return torch.from_numpy(_frame(self, original_size).apply_coords(coords.cpu().numpy())).to(coords.device)

    def apply_boxes_torch(self, boxes: torch.Tensor, original_size: tuple[int, ...] | None = None) -> torch.Tensor:
        """As `apply_boxes`, under the name and with the arguments of SAM's `ResizeLongestSide`."""
        return torch.from_numpy(_frame(self, original_size).apply_boxes(boxes.cpu().numpy())).to(boxes.device)

    def enlarged(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (N, C, H, W) of the photo from those (N, C, side / 4, side / 4) of the model, as SAM enlarges them."""
        height, width = self.input_size
        square = torch.nn.functional.interpolate(logits, (self.side, self.side), mode="bilinear")
        return torch.nn.functional.interpolate(square[..., :height, :width], self.size, mode="bilinear")

    @cached_property
    def taps(self) -> tuple[Taps, Taps]:
        """The same way down and across, in one step: both of SAM's enlargements are linear, and so is their chain."""
        down, across = (
            _chained(length, inner, self.side) for length, inner in zip(self.size, self.input_size, strict=True)
        )
        return down, across


def _frame(frame: Frame, size: tuple[int, ...] | None) -> Frame:
    return frame if size is None else Frame((size[0], size[1]), frame.side)


def _chained(length: int, inner: int, side: int) -> Taps:
    """From side / 4 values to `side`, of which the first `inner` become `length`."""
    grid = side // 4
    low, high, share = _bilinear(length, inner)
    below, above, inner_share = _bilinear(side, grid)
    first = np.minimum(below[low], grid - _TAPS)
    weights = np.zeros((length, _TAPS), np.float32)
    rows = np.arange(length)
    for place, weight in ((low, 1 - share), (high, share)):
        for source, part in ((below[place], 1 - inner_share[place]), (above[place], inner_share[place])):
            np.add.at(weights, (rows, source - first), (weight * part).astype(np.float32))
    return Taps(first.astype(np.int64), weights)


def _bilinear(length: int, source: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `length` places the two of `source` that it lies between, and the share of the second."""
    place = np.maximum((np.arange(length) + 0.5) * source / length - 0.5, 0)
    low = np.minimum(place.astype(np.int64), source - 1)
    return low, np.minimum(low + 1, source - 1), np.where(low < source - 1, place - low, 0)
