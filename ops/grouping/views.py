"""What is proposed for a photo in one view, by every head of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ops.grouping.descriptors import describe_regions
from ops.grouping.looking import Looked, look
from ops.grouping.odds import shifted
from ops.grouping.settings import GroupingPrediction, View
from ops.pixel_tree.merging import MergeWeights
from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.recipe import TREES, propose_all
from ops.pixel_tree.region_graph import RegionGraph, with_cue
from ops.pixel_tree.selection import select
from ops.settings import PixelTreeSettings
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel
    from models.learned_odds import LearnedOdds


@dataclass(frozen=True)
class Candidates:
    """The best regions of one view, before anything that was learned of them counts; m in all, best first.

    Shapes:
        looked: what they were found in. sets: m leaf sets over its leaves.
        measures: (m, len(MEASURES)). score: (m,) float32 in (0, 1).
    """

    looked: Looked
    sets: LeafSets
    measures: np.ndarray
    score: np.ndarray

    def described(self, quality: LearnedOdds) -> np.ndarray:
        """(m, D) float32, what `quality` judges them by."""
        looked = self.looked
        return describe_regions(self.sets, self.measures, looked.leaves, looked.graph, looked.compressed(quality))


@dataclass(frozen=True)
class Proposed:
    """The best candidates of one view: leaf sets over `labels` (h, w) int32, at the view's size; scores (m,)."""

    labels: np.ndarray
    sets: LeafSets
    score: np.ndarray


@torch.inference_mode()
def find_candidates(looked: Looked, model: GroupingModel, options: PixelTreeSettings, most: int) -> Candidates | None:
    """At most `most` regions, best first; None where there is no edge.

    They are those of the label recipe `pixel_tree`, with the embeddings for the shallow and for the deep half of the
    backbone's features, and with the borders that the model learned as one more cue.
    """
    if looked.flat:
        return None
    view, options = looked.view, options.model_copy(update={"objects": False})
    graph, trees = _parted(looked, model)
    nothing = MaskSet.empty(looked.leaves.labels.shape)
    found = propose_all(looked.leaves, graph, looked.embedding, nothing, options, view.feature_weight, trees)
    kept = select(found.sets, found.score, found.area, looked.leaves.area, most, view.largest_overlap)
    return Candidates(looked, found.sets.take(kept), found.values[kept], found.score[kept])


def candidates_of(
    image: np.ndarray, view: View, model: GroupingModel, options: PixelTreeSettings, settings: GroupingPrediction
) -> list[Candidates]:
    """Those of a uint8 RGB (H, W, 3) image in one view, by every head of the model; none without any edge."""
    most = settings.candidates if model.elder is None else settings.candidates_of_two
    found = [find_candidates(looked, model, options, most) for looked in look(image, view, model, options)]
    return [each for each in found if each is not None]


def _parted(looked: Looked, model: GroupingModel) -> tuple[RegionGraph, Sequence[MergeWeights]]:
    """The graph and how its regions merge, with what the model learned of borders as one more cue."""
    weight = looked.view.border_weight
    if model.borders is None or not weight:
        return looked.graph, TREES
    described = torch.from_numpy(looked.borders_described(model.borders)).to(looked.coarse.device)
    ends = torch.sigmoid(model.borders(described)).float().cpu().numpy()
    return with_cue(looked.graph, weight * ends), [weights.with_cue(1.0) for weights in TREES]


@torch.inference_mode()
def propose(
    image: np.ndarray, view: View, model: GroupingModel, options: PixelTreeSettings, settings: GroupingPrediction
) -> list[Proposed]:
    """What every head of the model proposes for a uint8 RGB (H, W, 3) image; nothing without any edge.

    Where the model learned what people draw, it counts `settings.quality_weight` in the log-odds of the scores.
    """
    proposed = []
    for found in candidates_of(image, view, model, options, settings):
        score = found.score
        if model.quality is not None and settings.quality_weight:
            described = torch.from_numpy(found.described(model.quality)).to(found.looked.coarse.device)
            score = shifted(score, settings.quality_weight * model.quality(described).float().cpu().numpy())
        proposed.append(Proposed(found.looked.labels, found.sets, score))
    return proposed
