"""What is proposed for a photo when it is looked at in one way: at some size, mirrored, by its edges of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.backbone import Precision, computing
from ops.grouping.settings import View
from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.recipe import analyse, propose_all, working_image
from ops.pixel_tree.selection import select
from ops.pixel_tree.stages import network_input
from ops.settings import PixelTreeSettings
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel


@dataclass(frozen=True)
class Proposed:
    """The best candidates of one view: leaf sets over `labels` (h, w) int32, at the view's size; scores (m,)."""

    labels: np.ndarray
    sets: LeafSets
    score: np.ndarray


@torch.inference_mode()
def embed(model: GroupingModel, image: np.ndarray, side: int, precision: Precision = "auto") -> np.ndarray:
    """Unit embeddings (h, w, D) float32 of a uint8 RGB (H, W, 3) image whose longer side is brought to `side`."""
    device = next(model.parameters()).device
    with computing(precision, device):
        embedding = model(network_input(image, side).to(device))
    return embedding[0].permute(1, 2, 0).float().cpu().numpy()


def propose(
    image: np.ndarray, view: View, model: GroupingModel, options: PixelTreeSettings, most: int
) -> Proposed | None:
    """At most `most` candidates of a uint8 RGB (H, W, 3) image, best first; None for one without any edge.

    They are those of the label recipe `pixel_tree`, with the model's embeddings for the shallow and for the deep half
    of the backbone's features.
    """
    seen = np.ascontiguousarray(image[:, ::-1]) if view.mirrored else image
    options = options.model_copy(update={"side": view.side, "boundaries": view.boundaries, "objects": False})
    working = working_image(seen, view.side)
    embedding = embed(model, working, view.side)
    leaves, graph = analyse(working, [embedding, embedding], options)
    if len(leaves) == 1:
        return None
    nothing = MaskSet.empty(image.shape[:2])
    found = propose_all(leaves, graph, embedding, nothing, options, view.feature_weight)
    kept = select(found.sets, found.score, found.area, leaves.area, most, view.largest_overlap)
    labels = leaves.labels[:, ::-1] if view.mirrored else leaves.labels
    return Proposed(np.ascontiguousarray(labels), found.sets.take(kept), found.score[kept])
