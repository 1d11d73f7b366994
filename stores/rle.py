"""Masks to COCO run-length encodings and back, at the border of the project only (DESIGN, Mask store).

A COCO RLE counts the runs of zeros and ones of the whole frame in column-major order and writes the counts as text,
five bits a character, as differences from the second count before. pycocotools works on dense frames; here the
runs come straight from the packed crops, because a frame of an SA-1B photo is 3.4 million pixels a mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from stores.masks import MaskSet

Rle = dict[str, Any]


class BadRle(ValueError):
    """A run-length encoding that contradicts itself or the size of its image."""


def to_rle(masks: MaskSet) -> list[Rle]:
    """Every mask as `{"size": [H, W], "counts": str}`, compressed, as COCO, SA-1B and pycocotools read it."""
    return [{**rle, "counts": rle["counts"].decode()} for rle in _pycoco(masks)]


def from_rle(rles: Sequence[Mapping[str, Any]], size: tuple[int, int], **columns: object) -> MaskSet:
    """Masks from RLEs of one image; counts may be compressed (str or bytes) or a list of integers.

    Args:
        size: (H, W) of the image.
        columns: as in `MaskSet.from_crops`.

    Raises:
        BadRle: an RLE of another size, or counts that do not add up to H · W.
    """
    boxes, crops = [], []
    for index, rle in enumerate(rles):
        if tuple(rle["size"]) != tuple(size):
            raise BadRle(f"RLE {index} is of size {tuple(rle['size'])}, its image of (H, W) = {tuple(size)}")
        box, crop = _crop_of(_counts(rle["counts"], size), size)
        boxes.append(box)
        crops.append(crop)
    return MaskSet.from_crops(size, np.array(boxes, np.int32).reshape(-1, 4), crops, **columns)


def iou(a: MaskSet, b: MaskSet) -> np.ndarray:
    """Intersection over union of every mask of `a` with every mask of `b`, (n, m) float64; empty pairs give 0.

    Raises:
        ValueError: masks of images of different sizes.
    """
    if a.size != b.size:
        raise ValueError(f"masks of images of different sizes, {a.size} and {b.size}")
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    return np.nan_to_num(np.asarray(coco_mask.iou(_pycoco(a), _pycoco(b), [0] * len(b))))


def decompress(text: bytes) -> np.ndarray:
    """Counts of alternate runs, zeros first, from COCO's text, (runs,) int64.

    Raises:
        BadRle: the text has other characters or stops inside a number.
    """
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(digits):
        return digits
    if digits.min() < 0 or digits.max() > 0x3F or digits[-1] & 0x20:
        raise BadRle(f"counts {text[:40]!r} are no compressed RLE")
    ends = np.flatnonzero(digits < 0x20)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 12:
        raise BadRle(f"counts {text[:40]!r} hold a number beyond 64 bits")
    place = np.arange(len(digits)) - np.repeat(starts, lengths)
    values = np.add.reduceat((digits & 0x1F) << (5 * place), starts)
    values -= np.where(digits[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _counts_of(masks: MaskSet, index: int) -> np.ndarray:
    height, width = masks.size
    x, y, w, h = (int(value) for value in masks.boxes[index])
    # One zero row above each column keeps runs of neighbouring columns apart, unless the crop is as tall as the frame.
    gap = int(h < height)
    flat = np.zeros(w * (h + gap) + 2, bool)
    flat[1:-1].reshape(w, h + gap)[:, gap:] = masks.crop(index).T
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    changes[1::2] -= 1
    column, row = np.divmod(changes, h + gap)
    edges = np.empty(len(changes) + 2, np.int64)
    edges[0], edges[-1] = 0, height * width
    edges[1:-1] = (x + column) * height + (y - gap) + row
    edges[2:-1:2] += 1
    counts = np.diff(edges)
    return counts[:-1] if len(counts) > 1 and counts[-1] == 0 else counts


def _counts(counts: str | bytes | Sequence[int], size: tuple[int, int]) -> np.ndarray:
    if isinstance(counts, str):
        counts = counts.encode()
    runs = decompress(counts) if isinstance(counts, bytes) else np.asarray(counts, np.int64)
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise BadRle(f"counts add up to {runs.sum()} pixels, the image has {size[0]} x {size[1]}")
    return runs


def _crop_of(runs: np.ndarray, size: tuple[int, int]) -> tuple[tuple[int, int, int, int], np.ndarray]:
    height = size[0]
    edges = np.cumsum(runs)
    starts, ends = edges[0:-1:2], edges[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    x, last = int(starts[0] // height), int((ends[-1] - 1) // height)
    strip = _strip(starts - x * height, ends - x * height, (last - x + 1) * height).reshape(-1, height)
    rows = np.flatnonzero(strip.any(axis=0))
    y, h = int(rows[0]), int(rows[-1] - rows[0] + 1)
    return (x, y, last - x + 1, h), strip[:, y : y + h].T


def _strip(starts: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
    edges = np.empty(2 * len(starts) + 2, np.int64)
    edges[0], edges[-1] = 0, length
    edges[1:-1:2], edges[2:-1:2] = starts, ends
    values = np.zeros(len(edges) - 1, bool)
    values[1::2] = True
    return np.repeat(values, np.diff(edges))


def _pycoco(masks: MaskSet) -> list[Rle]:
    height, width = masks.size
    runs = [{"size": [height, width], "counts": _counts_of(masks, index).tolist()} for index in range(len(masks))]
    return coco_mask.frPyObjects(runs, height, width) if runs else []
