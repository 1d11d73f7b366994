"""The masks of one image, as the whole project passes them around."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

SOURCES = ("divide", "conquer", "tree", "round1", "round2", "human", "imported", "prompt", "plus")
NO_PARENT = -1

_COLUMNS = {
    "score": (np.float32, 1.0),
    "level": (np.int16, 0),
    "theta": (np.float32, np.nan),
    "parent": (np.int32, NO_PARENT),
    "granularity": (np.float32, np.nan),
    "source": (np.uint8, 0),
    "confidence": (np.float32, np.nan),
}
COLUMN_DTYPES = {name: np.dtype(dtype) for name, (dtype, _) in _COLUMNS.items()}
COLUMN_DEFAULTS = {name: default for name, (_, default) in _COLUMNS.items()}


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks of one image: each a bit-packed crop of its tight box, and one value a column.

    Shapes for n masks:
        size: (H, W) of the image in pixels.
        boxes: (n, 4) int32, x, y, w, h in pixels; w and h of an empty mask are 0.
        bits: (bytes,) uint8; mask i is `np.packbits` of its row-major (h, w) crop at
            `bits[offsets[i]:offsets[i + 1]]`.
        offsets: (n + 1,) int64.
        score: (n,) float32, higher is better.
        level: (n,) int16, depth in the tree, 0 for a root.
        theta: (n,) float32, similarity at which the mask came to be; NaN where there is none.
        parent: (n,) int32, index of the smallest mask here that contains this one, or -1.
        granularity: (n,) float32 in [0.1, 1]; NaN where it is not known.
        source: (n,) uint8, index into `SOURCES`.
        confidence: (n,) float32 in [0, 1], how sure a model is that this is a mask at all, whatever its outline; NaN
            where no model said.
    """

    size: tuple[int, int]
    boxes: np.ndarray
    bits: np.ndarray
    offsets: np.ndarray
    score: np.ndarray
    level: np.ndarray
    theta: np.ndarray
    parent: np.ndarray
    granularity: np.ndarray
    source: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls, size: tuple[int, int]) -> MaskSet:
        return cls.from_crops(size, np.zeros((0, 4), np.int32), [])

    @classmethod
    def from_crops(
        cls, size: tuple[int, int], boxes: np.ndarray, crops: Sequence[np.ndarray], **columns: object
    ) -> MaskSet:
        """Pack crops that already fit their tight boxes.

        Args:
            size: (H, W) of the image.
            boxes: (n, 4) integers x, y, w, h.
            crops: n boolean arrays, crop i of shape (h_i, w_i).
            columns: any of score, level, theta, parent, granularity, source, confidence: a scalar or (n,).

        Raises:
            ValueError: a crop's shape is not that of its box, or a column is unknown.
        """
        boxes = np.asarray(boxes, np.int32).reshape(-1, 4)
        if len(boxes) != len(crops):
            raise ValueError(f"{len(boxes)} boxes for {len(crops)} crops")
        for box, crop in zip(boxes, crops, strict=True):
            if crop.shape != (box[3], box[2]):
                raise ValueError(f"crop of shape {crop.shape} for a box of (h, w) = ({box[3]}, {box[2]})")
        packed = [np.packbits(crop.reshape(-1)) for crop in crops]
        offsets = np.zeros(len(crops) + 1, np.int64)
        np.cumsum([len(part) for part in packed], out=offsets[1:])
        bits = np.concatenate(packed) if packed else np.zeros(0, np.uint8)
        return cls((int(size[0]), int(size[1])), boxes, bits, offsets, **_filled_columns(len(crops), columns))

    @classmethod
    def from_dense(cls, masks: Iterable[np.ndarray], size: tuple[int, int], **columns: object) -> MaskSet:
        """Pack full-frame boolean masks of shape (H, W); the iterable is consumed one mask at a time."""
        boxes, crops = [], []
        for mask in masks:
            mask = np.asarray(mask, bool)
            if mask.shape != tuple(size):
                raise ValueError(f"mask of shape {mask.shape} for an image of (H, W) = {tuple(size)}")
            x, y, w, h = tight_box(mask)
            boxes.append((x, y, w, h))
            crops.append(mask[y : y + h, x : x + w])
        return cls.from_crops(size, np.array(boxes, np.int32).reshape(-1, 4), crops, **columns)

    def crop(self, index: int) -> np.ndarray:
        """Mask `index` inside its box, (h, w) bool."""
        _, _, w, h = (int(value) for value in self.boxes[index])
        packed = self.bits[self.offsets[index] : self.offsets[index + 1]]
        return np.unpackbits(packed, count=h * w).reshape(h, w).view(bool)

    def dense(self, index: int) -> np.ndarray:
        """Mask `index` in the frame of the image, (H, W) bool."""
        frame = np.zeros(self.size, bool)
        x, y, w, h = self.boxes[index]
        frame[y : y + h, x : x + w] = self.crop(index)
        return frame

    def areas(self) -> np.ndarray:
        """Set pixels of every mask, (n,) int64."""
        areas = np.zeros(len(self), np.int64)
        filled = np.flatnonzero(self.offsets[1:] > self.offsets[:-1])
        if len(filled):
            areas[filled] = np.add.reduceat(np.bitwise_count(self.bits), self.offsets[filled], dtype=np.int64)
        return areas

    def take(self, indices: Sequence[int] | np.ndarray) -> MaskSet:
        """The masks at `indices`, in that order; parents that are left out give way to their own parents."""
        indices = np.asarray(indices, np.int64)
        lengths = self.offsets[indices + 1] - self.offsets[indices]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        parts = [self.bits[self.offsets[i] : self.offsets[i + 1]] for i in indices]
        bits = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
        columns = {name: getattr(self, name)[indices] for name in _COLUMNS}
        columns["parent"] = _remapped_parents(self.parent, indices)
        return MaskSet(self.size, self.boxes[indices], bits, offsets, **columns)

    def with_columns(self, **columns: object) -> MaskSet:
        """The same masks with some columns replaced; each a scalar or (n,)."""
        filled = _filled_columns(len(self), columns)
        return replace(self, **{name: filled[name] for name in columns})  # type: ignore[arg-type]


