"""Class-agnostic average recall of masks, by COCO's rules (spec 8.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools import mask as rle

from ops.ground_truth import GroundTruth, ImageId, shown
from stores.masks import MaskSet
from stores.rle import to_rle

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_CATEGORY = 1
_AREAS = ("small", "medium", "large")


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
    _check_images(predictions, ground_truth)
    limits = sorted(max_detections)
    results = _as_results(predictions, ground_truth)
    evaluation = _evaluate(results, ground_truth, limits)
    stats = np.where(evaluation.all_stats < 0, np.nan, evaluation.all_stats)
    first = 3 + len(_AREAS)
    result = {f"AR@{limit}": float(stats[first + i]) for i, limit in enumerate(limits)}
    first += len(limits)
    result |= {f"AR_{area}": float(stats[first + i]) for i, area in enumerate(_AREAS)}
    result["AP"] = float(stats[0])
    result["masks_per_image"] = len(results) / len(ground_truth.images)
    return result


def recall_by_image(
    predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth, max_detections: int = 1000
) -> RecallByImage:
    """AR@`max_detections` of each image by itself; arguments and errors as `average_recall`."""
    return recalls_by_image(predictions, ground_truth, (max_detections,))[max_detections]


def recalls_by_image(
    predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth, max_detections: Sequence[int]
) -> dict[int, RecallByImage]:
    """`recall_by_image` for several limits at once; the masks of an image are read once."""
    _check_images(predictions, ground_truth)
    grouped = ground_truth.masks_by_image()
    counts = np.array([sum(not mask.crowd for mask in grouped[i]) for i in ground_truth.image_ids], np.int64)
    recalls = []
    for image in ground_truth.images:
        alone = GroundTruth((image,), tuple(grouped[image.image_id]))
        found = {i: predictions[i] for i in (image.image_id,) if i in predictions}
        result = average_recall(found, alone, max_detections)
        recalls.append([result[f"AR@{limit}"] for limit in max_detections])
    columns = np.array(recalls, np.float64).reshape(-1, len(max_detections)).T
    ids = np.array(ground_truth.image_ids)
    return {limit: RecallByImage(ids, column, counts) for limit, column in zip(max_detections, columns, strict=True)}


def best_overlaps(masks: MaskSet, human_masks: Sequence[dict[str, Any]]) -> np.ndarray:
    """Largest IoU of each human mask (COCO RLE) with any mask: (m,) float64, zeros where there are none.

    A quick look for tuning loops: it lets one mask answer for several human masks, so a recall made of it is an
    upper bound of `average_recall`, which matches one to one.
    """
    if not len(masks) or not human_masks:
        return np.zeros(len(human_masks))
    return rle.iou(to_rle(masks), list(human_masks), [0] * len(human_masks)).max(axis=0)


def _evaluate(results: Sequence[dict[str, Any]], ground_truth: GroundTruth, limits: Sequence[int]) -> COCOeval_faster:
    human = COCO(_as_coco(ground_truth))
    found = human.loadRes(list(results))
    evaluation = COCOeval_faster(human, found, "segm")
    evaluation.params.useCats = 0
    evaluation.params.maxDets = list(limits)
    evaluation.run()
    return evaluation


def _as_coco(ground_truth: GroundTruth) -> dict[str, Any]:
    numbers = _numbers(ground_truth)
    annotations = [
        {
            "id": index + 1,
            "image_id": numbers[mask.image_id],
            "category_id": _CATEGORY,
            "segmentation": mask.rle,
            "area": mask.area,
            "bbox": list(rle.toBbox(mask.rle)),
            "iscrowd": int(mask.crowd),
        }
        for index, mask in enumerate(ground_truth.masks)
    ]
    images = [
        {"id": numbers[image.image_id], "height": image.size[0], "width": image.size[1]}
        for image in ground_truth.images
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": _CATEGORY, "name": "mask"}]}


def _as_results(predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth) -> list[dict[str, Any]]:
    """Results as COCO has them; the masks of one image are unpacked at a time."""
    numbers, sizes = _numbers(ground_truth), {image.image_id: image.size for image in ground_truth.images}
    results = []
    for image_id, masks in predictions.items():
        if tuple(masks.size) != tuple(sizes[image_id]):
            size = sizes[image_id]
            raise MismatchedImages(f"image {image_id}: masks of (H, W) {masks.size}, but the photo is {size}")
        results += [
            {"image_id": numbers[image_id], "category_id": _CATEGORY, "segmentation": encoded, "score": float(score)}
            for encoded, score in zip(to_rle(masks), masks.score, strict=True)
        ]
    return results


def _numbers(ground_truth: GroundTruth) -> dict[ImageId, int]:
    """A number for each image id, since COCOeval takes no names."""
    return {image_id: number for number, image_id in enumerate(ground_truth.image_ids)}


def _check_images(predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth) -> None:
    unknown = set(predictions) - set(ground_truth.image_ids)
    if unknown:
        raise MismatchedImages(f"{len(unknown)} predicted images are not in the ground truth: {shown(unknown)}")
