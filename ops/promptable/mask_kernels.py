"""Mask logits to packed masks of the photo, a row at a time and without a full-size logit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from ops.kernels import kernel
from ops.promptable.frame import Frame, Taps
from stores.masks import MaskSet, tight_box

Result = TypeVar("Result")


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

    def one(grid: np.ndarray) -> tuple[tuple[int, int, int, int], np.ndarray, float]:
        (left, top), crop, stability = _crop(grid, frame, offset, -offset)
        x, y, w, h = tight_box(crop) if crop.size else (0, 0, 0, 0)
        box = (left + x, top + y, w, h) if w else (0, 0, 0, 0)
        return box, crop[y : y + h, x : x + w], stability

    if not len(logits):
        return DrawnMasks(MaskSet.empty(frame.size), np.zeros(0, np.float32))
    boxes, crops, stability = zip(*_of_each(one, logits), strict=True)
    return DrawnMasks(MaskSet.from_crops(frame.size, np.array(boxes, np.int32), crops), np.array(stability, np.float32))


def drawn_dense(logits: torch.Tensor, frame: Frame) -> np.ndarray:
    """The same masks as (n, H, W) bool."""
    masks = np.zeros((len(logits), *frame.size), bool)

    def one(entry: tuple[np.ndarray, np.ndarray]) -> None:
        grid, mask = entry
        (left, top), crop, _ = _crop(grid, frame, 1.0, 0.0)
        mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop

    _of_each(one, logits, masks)
    return masks


def _of_each(work: Callable[[Any], Result], logits: torch.Tensor, *others: np.ndarray) -> list[Result]:
    """Work on each grid of logits, with what belongs to it, on as many threads as torch has."""
    grids = np.ascontiguousarray(logits.float().cpu().numpy())
    entries = list(zip(grids, *others, strict=True)) if others else list(grids)
    threads = min(torch.get_num_threads(), len(entries))
    if threads < 2:
        return [work(entry) for entry in entries]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, entries))


def _crop(grid: np.ndarray, frame: Frame, offset: float, least: float) -> tuple[tuple[int, int], np.ndarray, float]:
    """The stretch of the photo in which a mask lies: its left and top, what is in it (h, w) bool, and its stability.

    Args:
        least: only where logits are above it; -offset for a stability that counts.
    """
    down, across = frame.taps
    rows, columns = _span(grid, down, 0, least), _span(grid, across, 1, least)
    crop = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), bool)
    first = across.first[columns[0] : columns[1]]
    sure, likely = _enlarge(
        grid,
        down.first[rows[0] : rows[1]],
        down.weights[rows[0] : rows[1]],
        np.flatnonzero(np.diff(first, prepend=-1, append=-1)),
        first,
        across.weights[columns[0] : columns[1]],
        offset,
        crop,
    )
    return (columns[0], rows[0]), crop, sure / likely if likely else float("nan")


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
    runs: np.ndarray,
    column_first: np.ndarray,
    column_weights: np.ndarray,
    offset: float,
    mask: np.ndarray,
) -> tuple[int, int]:
    """Fill `mask` where the enlarged grid is positive; pixels above +offset, and above -offset.

    Columns between two of `runs` lie between the same three values: where all of them are sure, so are the columns.
    """
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
        for run in range(len(runs) - 1):
            begin, end = runs[run], runs[run + 1]
            left = column_first[begin]
            one, two, three = line[left], line[left + 1], line[left + 2]
            if max(one, two, three) < -offset:
                continue
            if min(one, two, three) > offset:
                mask[row, begin:end] = True
                above += end - begin
                below += end - begin
                continue
            for column in range(begin, end):
                value = (
                    column_weights[column, 0] * one
                    + column_weights[column, 1] * two
                    + column_weights[column, 2] * three
                )
                mask[row, column] = value > 0
                above += value > offset
                below += value > -offset
    return above, below
