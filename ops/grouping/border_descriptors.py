"""What describes the border between two neighbouring superpixels: its cues, and how both sides differ, near and far.

How far a side reaches is not known before it is merged, so its means are taken at several reaches: of the superpixel
alone, and spread over its neighbours, less where a boundary lies between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ops.grouping.descriptors import adjacency, row_shares
from ops.pixel_tree.boundaries import CUES
from ops.pixel_tree.region_graph import RegionGraph
from ops.pixel_tree.superpixels import Leaves

_REACHES = (0, 4, 16)  # steps of spreading
_MIDDLE = 4  # the reach at which it counts what both sides are, not only how they differ
_RESISTANCE = np.array([2.0, 1.0, 0.0], np.float32)  # of each of `CUES` to spreading
_SMALL = 1e-6
_LAB_UNIT = 30.0
_SIZES, _DIFFERENCES, _CONTEXT = 3, 8, 3  # numbers of `_sizes`, of `_differences` without axes, and of the rest


@dataclass(frozen=True)
class _Sides:
    """Means of every leaf at one reach: colour (n, 3), histogram (n, bins), embedding (n, D), semantic (n, axes)."""

    colour: np.ndarray
    histogram: np.ndarray
    embedding: np.ndarray
    semantic: np.ndarray

    def spread(self, shares: csr_array) -> _Sides:
        return _Sides(*(0.5 * values + 0.5 * (shares @ values) for values in vars(self).values()))


def border_descriptor_count(axes: int) -> int:
    """How many numbers describe a border where `axes` are kept of the backbone's map."""
    return len(CUES) + _SIZES + len(_REACHES) * (_DIFFERENCES + axes) + axes + _CONTEXT


def describe_borders(leaves: Leaves, graph: RegionGraph, semantic: np.ndarray, plain: bool, side: int) -> np.ndarray:
    """(E, border_descriptor_count) float32 of the graph's E borders; the same whichever side is called first.

    Args:
        leaves: whose first stage are embeddings.
        semantic: (n, axes), the backbone's coarsest map at the leaves.
        plain: whether the cues are those of `sobel_boundaries`.
        side: of the view in pixels.
    """
    first, second = graph.first, graph.second
    cues = graph.strength / graph.length[:, None]
    shares = _shares(graph, cues, len(leaves))
    area = leaves.area[:, None]
    embedding = leaves.embedding[:, leaves.blocks[0] : leaves.blocks[1]]
    sides = _Sides(leaves.colour / area / _LAB_UNIT, leaves.histogram / area, embedding / area, semantic)
    parts = [cues, _sizes(leaves, graph)]
    reached = 0
    for reach in _REACHES:
        for _ in range(reach - reached):
            sides = sides.spread(shares)
        reached = reach
        parts.append(_differences(sides, first, second))
        if reach == _MIDDLE:
            parts.append((sides.semantic[first] + sides.semantic[second]) / 2)
    parts.append(_contrast(graph, cues, shares)[:, None])
    parts.append(np.broadcast_to(np.array([float(plain), np.log(side / 640)]), (len(first), 2)))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _shares(graph: RegionGraph, cues: np.ndarray, count: int) -> csr_array:
    """(n, n), what each leaf takes over of each neighbour; rows sum to 1, but of a leaf without any to 0."""
    open_length = graph.length * np.exp(-cues @ _RESISTANCE)
    return row_shares(adjacency(graph, open_length, count)).astype(np.float32)


def _sizes(leaves: Leaves, graph: RegionGraph) -> np.ndarray:
    """(E, 3) logs: length of the border, share of the image of the smaller side, and of the larger."""
    share = leaves.area / leaves.area.sum()
    both = np.stack([share[graph.first], share[graph.second]], axis=1)
    return np.log(np.stack([graph.length, both.min(axis=1), both.max(axis=1)], axis=1))


def _differences(sides: _Sides, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(E, 8 + axes) of Lab, each and in all, of histograms, embeddings (angle and length) and semantics, each.

    The columns between are chi-squared and the product of both semantics.
    """
    colour = sides.colour[first] - sides.colour[second]
    one, other = sides.histogram[first], sides.histogram[second]
    chi = 0.5 * ((one - other) ** 2 / np.maximum(one + other, _SMALL)).sum(axis=1)
    near, far = sides.embedding[first], sides.embedding[second]
    norms = np.linalg.norm(sides.embedding, axis=1)
    angle = 0.5 - 0.5 * (near * far).sum(axis=1) / np.maximum(norms[first] * norms[second], _SMALL)
    here, there = sides.semantic[first], sides.semantic[second]
    columns = [
        np.linalg.norm(colour, axis=1),
        chi,
        angle,
        np.linalg.norm(near - far, axis=1),
        (here * there).sum(axis=1),
    ]
    return np.concatenate([np.abs(colour), np.stack(columns, axis=1), np.abs(here - there)], axis=1)


def _contrast(graph: RegionGraph, cues: np.ndarray, shares: csr_array) -> np.ndarray:
    """(E,) how much stronger a border is than those around both its sides are on the mean."""
    count = shares.shape[0]
    ends = np.concatenate([graph.first, graph.second])
    strength = np.bincount(ends, np.tile(graph.strength.sum(axis=1), 2), count)
    around = shares @ (strength / np.maximum(np.bincount(ends, np.tile(graph.length, 2), count), 1))
    return cues.sum(axis=1) - (around[graph.first] + around[graph.second]) / 2
