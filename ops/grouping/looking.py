"""A photo as one view sees it: at some size, mirrored, its superpixels by edges of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.backbone import computing
from ops.grouping.border_descriptors import describe_borders
from ops.grouping.settings import View
from ops.pixel_tree.recipe import analyse, working_image
from ops.pixel_tree.region_graph import RegionGraph
from ops.pixel_tree.stages import network_input, sample_map
from ops.pixel_tree.superpixels import Leaves
from ops.settings import PixelTreeSettings

if TYPE_CHECKING:
    from models.grouping import GroupingModel
    from models.learned_odds import LearnedOdds


@dataclass(frozen=True)
class Looked:
    """What a view sees, before anything is merged.

    Shapes:
        leaves, graph: superpixels, mirrored where the view is, and which of them touch.
        embedding: (h, w, D) float32 unit vectors, of the head that leads.
        coarse: (C, h', w'), the backbone's coarsest map, on the model's device.
    """

    view: View
    leaves: Leaves
    graph: RegionGraph
    embedding: np.ndarray
    coarse: torch.Tensor

    @property
    def flat(self) -> bool:
        """Whether there is no edge in it."""
        return len(self.leaves) == 1

    @property
    def labels(self) -> np.ndarray:
        """(H, W) int32 of the view's size, the leaf of every pixel, not mirrored."""
        labels = self.leaves.labels
        return np.ascontiguousarray(labels[:, ::-1]) if self.view.mirrored else labels

    def compressed(self, odds: LearnedOdds) -> np.ndarray:
        """(h', w', axes) float32, the coarsest map along the axes of `odds`."""
        return odds.compress(self.coarse).cpu().numpy()

    def borders_described(self, borders: LearnedOdds) -> np.ndarray:
        """(E, D) float32, what `borders` judges the graph's borders by."""
        semantic = sample_map(self.compressed(borders), self.leaves.rows, self.leaves.columns)
        return describe_borders(self.leaves, self.graph, semantic, self.view.boundaries == "sobel", self.view.side)


@torch.inference_mode()
def look(image: np.ndarray, view: View, model: GroupingModel, options: PixelTreeSettings, leader: int = -1) -> Looked:
    """What a view sees of a uint8 RGB (H, W, 3) image.

    Trees heed features of two kinds, and each weighs them in its own way. They are the embeddings of the model's heads,
    the one that leads among the deep ones, at the end; or twice those of its only head.

    Args:
        leader: index of the head that leads, among the model's elders and its own, which is the last.
    """
    seen = np.ascontiguousarray(image[:, ::-1]) if view.mirrored else image
    options = options.model_copy(update={"side": view.side, "boundaries": view.boundaries})
    working = working_image(seen, view.side)
    device = next(model.parameters()).device
    with computing("auto", device):
        maps, coarse = model.look(network_input(working, view.side).to(device))
    embeddings = [each[0].permute(1, 2, 0).float().cpu().numpy() for each in maps]
    ordered = [embeddings[head] for head in np.roll(np.arange(len(embeddings)), -1 - leader)]
    leaves, graph = analyse(working, ordered if len(ordered) > 1 else 2 * ordered, options)
    return Looked(view, leaves, graph, ordered[-1], coarse[0])
