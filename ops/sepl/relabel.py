"""Mask assignment and selection: a label map and class-agnostic masks in, a repaired label map out (spec 9.2, 9.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ops.sepl.cover import as_tree, best_cover, worth
from ops.sepl.jury import best_of, jurors, plurality
from ops.sepl.pool import Heat, pool
from ops.sepl.runs import MaskRuns
from ops.sepl.settings import SeplSettings
from stores.label_maps import IGNORE
from stores.masks import MaskSet

BACKGROUND = 0


class UnfitLabelMap(ValueError):
    """A label map that does not belong to its masks or its classes; the message says why."""


@dataclass(frozen=True)
class Relabelled:
    """A repaired label map and what was done to it.

    Attributes:
        labels: (H, W) uint8.
        chosen: masks that were used.
        bare: classes of the label map for which no mask was chosen; they keep what `fallback` leaves them.
        vanished: classes that have no pixel any more.
    """

    labels: np.ndarray
    chosen: int
    bare: tuple[int, ...]
    vanished: tuple[int, ...]


@dataclass(frozen=True)
class Selection:
    """Which class each mask was chosen for, 0 for none, (n,) uint8; and its Os and Op there, (n,) float64."""

    classes: np.ndarray
    mask_share: np.ndarray
    class_share: np.ndarray


def relabel(
    labels: np.ndarray, masks: MaskSet, classes: int, settings: SeplSettings, heat: Heat | None = None
) -> Relabelled:
    """Repair a label map with masks.

    Args:
        labels: (H, W) uint8; 0 is background, 255 is no class at all.
        masks: of the same (H, W), in any order; `first_pass` and ties do not depend on it.
        classes: how many labels there are, the background included.
        settings: of assignment and selection.
        heat: the activations that the label map was made of; the rule `pool` goes by them where they are known, and
            else by the labels.

    Raises:
        UnfitLabelMap: other sizes, another type, or a label that is no class.
    """
    pixels = check_labels(labels, masks.size, classes)
    if settings.rule == "pool":
        runs = MaskRuns.of(masks)
        repaired, most = pool(heat or Heat.of_labels(labels), runs, runs.areas(), settings)
        selected = [most]
    else:
        repaired, selected = _selected(labels, pixels, masks, settings)
    if settings.keep_ignored:
        repaired[(labels == IGNORE) & (repaired == BACKGROUND)] = IGNORE
    present = np.flatnonzero(pixels[1:]) + 1
    left = np.bincount(repaired.reshape(-1), minlength=256) > 0
    chosen = np.stack(selected)
    used = set(chosen.reshape(-1).tolist())
    return Relabelled(
        repaired,
        int(np.count_nonzero(chosen.any(axis=0))),
        tuple(int(k) for k in present if k not in used),
        tuple(int(k) for k in present if not left[k]),
    )


def _selected(
    labels: np.ndarray, pixels: np.ndarray, masks: MaskSet, settings: SeplSettings
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The label map with chosen masks in it, and by juror which class each mask was chosen for, (n,) uint8."""
    if settings.rule == "cover":
        masks = as_tree(masks)
    runs = MaskRuns.of(masks)
    areas, overlaps = runs.areas(), runs.overlaps(labels, len(pixels))
    selections = []
    for juror, budget in jurors(settings):
        selection = select(overlaps, areas, pixels, juror)
        selection = replace(selection, classes=selection.classes * best_of(masks.score, budget).astype(np.uint8))
        selections.append(_covering(selection, overlaps, areas, pixels, masks, juror))
    maps = [_combined(labels, runs, selection, settings) for selection in selections]
    repaired = plurality([*maps, labels], [1.0] * len(maps) + [settings.own_votes]) if settings.prices else maps[0]
    return repaired, [selection.classes for selection in selections]


def _covering(
    selection: Selection,
    overlaps: np.ndarray,
    areas: np.ndarray,
    pixels: np.ndarray,
    masks: MaskSet,
    settings: SeplSettings,
) -> Selection:
    """Of the masks that pass, the best cover, where the rule is that."""
    if settings.rule != "cover":
        return selection
    worths = worth(overlaps, areas, pixels, settings.mask_share, settings.class_share)
    own = worths[np.arange(len(masks)), selection.classes]
    taken = best_cover(own, selection.classes, masks)
    return replace(selection, classes=selection.classes * taken.astype(np.uint8))


