"""Masks that a generator found so far, with all that it knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from stores.masks import MaskSet, concatenate
from stores.rle import decompress, to_rle

OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]


@dataclass(frozen=True)
class Candidates:
    """n masks of one photo.

    Shapes: predicted_iou, stability (n,) float32; points (n, 2), the clicks that gave them, in pixels of the photo;
    crop_boxes (n, 4), left, top, right, bottom of the part that was looked at.
    """

    masks: MaskSet
    predicted_iou: np.ndarray
    stability: np.ndarray
    points: np.ndarray
    crop_boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.masks)

    @classmethod
    def none(cls, size: tuple[int, int]) -> Candidates:
        empty = np.zeros(0, np.float32)
        return cls(MaskSet.empty(size), empty, empty, np.zeros((0, 2)), np.zeros((0, 4), np.int64))

    def take(self, indices: np.ndarray) -> Candidates:
        return Candidates(
            self.masks.take(indices),
            self.predicted_iou[indices],
            self.stability[indices],
            self.points[indices],
            self.crop_boxes[indices],
        )

    def with_masks(self, masks: MaskSet) -> Candidates:
        return Candidates(masks, self.predicted_iou, self.stability, self.points, self.crop_boxes)

    def records(self, mode: OutputMode = "binary_mask") -> list[dict[str, Any]]:
        """What SAM's generator returns: a dictionary a mask, under its keys; boxes are left, top, width, height."""
        rles = to_rle(self.masks) if mode != "binary_mask" else []
        areas = self.masks.areas()
        records = []
        for index in range(len(self)):
            left, top, right, bottom = (int(value) for value in self.crop_boxes[index])
            records.append(
                {
                    "segmentation": self._segmentation(index, mode, rles),
                    "area": int(areas[index]),
                    "bbox": [int(value) for value in self.masks.boxes[index]],
                    "predicted_iou": float(self.predicted_iou[index]),
                    "point_coords": [self.points[index].tolist()],
                    "stability_score": float(self.stability[index]),
                    "crop_box": [left, top, right - left, bottom - top],
                }
            )
        return records

    def _segmentation(self, index: int, mode: OutputMode, rles: Sequence[dict[str, Any]]) -> Any:
        if mode == "binary_mask":
            return self.masks.dense(index)
        if mode == "coco_rle":
            return rles[index]
        return {"size": rles[index]["size"], "counts": decompress(rles[index]["counts"].encode()).tolist()}


def joined(parts: Sequence[Candidates], size: tuple[int, int]) -> Candidates:
    """All masks of several lots, in their order."""
    if not parts:
        return Candidates.none(size)
    names = ("predicted_iou", "stability", "points", "crop_boxes")
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    return Candidates(concatenate([part.masks for part in parts]), *columns)
