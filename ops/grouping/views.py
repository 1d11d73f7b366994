"""What is proposed for a photo when it is looked at in one way: at some size, mirrored, by its edges of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ops.grouping.descriptors import describe_regions
from ops.grouping.looking import Looked, look
from ops.grouping.odds import shifted
from ops.grouping.settings import View
from ops.pixel_tree.merging import MergeWeights
from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.ranking import MEASURES
from ops.pixel_tree.recipe import TREES, propose_all
from ops.pixel_tree.region_graph import with_cue
from ops.pixel_tree.selection import select
from ops.settings import PixelTreeSettings
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel
    from models.learned_odds import LearnedOdds

# What a model says of borders, on average along outlines: at the size of the image, and more for each unit of log size.
_PARTED, _PARTED_BY_SIZE = 0.466, 0.023


@dataclass(frozen=True)
class Candidates:
    """The best regions of one view by the recipe's own score, best first, m in all.

    Shapes:
        looked: what they were found in. sets: m leaf sets over its leaves.
        measures: (m, len(MEASURES)). score: (m,) float32 in (0, 1), with what was learned of borders, if anything, less
            for small ones, and not yet with what was learned of what people draw.
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


def turns(views: Sequence[View], heads: int) -> list[tuple[View, int]]:
    """Each view, and which head leads in it: in the last the model's own, which is the last, then turn by turn."""
    return [(view, (heads - len(views) + index) % heads) for index, view in enumerate(views)]


@torch.inference_mode()
def find_candidates(
    image: np.ndarray,
    view: View,
    model: GroupingModel,
    options: PixelTreeSettings,
    most: int,
    leader: int = -1,
) -> Candidates | None:
    """At most `most` regions of a uint8 RGB (H, W, 3) image, best of the recipe first; None where there is none.

    They are those of the label recipe `pixel_tree`, with the embeddings of the model's heads for the shallow and for
    the deep half of the backbone's features, and with the borders that the model learned as one more cue, by
    which regions merge and are ranked.

    Args:
        leader: as in `look`.
    """
    options = options.model_copy(update={"objects": False, "smallest": view.smallest})
    looked = look(image, view, model, options, leader)
    if looked.flat:
        return None
    parted = _parted(looked, model)
    graph = looked.graph
    trees: Sequence[MergeWeights] = TREES
    if parted is not None:
        graph = with_cue(graph, view.border_weight * parted)
        trees = [weights.with_cue(1.0) for weights in TREES]
    nothing = MaskSet.empty(image.shape[:2])
    found = propose_all(looked.leaves, graph, looked.embedding, nothing, options, view.feature_weight, trees)
    kept = select(found.sets, found.score, found.area, looked.leaves.area, most, view.largest_overlap)
    if not len(kept):
        return None
    values = found.values[kept]
    size = values[:, MEASURES.index("size")]
    # Not before they are selected: what borders and sizes say leaves small things out.
    gain = -view.smallness * np.maximum(np.log(view.small) - size, 0)
    if parted is not None:
        usual = _PARTED + _PARTED_BY_SIZE * size
        gain += view.border_score * (found.cues[kept, -1] / view.border_weight - usual)
    score = shifted(found.score[kept], gain)
    return Candidates(looked, found.sets.take(kept), values, score)


def _parted(looked: Looked, model: GroupingModel) -> np.ndarray | None:
    """(E,) in (0, 1), how surely masks end at each border of the graph; None where the model did not learn it."""
    if model.borders is None or not looked.view.border_weight:
        return None
    described = torch.from_numpy(looked.borders_described(model.borders)).to(looked.coarse.device)
    return torch.sigmoid(model.borders(described)).float().cpu().numpy()


@torch.inference_mode()
def propose(
    image: np.ndarray,
    view: View,
    model: GroupingModel,
    options: PixelTreeSettings,
    most: int,
    quality_weight: float = 0.0,
    leader: int = -1,
) -> Proposed | None:
    """At most `most` candidates of a uint8 RGB (H, W, 3) image; None where there is none.

    Args:
        leader: as in `look`.
        quality_weight: what the model's `quality`, where it has one, counts in the log-odds of scores.
    """
    found = find_candidates(image, view, model, options, most, leader)
    if found is None:
        return None
    score = found.score
    if model.quality is not None and quality_weight:
        described = torch.from_numpy(found.described(model.quality)).to(found.looked.coarse.device)
        score = shifted(score, quality_weight * model.quality(described).float().cpu().numpy())
    return Proposed(found.looked.labels, found.sets, score)