def check_labels(labels: np.ndarray, size: tuple[int, int], classes: int) -> np.ndarray:
    """Pixels of each label, (classes,) int64.

    Raises:
        UnfitLabelMap: not (H, W) uint8, not of `size`, or with a label that is neither below `classes` nor 255.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise UnfitLabelMap(f"a label map of shape (H, W) and type uint8 expected, got {labels.shape} {labels.dtype}")
    if labels.shape != tuple(size):
        raise UnfitLabelMap(f"the label map has (H, W) = {labels.shape}, the masks {tuple(size)}")
    pixels = np.bincount(labels.reshape(-1), minlength=256)
    unknown = [int(label) for label in np.flatnonzero(pixels) if label >= classes and label != IGNORE]
    if unknown:
        raise UnfitLabelMap(f"labels {unknown} are no classes: there are 0 to {classes - 1}, and 255 for none")
    return pixels[:classes]


def select(overlaps: np.ndarray, areas: np.ndarray, pixels: np.ndarray, settings: SeplSettings) -> Selection:
    """Give each mask to a class and decide whether it is used for it.

    Args:
        overlaps: (n, K) integers, |S∩P_k|; column 0 is the background and takes no part.
        areas: (n,) integers, |S|.
        pixels: (K,) integers, |P_k|.
    """
    mask_shares = overlaps / np.maximum(areas, 1)[:, None]
    class_shares = overlaps / np.maximum(pixels, 1)
    covers = class_shares >= settings.class_share if settings.inclusive else class_shares > settings.class_share
    inside = mask_shares > settings.mask_share
    if settings.rule == "cover":
        passes = worth(overlaps, areas, pixels, settings.mask_share, settings.class_share) > 0
    else:
        passes = inside & covers if settings.rule == "and" else inside | covers
    passes &= (pixels > 0) & (overlaps > 0)
    passes[:, BACKGROUND] = False
    if settings.assignment == "first_pass":
        best = passes.argmax(axis=1)
    else:
        best = overlaps[:, 1:].argmax(axis=1) + 1 if overlaps.shape[1] > 1 else np.zeros(len(areas), np.int64)
    rows = np.arange(len(areas))
    chosen = np.where(passes[rows, best], best, BACKGROUND).astype(np.uint8)
    return Selection(chosen, mask_shares[rows, best], class_shares[rows, best])


def _combined(labels: np.ndarray, runs: MaskRuns, selection: Selection, settings: SeplSettings) -> np.ndarray:
    kept = _kept_pixels(labels, runs, selection, settings)
    if settings.conflict == "later_class":
        return np.maximum(runs.paint_largest(selection.classes), kept)
    chosen = np.flatnonzero(selection.classes)
    keys = (-chosen, -selection.classes[chosen].astype(int), selection.class_share[chosen])
    order = chosen[np.lexsort((*keys, selection.mask_share[chosen]))]
    painted = runs.paint_in_order(order, selection.classes)
    if settings.conflict == "label":
        return np.where(kept, kept, painted)
    return np.where(painted, painted, kept)


def _kept_pixels(labels: np.ndarray, runs: MaskRuns, selection: Selection, settings: SeplSettings) -> np.ndarray:
    """(H, W) uint8: the label of the pixels that keep it by `fallback`, else 0."""
    own = np.where(labels == IGNORE, np.uint8(BACKGROUND), labels)
    if settings.fallback == "union":
        return own
    if settings.fallback == "if_empty":
        used = np.zeros(256, bool)
        used[selection.classes[selection.classes > 0]] = True
        return np.where(used[own], np.uint8(BACKGROUND), own)
    # A mask stands in the way of class k unless a class before k has claimed it.
    claims = np.where(selection.classes > 0, selection.classes, np.uint8(IGNORE))
    return np.where(runs.paint_largest(claims) < own, own, np.uint8(BACKGROUND))
