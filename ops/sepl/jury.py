"""Covers at several prices, by the best few masks and by many, and the label map itself vote on each pixel.

One price is right for few photos: a low one lets a whole that is too large win, a high one a part. Where covers differ,
what most of them say is right more often than what any one of them says (docs/classes.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from ops.kernels import kernel
from ops.sepl.settings import SeplSettings


def jurors(settings: SeplSettings) -> list[tuple[SeplSettings, int | None]]:
    """The settings by which each votes, and how many of the best masks it sees; None for all."""
    if not settings.prices:
        return [(settings, None)]
    pairs = product(settings.prices, settings.budgets or (None,))
    return [(settings.model_copy(update={"mask_share": price}), budget) for price, budget in pairs]


def best_of(scores: np.ndarray, budget: int | None) -> np.ndarray:
    """Which masks are among the `budget` of the highest scores, (n,) bool."""
    seen = np.zeros(len(scores), bool)
    seen[np.argsort(-scores, kind="stable")[:budget]] = True
    return seen


def plurality(maps: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The label with the most votes at each pixel, (H, W) uint8; of several the lowest.

    Args:
        maps: (H, W) uint8 each. weights: what each map's vote counts.
    """
    stacked = np.stack([each.reshape(-1) for each in maps])
    return _most_voted(stacked, np.asarray(weights, np.float64)).reshape(maps[0].shape)


@kernel
def _most_voted(maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(pixels,) uint8 of maps (n, pixels)."""
    winners = maps[0].copy()
    for pixel in range(maps.shape[1]):
        agreed = True
        for each in range(1, len(maps)):
            agreed &= maps[each, pixel] == maps[0, pixel]
        if agreed:
            continue
        most = -1.0
        for first in range(len(maps)):
            label, votes = maps[first, pixel], 0.0
            for each in range(len(maps)):
                if maps[each, pixel] == label:
                    votes += weights[each]
            if votes > most or (votes == most and label < winners[pixel]):
                most, winners[pixel] = votes, label
    return winners
