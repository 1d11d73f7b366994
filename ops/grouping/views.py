"""What is proposed for a photo when it is looked at in one way: at some size, mirrored, by its edges of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.backbone import computing
from ops.grouping.border_descriptors import describe_borders
from ops.grouping.descriptors import describe_regions
from ops.grouping.odds import shifted
from ops.grouping.settings import View
from ops.pixel_tree.merging import MergeWeights
from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.recipe import TREES, analyse, propose_all, working_image
from ops.pixel_tree.region_graph import RegionGraph, with_cue
from ops.pixel_tree.selection import select
from ops.pixel_tree.stages import network_input, sample_map
from ops.pixel_tree.superpixels import Leaves
from ops.settings import PixelTreeSettings
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel
    from models.learned_odds import LearnedOdds


@dataclass(frozen=True)
class Looked:
    """A photo as one view sees it, before anything is merged.

    Shapes:
        leaves, graph: superpixels, and which of them touch. embedding: (h, w, D) float32 unit vectors.
        coarse: (C, h', w'), the backbone's coarsest map, on the model's device.
    """

    leaves: Leaves
    graph: RegionGraph
    embedding: np.ndarray
    coarse: torch.Tensor

    def borders_described(self, borders: LearnedOdds, view: View) -> np.ndarray:
        """(E, D) float32, what `borders` judges the graph's borders by."""
        compressed = borders.compress(self.coarse).cpu().numpy()
        semantic = sample_map(compressed, self.leaves.rows, self.leaves.columns)
        return describe_borders(self.leaves, self.graph, semantic, view.boundaries == "sobel", view.side)


@dataclass(frozen=True)
class Candidates:
    """The best regions of one view, before anything that was learned of them counts; m in all, best first.

    Shapes:
        leaves, graph: of the photo as this view sees it. sets: m leaf sets over them.
        measures: (m, len(MEASURES)). score: (m,) float32 in (0, 1).
        coarse: (C, h, w), the backbone's coarsest map, on the model's device.
    """

    leaves: Leaves
    graph: RegionGraph
    sets: LeafSets
    measures: np.ndarray
    score: np.ndarray
    coarse: torch.Tensor

    def described(self, quality: LearnedOdds) -> np.ndarray:
        """(m, D) float32, what `quality` judges them by."""
        compressed = quality.compress(self.coarse).cpu().numpy()
        return describe_regions(self.sets, self.measures, self.leaves, self.graph, compressed)


@dataclass(frozen=True)
class Proposed:
    """The best candidates of one view: leaf sets over `labels` (h, w) int32, at the view's size; scores (m,)."""

    labels: np.ndarray
    sets: LeafSets
    score: np.ndarray


def turns(views: Sequence[View]) -> list[tuple[View, bool]]:
    """Each view, and whether it is looked at by the model's elder: the last is the model's own, then turn by turn."""
    return [(view, (len(views) - index) % 2 == 0) for index, view in enumerate(views)]


@torch.inference_mode()
def look(
    image: np.ndarray, view: View, model: GroupingModel, options: PixelTreeSettings, as_elder: bool = False
) -> Looked:
    """What a view sees of a uint8 RGB (H, W, 3) image.

    Args:
        as_elder: take the embeddings of the head that the model stands beside, if it does.
    """
    seen = np.ascontiguousarray(image[:, ::-1]) if view.mirrored else image
    options = options.model_copy(update={"side": view.side, "boundaries": view.boundaries})
    working = working_image(seen, view.side)
    device = next(model.parameters()).device
    with computing("auto", device):
        maps, coarse = model.look(network_input(working, view.side).to(device), as_elder)
    embedding = maps[0].permute(1, 2, 0).float().cpu().numpy()
    leaves, graph = analyse(working, [embedding, embedding], options)
    return Looked(leaves, graph, embedding, coarse[0])


@torch.inference_mode()
def find_candidates(
    image: np.ndarray,
    view: View,
    model: GroupingModel,
    options: PixelTreeSettings,
    most: int,
    as_elder: bool = False,
) -> Candidates | None:
    """At most `most` regions of a uint8 RGB (H, W, 3) image, best first; None for one without any edge.

    They are those of the label recipe `pixel_tree`, with the model's embeddings for the shallow and for the deep half
    of the backbone's features, and with the borders that the model learned as one more cue.

    Args:
        as_elder: as in `look`.
    """
    options = options.model_copy(update={"objects": False})
    looked = look(image, view, model, options, as_elder)
    leaves = looked.leaves
    if len(leaves) == 1:
        return None
    graph, trees = _parted(looked, view, model)
    found = propose_all(
        leaves, graph, looked.embedding, MaskSet.empty(image.shape[:2]), options, view.feature_weight, trees
    )
    kept = select(found.sets, found.score, found.area, leaves.area, most, view.largest_overlap)
    return Candidates(leaves, graph, found.sets.take(kept), found.values[kept], found.score[kept], looked.coarse)


def _parted(looked: Looked, view: View, model: GroupingModel) -> tuple[RegionGraph, Sequence[MergeWeights]]:
    """The graph and how its regions merge, with what the model learned of borders as one more cue."""
    if model.borders is None or not view.border_weight:
        return looked.graph, TREES
    described = torch.from_numpy(looked.borders_described(model.borders, view)).to(looked.coarse.device)
    ends = torch.sigmoid(model.borders(described)).float().cpu().numpy()
    return with_cue(looked.graph, view.border_weight * ends), [weights.with_cue(1.0) for weights in TREES]


@torch.inference_mode()
def propose(
    image: np.ndarray,
    view: View,
    model: GroupingModel,
    options: PixelTreeSettings,
    most: int,
    quality_weight: float = 0.0,
    as_elder: bool = False,
) -> Proposed | None:
    """At most `most` candidates of a uint8 RGB (H, W, 3) image; None for one without any edge.

    Args:
        as_elder: as in `find_candidates`.
        quality_weight: what the model's `quality`, where it has one, counts in the log-odds of scores.
    """
    found = find_candidates(image, view, model, options, most, as_elder)
    if found is None:
        return None
    labels = found.leaves.labels[:, ::-1] if view.mirrored else found.leaves.labels
    score = found.score
    if model.quality is not None and quality_weight:
        described = torch.from_numpy(found.described(model.quality)).to(found.coarse.device)
        score = shifted(score, quality_weight * model.quality(described).float().cpu().numpy())
    return Proposed(np.ascontiguousarray(labels), found.sets, score)
