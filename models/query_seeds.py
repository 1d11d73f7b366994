"""Queries that begin where they stand: the pixel decoder's features at the cells of a grid.

Learned queries find out over hundreds of thousands of steps where in the frame each of them looks; a query that starts
from what the image shows at its cell need not. It is the idea of Deformable DETR's two-stage queries (Zhu et al. 2021)
and Mask DINO's (Li et al. 2023) without their selection: every cell gives a fixed number of queries, one a granularity,
so that a larger image has more of them.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class GridSeeds(nn.Module):
    """States and places of the queries of an image.

    Args:
        dim: width of the decoder.
        stride: pixels of the input between two cells; a multiple of the stride of the features that are given.
        levels: queries a cell.
    """

    def __init__(self, dim: int, stride: int, levels: int) -> None:
        super().__init__()
        self.stride = stride
        self.content = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim))
        self.state_of_level = nn.Embedding(levels, dim)
        self.place_of_level = nn.Embedding(levels, dim)

    def forward(
        self, features: torch.Tensor, positions: torch.Tensor, feature_stride: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cells in rows, the levels of a cell side by side.

        Args:
            features: (B, C, h, w).
            positions: (1, C, h, w), as the decoder adds them to its memories.
            feature_stride: of both.

        Returns:
            (B, Q, C) states and (B, Q, C) places.
        """
        kernel = self.stride // feature_stride
        content = self.content(_cells(features, kernel))[:, :, None] + self.state_of_level.weight
        places = _cells(positions, kernel)[:, :, None] + self.place_of_level.weight
        return content.flatten(1, 2), places.flatten(1, 2).expand(len(features), -1, -1)


def _cells(maps: torch.Tensor, kernel: int) -> torch.Tensor:
    """Means (B, cells, C) of squares of `kernel` pixels; the last row and column may be of smaller ones."""
    pooled = functional.avg_pool2d(maps, kernel, ceil_mode=True, count_include_pad=False)
    return pooled.flatten(2).transpose(1, 2)
