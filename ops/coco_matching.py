"""COCO's matching of masks, an image at a time (COCOeval without classes, through faster-coco-eval).

All images at once would hold every mask's RLE several times, three kilobytes a mask. What is kept of an image here is
which mask found what, from which the scores of all images, or of any of them, follow exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core.cocoeval import Params
from faster_coco_eval.faster_eval_api_cpp import COCOevalAccumulate
from pycocotools import mask as rle

from ops.ground_truth import GroundTruthImage, GroundTruthMask
from stores.masks import MaskSet
from stores.rle import to_rle

AREAS = ("all", "small", "medium", "large")
_CATEGORY = _IMAGE = 1
Matched = list[Any]


def match_image(
    image: GroundTruthImage, human_masks: Sequence[GroundTruthMask], masks: MaskSet | None, most: int
) -> Matched:
    """Which of the `most` best masks of an image find which human masks: the library's record for each of `AREAS`."""
    evaluation = COCOeval_faster(*_as_coco(image, human_masks, masks), "segm", separate_eval=True)
    evaluation.params.useCats = 0
    evaluation.params.maxDets = [most]
    evaluation.evaluate()
    # The library offers the records of single images under no public name.
    return evaluation._evalImgs_cpp


def pooled(matched: Sequence[Matched], limits: Sequence[int]) -> tuple[np.ndarray, float]:
    """Average recall and average precision over images.

    Args:
        matched: of each image.
        limits: how many of the best masks of an image count, ascending; not above the `most` of the matching.

    Returns:
        Recall averaged over IoU .50:.05:.95, (areas, limits) float64, and precision averaged likewise at the largest
        limit; NaN where there is nothing to find.
    """
    params = Params(iouType="segm")
    params.useCats = 0
    params.imgIds = list(range(len(matched)))
    params.maxDets = list(limits)
    curves = COCOevalAccumulate(params, [records[area] for area in range(len(AREAS)) for records in matched])
    recall = np.asarray(curves["recall"])[:, 0]
    precision = np.asarray(curves["precision"])[:, :, 0, 0, -1]
    return _mean(recall), float(_mean(precision.reshape(-1)))


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis; the library writes -1 where there is nothing to find."""
    return np.where(values > -1, values, np.nan).mean(axis=0)


def _as_coco(
    image: GroundTruthImage, human_masks: Sequence[GroundTruthMask], masks: MaskSet | None
) -> tuple[COCO, COCO]:
    annotations = [
        {
            "id": index,
            "image_id": _IMAGE,
            "category_id": _CATEGORY,
            "segmentation": mask.rle,
            "area": mask.area,
            "bbox": list(rle.toBbox(mask.rle)),
            "iscrowd": int(mask.crowd),
        }
        for index, mask in enumerate(human_masks, 1)
    ]
    record = {"id": _IMAGE, "height": image.size[0], "width": image.size[1]}
    categories = [{"id": _CATEGORY, "name": "mask"}]
    human = COCO({"images": [record], "annotations": annotations, "categories": categories})
    results = [
        {"image_id": _IMAGE, "category_id": _CATEGORY, "segmentation": encoded, "score": float(score)}
        for encoded, score in (zip(to_rle(masks), masks.score, strict=True) if masks is not None else ())
    ]
    return human, human.loadRes(results)
