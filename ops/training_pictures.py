"""What a training run looks like: its loss curve, and what the model finds on a few photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ops.label_shards import ShardLabels
from ops.model_stages import predicted_tree
from ops.pictures import contact_sheet, overlay, resized
from ops.training_log import Entry
from ops.training_settings import PredictionSettings

if TYPE_CHECKING:
    from ops.model_files import MaskModel

_MARGIN = 44
_TICKS = 5
_TILE = 256
_SHOWN = 3
_VIEWS = 2  # each head of a model with two looks once
_INK, _GRID, _RAW, _SMOOTH = (60, 60, 60), (225, 225, 225), (170, 195, 230), (30, 80, 160)


def loss_curve(history: Sequence[Entry], size: tuple[int, int] = (720, 300)) -> np.ndarray:
    """The loss over the steps, each window and their running mean, as a picture (H, W, 3) uint8 of (W, H) `size`.

    Raises:
        ValueError: a history without entries.
    """
    if not history:
        raise ValueError("there is no history to draw")
    steps, losses = (np.array([entry[name] for entry in history]) for name in ("step", "loss"))
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    low, high = float(losses.min()), float(losses.max())
    top = high + 0.05 * (high - low or 1.0)

    def place(step: float, loss: float) -> tuple[float, float]:
        x = _MARGIN + (step / steps[-1]) * (size[0] - 1.5 * _MARGIN)
        y = size[1] - _MARGIN + (loss - low) / (top - low) * (1.5 * _MARGIN - size[1])
        return x, y

    for share in np.linspace(0, 1, _TICKS):
        _, y = place(0, low + share * (top - low))
        draw.line([(_MARGIN, y), (size[0] - _MARGIN / 2, y)], fill=_GRID)
        draw.text((4, y - 6), f"{low + share * (top - low):.3g}", fill=_INK)
        x, _ = place(share * steps[-1], low)
        draw.text((x - 8, size[1] - _MARGIN + 6), f"{share * steps[-1]:.0f}", fill=_INK)
    draw.text((_MARGIN, 4), "loss, and steps below", fill=_INK)
    draw.line([place(*point) for point in zip(steps, losses, strict=True)], fill=_RAW, width=2)
    draw.line([place(*point) for point in zip(steps, _running_mean(losses), strict=True)], fill=_SMOOTH, width=2)
    return np.asarray(picture)


def sample_sheet(model: MaskModel, labels: ShardLabels, settings: PredictionSettings) -> np.ndarray:
    """A few photos, each beside the labels it was trained on and what the model finds, (H, W, 3) uint8."""
    quick = _at_a_glance(settings)
    pictures = []
    for index in np.unique(np.linspace(0, len(labels) - 1, min(_SHOWN, len(labels))).astype(int)):
        image, masks = labels[int(index)]
        found = predicted_tree(model, image, quick)
        pictures += [resized(image, _TILE), overlay(image, masks, _TILE), overlay(image, found, _TILE)]
    return contact_sheet(pictures, columns=3, tile=_TILE)


def _at_a_glance(settings: PredictionSettings) -> PredictionSettings:
    """Fewer views of a photo than its masks come from: enough for a small picture, at half the time."""
    grouping = settings.grouping.model_copy(update={"views": settings.grouping.views[:_VIEWS]})
    return settings.model_copy(update={"grouping": grouping})


def summary(history: Sequence[Entry]) -> Mapping[str, float]:
    """First and last loss, images a second, share of the time spent waiting for data, steps without a gradient."""
    first, last = history[0], history[-1]
    waiting = float(np.mean([entry["waiting"] for entry in history]))
    speed = float(np.median([entry["images_per_second"] for entry in history]))
    return {
        "first_loss": round(first["loss"], 4),
        "last_loss": round(last["loss"], 4),
        "images_per_second": round(speed, 3),
        "waiting_for_data": round(waiting, 4),
        "skipped_steps": int(last["skipped"]),
    }


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the tenth of the history that ends at each entry."""
    width = max(1, len(values) // 10)
    return np.array([values[max(0, end - width) : end].mean() for end in range(1, len(values) + 1)])
