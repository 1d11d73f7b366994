"""What a user asks for, refused with a reason where it cannot be answered."""

from __future__ import annotations

import numpy as np

MOST_POINTS = 64
MIN_SIDE = 8
FINEST, COARSEST = 0.1, 1.0


class PromptError(ValueError):
    """A prompt or image that cannot be answered; the message says what is wrong with it and what would do."""


def checked_image(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) uint8, contiguous.

    Raises:
        PromptError: another shape or type, or a side under `MIN_SIDE` pixels.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise PromptError(f"an image of shape (H, W, 3) uint8 expected, got {image.shape} {image.dtype}")
    if min(image.shape[:2]) < MIN_SIDE:
        raise PromptError(
            f"an image of (H, W) = {image.shape[:2]} is too small, each side needs at least {MIN_SIDE} pixels"
        )
    return np.ascontiguousarray(image)


def checked_points(
    coords: np.ndarray | None, labels: np.ndarray | None, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Points (..., N, 2) float64 and labels (..., N) int64; none at all are (0, 2) and (0,).

    Raises:
        PromptError: a point outside the image of (H, W) `size`, other labels than 0 and 1, or too many points.
    """
    if coords is None:
        if labels is not None:
            raise PromptError("point_labels without point_coords")
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    if labels is None:
        raise PromptError("point_coords need point_labels: 1 for each foreground point, 0 for each background point")
    points, kinds = np.asarray(coords, np.float64), np.asarray(labels)
    if points.ndim < 2 or points.shape[-1] != 2 or kinds.shape != points.shape[:-1]:
        raise PromptError(f"point_coords (N, 2) and point_labels (N,) expected, got {points.shape} and {kinds.shape}")
    if points.shape[-2] > MOST_POINTS:
        raise PromptError(f"{points.shape[-2]} points for one mask, at most {MOST_POINTS} fit")
    if not np.isin(kinds, (0, 1)).all():
        raise PromptError(f"point_labels are 1 (foreground) or 0 (background), got {np.unique(kinds).tolist()}")
    height, width = size
    inside = (points >= 0).all(-1) & (points[..., 0] < width) & (points[..., 1] < height)
    if not inside.all():
        x, y = points[~inside][0]
        raise PromptError(f"the point ({x:g}, {y:g}) lies outside the image of {width} x {height} pixels")
    return points, kinds.astype(np.int64)


def checked_boxes(boxes: np.ndarray | None, size: tuple[int, int]) -> np.ndarray | None:
    """Boxes (..., 4) of left, top, right, bottom in pixels, cut to the image of (H, W) `size`.

    Raises:
        PromptError: no area inside the image, or not four finite numbers a box.
    """
    if boxes is None:
        return None
    corners = np.asarray(boxes, np.float64)
    if corners.ndim < 1 or corners.shape[-1] != 4 or not np.isfinite(corners).all():
        raise PromptError(f"a box of left, top, right, bottom expected, got {np.asarray(boxes).tolist()}")
    height, width = size
    cut = corners.clip(0, [width, height, width, height])
    empty = (cut[..., 2] <= cut[..., 0]) | (cut[..., 3] <= cut[..., 1])
    if empty.any():
        shown = ", ".join(f"{value:g}" for value in corners[empty][0])
        raise PromptError(f"the box ({shown}) has no area inside the image of {width} x {height} pixels")
    return cut


def checked_mask(mask: np.ndarray | None, side: int) -> np.ndarray | None:
    """Mask logits (..., 1, side, side) float32, as an earlier answer gave them.

    Raises:
        PromptError: another size.
    """
    if mask is None:
        return None
    logits = np.asarray(mask, np.float32)
    if logits.shape[-3:] != (1, side, side):
        raise PromptError(
            f"mask_input must be the low_res_masks of an earlier answer, (1, {side}, {side}); got {logits.shape}"
        )
    return logits


def checked_granularity(granularity: float | None) -> float | None:
    """
    Raises:
        PromptError: not in [0.1, 1].
    """
    if granularity is not None and not FINEST <= granularity <= COARSEST:
        raise PromptError(f"granularity goes from {FINEST} (finest part) to {COARSEST} (whole), got {granularity}")
    return granularity
