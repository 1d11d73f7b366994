"""The label recipe `pixel_tree`: superpixels, merge trees, candidates, ranking, budget, masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.backbone import Backbone
from ops.mask_tree import build_tree
from ops.pixel_tree.boundaries import find_boundaries, sobel_boundaries
from ops.pixel_tree.full_size import labels_at_size, masks_of_sets
from ops.pixel_tree.growth import cut_tree, grow
from ops.pixel_tree.merging import MergeWeights, merge_regions
from ops.pixel_tree.objects import object_sets
from ops.pixel_tree.proposals import LeafSets, join_sets, leaf_sets, propose, region_sets
from ops.pixel_tree.ranking import measure, measure_grown, measure_sets, scores_of
from ops.pixel_tree.region_graph import RegionGraph, connect
from ops.pixel_tree.selection import select
from ops.pixel_tree.stages import stage_maps
from ops.pixel_tree.superpixels import Leaves, describe_leaves, segment_leaves
from ops.settings import LabelSettings, PixelTreeSettings
from stores.masks import SOURCES, MaskSet

TREES = (
    MergeWeights(boundary=(2.0, 2.0, 1.0), colour=0.0, histogram=0.0, shallow=0.0, deep=3.0, size=0.4),
    MergeWeights(boundary=(3.0, 1.0, 0.5), colour=0.5, histogram=1.0, shallow=1.0, deep=1.0, size=0.7),
    MergeWeights(boundary=(0.5, 0.5, 0.0), colour=1.0, histogram=2.0, shallow=2.0, deep=2.0, size=0.4),
)
_LARGEST_ENLARGEMENT = 2.0


@dataclass(frozen=True)
class Proposals:
    """Candidates of all trees, m in all: leaf sets, areas in pixels (m,), measures (m, len(MEASURES)), scores (m,).

    cues: (m, K) float32, mean of each of the graph's boundary cues along the outline.
    """

    sets: LeafSets
    area: np.ndarray
    values: np.ndarray
    cues: np.ndarray
    score: np.ndarray


def pixel_tree(image: np.ndarray, divide: MaskSet, backbone: Backbone, settings: LabelSettings) -> MaskSet:
    """Masks of one uint8 RGB (H, W, 3) image at every granularity, best first, tree columns filled.

    Args:
        image: the photo.
        divide: MaskCut's objects in the same frame.
        backbone: where the features come from.
        settings: `settings.pixel_tree` is read.

    Returns:
        At most `settings.pixel_tree.max_masks` masks; none for an image without any edge.
    """
    options = settings.pixel_tree
    working = working_image(image, options.side)
    stages = stage_maps(working, backbone, options.feature_side)
    leaves, graph = analyse(working, stages, options)
    if len(leaves) == 1:
        return MaskSet.empty(image.shape[:2])
    proposals = propose_all(leaves, graph, stages[-1], divide, options)
    kept = select(
        proposals.sets, proposals.score, proposals.area, leaves.area, options.max_masks, options.largest_overlap
    )
    labels = labels_at_size(leaves.labels, image)
    masks = masks_of_sets(labels, proposals.sets.take(kept), proposals.score[kept])
    return build_tree(masks.with_columns(source=SOURCES.index("tree")))


def working_image(image: np.ndarray, side: int) -> np.ndarray:
    """The image with its longer side brought to `side` pixels, though never more than doubled."""
    height, width = image.shape[:2]
    scale = min(side / max(height, width), _LARGEST_ENLARGEMENT)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def analyse(working: np.ndarray, stages: list[np.ndarray], options: PixelTreeSettings) -> tuple[Leaves, RegionGraph]:
    """Leaves and their graph, from the working image and its stage maps."""
    plain = options.boundaries == "sobel"
    boundaries = sobel_boundaries(working) if plain else find_boundaries(working, stages[0])
    labels = segment_leaves(boundaries.detail, options.max_leaves)
    return describe_leaves(labels, boundaries.lab, stages), connect(labels, boundaries.cues)


def propose_all(
    leaves: Leaves,
    graph: RegionGraph,
    deepest: np.ndarray,
    divide: MaskSet,
    options: PixelTreeSettings,
    feature_weight: float = 1.0,
    trees: Sequence[MergeWeights] = TREES,
) -> Proposals:
    """Nodes, pairs and triplets of every tree, and MaskCut's objects, scored.

    Args:
        feature_weight: what the features' own terms count, against what they do in `trees`.
        trees: of which the first `options.trees` are grown.
    """
    sets, measures = [], []
    separation = 0.0
    for weights in trees[: options.trees]:
        weights = weights.with_features(feature_weight) if options.deep_features else weights.without_features()
        tree = merge_regions(leaves, graph, weights)
        candidates = propose(tree, options)
        sets.append(leaf_sets(tree, candidates))
        measures.append(measure(tree, candidates, leaves, graph))
        for count in options.seeds if options.growth else ():
            cut = cut_tree(tree, count)
            if len(cut.nodes) > 1:
                grown = grow(tree, cut, leaves, options.growth, options.background, options.smallest)
                sets.append(region_sets(tree, cut.nodes, grown))
                measures.append(measure_grown(tree, cut, grown, leaves))
        separation = max(separation, float(tree.dissimilarity[tree.merged_edge[len(leaves) :]].max()))
    if options.objects:
        sets.append(object_sets(deepest, leaves, divide, options.object_taus))
        measures.append(measure_sets(sets[-1], leaves, graph, separation))
    values = np.concatenate([part.values for part in measures])
    return Proposals(
        join_sets(sets),
        np.concatenate([part.area for part in measures]),
        values,
        np.concatenate([part.cues for part in measures]),
        scores_of(values, options.ranked_by),
    )
