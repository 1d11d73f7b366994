"""Scores in (0, 1) as log-odds."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

_SURE = 1e-6


def log_odds(score: np.ndarray) -> np.ndarray:
    """float64, finite also for scores of 0 and 1."""
    own = np.clip(score.astype(np.float64), _SURE, 1 - _SURE)
    return np.log(own / (1 - own))


def shifted(score: np.ndarray, by: np.ndarray | float) -> np.ndarray:
    """Scores whose log-odds are moved, float32."""
    return scores(log_odds(score) + by)


def scores(odds: np.ndarray) -> np.ndarray:
    """Scores in (0, 1) of log-odds, float32."""
    return expit(odds).astype(np.float32)
