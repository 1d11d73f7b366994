"""Class-agnostic average recall of masks, by COCO's rules (spec 8.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools import mask as rle

from ops.ground_truth import GroundTruth, load_ground_truth
from stores.masks import MaskSet

__all__ = ["RecallByImage", "average_recall", "best_overlaps", "load_ground_truth", "recall_by_image"]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_CATEGORY = 1
_AREAS = ("small", "medium", "large")


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
        """Bootstrap standard error of the pooled average recall over images."""
        generator = np.random.default_rng(seed)
        images = len(self.image_ids)
        return float(np.std([self.pooled(generator.integers(0, images, images)) for _ in range(rounds)]))


def average_recall(
    predictions: Mapping[int, MaskSet],
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
        ValueError: predictions of an image that is not in the ground truth, or masks of another image size.
    """
    _check_match(predictions, ground_truth)
    limits = sorted(max_detections)
    evaluation = _evaluate(predictions, ground_truth, limits)
    stats = np.where(evaluation.all_stats < 0, np.nan, evaluation.all_stats)
    first = 3 + len(_AREAS)
    result = {f"AR@{limit}": float(stats[first + i]) for i, limit in enumerate(limits)}
    first += len(limits)
    result |= {f"AR_{area}": float(stats[first + i]) for i, area in enumerate(_AREAS)}
    result["AP"] = float(stats[0])
    result["masks_per_image"] = sum(map(len, predictions.values())) / len(ground_truth.images)
    return result


def recall_by_image(
    predictions: Mapping[int, MaskSet], ground_truth: GroundTruth, max_detections: int = 1000
) -> RecallByImage:
    """AR@`max_detections` of each image by itself; arguments and errors as `average_recall`."""
    _check_match(predictions, ground_truth)
    grouped = ground_truth.masks_by_image()
    counts = np.array([sum(not mask.crowd for mask in grouped[i]) for i in ground_truth.image_ids], np.int64)
    recalls = []
    for image in ground_truth.images:
        alone = GroundTruth((image,), tuple(grouped[image.image_id]))
        found = {i: predictions[i] for i in (image.image_id,) if i in predictions}
        recalls.append(average_recall(found, alone, (max_detections,))[f"AR@{max_detections}"])
    return RecallByImage(np.array(ground_truth.image_ids), np.array(recalls), counts)


def best_overlaps(masks: MaskSet, human_masks: Sequence[dict[str, Any]]) -> np.ndarray:
    """Largest IoU of each human mask (COCO RLE) with any mask: (m,) float64, zeros where there are none.

    A quick look for tuning loops: it lets one mask answer for several human masks, so a recall made of it is an
    upper bound of `average_recall`, which matches one to one.
    """
    if not len(masks) or not human_masks:
        return np.zeros(len(human_masks))
    return rle.iou(_encoded(masks), list(human_masks), [0] * len(human_masks)).max(axis=0)


def _evaluate(predictions: Mapping[int, MaskSet], ground_truth: GroundTruth, limits: Sequence[int]) -> COCOeval_faster:
    human = COCO(_as_coco(ground_truth))
    found = human.loadRes(_as_results(predictions))
    evaluation = COCOeval_faster(human, found, "segm")
    evaluation.params.useCats = 0
    evaluation.params.maxDets = list(limits)
    evaluation.run()
    return evaluation


def _as_coco(ground_truth: GroundTruth) -> dict[str, Any]:
    annotations = [
        {
            "id": index + 1,
            "image_id": mask.image_id,
            "category_id": _CATEGORY,
            "segmentation": mask.rle,
            "area": mask.area,
            "bbox": list(rle.toBbox(mask.rle)),
            "iscrowd": int(mask.crowd),
        }
        for index, mask in enumerate(ground_truth.masks)
    ]
    images = [{"id": image.image_id, "height": image.size[0], "width": image.size[1]} for image in ground_truth.images]
    return {"images": images, "annotations": annotations, "categories": [{"id": _CATEGORY, "name": "mask"}]}


def _as_results(predictions: Mapping[int, MaskSet]) -> list[dict[str, Any]]:
    return [
        {"image_id": image_id, "category_id": _CATEGORY, "segmentation": encoded, "score": float(score)}
        for image_id, masks in predictions.items()
        for encoded, score in zip(_encoded(masks), masks.score, strict=True)
    ]


def _encoded(masks: MaskSet) -> list[dict[str, Any]]:
    return [rle.encode(np.asfortranarray(masks.dense(i).view(np.uint8))) for i in range(len(masks))]


def _check_match(predictions: Mapping[int, MaskSet], ground_truth: GroundTruth) -> None:
    sizes = {image.image_id: image.size for image in ground_truth.images}
    unknown = set(predictions) - set(sizes)
    if unknown:
        raise ValueError(f"{len(unknown)} predicted images are not in the ground truth, such as {sorted(unknown)[:5]}")
    for image_id, masks in predictions.items():
        if tuple(masks.size) != tuple(sizes[image_id]):
            raise ValueError(f"image {image_id}: masks of (H, W) {masks.size}, but the photo is {sizes[image_id]}")
