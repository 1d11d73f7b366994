"""How fine or coarse a mask is within its object, as one number (UnSAMv2; spec 3.4)."""

from __future__ import annotations

import numpy as np


def granularity(areas: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """0.1 + 0.9 · (√a − √a_min) / (√a_max − √a_min), the extremes taken over the masks under the same root.

    Args:
        areas: (n,) pixels.
        roots: (n,) index of the root that each mask hangs under, itself for a root.

    Returns:
        (n,) float32 in [0.1, 1]; 1 where all masks under a root have one size.
    """
    side = np.sqrt(np.asarray(areas, np.float64))
    smallest = np.full(len(side), np.inf)
    largest = np.zeros(len(side))
    np.minimum.at(smallest, roots, side)
    np.maximum.at(largest, roots, side)
    span = (largest - smallest)[roots]
    position = np.divide(side - smallest[roots], span, out=np.ones_like(side), where=span > 0)
    return (0.1 + 0.9 * position).astype(np.float32)
