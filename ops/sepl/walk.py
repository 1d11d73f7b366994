"""A random walk over the body's features, which carries activations to pixels that look alike (AffinityNet, spec 9.2).

The transition from i to j is relu(cos(f_i, f_j))^power between cells at most `radius` apart, normalised over j.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def random_walk(
    activations: torch.Tensor, features: torch.Tensor, radius: float, power: float, steps: int
) -> torch.Tensor:
    """Spread maps over a grid.

    Args:
        activations: (K, h, w) float32, not negative.
        features: (C, h, w) float32 of the same grid.
        radius: cells.
        power: exponent of the cosine; larger keeps to what is more alike.
        steps: of the walk.

    Returns:
        (K, h, w) float32, each map scaled to a largest value of 1 where it has any.
    """
    height, width = activations.shape[1:]
    weights = _weights(features, radius, power)
    spread = activations.reshape(len(activations), -1).T
    degrees = weights.sum(dim=1, keepdim=True)
    for _ in range(steps):
        spread = (weights @ spread) / degrees
    return scaled_to_one(spread.T.reshape(len(activations), height, width))


def affinity_features(maps: Sequence[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """The body's maps (1, C_i, h_i, w_i) at one size: each centred, of unit length, resized and stacked, (C, h, w)."""
    parts = []
    for each in maps:
        centred = each - each.mean(dim=(2, 3), keepdim=True)
        parts.append(functional.interpolate(functional.normalize(centred, dim=1), size, mode="bilinear"))
    return torch.cat(parts, dim=1)[0]


def scaled_to_one(maps: torch.Tensor) -> torch.Tensor:
    """Maps (K, h, w) with negative values cut off and the largest value 1; a map without any stays 0."""
    positive = maps.clamp(min=0)
    largest = positive.amax(dim=(1, 2), keepdim=True)
    return torch.where(largest > 0, positive / largest.clamp(min=torch.finfo(torch.float32).tiny), positive)


def _weights(features: torch.Tensor, radius: float, power: float) -> torch.Tensor:
    """(N, N) float32, N = h · w; a cell is always its own neighbour."""
    channels, height, width = features.shape
    unit = functional.normalize(features.reshape(channels, -1).T, dim=1)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns], dim=-1).reshape(-1, 2).float().to(features.device)
    weights = (unit @ unit.T).clamp_(min=0).pow_(power)
    weights[torch.cdist(places, places) > radius] = 0
    return weights.fill_diagonal_(1)
