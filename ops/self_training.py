"""Round 2's labels: what the model is sure of, and those of its teacher's masks that it did not find (spec 5)."""

from __future__ import annotations

import numpy as np

from ops.mask_tree import build_tree
from ops.plus_labels import apart_from
from ops.predict import Predictions
from ops.training_settings import SelfTrainingSettings
from stores.masks import MaskSet, concatenate


def merge_labels(old: MaskSet, predictions: Predictions, settings: SelfTrainingSettings) -> MaskSet:
    """Sure predictions, then the old masks that overlap none of them, as one tree.

    A prediction is sure when its class probability (or its product score, `score_of`) is *greater* than `score`; an
    old mask goes when its IoU with any sure prediction is *greater* than `drop_iou`: at exactly 0.5 it stays. That is
    the paper's wording; CutLER's script keeps predictions at the threshold and drops old masks at exactly 0.5.
    Without sure predictions the old masks stay, without old masks the predictions are all; no NMS among predictions.
    IoUs are taken on packed rows: no dense mask is made. The scores of old masks are put on the scale of the
    predictions' (`rescaled`): two rankers' scores cannot be compared, and training weighs and chooses masks by them.

    Args:
        old: the labels of the round before.
        predictions: of the model that learned from them, on the same image.

    Raises:
        ValueError: masks of images of different sizes.
    """
    if old.size != predictions.masks.size:
        raise ValueError(f"old labels of (H, W) {old.size}, predictions of {predictions.masks.size}")
    scores = predictions.class_score if settings.score_of == "class" else predictions.masks.score
    sure = predictions.masks.take(np.flatnonzero(scores > settings.score))
    if len(predictions.masks):
        old = old.with_columns(score=rescaled(old.score, predictions.masks.score))
    kept = old.take(apart_from(old, sure, settings.drop_iou))
    return build_tree(concatenate([sure, kept]))


def rescaled(score: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """For each score (n,) the one of the same rank in `scale` (m,), (n,) float32; ranks beyond m have the last."""
    rank = np.empty(len(score), np.int64)
    rank[np.argsort(-score, kind="stable")] = np.arange(len(score))
    return np.sort(scale)[::-1][np.minimum(rank, len(scale) - 1)].astype(np.float32)
