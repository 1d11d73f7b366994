"""Mask logits to packed masks of the photo, a row at a time and without a full-size logit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from ops.kernels import kernel
from ops.promptable.frame import Frame, Taps
from stores.masks import MaskSet, tight_box


@dataclass(frozen=True)
class DrawnMasks:
    """Masks of one photo, none dropped (one without a pixel is empty), and how stable each is.

    Attributes: masks, n of them; stability, (n,) float32, pixels above +offset over those above -offset, NaN where
    there are none (spec 10.2).
    """

    masks: MaskSet
    stability: np.ndarray


def drawn(logits: torch.Tensor, frame: Frame, offset: float = 1.0) -> DrawnMasks:
    """Logits (n, side / 4, side / 4) above 0 as masks of the photo, exactly where `Frame.enlarged` is above 0.

    Args:
        offset: of the stability score.
    """
    grids = logits.float().cpu().numpy()
    down, across = frame.taps

    def one(grid: np.ndarray) -> tuple[tuple[int, int, int, int], np.ndarray, float]:
        rows, columns = _span(grid, down, 0, -offset), _span(grid, across, 1, -offset)
        crop = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), bool)
        above, below = _enlarge(
            np.ascontiguousarray(grid),
            down.first[rows[0] : rows[1]],
            down.weights[rows[0] : rows[1]],
            across.first[columns[0] : columns[1]],
            across.weights[columns[0] : columns[1]],
            offset,
            crop,
        )
        x, y, w, h = tight_box(crop) if crop.size else (0, 0, 0, 0)
        box = (columns[0] + x, rows[0] + y, w, h) if w else (0, 0, 0, 0)
        return box, crop[y : y + h, x : x + w], above / below if below else float("nan")

    if not len(grids):
        return DrawnMasks(MaskSet.empty(frame.size), np.zeros(0, np.float32))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        boxes, crops, stability = zip(*pool.map(one, grids), strict=True)
    return DrawnMasks(MaskSet.from_crops(frame.size, np.array(boxes, np.int32), crops), np.array(stability, np.float32))


def _span(grid: np.ndarray, taps: Taps, axis: int, above: float) -> tuple[int, int]:
    """The stretch of the photo's rows (axis 0) or columns where a value above `above` is possible."""
    held = np.flatnonzero((grid > above).any(axis=1 - axis))
    if not len(held):
        return 0, 0
    touched = np.flatnonzero((taps.first + 2 >= held[0]) & (taps.first <= held[-1]))
    return (int(touched[0]), int(touched[-1]) + 1) if len(touched) else (0, 0)


@kernel
def _enlarge(
    grid: np.ndarray,
    row_first: np.ndarray,
    row_weights: np.ndarray,
    column_first: np.ndarray,
    column_weights: np.ndarray,
    offset: float,
    mask: np.ndarray,
) -> tuple[int, int]:
    """Fill `mask` where the enlarged grid is positive; pixels above +offset, and above -offset."""
    width = grid.shape[1]
    line = np.empty(width, np.float32)
    above = 0
    below = 0
    for row in range(len(row_first)):
        top = row_first[row]
        for column in range(width):
            line[column] = (
                row_weights[row, 0] * grid[top, column]
                + row_weights[row, 1] * grid[top + 1, column]
                + row_weights[row, 2] * grid[top + 2, column]
            )
        for column in range(len(column_first)):
            left = column_first[column]
            value = (
                column_weights[column, 0] * line[left]
                + column_weights[column, 1] * line[left + 1]
                + column_weights[column, 2] * line[left + 2]
            )
            mask[row, column] = value > 0
            above += value > offset
            below += value > -offset
    return above, below