def concatenate(parts: Sequence[MaskSet]) -> MaskSet:
    """All masks of several sets of one image; parents keep pointing inside their own part.

    Raises:
        ValueError: no parts, or parts of images of different sizes.
    """
    if len({part.size for part in parts}) != 1:
        raise ValueError(f"masks of one image size expected, got {sorted({part.size for part in parts})}")
    starts = np.cumsum([0] + [len(part) for part in parts[:-1]])
    byte_starts = np.cumsum([0] + [len(part.bits) for part in parts[:-1]])
    merged = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(MaskSet)
        if field.name not in ("size", "offsets", "parent")
    }
    parents = [np.where(p.parent >= 0, p.parent + s, NO_PARENT) for p, s in zip(parts, starts, strict=True)]
    offsets = [p.offsets[1:] + b for p, b in zip(parts, byte_starts, strict=True)]
    return MaskSet(
        size=parts[0].size,
        offsets=np.concatenate([[0], *offsets]).astype(np.int64),
        parent=np.concatenate(parents).astype(np.int32),
        **merged,
    )


def tight_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Smallest box around the set pixels of an (H, W) mask as x, y, w, h; zeros for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def _filled_columns(count: int, columns: dict[str, object]) -> dict[str, np.ndarray]:
    unknown = set(columns) - set(_COLUMNS)
    if unknown:
        raise ValueError(f"unknown columns {sorted(unknown)}; there are {sorted(_COLUMNS)}")
    filled = {}
    for name, (dtype, default) in _COLUMNS.items():
        values = np.asarray(columns.get(name, default), dtype)
        filled[name] = np.broadcast_to(values, (count,)).copy()
    return filled


def _remapped_parents(parents: np.ndarray, kept: np.ndarray) -> np.ndarray:
    new_index = np.full(len(parents), NO_PARENT, np.int64)
    new_index[kept] = np.arange(len(kept))
    remapped = np.full(len(kept), NO_PARENT, np.int32)
    for position, index in enumerate(kept):
        ancestor = parents[index]
        while ancestor >= 0 and new_index[ancestor] < 0:
            ancestor = parents[ancestor]
        if ancestor >= 0:
            remapped[position] = new_index[ancestor]
    return remapped
