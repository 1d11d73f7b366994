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
    IoUs are taken on packed rows: no dense mask is made.

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
    kept = old.take(apart_from(old, sure, settings.drop_iou))
    return build_tree(concatenate([sure, kept]))
