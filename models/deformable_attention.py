"""The pixel decoder's deformable attention a few thousand tokens at a time, where no gradient is wanted.

It samples twelve values a token and head (Zhu et al. 2021). For all 32,000 tokens of a 1024 x 1536 image at once that
is more than a gigabyte, several times what the rest of the model needs; tokens do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoder,
    Mask2FormerPixelDecoderEncoderLayer,
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
)

_TOKENS = 4096
_BY_TOKEN = ("position_embeddings", "reference_points")


class ChunkedDeformableAttention(Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention):
    """transformers' attention with the same weights and the same results, in bounded memory."""

    def forward(self, hidden_states: torch.Tensor, *arguments: Any, **named: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Attended tokens (B, S, C) and their weights; arguments as those of transformers, which names all but one."""
        tokens = hidden_states.shape[1]
        if torch.is_grad_enabled() or tokens <= _TOKENS:
            return super().forward(hidden_states, *arguments, **named)
        parts = []
        for start in range(0, tokens, _TOKENS):
            rows = slice(start, start + _TOKENS)
            own = {name: named[name][:, rows] for name in _BY_TOKEN}
            parts.append(super().forward(hidden_states[:, rows], *arguments, **named | own))
        outputs, weights = zip(*parts, strict=True)
        return torch.cat(outputs, dim=1), torch.cat(weights, dim=1)


class LeanPixelDecoder(Mask2FormerPixelDecoder):
    """transformers' pixel decoder with that attention."""

    def __init__(self, config: Mask2FormerConfig, feature_channels: Sequence[int]) -> None:
        super().__init__(config, feature_channels=feature_channels)
        for child in self.encoder.layers:
            layer = cast(Mask2FormerPixelDecoderEncoderLayer, child)
            stock = layer.self_attn
            layer.self_attn = ChunkedDeformableAttention(stock.d_model, stock.n_heads, stock.n_levels, stock.n_points)
