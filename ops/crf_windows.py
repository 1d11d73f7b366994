"""Which masks a dense CRF filters together, and the part of the image in which it does so."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ops.lattice_kernels import LANES
from ops.permutohedral import Lattice
from stores.masks import tight_box


@dataclass(eq=False)
class Window:
    """Up to LANES masks and the points of the image on which their CRF runs.

    Shapes for k points: points (k,) indices of the image's points, mass (k, 1) the filter of ones on them,
    masks (k, LANES) float32, 1 inside each member's mask; lanes without a member stay 0.
    """

    members: np.ndarray
    points: np.ndarray
    lattice: Lattice
    mass: np.ndarray
    masks: np.ndarray = field(init=False)
    values: np.ndarray = field(init=False)
    messages: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.masks = np.zeros((len(self.points), LANES), np.float32)
        self.values = np.empty_like(self.masks)
        self.messages = np.empty_like(self.masks)


def boxes_of_masks(masks: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) int64 of (n, h, w) masks as first row, first column, end row, end column; zeros for empty ones."""
    boxes = [tight_box(mask) for mask in masks]
    return np.array([(y, x, y + h, x + w) for x, y, w, h in boxes], np.int64).reshape(-1, 4)


def boxes_of_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """Boxes as `boxes_of_masks` gives them, of labels 0 … count - 1 in (h, w); each label must occur."""
    rows, columns = np.indices(labels.shape, np.int64)
    boxes = np.empty((count, 4), np.int64)
    boxes[:, :2] = max(labels.shape)
    boxes[:, 2:] = 0
    for axis, place in enumerate((rows, columns)):
        np.minimum.at(boxes[:, axis], labels, place)
        np.maximum.at(boxes[:, 2 + axis], labels, place + 1)
    return boxes


def group_boxes(boxes: np.ndarray, margin: int, size: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Group boxes by LANES so that the windows around the groups are small.

    Args:
        boxes: (n, 4) first row, first column, end row, end column; empty boxes are left out.
        margin: pixels by which a window reaches beyond its boxes.
        size: (h, w) of the image.

    Returns:
        (members, window) pairs: indices of up to LANES boxes, and their window as a box.
    """
    grown = np.concatenate([np.maximum(boxes[:, :2] - margin, 0), np.minimum(boxes[:, 2:] + margin, size)], axis=1)
    areas = _areas(grown)
    waiting = np.flatnonzero(_areas(boxes))
    waiting = waiting[np.argsort(-areas[waiting], kind="stable")]
    groups = []
    while len(waiting):
        members, window, waiting = [waiting[0]], grown[waiting[0]], waiting[1:]
        while len(members) < LANES and len(waiting):
            unions = _union(window, grown[waiting])
            best = np.argmin(_areas(unions) - areas[waiting])
            members.append(waiting[best])
            window, waiting = unions[best], np.delete(waiting, best)
        groups.append((np.array(members), window))
    return groups


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _union(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([np.minimum(box[:2], boxes[:, :2]), np.maximum(box[2:], boxes[:, 2:])], axis=1)
