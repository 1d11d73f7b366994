"""Learning what people draw, from photos with human masks (UnSAM+, spec 6): `models.learned_odds`.

A region's target is its overlap with the human mask that it fits best. What the label recipe's score says of it
already is an offset, so that only what the score lacks is learned; at prediction it is added to the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.learned_odds import LearnedOdds
from ops.grouping.agreement import nearest
from ops.grouping.descriptors import descriptor_count
from ops.grouping.odds import log_odds
from ops.grouping.odds_fitting import Lesson, Seen, learn_odds
from ops.grouping.settings import GroupingPrediction, QualitySettings
from ops.grouping.views import Candidates, find_candidates
from ops.settings import PixelTreeSettings
from ops.stages import Say
from ops.training_source import TrainingSource
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel

_POOR, _GOOD = 0.4, 0.9  # overlap of a region that is worth nothing, and of one that is worth all


def learn_quality(
    model: GroupingModel,
    sources: Sequence[TrainingSource],
    settings: QualitySettings,
    prediction: GroupingPrediction,
    seed: int,
    log: Say | None = None,
) -> LearnedOdds | None:
    """What people draw, as far as the photos of `sources` with human masks tell; None where none has any.

    Args:
        model: in whose embeddings the trees grow.
        prediction: the views in which photos are looked at.
        seed: of the choice of photos and of everything random.
        log: is told how far it is; it takes seconds a photo.
    """
    options = PixelTreeSettings()

    def teach(quality: LearnedOdds, at: Lesson) -> Seen | None:
        found = find_candidates(at.image, at.view, model, options, prediction.candidates, at.leader)
        if found is None:
            return None
        worth = np.clip((overlaps(found, at.masks) - _POOR) / (_GOOD - _POOR), 0, 1)
        with torch.inference_mode():
            return Seen(found.described(quality), worth, known=log_odds(found.score).astype(np.float32))

    name = "learning what people draw"
    return learn_odds(model, sources, settings, prediction, seed, descriptor_count, teach, name, log)


def overlaps(found: Candidates, masks: MaskSet) -> np.ndarray:
    """(m,) the largest IoU of each candidate with any of the masks, at the size of the view."""
    labels, leaves = found.looked.labels, found.looked.leaves
    pixels, count = labels.reshape(-1), len(leaves)
    member = found.sets.membership(count)
    area = member @ leaves.area
    best = np.zeros(len(found.sets), np.float32)
    for index in range(len(masks)):
        inside = nearest(masks.dense(index), labels.shape).reshape(-1)
        shared = member @ np.bincount(pixels[inside], minlength=count).astype(np.float32)
        best = np.maximum(best, shared / np.maximum(area + inside.sum() - shared, 1))
    return best
