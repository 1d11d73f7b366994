"""Masks as runs of pixels: counting and painting touch each run once, not each pixel of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ops.kernels import kernel
from stores.masks import MaskSet


@dataclass(frozen=True, eq=False)
class MaskRuns:
    """Set pixels of n masks in an (H, W) frame, row by row.

    spans: (r, 2) int32, first pixel and the one after the last of each run, counted row by row through the frame; no
        run crosses a row.
    offsets: (n + 1,) int64; the runs of mask i are `spans[offsets[i]:offsets[i + 1]]`.
    """

    size: tuple[int, int]
    spans: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, masks: MaskSet) -> MaskRuns:
        """Runs of packed masks, straight from their bits."""
        boxes = np.ascontiguousarray(masks.boxes, np.int64)
        spans, offsets = _find_runs(masks.bits, masks.offsets, boxes, masks.size[1])
        return cls(masks.size, spans, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def areas(self) -> np.ndarray:
        """(n,) int64."""
        return _areas(self.spans, self.offsets)

    def overlaps(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """|S∩P_k| of every mask and label in one pass: onehot(P)ᵀ·M with both sides run-length coded.

        Args:
            labels: (H, W) uint8; labels of `classes` or more are counted for no class.

        Returns:
            (n, classes) int64.
        """
        return _count(self.spans, self.offsets, labels.reshape(-1), _run_ends(labels), classes)

    def paint_largest(self, values: np.ndarray) -> np.ndarray:
        """(H, W) uint8: the largest of `values` (n,) uint8 among the masks that cover a pixel; 0 where none does."""
        shown = np.flatnonzero(values)
        return self.paint_in_order(shown[np.argsort(values[shown], kind="stable")], values)

    def paint_in_order(self, order: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(H, W) uint8: the value of the last mask in `order` (indices) that covers a pixel; 0 where none does."""
        painted = np.zeros(self.size[0] * self.size[1], np.uint8)
        _paint_in_order(self.spans, self.offsets, np.asarray(order, np.int64), np.asarray(values, np.uint8), painted)
        return painted.reshape(self.size)


@kernel
def _find_runs(
    bits: np.ndarray, offsets: np.ndarray, boxes: np.ndarray, frame_width: int
) -> tuple[np.ndarray, np.ndarray]:
    spans = np.empty((1024, 2), np.int32)
    run_offsets = np.zeros(len(boxes) + 1, np.int64)
    count = 0
    for mask in range(len(boxes)):
        x, y, width, height = boxes[mask]
        inside, start = False, 0
        for byte in range(offsets[mask], offsets[mask + 1]):
            value = bits[byte]
            if value == (255 if inside else 0):
                continue
            first = 8 * (byte - offsets[mask])
            for bit in range(8):
                if (((value >> np.uint8(7 - bit)) & 1) == 1) == inside:
                    continue
                if inside:
                    spans, count = _add_rows(spans, count, start, first + bit, x, y, width, frame_width)
                else:
                    start = first + bit
                inside = not inside
        if inside:
            spans, count = _add_rows(spans, count, start, width * height, x, y, width, frame_width)
        run_offsets[mask + 1] = count
    return spans[:count].copy(), run_offsets


@kernel
def _add_rows(
    spans: np.ndarray, count: int, start: int, stop: int, x: int, y: int, width: int, frame_width: int
) -> tuple[np.ndarray, int]:
    """Append bits [start, stop) of a crop, cut at its rows, as pixels of the frame; the array may grow."""
    row = start // width
    while start < stop:
        end = min(stop, (row + 1) * width)
        if count == len(spans):
            grown = np.empty((2 * len(spans), 2), np.int32)
            grown[:count] = spans
            spans = grown
        shift = (y + row) * frame_width + x - row * width
        spans[count, 0], spans[count, 1] = start + shift, end + shift
        count += 1
        start = end
        row += 1
    return spans, count


@kernel
def _areas(spans: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    areas = np.zeros(len(offsets) - 1, np.int64)
    for mask in range(len(areas)):
        for run in range(offsets[mask], offsets[mask + 1]):
            areas[mask] += spans[run, 1] - spans[run, 0]
    return areas


@kernel
def _run_ends(labels: np.ndarray) -> np.ndarray:
    """For each pixel the one after the last of its run of equal labels, (H · W,) int32; runs may cross rows."""
    flat = labels.reshape(-1)
    ends = np.empty(len(flat), np.int32)
    end = len(flat)
    for pixel in range(len(flat) - 1, -1, -1):
        if pixel + 1 < len(flat) and flat[pixel] != flat[pixel + 1]:
            end = pixel + 1
        ends[pixel] = end
    return ends


@kernel
def _count(spans: np.ndarray, offsets: np.ndarray, labels: np.ndarray, ends: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((len(offsets) - 1, classes), np.int64)
    for mask in range(len(counts)):
        for run in range(offsets[mask], offsets[mask + 1]):
            pixel, stop = spans[run, 0], spans[run, 1]
            while pixel < stop:
                end = min(stop, ends[pixel])
                if labels[pixel] < classes:
                    counts[mask, labels[pixel]] += end - pixel
                pixel = end
    return counts


@kernel
def _paint_in_order(
    spans: np.ndarray, offsets: np.ndarray, order: np.ndarray, values: np.ndarray, painted: np.ndarray
) -> None:
    for mask in order:
        for run in range(offsets[mask], offsets[mask + 1]):
            painted[spans[run, 0] : spans[run, 1]] = values[mask]
