"""A colour for every mask: its own from run to run, and another than that of the masks it touches."""

from __future__ import annotations

import numpy as np
from skimage.color import lab2rgb

from ops.mask_partition import NOTHING, partition_at, scaled_down
from stores.masks import NO_PARENT, MaskSet

# Turns of the hue circle for a step of a mask's own side, and for twice that side: irrational, so that neighbours of
# one size do not fall on one hue, nor does a mask fall on that of what surrounds it.
TURNS_ACROSS, TURNS_DOWN, TURNS_PER_OCTAVE = 0.6180, 0.7549, 1.2021
OTHER_TURNS = (0.0, 0.17, -0.17, 0.33, -0.33, 0.5)
CHROMA = 62.0
LIGHTNESS = (74.0, 60.0, 84.0)
OWN_SHARE = 0.85
DISTINCT = 28.0  # CIELAB distance from which two tints over a photo are told apart at a glance
SMALL_SIDE = 256


def mask_colours(masks: MaskSet) -> np.ndarray:
    """Colours that tell neighbours apart and that a mask keeps from picture to picture and from run to run.

    The hue follows the mask's size, and its centre of mass measured in that size, so that a mask which a second run
    finds slightly changed keeps its colour. Where a mask would look like a larger one that it touches in a
    partition of the photo, its hue is turned. A part takes a share of its parent's colour: what belongs together
    looks related.

    Args:
        masks: n masks; parents may be missing, granularity is not used.

    Returns:
        (n, 3) uint8 sRGB; the same for the same masks, whatever their order.
    """
    if not len(masks):
        return np.zeros((0, 3), np.uint8)
    lightness, turn = _own_hues(masks)
    colours = np.zeros((len(masks), 3))
    neighbours = _larger_neighbours(masks)
    for index in _large_first(masks):
        parent = masks.parent[index]
        share = OWN_SHARE if parent != NO_PARENT else 1.0
        around = colours[neighbours[index]]
        candidates = share * _lab(lightness[index], turn[index] + np.array(OTHER_TURNS)) + (1 - share) * colours[parent]
        colours[index] = _first_distinct(candidates, around)
    return np.round(lab2rgb(colours[None])[0] * 255).clip(0, 255).astype(np.uint8)


def _own_hues(masks: MaskSet) -> tuple[np.ndarray, np.ndarray]:
    """Lightness and hue in turns of each mask, (n,) each, from its centre of mass and its area alone."""
    frame_side = np.sqrt(np.prod(masks.size))
    octave = np.log2(np.sqrt(np.maximum(masks.areas(), 1)) / frame_side)
    across, down = _centres(masks).T / (frame_side * np.exp2(np.round(octave)))
    lightness = np.take(LIGHTNESS, np.floor(across + down).astype(int) % len(LIGHTNESS))
    return lightness, across * TURNS_ACROSS + down * TURNS_DOWN + octave * TURNS_PER_OCTAVE


def _centres(masks: MaskSet) -> np.ndarray:
    """Centres of mass, (n, 2) as x, y in pixels; the corner of an empty mask."""
    centres = masks.boxes[:, :2].astype(np.float64)
    for index in np.flatnonzero(masks.areas()):
        rows, columns = np.nonzero(masks.crop(int(index)))
        centres[index] += columns.mean() + 0.5, rows.mean() + 0.5
    return centres


def _lab(lightness: float, turns: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * turns
    return np.stack([np.full(len(turns), lightness), CHROMA * np.cos(angle), CHROMA * np.sin(angle)], axis=1)


def _first_distinct(candidates: np.ndarray, around: np.ndarray) -> np.ndarray:
    """The first of the candidates (k, 3) that is far from all colours around it (m, 3), else the farthest."""
    if not len(around):
        return candidates[0]
    nearest = np.linalg.norm(candidates[:, None] - around[None], axis=-1).min(axis=1)
    return candidates[np.argmax(np.minimum(nearest, DISTINCT))]


def _large_first(masks: MaskSet) -> np.ndarray:
    x, y, w, h = masks.boxes.T
    return np.lexsort((h, w, y, x, -masks.areas()))


def _larger_neighbours(masks: MaskSet) -> list[list[int]]:
    """For each mask the masks that come before it in `_large_first` and touch it in a partition at some size."""
    place = np.empty(len(masks), np.int64)
    place[_large_first(masks)] = np.arange(len(masks))
    small, kept = scaled_down(masks, SMALL_SIDE)
    sides = np.sqrt(small.areas() / np.prod(small.size))
    by_size = small.with_columns(granularity=sides)
    pairs: set[tuple[int, int]] = set()
    for side in np.exp2(np.arange(-5, 0.1, 0.5)):
        pairs |= _touching(partition_at(by_size, side))
    neighbours: list[list[int]] = [[] for _ in range(len(masks))]
    for one, other in sorted((int(kept[a]), int(kept[b])) for a, b in pairs):
        larger, smaller = sorted((one, other), key=place.__getitem__)
        neighbours[smaller].append(larger)
    return neighbours


def _touching(labels: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of labels beside or above each other."""
    pairs: set[tuple[int, int]] = set()
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        border = (one != other) & (one != NOTHING) & (other != NOTHING)
        found = np.unique(np.stack([one[border], other[border]], axis=1), axis=0)
        pairs |= {(int(a), int(b)) for a, b in found}
    return pairs
