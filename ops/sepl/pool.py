"""Every mask says of all of its pixels what it holds on average, and each pixel hears all masks that hold it.

Nothing is chosen: of a thousand masks at every granularity those that cut through an object or join it to the ground
say little of any class, and what lies inside one object says the same again and again. Activations that are too small
or too large for their object so spread to its edges and no further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ops.kernels import kernel
from ops.sepl.runs import MaskRuns
from ops.sepl.settings import SeplSettings
from stores.label_maps import IGNORE

HOTTEST = 255
_SILENCE = 1e-9  # sums and differences of weights leave less than this where nothing is said


@dataclass(frozen=True)
class Heat:
    """What a classifier saw: the label of the largest activation, 0 where there is none, and how large it is.

    strongest, values: (H, W) uint8; values run from 0 to 255.
    """

    strongest: np.ndarray
    values: np.ndarray

    @classmethod
    def of_labels(cls, labels: np.ndarray) -> Heat:
        """As sure as one can be of every label but 0, background, and 255, no class at all."""
        own = np.where(labels == IGNORE, np.uint8(0), labels)
        return cls(own, np.where(own, np.uint8(HOTTEST), np.uint8(0)))


def pool(heat: Heat, runs: MaskRuns, areas: np.ndarray, settings: SeplSettings) -> tuple[np.ndarray, np.ndarray]:
    """Labels (H, W) uint8 of pooled heat; and to which label each mask said most, (n,) uint8, 0 where to none.

    A class has in a pixel the mean of its shares of the masks there, by their weights and with the heat itself as one
    more mask of usual weight; its largest value in the image counts as 1. The class that has most wins, if that is
    enough.

    Args:
        areas: (n,) integers, |S|.
        settings: `area_power` for the weights, `own_votes` for the heat's, `mask_share` for what is enough.
    """
    warm = heat.strongest * (heat.values > 0)
    labels = 1 + np.flatnonzero(np.bincount(warm.reshape(-1), minlength=2)[1:]).astype(np.uint8)
    if not len(labels):
        return np.zeros(runs.size, np.uint8), np.zeros(len(runs), np.uint8)
    strips, starts = _strips(heat, runs)
    lengths = np.diff(starts, append=len(strips))
    weights = (np.maximum(areas, 1) / len(strips)) ** -settings.area_power
    own = settings.own_votes * (float(np.median(weights)) if len(weights) else 1.0)
    spans = np.append(strips, len(starts))[runs.spans]
    place = np.full(256, -1)
    place[labels] = np.arange(len(labels))
    classes, strength = place[warm.reshape(-1)[starts]], heat.values.reshape(-1)[starts] / HOTTEST
    shares = _shares(spans, runs.offsets, areas, classes, strength * lengths, len(labels))
    best = _winners(spans, runs.offsets, classes, strength, weights, shares, own, settings.mask_share)
    most = np.where(shares.any(axis=1), labels[shares.argmax(axis=1)], np.uint8(0))
    return np.append(labels, np.uint8(0))[best[strips]].reshape(runs.size), most


def _strips(heat: Heat, runs: MaskRuns) -> tuple[np.ndarray, np.ndarray]:
    """The image cut wherever a run or equal heat begins or ends: each pixel's strip (H · W,), and the first pixels."""
    cut = np.zeros(heat.values.size + 1, np.bool_)
    cut[0] = True
    cut[runs.spans.reshape(-1)] = True
    for layer in (heat.strongest.reshape(-1), heat.values.reshape(-1)):
        cut[1:-1] |= layer[1:] != layer[:-1]
    return np.cumsum(cut[:-1]) - 1, np.flatnonzero(cut[:-1])


@kernel
def _shares(
    spans: np.ndarray, offsets: np.ndarray, areas: np.ndarray, classes: np.ndarray, warmth: np.ndarray, count: int
) -> np.ndarray:
    """(n, count): what each mask holds of each class on average.

    Args:
        spans: (r, 2) in strips. classes, warmth: of each strip; -1 is none.
    """
    shares = np.zeros((len(offsets) - 1, count))
    for mask in range(len(shares)):
        for run in range(offsets[mask], offsets[mask + 1]):
            for strip in range(spans[run, 0], spans[run, 1]):
                if classes[strip] >= 0:
                    shares[mask, classes[strip]] += warmth[strip] / areas[mask]
    return shares


@kernel
def _heard(spans: np.ndarray, offsets: np.ndarray, said: np.ndarray, strips: int) -> np.ndarray:
    """(strips,): the sum of what all masks that hold a strip say, `said` (n,)."""
    steps = np.zeros(strips + 1)
    for mask in range(len(said)):
        if said[mask] > 0:
            for run in range(offsets[mask], offsets[mask + 1]):
                steps[spans[run, 0]] += said[mask]
                steps[spans[run, 1]] -= said[mask]
    return np.cumsum(steps)[:strips]


@kernel
def _winners(
    spans: np.ndarray,
    offsets: np.ndarray,
    classes: np.ndarray,
    strength: np.ndarray,
    weights: np.ndarray,
    shares: np.ndarray,
    own: float,
    enough: float,
) -> np.ndarray:
    """The class of each strip, (strips,), -1 for none."""
    strips = len(classes)
    winners, best, values = np.full(strips, -1), np.full(strips, enough), np.zeros(strips)
    voices = _heard(spans, offsets, weights, strips) + own
    for k in range(shares.shape[1]):
        said = _heard(spans, offsets, weights * shares[:, k], strips)
        for strip in range(strips):
            warm = own * strength[strip] if classes[strip] == k else 0.0
            values[strip] = (said[strip] + warm) / voices[strip] if voices[strip] > _SILENCE else 0.0
        largest = values.max()
        for strip in range(strips):
            if values[strip] > best[strip] * largest + _SILENCE:
                winners[strip], best[strip] = k, values[strip] / largest
    return winners
