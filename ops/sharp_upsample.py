"""Labels found on a small copy of an image, brought to full size along the edges that the image itself has."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel

Box = tuple[int, int, int, int]

_CONTRAST = 10.0  # grey levels at which a neighbour's vote has halved


def upsample_sharply(labels: np.ndarray, small: np.ndarray, image: np.ndarray, box: Box | None = None) -> np.ndarray:
    """Joint upsampling (Kopf et al. 2007) of a label map: each pixel near a border asks its small neighbours.

    Of the 4 x 4 small pixels around it each votes for its own label, the more the nearer it is and the more alike
    in colour. Pixels whose 2 x 2 nearest small pixels agree take their label.

    Args:
        labels: (h, w) int32.
        small: (h, w, 3) uint8, the image at the labels' size.
        image: (H, W, 3) uint8.
        box: (top, left, bottom, right) in pixels of the image; None stands for all of it.

    Returns:
        int32, the labels in the box.

    Raises:
        ValueError: labels and small image differ in size.
    """
    if labels.shape != small.shape[:2]:
        raise ValueError(f"labels of shape {labels.shape} for a small image of {small.shape[:2]}")
    window = np.array(box or (0, 0, *image.shape[:2]), np.int64)
    if labels.shape == image.shape[:2]:
        return labels[window[0] : window[2], window[1] : window[3]].astype(np.int32)
    return _vote(np.ascontiguousarray(labels, np.int32), small, image, window, np.float32(_CONTRAST**-2))


@kernel
def _vote(labels: np.ndarray, small: np.ndarray, image: np.ndarray, box: np.ndarray, sharpness: float) -> np.ndarray:
    height, width = labels.shape
    row_scale, column_scale = height / image.shape[0], width / image.shape[1]
    result = np.empty((box[2] - box[0], box[3] - box[1]), np.int32)
    names = np.empty(16, np.int32)
    votes = np.empty(16, np.float32)
    for y in range(box[0], box[2]):
        row = (y + 0.5) * row_scale - 0.5
        top = int(np.floor(row))
        for x in range(box[1], box[3]):
            column = (x + 0.5) * column_scale - 0.5
            left = int(np.floor(column))
            label = labels[_inside(top, height), _inside(left, width)]
            if not _square_agrees(labels, top, left, label):
                label = _winner(labels, small, image[y, x], row, column, sharpness, names, votes)
            result[y - box[0], x - box[1]] = label
    return result


@kernel
def _inside(index: int, length: int) -> int:
    return min(max(index, 0), length - 1)


@kernel
def _square_agrees(labels: np.ndarray, top: int, left: int, label: int) -> bool:
    bottom, right = _inside(top + 1, labels.shape[0]), _inside(left + 1, labels.shape[1])
    top, left = _inside(top, labels.shape[0]), _inside(left, labels.shape[1])
    return labels[top, right] == label and labels[bottom, left] == label and labels[bottom, right] == label


@kernel
def _winner(
    labels: np.ndarray,
    small: np.ndarray,
    colour: np.ndarray,
    row: float,
    column: float,
    sharpness: float,
    names: np.ndarray,
    votes: np.ndarray,
) -> int:
    found = 0
    for y in range(int(np.floor(row)) - 1, int(np.floor(row)) + 3):
        for x in range(int(np.floor(column)) - 1, int(np.floor(column)) + 3):
            at_row, at_column = _inside(y, labels.shape[0]), _inside(x, labels.shape[1])
            contrast = np.float32(0)
            for channel in range(3):
                difference = np.float32(colour[channel]) - np.float32(small[at_row, at_column, channel])
                contrast += difference * difference
            nearness = (2 - abs(row - y)) * (2 - abs(column - x))
            label = labels[at_row, at_column]
            slot = 0
            while slot < found and names[slot] != label:
                slot += 1
            if slot == found:
                names[slot], votes[slot] = label, np.float32(0)
                found += 1
            votes[slot] += np.float32(nearness) / (np.float32(1) + contrast * sharpness)
    return names[np.argmax(votes[:found])]
