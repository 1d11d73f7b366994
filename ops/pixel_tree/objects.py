"""MaskCut's objects, snapped to the leaves: they know what a thing is, the leaves know where it ends."""

from __future__ import annotations

import numpy as np

from ops.maskcut import maskcut
from ops.pixel_tree.proposals import LeafSets
from ops.pixel_tree.stages import sample_map
from ops.pixel_tree.superpixels import Leaves
from ops.settings import DivideSettings
from stores.masks import MaskSet

_CUTS = DivideSettings(
    tau=None,
    max_eigenvalue=1.0,
    min_area=0.01,
    max_masks=6,
    components="all",
    after_rejection="continue",
    tolerance=1e-4,
)


def object_sets(stage: np.ndarray, leaves: Leaves, divide: MaskSet, taus: tuple[float, ...]) -> LeafSets:
    """Leaf sets of objects: `divide`'s masks, and every component of MaskCut at several edge thresholds.

    Args:
        stage: (h, w, d) unit features of the deepest stage.
        leaves: of the same image.
        divide: masks already known, in the frame of the photo.
        taus: thresholds at which the stage is cut again; a different tau joins different parts.
    """
    grids = [mask for tau in taus for mask in maskcut(stage, _CUTS, tau).masks]
    covered = [sample_map(grid[..., None].astype(np.float32), *leaves.centres())[:, 0] > 0.5 for grid in grids]
    covered += [_covered_by(divide.dense(index), leaves) for index in range(len(divide))]
    members = [np.flatnonzero(chosen).astype(np.int32) for chosen in covered if chosen.any() and not chosen.all()]
    offsets = np.cumsum([0] + [len(leaf_indices) for leaf_indices in members]).astype(np.int64)
    return LeafSets(offsets, np.concatenate(members) if members else np.zeros(0, np.int32))


def _covered_by(mask: np.ndarray, leaves: Leaves) -> np.ndarray:
    """Which leaves lie by more than half inside a mask of any size, (n,) bool."""
    height, width = leaves.labels.shape
    rows = (np.arange(height) * mask.shape[0] + mask.shape[0] // 2) // height
    columns = (np.arange(width) * mask.shape[1] + mask.shape[1] // 2) // width
    inside = mask[rows][:, columns]
    return np.bincount(leaves.labels[inside], minlength=len(leaves)) > 0.5 * leaves.area
