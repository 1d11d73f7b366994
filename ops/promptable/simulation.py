"""A simulated user: first a click or a box, then clicks where the answer is wrong (spec 7.2 and 10.3).

All coordinates are x, y of pixel centres in pixels of the mask's frame: the first pixel's is (0, 0).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from models.prompts import BACKGROUND, FOREGROUND
from ops.promptable.settings import PromptSettings
from stores.masks import tight_box


def innermost(mask: np.ndarray) -> tuple[tuple[int, int], float]:
    """The pixel (x, y) farthest from all that is not the mask (H, W), and that distance; the frame's outside is not.

    Raises:
        ValueError: an empty mask.
    """
    x, y, w, h = tight_box(mask)
    if not w:
        raise ValueError("an empty mask has no innermost point")
    depth = distance_transform_edt(np.pad(mask[y : y + h, x : x + w], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (x + int(column), y + int(row)), float(depth.max())


def inner_click(mask: np.ndarray, radius: float, generator: np.random.Generator) -> tuple[int, int]:
    """A random pixel of the mask within `radius` times the smaller side of its box of the innermost one."""
    (x, y), _ = innermost(mask)
    reach = max(radius * min(tight_box(mask)[2:]), 0.5)
    rows, columns = np.nonzero(mask)
    near = np.flatnonzero((columns - x) ** 2 + (rows - y) ** 2 <= reach**2)
    place = near[generator.integers(len(near))]
    return int(columns[place]), int(rows[place])


def uniform_click(mask: np.ndarray, generator: np.random.Generator) -> tuple[int, int]:
    """Any pixel of the mask."""
    places = np.flatnonzero(mask)
    y, x = divmod(int(places[generator.integers(len(places))]), mask.shape[1])
    return x, y


def noisy_box(mask: np.ndarray, settings: PromptSettings, generator: np.random.Generator) -> np.ndarray:
    """Left, top, right, bottom of a mask's box, (4,) float32, each corner moved at random and kept in the frame."""
    x, y, w, h = tight_box(mask)
    sides = np.array([w, h, w, h])
    noise = generator.normal(0, settings.box_noise * sides)
    most = settings.most_box_noise
    moved = np.array([x, y, x + w - 1, y + h - 1]) + noise.clip(-most, most)
    height, width = mask.shape
    return moved.clip(0, [width - 1, height - 1, width - 1, height - 1]).astype(np.float32)


def first_clicks(masks: np.ndarray, settings: PromptSettings, generator: np.random.Generator) -> np.ndarray:
    """A click inside each mask (N, H, W), (N, 2) int64."""
    if settings.first_click == "uniform":
        clicks = [uniform_click(mask, generator) for mask in masks]
    else:
        clicks = [inner_click(mask, settings.inner_radius, generator) for mask in masks]
    return np.array(clicks, np.int64).reshape(-1, 2)


def correcting_clicks(
    wanted: torch.Tensor, answered: torch.Tensor, scale: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random pixel of each answer's error: foreground where the mask was missed, background where too much is in.

    An answer without any error gets one more click on its mask.

    Args:
        wanted, answered: (N, h, w) bool, masks on a grid that is `scale` times as coarse as the clicks.

    Returns:
        (N, 2) float32 and labels (N,) int64.
    """
    wrong = wanted != answered
    allowed = torch.where(wrong.flatten(1).any(1)[:, None, None], wrong, wanted)
    allowed = torch.where(allowed.flatten(1).any(1)[:, None, None], allowed, True).flatten(1)
    cells = torch.multinomial(allowed.float(), 1, generator=generator)[:, 0]
    labels = torch.where(wanted.flatten(1).gather(1, cells[:, None])[:, 0], FOREGROUND, BACKGROUND)
    columns, rows = cells % wanted.shape[2], cells // wanted.shape[2]
    return (torch.stack([columns, rows], 1) + 0.5) * scale - 0.5, labels
