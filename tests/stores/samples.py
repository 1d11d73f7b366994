"""Masks and images that the tests of this room share."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from PIL import Image

from stores.masks import NO_PARENT, MaskSet


def blobs(count: int, seed: int, size: tuple[int, int] = (37, 53)) -> np.ndarray:
    """(count, H, W) bool: speckled rectangles, some touching the frame, a few empty."""
    random = np.random.default_rng(seed)
    masks = np.zeros((count, *size), bool)
    for mask in masks:
        top, left = random.integers(0, size[0]), random.integers(0, size[1])
        crop = mask[top : top + random.integers(1, size[0] + 1), left : left + random.integers(1, size[1] + 1)]
        crop[:] = random.random(crop.shape) < 0.7
    return masks


def mask_set(count: int, seed: int, size: tuple[int, int] = (37, 53)) -> MaskSet:
    """Masks with every column filled, the first a root, the others below an earlier one."""
    random = np.random.default_rng(seed)
    parents = [NO_PARENT, *(int(random.integers(0, index)) for index in range(1, count))][:count]
    return MaskSet.from_dense(
        blobs(count, seed, size),
        size,
        score=random.random(count),
        level=np.arange(count) % 5,
        theta=np.where(random.random(count) < 0.3, np.nan, random.random(count)),
        parent=parents,
        granularity=0.1 + 0.9 * random.random(count),
        source=random.integers(0, 8, count),
    )


def assert_same(left: MaskSet, right: MaskSet) -> None:
    """Equal in every field, type included."""
    assert left.size == right.size
    for field in dataclasses.fields(MaskSet):
        if field.name != "size":
            np.testing.assert_array_equal(getattr(left, field.name), getattr(right, field.name), err_msg=field.name)
            assert getattr(left, field.name).dtype == getattr(right, field.name).dtype


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    """(H, W, 3) uint8 in which every corner has a colour of its own."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [255 * rows / (height - 1), 255 * columns / (width - 1), 255 * (rows + columns) / (height + width - 2)]
    return np.stack(channels, axis=2).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(file, file_format, **options)
    return file.getvalue()
