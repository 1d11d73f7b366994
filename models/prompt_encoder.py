"""SAM's prompt encoder of `transformers`, with any mixture of clicks and boxes, and tokens for granularity and text."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn
from transformers.models.sam.modeling_sam import SamPromptEncoder

from models.prompts import BACKGROUND, FOREGROUND, NO_POINT, TOP_LEFT, Prompts

_WAVES = 32
_BLOB = 0.025
_STRENGTH = 4.0


def point_tokens(encoder: SamPromptEncoder, prompts: Prompts) -> torch.Tensor:
    """(N, T, D) tokens of points and box corners; the same as the stock encoder's, box and clicks in one tensor."""
    tokens = _encoded(encoder, (prompts.points + 0.5) / encoder.input_image_size)
    known = [cast(nn.Embedding, kind).weight for kind in encoder.point_embed]
    kinds = torch.cat([encoder.not_a_point_embed.weight, *known])
    placed = (prompts.labels != NO_POINT)[..., None]
    return torch.where(placed, tokens, 0) + kinds[prompts.labels + 1]


def dense_tokens(encoder: SamPromptEncoder, masks: torch.Tensor | None) -> torch.Tensor:
    """(N, D, h, w) of mask prompts (N, 4h, 4w), or (1, D, 1, 1) that says there is none."""
    if masks is None:
        return encoder.no_mask_embed.weight[..., None, None]
    return encoder.mask_embed(masks[:, None])


def cell_positions(encoder: SamPromptEncoder, size: tuple[int, int]) -> torch.Tensor:
    """(1, D, h, w) encodings of the centres of an embedding's cells."""
    device = encoder.no_mask_embed.weight.device
    rows, columns = (((torch.arange(side, device=device) + 0.5) / side) for side in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return _encoded(encoder, torch.stack([x, y], -1)).permute(2, 0, 1)[None]


def _encoded(encoder: SamPromptEncoder, places: torch.Tensor) -> torch.Tensor:
    """Waves of places in [0, 1]²; in full precision, whatever the rest computes in, as halves would blur them."""
    with torch.autocast(places.device.type, enabled=False):
        return encoder.shared_embedding(places.float())


def drawing(prompts: Prompts, grid: int, side: int) -> torch.Tensor:
    """Prompts as maps (N, 2, grid, grid): bumps at clicks, negative ones for background, a box as inside and outside.

    The second map is -1 more than a cell outside of a box, and 0 elsewhere: where no mask of the box can be.

    Args:
        side: of the model's input, in whose pixels the prompts are.
    """
    places = (torch.arange(grid, device=prompts.points.device) + 0.5) * side / grid
    offsets = places - (prompts.points[..., None] + 0.5)  # (N, T, 2, grid): x, then y
    bumps = torch.exp(-0.5 * (offsets / (_BLOB * side)).square())
    signs = (prompts.labels == FOREGROUND).float() - (prompts.labels == BACKGROUND).float()
    maps = _STRENGTH * torch.einsum("nt,nty,ntx->nyx", signs, bumps[:, :, 1], bumps[:, :, 0])
    boxed, corner = (prompts.labels == TOP_LEFT).max(1)
    rows = torch.arange(len(prompts), device=corner.device)
    first, last = offsets[rows, corner], offsets[rows, (corner + 1).clamp(max=offsets.shape[1] - 1)]  # corners follow
    frames = [
        torch.einsum("ny,nx->nyx", inside[:, 1], inside[:, 0])
        for inside in (((first >= -margin) & (last <= margin)).float() for margin in (0, side / grid))
    ]
    boxed = boxed[:, None, None]
    return torch.stack([maps + boxed * (frames[0] - 0.5) * _STRENGTH, boxed * (frames[1] - 1)], 1)


class GranularityToken(nn.Module):
    """One scalar in [0.1, 1] as a token, through sines and cosines (UnSAMv2); a learned one where none is asked for."""

    frequencies: torch.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * torch.logspace(0, 4, _WAVES, 2.0), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * _WAVES, dim), nn.GELU(), nn.Linear(dim, dim))
        self.not_asked = nn.Embedding(1, dim)

    def forward(self, granularity: torch.Tensor) -> torch.Tensor:
        """(N, 1, D) of (N,), NaN where none is asked for."""
        asked = torch.isfinite(granularity)[:, None]
        angles = torch.nan_to_num(granularity)[:, None] * self.frequencies
        tokens = self.layers(torch.cat([angles.sin(), angles.cos()], 1))
        return torch.where(asked, tokens, self.not_asked.weight)[:, None]


class TextToken(nn.Module):
    """A CLIP embedding, of a picture in training and of words in use, as a token (SAM's appendix on text)."""

    def __init__(self, text_dim: int, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(text_dim, dim)
        self.not_asked = nn.Embedding(1, dim)

    def forward(self, text: torch.Tensor | None, count: int) -> torch.Tensor:
        """(N, 1, D) of (N, text_dim), a row of NaN or None where nothing is asked for."""
        if text is None:
            return self.not_asked.weight.expand(count, 1, -1)
        asked = torch.isfinite(text).all(1, keepdim=True)
        return torch.where(asked, self.projection(torch.nan_to_num(text)), self.not_asked.weight)[:, None]
