"""Conquer: parts of every divide mask, and of the whole image, by iterative merging (spec 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.backbone import Backbone, BackboneDefaults
from ops.features import extract
from ops.mask_tree import build_tree
from ops.merge import merge_levels
from ops.nms import suppress
from ops.parts import Part, parts_of_leaves, parts_one_by_one
from ops.refine import refine_leaves, refine_masks
from ops.settings import ConquerSettings, LabelSettings
from ops.sharp_upsample import upsample_sharply
from ops.upsample import upsample_labels
from stores.masks import SOURCES, MaskSet, concatenate

_CONQUER = SOURCES.index("conquer")


@dataclass(frozen=True, eq=False)
class Region:
    """A piece of the image to take apart: its corner (x, y) in pixels and which of its (h, w) pixels count."""

    corner: tuple[int, int]
    inside: np.ndarray

    def cut_from(self, image: np.ndarray) -> np.ndarray:
        """The piece of an (H, W, 3) image."""
        (x, y), (h, w) = self.corner, self.inside.shape
        return image[y : y + h, x : x + w]


def conquer_image(
    image: np.ndarray,
    divide: MaskSet,
    backbone: Backbone,
    settings: LabelSettings,
    *,
    tokens: np.ndarray | None = None,
) -> MaskSet:
    """The divide masks, their parts, and with `whole_image` the parts of the whole photo, as one tree.

    Args:
        image: uint8 RGB (H, W, 3).
        divide: its masks, of the same size.
        backbone: makes the features of the crops; gives the thetas where the settings name none.
        tokens: (h, w, C) features of the whole image, if at hand; else they are computed when they are needed.

    Returns:
        Masks with score, theta, source and the tree columns filled; no two of them overlap by more than
        `conquer.nms_iou` (unless a window or the papers' scope of the suppression is asked for).

    Raises:
        ValueError: masks of another size than the image.
    """
    if tuple(divide.size) != image.shape[:2]:
        raise ValueError(f"masks of (H, W) = {divide.size} for an image of {image.shape[:2]}")
    conquer = settings.conquer
    regions = divide_regions(divide, conquer)
    grids = crop_tokens(image, regions, backbone, conquer)
    if conquer.whole_image:
        if tokens is None:
            tokens = extract(backbone, [image], settings.backbone.size)[0]
        regions.append(Region((0, 0), np.ones(image.shape[:2], bool)))
        grids.append(tokens)
    found = [
        parts_of_region(image, region, grid, settings, backbone.defaults)
        for region, grid in zip(regions, grids, strict=True)
    ]
    return build_tree(pool_masks(image, divide, found, settings))


def divide_regions(divide: MaskSet, conquer: ConquerSettings) -> list[Region]:
    """The tight crop of each divide mask; with `crop_end` exclusive without its last row and column (spec 1.4)."""
    lost = 1 if conquer.crop_end == "exclusive" else 0
    regions = []
    for index, (x, y, w, h) in enumerate(divide.boxes.tolist()):
        if w > lost and h > lost:
            regions.append(Region((x, y), divide.crop(index)[: h - lost, : w - lost]))
    return regions


def crop_tokens(
    image: np.ndarray, regions: list[Region], backbone: Backbone, conquer: ConquerSettings
) -> list[np.ndarray]:
    """Features of every region's crop, (h, w, C) each, all crops batched (spec 1.2)."""
    if conquer.channel_order == "bgr":
        image = image[:, :, ::-1]
    crops = [region.cut_from(image) for region in regions]
    return extract(backbone, crops, conquer.crop_size, resample="bicubic")


def parts_of_region(
    image: np.ndarray, region: Region, tokens: np.ndarray, settings: LabelSettings, defaults: BackboneDefaults
) -> MaskSet:
    """Parts of one region of an (H, W, 3) image, in its frame, suppressed among themselves if so set.

    With `conquer.refine` a CRF draws the region's finest clusters along the edges of the photo first, so that their
    unions, the coarser parts, follow the same edges and still nest.
    """
    conquer = settings.conquer
    thetas = conquer.thetas or defaults.thetas
    if defaults.centre:
        tokens = tokens - tokens.mean(axis=(0, 1))
    levels = merge_levels(tokens, thetas, conquer.accumulate)
    if conquer.upsample == "each":
        parts = parts_one_by_one(levels, thetas, region.inside, conquer.min_size, conquer.coverage)
    else:
        leaves = _leaf_pixels(levels[0], image, region, settings)
        parts = parts_of_leaves(leaves, levels, thetas, region.inside, conquer.min_size, conquer.coverage)
    masks = _in_image(parts, region.corner, image.shape[:2])
    if conquer.nms_scope == "region":
        masks = masks.take(suppress(masks, conquer.nms_iou, window=conquer.nms_window))
    return masks


def pool_masks(image: np.ndarray, divide: MaskSet, found: list[MaskSet], settings: LabelSettings) -> MaskSet:
    """All masks of an image, the divide masks first; near copies are dropped, divide masks last of all.

    Parts that were brought to pixels one by one are refined one by one here, as the papers have it (spec 3.3).
    """
    conquer = settings.conquer
    pool = concatenate([divide, *found])
    if conquer.nms_scope == "image":
        priority = pool.areas() + np.where(pool.source == _CONQUER, 0, np.prod(pool.size))
        pool = pool.take(suppress(pool, conquer.nms_iou, window=conquer.nms_window, priority=priority))
    if conquer.refine and conquer.upsample == "each":
        parts = pool.source == _CONQUER
        refined = refine_masks(image, pool.take(np.flatnonzero(parts)), settings.crf)
        pool = concatenate([pool.take(np.flatnonzero(~parts)), refined])
    return pool


def _leaf_pixels(labels: np.ndarray, image: np.ndarray, region: Region, settings: LabelSettings) -> np.ndarray:
    """Finest clusters (h, w) of a region in pixels, as `conquer.upsample` and `conquer.refine` have it."""
    crop = region.cut_from(image)
    if settings.conquer.upsample == "sharp":
        small = Image.fromarray(crop).resize(labels.shape[::-1], Image.Resampling.BOX)
        pixels = upsample_sharply(labels, np.asarray(small), crop)
    else:
        pixels = upsample_labels(labels, crop.shape[:2])
    if settings.conquer.refine:
        crf = settings.crf.model_copy(update={"size": settings.conquer.refine_size})
        pixels = refine_leaves(crop, pixels, crf, photo_side=max(image.shape[:2]))
    return pixels


def _in_image(parts: list[Part], corner: tuple[int, int], size: tuple[int, int]) -> MaskSet:
    boxes = np.array([part.box for part in parts], np.int32).reshape(-1, 4)
    boxes[:, :2] += np.array(corner, np.int32)
    return MaskSet.from_crops(
        size,
        boxes,
        [part.crop for part in parts],
        theta=[part.theta for part in parts],
        source=_CONQUER,
    )
