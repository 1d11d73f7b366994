"""UnSAM+: human masks, and the unsupervised ones that humans overlooked (spec 6, paper eq. 3)."""

from __future__ import annotations

import numpy as np
from numba import njit

from ops.mask_tree import build_tree
from ops.nms import distinct
from ops.packed_masks import PackedMasks, share_at_least
from stores.masks import MaskSet, concatenate


def merge_plus_labels(human: MaskSet, unsupervised: MaskSet, most_iou: float | None) -> MaskSet:
    """All human masks, then the unsupervised masks that overlap none of them, as one tree.

    Exact copies are left out: of two equal masks the first stays, so that a human one wins.

    Args:
        human, unsupervised: of one image.
        most_iou: the paper's tau, 0.02: an unsupervised mask stays when its IoU with every human mask is at most that.
            None keeps them all: the union without tau.

    Raises:
        ValueError: masks of images of different sizes, or a bound outside [0, 1].
    """
    _check(human, unsupervised, most_iou)
    together = concatenate([human, unsupervised])
    packed = PackedMasks.of(together)
    apart = _stay(packed.take(slice(len(human), None)), packed.take(slice(len(human))), most_iou)
    kept = np.concatenate([np.arange(len(human)), len(human) + apart])
    merged = together.take(kept)
    unique = distinct(merged)
    if len(unique) < len(merged):
        merged, kept = merged.take(unique), kept[unique]
    return build_tree(merged, packed=packed.take(kept))


def apart_from(candidates: MaskSet, references: MaskSet, most_iou: float) -> np.ndarray:
    """Indices of the candidates whose IoU with every reference is at most `most_iou`, ascending.

    An empty mask has IoU 0 with everything. At exactly `most_iou` a candidate stays.

    Raises:
        ValueError: as `merge_plus_labels`.
    """
    _check(references, candidates, most_iou)
    return _stay(PackedMasks.of(candidates), PackedMasks.of(references), most_iou)


def _check(human: MaskSet, unsupervised: MaskSet, most_iou: float | None) -> None:
    if unsupervised.size != human.size:
        raise ValueError(f"masks of images of different sizes, (H, W) {unsupervised.size} and {human.size}")
    if most_iou is not None and not 0 <= most_iou <= 1:
        raise ValueError(f"an IoU lies in [0, 1], the bound is {most_iou}")


def _stay(a: PackedMasks, b: PackedMasks, most_iou: float | None) -> np.ndarray:
    if most_iou is None or not len(a.areas) or not len(b.areas):
        return np.arange(len(a.areas))
    apart = _apart(a.words, a.starts, a.boxes, a.areas, b.words, b.starts, b.boxes, b.areas, most_iou)
    return np.flatnonzero(apart)


@njit(cache=True, nogil=True)
def _apart(a_words, a_starts, a_boxes, a_areas, b_words, b_starts, b_boxes, b_areas, most_iou):
    """Which masks of a stay, (n,) bool; those of b that are likeliest to overlap are asked first."""
    apart = np.ones(len(a_areas), np.bool_)
    likeliness = np.zeros(len(b_areas))
    for i in range(len(a_areas)):
        for j in range(len(b_areas)):
            likeliness[j] = _box_iou(a_boxes[i], b_boxes[j])
        for j in np.argsort(-likeliness):
            if likeliness[j] == 0:
                break
            needed = _least_above(a_areas[i] + b_areas[j], most_iou)
            if needed > min(a_areas[i], b_areas[j]):
                continue
            if share_at_least(needed, a_words, a_starts[i], a_boxes[i], b_words, b_starts[j], b_boxes[j]):
                apart[i] = False
                break
    return apart


@njit(cache=True, nogil=True)
def _least_above(both, most_iou):
    """The least intersection with which two masks of `both` pixels together have an IoU above the bound."""
    needed = max(int(most_iou * both / (1 + most_iou)) - 1, 1)
    while needed < both and needed / (both - needed) <= most_iou:
        needed += 1
    return needed


@njit(cache=True, nogil=True, inline="always")
def _box_iou(a, b):
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / (a[2] * a[3] + b[2] * b[3] - across * down)
