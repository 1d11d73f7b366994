"""What people are shown of an image, what is left for them, and which image they should look at first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects, label

from ops.data_engine.settings import EngineSettings
from stores.masks import MaskSet

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Task:
    """One image for people.

    Attributes:
        shown: masks to correct (assisted) or to leave alone (semi-automatic), best first.
        left_over: boxes x, y, w, h of regions that no mask covers, largest first.
        information: how much people can add, in [0, 1]: the share of the image without a sure mask, and how many of
            the proposals are unsure.
    """

    shown: MaskSet
    left_over: tuple[Box, ...]
    information: float


def task_of(masks: MaskSet, settings: EngineSettings) -> Task:
    """What people are asked about an image; in the automatic stage nothing."""
    order = np.argsort(-masks.score, kind="stable")
    ranked = masks.take(order)
    sure = ranked.take(np.flatnonzero(ranked.score >= settings.sure))
    proposed = ranked.take(np.flatnonzero(ranked.score >= settings.proposed))
    shown = proposed if settings.stage == "assisted" else sure
    bare = ~covered(shown)
    unsure = 1 - len(sure) / len(proposed) if len(proposed) else 1.0
    information = 0.5 * float((~covered(sure)).mean()) + 0.5 * unsure
    regions = () if settings.stage == "automatic" else _regions(bare, settings.left_over)
    return Task(shown, regions, information)


def covered(masks: MaskSet) -> np.ndarray:
    """Pixels of an image that any mask holds, (H, W) bool."""
    frame = np.zeros(masks.size, bool)
    for index in range(len(masks)):
        x, y, w, h = masks.boxes[index]
        frame[y : y + h, x : x + w] |= masks.crop(index)
    return frame


def _regions(bare: np.ndarray, smallest: float) -> tuple[Box, ...]:
    """Boxes of the connected regions of `bare`, largest region first."""
    regions, count = label(bare)
    areas = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    places = find_objects(regions)
    large = [index for index in np.argsort(-areas, kind="stable") if areas[index] >= smallest * bare.size]
    boxes = []
    for index in large:
        rows, columns = places[index]
        boxes.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start))
    return tuple(boxes)
