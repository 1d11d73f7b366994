"""Photos that a training sees more often than others."""

from __future__ import annotations

import numpy as np

from ops.training_source import TrainingSource
from stores.masks import MaskSet


class Oversampled:
    """A `TrainingSource` in which some photos come so often that they make a share of all samples, or nearly so.

    Args:
        source: every photo once.
        favoured: (n,) bool, which of its photos to repeat.
        share: what they are to make of all, in [0, 1); where they make more already, nothing is repeated.
    """

    def __init__(self, source: TrainingSource, favoured: np.ndarray, share: float) -> None:
        self._source = source
        chosen, others = np.flatnonzero(favoured), np.flatnonzero(~favoured)
        wanted = share / (1 - share) * len(others)
        times = max(1, round(wanted / len(chosen))) if len(chosen) else 1
        self._indices = np.concatenate([others, np.tile(chosen, times)]) if times > 1 else np.arange(len(source))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        """As the source's."""
        return self._source[int(self._indices[index])]
