"""Which masks a click asks for, and which output answers for which of them (spec 7.2 and 7.3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from ops.bit_targets import BitTargets


def containing(targets: BitTargets, image: int, clicks: np.ndarray) -> np.ndarray:
    """Whether each mask of an image holds each click (N, 2) of x and y in pixels: (N, M) bool.

    These are the masks of one path of the tree and its branches: the whole, its parts, their parts.
    """
    x, y = clicks[:, 0], clicks[:, 1]
    bits = targets.of_image(image).cpu().numpy()
    return ((bits[:, y, x >> 3] >> (7 - (x & 7)).astype(np.uint8)) & 1).astype(bool).T


def of_granularity(candidates: np.ndarray, asked: float, granularity: np.ndarray, areas: np.ndarray) -> int:
    """The mask that a click asks for with a granularity: that of the masks which contain it whose own is nearest.

    A larger granularity never means a smaller mask: where a larger mask (under another root) has a smaller granularity,
    it counts as that of the largest one below it.

    Args:
        candidates: indices of the masks that contain the click, at least one.
        granularity, areas: of all masks of the image.
    """
    growing = candidates[np.argsort(areas[candidates], kind="stable")]
    levels = np.maximum.accumulate(granularity[growing])
    return int(growing[np.argmin(np.abs(levels - asked))])


def choose_targets(
    candidates: np.ndarray,
    own: int,
    most: int,
    areas: np.ndarray,
    scores: np.ndarray,
    choice: Literal["spread", "best", "random"],
    generator: np.random.Generator,
) -> np.ndarray:
    """At most `most` of the masks that contain a click, among them the one that it was drawn for.

    Args:
        candidates: indices of the masks that contain the click.
        own: of these, the mask that the click was drawn for.
        areas, scores: of all masks of the image.
        choice: `spread` takes the best of each of `most` groups of growing area, `best` the best of all, `random` any.
    """
    if len(candidates) <= most:
        return candidates
    if choice == "random":
        chosen = generator.choice(candidates, most, replace=False)
    elif choice == "best":
        chosen = candidates[np.argsort(-scores[candidates], kind="stable")[:most]]
    else:
        groups = np.array_split(candidates[np.argsort(areas[candidates], kind="stable")], most)
        chosen = np.array([group[np.argmax(scores[group])] for group in groups])
    if own not in chosen:
        nearest = np.argmin(np.abs(np.log(areas[chosen]) - np.log(areas[own])))
        chosen[nearest] = own
    return np.sort(chosen)


def assign(costs: torch.Tensor, targets: list[np.ndarray], outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Many-to-many matching: the outputs of each click share out its targets, at most one each, at the least cost.

    One assignment a click is the same as UnSAM's one over all of them, whose blocks of foreign pairs cost 1e6.

    Args:
        costs: (N * outputs, M).
        targets: indices into M, of each of the N clicks.

    Returns:
        Clicks, outputs and targets of the pairs, (P,) int64 each.
    """
    clicks, chosen, answered = [], [], []
    blocks = costs.detach().cpu().numpy().reshape(len(targets), outputs, -1)
    for click, wanted in enumerate(targets):
        rows, columns = linear_sum_assignment(blocks[click][:, wanted])
        clicks.append(np.full(len(rows), click))
        chosen.append(rows)
        answered.append(wanted[columns])
    empty = [np.zeros(0, np.int64)]
    pairs = [np.concatenate(part or empty).astype(np.int64) for part in (clicks, chosen, answered)]
    return pairs[0], pairs[1], pairs[2]
