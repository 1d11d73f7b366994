"""Class-agnostic average recall of masks, by COCO's rules (spec 8.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as rle

from ops.coco_matching import AREAS, Matched, match_image, pooled
from ops.ground_truth import GroundTruth, ImageId, shown
from stores.masks import MaskSet
from stores.rle import to_rle

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


class MismatchedImages(ValueError):
    """Predictions and ground truth are not of the same images."""


@dataclass(frozen=True)
class RecallByImage:
    """Average recall split over images, so that its noise can be seen.

    Shapes for n images: image_ids (n,), recall (n,) in [0, 1] and NaN where an image has no mask to find, and
    counts (n,) the masks to find. Their weighted mean is exactly the pooled average recall.
    """

    image_ids: np.ndarray
    recall: np.ndarray
    counts: np.ndarray

    def pooled(self, picked: np.ndarray | slice = slice(None)) -> float:
        """Average recall over some of the images (indices, with repeats counted)."""
        counts = self.counts[picked]
        if not counts.sum():
            return float("nan")
        return float(np.nansum(self.recall[picked] * counts) / counts.sum())

    def standard_error(self, rounds: int = 1000, seed: int = 0) -> float:
        """Bootstrap standard error of the pooled average recall over images; draws without any mask do not count."""
        generator = np.random.default_rng(seed)
        images = len(self.image_ids)
        draws = np.array([self.pooled(generator.integers(0, images, images)) for _ in range(rounds)])
        valid = draws[np.isfinite(draws)]
        return float(valid.std()) if len(valid) else float("nan")


@dataclass(frozen=True)
class Matches:
    """What the masks of each image found, from which every score follows.

    Attributes:
        image_ids: all images of the ground truth.
        counts: (images,) int64, human masks to find in each, crowds left out.
        predicted: masks of all images together.
        matched: of each image, by `ops.coco_matching.match_image`.
    """

    image_ids: tuple[ImageId, ...]
    counts: np.ndarray
    predicted: int
    matched: tuple[Matched, ...]

    def scores(self, limits: Sequence[int]) -> dict[str, float]:
        """Scores of all images together, as `average_recall` names them."""
        limits = sorted(limits)
        recall, precision = pooled(self.matched, limits)
        by_limit = {f"AR@{limit}": float(recall[0, index]) for index, limit in enumerate(limits)}
        by_area = {f"AR_{area}": float(recall[index, -1]) for index, area in enumerate(AREAS) if area != "all"}
        masks_per_image = self.predicted / len(self.image_ids) if self.image_ids else float("nan")
        return {**by_limit, **by_area, "AP": precision, "masks_per_image": masks_per_image}

    def by_image(self, limit: int) -> RecallByImage:
        """Average recall of each image by itself, of its `limit` best masks."""
        recall = [pooled([matched], [limit])[0][0, 0] for matched in self.matched]
        return RecallByImage(np.array(self.image_ids), np.array(recall, np.float64), self.counts)


def match(predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth, most: int = 1000) -> Matches:
    """Match the `most` best masks of each image with its human masks; reads each image's masks once.

    Raises:
        MismatchedImages: predictions of an image that is not in the ground truth, or masks of another image size.
    """
    unknown = set(predictions) - set(ground_truth.image_ids)
    if unknown:
        raise MismatchedImages(f"{len(unknown)} predicted images are not in the ground truth: {shown(unknown)}")
    grouped = ground_truth.masks_by_image()
    counts = np.array([sum(not mask.crowd for mask in grouped[i]) for i in ground_truth.image_ids], np.int64)
    predicted, matched = 0, []
    for image in ground_truth.images:
        masks = predictions.get(image.image_id)
        if masks is not None and tuple(masks.size) != tuple(image.size):
            raise MismatchedImages(
                f"image {image.image_id}: masks of (H, W) {masks.size}, but the photo is {image.size}"
            )
        predicted += 0 if masks is None else len(masks)
        matched.append(match_image(image, grouped[image.image_id], masks, most))
    return Matches(tuple(ground_truth.image_ids), counts, predicted, tuple(matched))


def average_recall(
    predictions: Mapping[ImageId, MaskSet],
    ground_truth: GroundTruth,
    max_detections: Sequence[int] = (1, 10, 100, 1000),
) -> dict[str, float]:
    """Class-agnostic AR and AP at IoU .50:.05:.95, through faster-coco-eval (COCOeval with useCats = 0).

    Every image of the ground truth counts: one without predictions has missed all its masks (spec 8.1). Masks of
    equal score rank in the order of their set.

    Args:
        predictions: masks of each image id.
        ground_truth: the human masks.
        max_detections: how many of the best masks of an image count, one AR for each.

    Returns:
        `AR@k` for each k; at the largest k also `AR_small`, `AR_medium`, `AR_large` (human masks below 32² and 96²
        pixels, and the others) and `AP`; all in [0, 1], NaN where there is nothing to find. `masks_per_image`.

    Raises:
        MismatchedImages: predictions of an image that is not in the ground truth, or masks of another image size.
    """
    return match(predictions, ground_truth, max(max_detections)).scores(max_detections)


def recall_by_image(
    predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth, max_detections: int = 1000
) -> RecallByImage:
    """AR@`max_detections` of each image by itself; arguments and errors as `average_recall`."""
    return match(predictions, ground_truth, max_detections).by_image(max_detections)


def best_overlaps(masks: MaskSet, human_masks: Sequence[dict[str, Any]]) -> np.ndarray:
    """Largest IoU of each human mask (COCO RLE) with any mask: (m,) float64, zeros where there are none.

    A quick look for tuning loops: it lets one mask answer for several human masks, so a recall made of it is an
    upper bound of `average_recall`, which matches one to one.
    """
    if not len(masks) or not human_masks:
        return np.zeros(len(human_masks))
    return rle.iou(to_rle(masks), list(human_masks), [0] * len(human_masks)).max(axis=0)
