"""A colour for every mask that depends on nothing but its own place, size and ancestors."""

from __future__ import annotations

import numpy as np
from skimage.color import lab2rgb

from stores.masks import MaskSet

# Turns of the hue circle a mask's own width apart: irrational, so that neighbours of one size never fall on one hue.
TURNS_ACROSS, TURNS_DOWN, TURNS_PER_OCTAVE = 0.6180, 0.7549, 0.3247
CHROMA = 62.0
LIGHTNESS = (74.0, 60.0, 84.0)
OWN_SHARE = 0.72


def mask_colours(masks: MaskSet) -> np.ndarray:
    """Colours that tell neighbours apart and that a mask keeps from picture to picture and from run to run.

    The hue follows the centre of the box measured in the mask's own size, rounded to octaves: neighbours differ by
    a third of the circle, while a mask that a second run finds slightly changed keeps its colour. A part
    takes a share of its parent's colour, so that what belongs together looks related.

    Args:
        masks: n masks; parents may be missing.

    Returns:
        (n, 3) uint8 sRGB; the same for the same masks, whatever their order.
    """
    if not len(masks):
        return np.zeros((0, 3), np.uint8)
    return _to_srgb(_with_share_of_parent(_own_colours(masks), masks))


def _own_colours(masks: MaskSet) -> np.ndarray:
    """CIELAB colours, (n, 3), from box centres and areas alone."""
    x, y, w, h = masks.boxes.astype(np.float64).T
    octave = np.round(np.log2(np.sqrt(np.maximum(masks.areas(), 1) / np.prod(masks.size))))
    side = np.exp2(octave) * np.sqrt(np.prod(masks.size))
    across, down = (x + w / 2) / side, (y + h / 2) / side
    turn = across * TURNS_ACROSS + down * TURNS_DOWN + octave * TURNS_PER_OCTAVE
    lightness = np.take(LIGHTNESS, np.floor(across + down).astype(int) % len(LIGHTNESS))
    angle = 2 * np.pi * turn
    return np.stack([lightness, CHROMA * np.cos(angle), CHROMA * np.sin(angle)], axis=1)


def _with_share_of_parent(own: np.ndarray, masks: MaskSet) -> np.ndarray:
    mixed = own.copy()
    for index in np.argsort(masks.level, kind="stable"):
        if masks.parent[index] >= 0:
            mixed[index] = OWN_SHARE * own[index] + (1 - OWN_SHARE) * mixed[masks.parent[index]]
    return mixed


def _to_srgb(lab: np.ndarray) -> np.ndarray:
    return np.round(lab2rgb(lab[None])[0] * 255).clip(0, 255).astype(np.uint8)
