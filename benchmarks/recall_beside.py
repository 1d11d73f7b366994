"""Recall of several sources of masks beside each other, and whether one is better than another on the same photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ops.evaluation import WITH_ERRORS
from ops.ground_truth import GroundTruth, ImageId
from ops.metrics import RecallByImage, best_overlaps, match
from stores.masks import MaskSet

FOUND = 0.5
SHOWN = ("AR@1000", "AR@1000_error", "AR@100", "AR@100_error", "AR_small", "AR_medium", "AR_large", "AP")


@dataclass(frozen=True)
class Found:
    """Which human regions a source covers with an IoU of 0.5, (regions,) bool, and its recall by limit."""

    regions: np.ndarray
    recall: dict[int, RecallByImage]


def report(name: str, masks: Mapping[ImageId, MaskSet], truth: GroundTruth, first: Found | None = None) -> Found:
    """Print the scores of one source, and what it has beyond the `first` and that beyond it."""
    matches = match(masks, truth)
    found = Found(found_regions(masks, truth), {limit: matches.by_image(limit) for limit in WITH_ERRORS})
    numbers = matches.scores(WITH_ERRORS)
    numbers |= {f"AR@{limit}_error": recall.standard_error() for limit, recall in found.recall.items()}
    shown = ", ".join(f"{key} {100 * numbers[key]:.1f}" for key in SHOWN if not np.isnan(numbers[key]))
    print(f"{name}: {shown}; {numbers['masks_per_image']:.0f} masks a photo", flush=True)
    if first is not None:
        for limit, recall in found.recall.items():
            more, error = difference(recall, first.recall[limit])
            print(f"  AR@{limit} {100 * more:+.2f} ± {100 * error:.2f} against the first")
        print(
            f"  of {len(found.regions)} regions {(found.regions & ~first.regions).mean():.1%} beyond the first, ",
            end="",
        )
        print(f"{(first.regions & ~found.regions).mean():.1%} only by the first", flush=True)
    return found


def found_regions(predictions: Mapping[ImageId, MaskSet], truth: GroundTruth) -> np.ndarray:
    """Which human regions some mask covers with an IoU of `FOUND`, (regions,) bool; crowds left out."""
    grouped = truth.masks_by_image()
    found = []
    for image_id in truth.image_ids:
        humans = [mask.rle for mask in grouped[image_id] if not mask.crowd]
        masks = predictions.get(image_id)
        found.append(np.zeros(len(humans)) if masks is None else best_overlaps(masks, humans))
    return np.concatenate(found) >= FOUND


def difference(one: RecallByImage, other: RecallByImage, rounds: int = 1000) -> tuple[float, float]:
    """Pooled recall of one less that of the other, and its bootstrap standard error over the photos of both."""
    generator = np.random.default_rng(0)
    photos = len(one.image_ids)
    draws = (generator.integers(0, photos, photos) for _ in range(rounds))
    return one.pooled() - other.pooled(), float(np.nanstd([one.pooled(draw) - other.pooled(draw) for draw in draws]))
