"""Class-agnostic scores of predicted masks against human ones (spec 8.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ops.ground_truth import DatasetError, GroundTruth, ImageId
from ops.metrics import match
from stores.masks import MaskSet

LIMITS = (1, 10, 100, 1000)
WITH_ERRORS = (100, 1000)
Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Scores:
    """How well masks answer for the human masks of a dataset; shares lie in [0, 1], NaN where nothing is to be found.

    Attributes:
        recall: average recall over IoU .50:.05:.95, by how many of the best masks of an image count.
        recall_by_size: the same at 1000 masks, of `small`, `medium` and `large` human masks (32² and 96² pixels).
        precision: average precision at 1000 masks.
        standard_error: of the recall at 100 and 1000 masks, by bootstrap over images.
        masks_per_image: over all images of the dataset.
        images: of the dataset.
        images_without_predictions: of these; all their human masks count as missed.
    """

    recall: dict[int, float]
    recall_by_size: dict[str, float]
    precision: float
    standard_error: dict[int, float]
    masks_per_image: float
    images: int
    images_without_predictions: int

    def numbers(self) -> Numbers:
        """Every number under its name: `AR@100`, `AR@100_error`, `AR_small`, `AP`, …; None for NaN."""
        numbers = {
            **{f"AR@{limit}": value for limit, value in self.recall.items()},
            **{f"AR@{limit}_error": value for limit, value in self.standard_error.items()},
            **{f"AR_{size}": value for size, value in self.recall_by_size.items()},
            "AP": self.precision,
            "masks_per_image": self.masks_per_image,
            "images": self.images,
            "images_without_predictions": self.images_without_predictions,
        }
        return {name: None if math.isnan(value) else value for name, value in numbers.items()}


def evaluate(predictions: Mapping[ImageId, MaskSet], ground_truth: GroundTruth) -> Scores:
    """Score masks; a mapping that reads them when asked is read once, an image at a time.

    Raises:
        DatasetError: a dataset without images.
        MismatchedImages: predictions of an image that is not in the ground truth, or masks of another image size.
    """
    if not ground_truth.images:
        raise DatasetError("there is nothing to score against: the dataset has no images")
    matches = match(predictions, ground_truth, max(LIMITS))
    pooled = matches.scores(LIMITS)
    return Scores(
        recall={limit: pooled[f"AR@{limit}"] for limit in LIMITS},
        recall_by_size={size: pooled[f"AR_{size}"] for size in ("small", "medium", "large")},
        precision=pooled["AP"],
        standard_error={limit: matches.by_image(limit).standard_error() for limit in WITH_ERRORS},
        masks_per_image=pooled["masks_per_image"],
        images=len(ground_truth.images),
        images_without_predictions=len(set(ground_truth.image_ids) - set(predictions)),
    )
