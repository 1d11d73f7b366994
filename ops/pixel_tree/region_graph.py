"""Which leaves touch, along how many pixel edges, and how strong the boundary is there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class RegionGraph:
    """Adjacency of n leaves; E pairs, first < second, sorted.

    first, second: (E,) int32. length: (E,) float32 pixel edges along the shared border.
    strength: (E, K) float32, each boundary cue summed along it.
    """

    first: np.ndarray
    second: np.ndarray
    length: np.ndarray
    strength: np.ndarray


def connect(labels: np.ndarray, cues: np.ndarray) -> RegionGraph:
    """4-connected neighbours in a label map (H, W); a pixel edge has the mean cue (K, H, W) of its two pixels."""
    count = int(labels.max()) + 1
    pairs, values = [], []
    for axis in (0, 1):
        before = [slice(None)] * 2
        after = [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        a, b = labels[tuple(before)], labels[tuple(after)]
        differ = a != b
        low, high = np.minimum(a[differ], b[differ]), np.maximum(a[differ], b[differ])
        pairs.append(low.astype(np.int64) * count + high)
        values.append(0.5 * (cues[:, *before][:, differ] + cues[:, *after][:, differ]))
    codes, index = np.unique(np.concatenate(pairs), return_inverse=True)
    joined = np.concatenate(values, axis=1)
    strength = np.stack([np.bincount(index, cue, len(codes)) for cue in joined], axis=1)
    return RegionGraph(
        first=(codes // count).astype(np.int32),
        second=(codes % count).astype(np.int32),
        length=np.bincount(index, minlength=len(codes)).astype(np.float32),
        strength=strength.astype(np.float32),
    )


def with_cue(graph: RegionGraph, cue: np.ndarray) -> RegionGraph:
    """The graph with one more cue, last, of which (E,) is the mean along each border."""
    added = (cue * graph.length)[:, None].astype(np.float32)
    return replace(graph, strength=np.concatenate([graph.strength, added], axis=1))
