"""What a grid of tokens looks like in numbers: a backbone that is broken or mismatched shows here first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.backbone import BackboneDefaults
from ops.features import normalise_tokens

_MOST_TOKENS = 900


def token_statistics(tokens: np.ndarray, defaults: BackboneDefaults) -> dict[str, float]:
    """Numbers about the tokens (h, w, C) of one image.

    Returns:
        rows, columns, channels: shape of the grid. finite: share of finite values. norm: mean length of a token.
        spread: mean distance of a token from the mean token, in units of `norm`; 0 where all are equal.
        linked: share of token pairs whose cosine exceeds the backbone's tau, as MaskCut sees them.
    """
    rows, columns, channels = tokens.shape
    finite = float(np.isfinite(tokens).mean())
    flat = np.nan_to_num(tokens.reshape(-1, channels).astype(np.float32), posinf=0, neginf=0)
    norm = float(np.linalg.norm(flat, axis=1).mean())
    spread = float(np.linalg.norm(flat - flat.mean(axis=0), axis=1).mean())
    unit = normalise_tokens(flat[:: max(1, len(flat) // _MOST_TOKENS), None], defaults.centre)[:, 0]
    return {
        "rows": rows,
        "columns": columns,
        "channels": channels,
        "finite": finite,
        "norm": norm,
        "spread": spread / norm if norm else 0.0,
        "linked": float((unit @ unit.T > defaults.tau).mean()),
    }


def mean_statistics(several: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over several images; empty for none."""
    if not several:
        return {}
    return {name: float(np.mean([one[name] for one in several])) for name in several[0]}
