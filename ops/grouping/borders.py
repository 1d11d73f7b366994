"""Learning where human masks end: log-odds of every border between two superpixels (`models.learned_odds`).

What a merge tree joins first decides which masks it can propose. The recipe's cues say how much two sides differ; a few
annotated photos say which differences part things, and which are a stripe, a shadow or a window of the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.learned_odds import LearnedOdds
from ops.grouping.border_descriptors import border_descriptor_count
from ops.grouping.looking import look
from ops.grouping.odds_fitting import Annotated, Seen, learn_odds
from ops.grouping.settings import BorderSettings, GroupingPrediction
from ops.pixel_tree.full_size import labels_at_size
from ops.pixel_tree.region_graph import RegionGraph
from ops.settings import PixelTreeSettings
from ops.stages import Say
from ops.training_source import TrainingSource
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel


def learn_borders(
    model: GroupingModel,
    source: TrainingSource,
    settings: BorderSettings,
    prediction: GroupingPrediction,
    seed: int,
    log: Say | None = None,
) -> LearnedOdds | None:
    """Where the human masks of `source` end; None where no photo has any.

    Args:
        model: in whose embeddings both sides of a border are compared.
        prediction: the views in which photos are looked at.
        seed: of the choice of photos and of everything random.
        log: is told what it is about to do, which takes seconds a photo.
    """
    options = PixelTreeSettings()

    def teach(borders: LearnedOdds, at: Annotated) -> Seen | None:
        looked = look(at.image, at.view, model, options, at.as_elder)
        if looked.flat:
            return None
        target, known = parted(at.masks, labels_at_size(looked.labels, at.image), looked.graph)
        chosen = np.random.default_rng([seed, at.number]).permutation(np.flatnonzero(known))[: settings.borders]
        described = looked.borders_described(borders)[chosen].astype(np.float16)
        return Seen(described, target[chosen].astype(np.float32), weight=np.sqrt(looked.graph.length[chosen]))

    def say(photos: int) -> None:
        if log:
            log(f"learning where masks end from {photos} photos with human masks")

    return learn_odds(model, source, settings, prediction, seed, border_descriptor_count, teach, say)


def parted(masks: MaskSet, labels: np.ndarray, graph: RegionGraph) -> tuple[np.ndarray, np.ndarray]:
    """(E,) bool, whether a mask holds one side of each border but not the other; (E,) bool, whether any holds a side.

    Where no mask is, nobody said whether both sides belong together; nor of a leaf too small for the photo's pixels.

    Args:
        masks: what people drew on the photo.
        labels: (H, W) int32 of the photo, which leaf holds each pixel. graph: of these leaves.
    """
    area = np.bincount(labels.reshape(-1), minlength=int(graph.second.max()) + 1)
    members = _members(masks, labels, area)
    one, other = members[:, graph.first], members[:, graph.second]
    there = (area[graph.first] > 0) & (area[graph.second] > 0)
    return (one != other).any(axis=0), (one | other).any(axis=0) & there


def _members(masks: MaskSet, labels: np.ndarray, area: np.ndarray) -> np.ndarray:
    """(m, n) bool, whether a mask holds most of a leaf; area (n,) pixels of each."""
    members = np.zeros((len(masks), len(area)), bool)
    for index, (x, y, w, h) in enumerate(masks.boxes.tolist()):
        inside = np.bincount(labels[y : y + h, x : x + w][masks.crop(index)], minlength=len(area))
        members[index] = 2 * inside > area
    return members
