"""Views with known candidates: label maps of a few leaves, and any unions of them."""

import numpy as np

from ops.grouping.views import Proposed
from ops.pixel_tree.proposals import LeafSets


def proposed(labels: np.ndarray, sets: list[list[int]], score: list[float]) -> Proposed:
    leaves = [np.array(own, np.int32) for own in sets]
    offsets = np.cumsum([0] + [len(own) for own in leaves]).astype(np.int64)
    return Proposed(labels.astype(np.int32), LeafSets(offsets, np.concatenate(leaves)), np.array(score, np.float32))


def random_view(seed: int, size: tuple[int, int], leaves: int = 12, candidates: int = 9) -> Proposed:
    """Leaves that are cells of a random map, candidates that are random unions; best first."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, leaves, size)
    labels.reshape(-1)[:leaves] = np.arange(leaves)
    sets = [generator.choice(leaves, generator.integers(1, leaves), replace=False).tolist() for _ in range(candidates)]
    return proposed(labels, sets, np.sort(generator.uniform(0.05, 0.95, candidates))[::-1].tolist())


def frames(view: Proposed) -> np.ndarray:
    """(m, h, w) bool, the candidates of a view at its own size."""
    sets = view.sets
    return np.stack(
        [np.isin(view.labels, sets.leaves[a:b]) for a, b in zip(sets.offsets[:-1], sets.offsets[1:], strict=True)]
    )
