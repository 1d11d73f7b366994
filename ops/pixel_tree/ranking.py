"""How much a candidate looks like a thing: a weighted sum of a few measures."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ops.pixel_tree.growth import Cut
from ops.pixel_tree.merging import MergeTree
from ops.pixel_tree.proposals import Candidates, LeafSets
from ops.pixel_tree.region_graph import RegionGraph
from ops.pixel_tree.superpixels import Leaves

MEASURES = ("size", "boundary", "separation", "compactness", "growth")
WEIGHTS = (0.27, 0.25, 1.18, 1.0, -0.5)
_STRONG_BOUNDARY = 6.0


@dataclass(frozen=True)
class Measures:
    """One column a name of `MEASURES`; m candidates.

    values: (m, len(MEASURES)) float32. area: (m,) float32 pixels. cues: (m, K) float32, mean of each of the graph's
        boundary cues along the outline.

    size: log of the share of the image. boundary: mean strength of all cues around the outline, cut off where it is
    strong enough. separation: log of the dissimilarity that its own parent had to overcome. compactness: log of
    4 pi area / perimeter squared, the frame counted in. growth: 1 for a union grown from a seed, else 0.
    """

    values: np.ndarray
    area: np.ndarray
    cues: np.ndarray


def measure(tree: MergeTree, candidates: Candidates, leaves: Leaves, graph: RegionGraph) -> Measures:
    outline, strength = _outlines(tree, graph, len(leaves))
    frame = tree.accumulate(leaves.frame[:, None])[:, 0]
    area = candidates.total(tree.area)
    border = candidates.total(outline, tree.length)
    cues = candidates.total(strength, tree.strength) / np.maximum(border, 1)[:, None]
    perimeter = border + candidates.total(frame)
    parted = np.where(candidates.nodes >= 0, _parent_dissimilarity(tree)[candidates.nodes], np.inf)
    values = _values(area / leaves.area.sum(), cues.sum(axis=1), parted.min(axis=1), area / perimeter**2)
    return Measures(values, area, cues)


def measure_grown(tree: MergeTree, cut: Cut, member: np.ndarray, leaves: Leaves) -> Measures:
    """The same measures of unions of a cut's regions, member (m, k) bool; their separation is the weakest border."""
    crossing = member[:, cut.first] != member[:, cut.second]
    area = (member @ tree.area[cut.nodes]).astype(np.float32)
    border = crossing @ tree.length[cut.edges]
    cues = (crossing @ tree.strength[cut.edges] / np.maximum(border, 1)[:, None]).astype(np.float32)
    perimeter = border + member @ tree.accumulate(leaves.frame[:, None])[cut.nodes, 0]
    weakest = np.where(crossing, tree.dissimilarity[cut.edges], np.inf).min(axis=1, initial=np.inf)
    values = _values(area / leaves.area.sum(), cues.sum(axis=1), weakest, area / perimeter**2, grown=1.0)
    return Measures(values, area, cues)


def measure_sets(sets: LeafSets, leaves: Leaves, graph: RegionGraph, separation: float) -> Measures:
    """The same measures of any leaf sets, with a separation that is given."""
    values, areas = np.zeros((len(sets), len(MEASURES)), np.float32), np.zeros(len(sets), np.float32)
    cues = np.zeros((len(sets), graph.strength.shape[1]), np.float32)
    for index in range(len(sets)):
        inside = np.zeros(len(leaves), bool)
        inside[sets.leaves[sets.offsets[index] : sets.offsets[index + 1]]] = True
        crossing = inside[graph.first] != inside[graph.second]
        border = graph.length[crossing].sum()
        areas[index] = leaves.area[inside].sum()
        cues[index] = graph.strength[crossing].sum(axis=0) / max(border, 1)
        perimeter = border + leaves.frame[inside].sum()
        roundness = areas[index] / perimeter**2
        values[index] = _values(areas[index] / leaves.area.sum(), cues[index].sum(), separation, roundness)
    return Measures(values, areas, cues)


def _values(
    share: np.ndarray,
    cues: np.ndarray,
    separation: np.ndarray | float,
    roundness: np.ndarray,
    grown: float = 0.0,
) -> np.ndarray:
    """(..., 5) in the order of `MEASURES`, from area share, summed mean cues, dissimilarity and area / perimeter²."""
    return np.stack(
        np.broadcast_arrays(
            np.log(share),
            np.minimum(cues * 4 / 3, _STRONG_BOUNDARY),
            np.log(np.asarray(separation) + 0.1),
            np.log(4 * np.pi * roundness),
            np.asarray(grown),
        ),
        axis=-1,
    ).astype(np.float32)


def _outlines(tree: MergeTree, graph: RegionGraph, leaf_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Length (N,) and summed cues (N, K) of the border of every node to other nodes."""
    borders = np.concatenate([graph.length[:, None], graph.strength], axis=1)
    own = np.zeros((leaf_count, borders.shape[1]), np.float32)
    for ends in (graph.first, graph.second):
        for column in range(borders.shape[1]):
            own[:, column] += np.bincount(ends, borders[:, column], leaf_count)
    swallowed = np.zeros((len(tree.area), borders.shape[1]), np.float32)
    edges = tree.merged_edge[leaf_count:]
    swallowed[leaf_count:] = 2 * np.concatenate([tree.length[edges, None], tree.strength[edges]], axis=1)
    outlines = tree.accumulate(own, swallowed)
    return outlines[:, 0], outlines[:, 1:]


def _parent_dissimilarity(tree: MergeTree) -> np.ndarray:
    """Dissimilarity at which each node was merged away, (N,); a root's is the largest of all merges."""
    merges = tree.dissimilarity[tree.merged_edge[tree.leaf_count :]]
    parted = np.full(len(tree.area), merges.max(initial=0.0), np.float32)
    has_parent = tree.parent >= 0
    parted[has_parent] = tree.dissimilarity[tree.merged_edge[tree.parent[has_parent]]]
    return parted


def scores_of(values: np.ndarray, used: Collection[str] = MEASURES) -> np.ndarray:
    """Scores in (0, 1), (m,) float32, of measures (m, len(MEASURES)), of which only those named in `used` count."""
    weights = [weight if name in used else 0.0 for name, weight in zip(MEASURES, WEIGHTS, strict=True)]
    return (1 / (1 + np.exp(-(values @ np.array(weights, np.float32))))).astype(np.float32)
