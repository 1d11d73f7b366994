"""BSDS500 ground truth: label maps of several annotators in one MATLAB file an image."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError
from skimage.morphology import thin

from stores.masks import SOURCES, MaskSet, tight_box

_HEADER_BYTES = 128
_COMPRESSED = 15
_TOP_LABEL = np.iinfo(np.uint16).max


class BadGroundTruth(ValueError):
    """A file that holds no BSDS500 ground truth."""


def read_bsds(data: bytes) -> list[np.ndarray]:
    """The segmentation of every annotator, each (H, W) int32 with labels from 1.

    Raises:
        BadGroundTruth: no MATLAB file up to version 7.2, or none of BSDS500.
    """
    try:
        _check_whole(data)
        cells = scipy.io.loadmat(io.BytesIO(data), variable_names=["groundTruth"])["groundTruth"]
        return [np.asarray(cell["Segmentation"][0, 0], np.int32) for cell in cells.reshape(-1)]
    except (MatReadError, NotImplementedError, LookupError, TypeError, ValueError, struct.error, zlib.error) as error:
        raise BadGroundTruth(f"no BSDS500 ground truth: {error}") from error


def _check_whole(data: bytes) -> None:
    """Refuse a file that was cut off or damaged on its way: SciPy's reader crashes the process on some of those.

    Only what the format lets us check: the length of every element, and the checksum of the compressed ones, which
    MATLAB has written by default since version 7.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEADER_BYTES])
    if order is None:
        raise ValueError("it has no header of a MATLAB file")
    position = _HEADER_BYTES
    while position < len(data):
        kind, size = struct.unpack_from(f"{order}2I", data, position)
        position += 8 + size
        if position > len(data):
            raise ValueError("it is cut off")
        if kind == _COMPRESSED:
            zlib.decompress(data[position - size : position])


def regions(segmentations: Sequence[np.ndarray]) -> MaskSet:
    """Every region of every annotator as a mask, in the order of the annotators and of their labels.

    Args:
        segmentations: label maps of one image, each (H, W) integers.

    Raises:
        ValueError: no segmentation, or segmentations of different sizes.
    """
    if len({labels.shape for labels in segmentations}) != 1:
        raise ValueError("segmentations of one image size are needed, at least one")
    boxes, crops = [], []
    for labels in segmentations:
        for label in np.unique(labels):
            mask = labels == label
            x, y, w, h = tight_box(mask)
            boxes.append((x, y, w, h))
            crops.append(mask[y : y + h, x : x + w])
    height, width = segmentations[0].shape
    return MaskSet.from_crops((height, width), np.array(boxes, np.int32), crops, source=SOURCES.index("human"))


def write_bsds(segmentations: Sequence[np.ndarray]) -> bytes:
    """A MATLAB file with one `groundTruth` cell for each label map, as the BSDS500 benchmark reads it.

    Args:
        segmentations: label maps of one image, each (H, W) of labels from 1 to 65535.

    Raises:
        ValueError: labels outside that range.
    """
    cells = np.empty((1, len(segmentations)), object)
    for index, labels in enumerate(segmentations):
        if labels.min() < 1 or labels.max() > _TOP_LABEL:
            raise ValueError(f"labels from {labels.min()} to {labels.max()}; BSDS500 has 1 to {_TOP_LABEL}")
        segmentation = labels.astype(np.uint16)
        cells[0, index] = {"Segmentation": segmentation, "Boundaries": boundaries(segmentation)}
    file = io.BytesIO()
    scipy.io.savemat(file, {"groundTruth": cells}, do_compression=True)
    return file.getvalue()


def boundaries(labels: np.ndarray) -> np.ndarray:
    """Boundaries of a label map as BSDS500 draws them, (H, W) uint8.

    A pixel is marked where its right, lower or lower right neighbour has another label; the marks are then thinned.
    """
    padded = np.pad(labels, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return thin((labels != right) | (labels != below) | (labels != diagonal)).astype(np.uint8)


def partitions(masks: MaskSet) -> list[np.ndarray]:
    """One label map for each depth of the tree, coarse to fine, (H, W) int32 with labels from 1 without gaps.

    The map of depth d shows the masks of level ≤ d, small ones over large ones; what no mask covers is a region too.
    """
    order = np.argsort(-masks.areas(), kind="stable")
    depths = range(int(masks.level.max(initial=0)) + 1)
    return [_painted(masks, [int(index) for index in order if masks.level[index] <= depth]) for depth in depths]


def _painted(masks: MaskSet, order: Sequence[int]) -> np.ndarray:
    frame = np.zeros(masks.size, np.int32)
    for label, index in enumerate(order, start=1):
        x, y, w, h = masks.boxes[index]
        frame[y : y + h, x : x + w][masks.crop(index)] = label
    return np.unique(frame, return_inverse=True)[1].reshape(masks.size).astype(np.int32) + 1
