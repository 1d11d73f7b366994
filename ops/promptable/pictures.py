"""Clicks, boxes and their answers as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ops.pictures import contact_sheet, resized
from ops.training_source import TrainingSource

if TYPE_CHECKING:
    from models.promptable import PromptableModel

_TINT = np.array([30, 144, 255], np.float32)
_SHARE = 0.55
_GREEN, _RED, _WHITE = (46, 204, 64), (255, 65, 54), (255, 255, 255)
_TILE = 220
_SHOWN = 3
Click = tuple[float, float, int]


def answered(
    image: np.ndarray,
    mask: np.ndarray | None,
    clicks: Sequence[Click] = (),
    box: Sequence[float] | None = None,
    max_side: int = 1024,
) -> np.ndarray:
    """A photo with one mask in blue, clicks as green (foreground) and red dots and a box, (h, w, 3) uint8.

    Args:
        image: (H, W, 3) uint8. mask: (H, W) bool.
        clicks: x, y in pixels of the photo, and 1 or 0. box: left, top, right, bottom.
    """
    shown = image.copy()
    if mask is not None:
        shown[mask] = (image[mask] * (1 - _SHARE) + _TINT * _SHARE).astype(np.uint8)
        shown[_outline(mask)] = _WHITE
    small = resized(shown, max_side)
    scale = small.shape[1] / image.shape[1]
    picture = Image.fromarray(small)
    draw = ImageDraw.Draw(picture)
    radius = max(4, max(small.shape) // 110)
    if box is not None:
        draw.rectangle([value * scale for value in box], outline=_GREEN, width=max(2, radius // 2))
    for x, y, label in clicks:
        at = (x * scale, y * scale)
        draw.ellipse(
            [at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius],
            fill=_GREEN if label else _RED,
            outline=_WHITE,
            width=max(1, radius // 3),
        )
    return np.asarray(picture)


def click_sheet(model: PromptableModel, source: TrainingSource) -> np.ndarray:
    """A few photos, each with a click in the middle of its best mask, and the candidates by falling score."""
    from ops.promptable.predictor import Predictor

    predictor = Predictor(model)
    pictures = []
    outputs = model.shape.outputs
    for index in np.unique(np.linspace(0, len(source) - 1, min(_SHOWN, len(source))).astype(int)):
        image, masks = source[int(index)]
        height, width = image.shape[:2]
        x, y = width / 2, height / 2
        if len(masks):
            left, top, w, h = masks.boxes[int(np.argmax(masks.score))]
            x, y = left + w / 2, top + h / 2
        predictor.set_image(image)
        found, scores, _ = predictor.predict(np.array([[x, y]]), np.array([1]))
        ranked = np.argsort(-scores, kind="stable")
        pictures += [answered(image, found[best], [(x, y, 1)], max_side=_TILE) for best in ranked]
    return contact_sheet(pictures, columns=min(outputs, 6), tile=_TILE)


def _outline(mask: np.ndarray) -> np.ndarray:
    frame = np.pad(mask, 1)
    inside = frame[:-2, 1:-1] & frame[2:, 1:-1] & frame[1:-1, :-2] & frame[1:-1, 2:]
    return mask & ~inside
